// Owns the table from pages to numbers, such as pages of memory: three levels, as an x86 page table, so holes cost nothing.

// Pages in one table: 2 MiB of the device.
const ENTRIES = 512;

/**
 * A map from page numbers to numbers. It takes 4 bytes for each page where pages are dense, and 2 KiB for a page that is alone in
 * its 2 MiB. A look-up takes three steps, however many pages there are.
 */
export class PageTable {
  readonly #root: ((Uint32Array | undefined)[] | undefined)[] = [];

  /** The number, from 0 on, that a page was given; undefined if it has none. */
  get(page: number): number | undefined {
    const index = Math.floor(page / ENTRIES);
    const entry = this.#root[Math.floor(index / ENTRIES)]?.[index % ENTRIES]?.[page % ENTRIES];
    return entry === undefined || entry === 0 ? undefined : entry - 1;
  }

  set(page: number, number: number): void {
    this.#tableOf(page)[page % ENTRIES] = number + 1;
  }

  delete(page: number): void {
    this.#tableOf(page)[page % ENTRIES] = 0;
  }

  /** The first page from `page` on whose table exists, or `end`. It skips large holes fast. */
  skip(page: number, end: number): number {
    for (let at = page; at < end; at = (Math.floor(at / ENTRIES) + 1) * ENTRIES) {
      const index = Math.floor(at / ENTRIES);
      if (this.#root[Math.floor(index / ENTRIES)]?.[index % ENTRIES] !== undefined) return at;
    }
    return end;
  }

  #tableOf(page: number): Uint32Array {
    const index = Math.floor(page / ENTRIES);
    const directory = (this.#root[Math.floor(index / ENTRIES)] ??= new Array<Uint32Array | undefined>(ENTRIES).fill(undefined));
    return (directory[index % ENTRIES] ??= new Uint32Array(ENTRIES));
  }
}
