// Owns which page of memory each page of a device has: three levels, as an x86 page table, so that holes cost nothing.

// Pages that one table leads to: 2 MiB of the device.
const ENTRIES = 512;

/**
 * Page numbers of a device, and the number that each was given: 4 bytes a page where pages lie together, and 2 KiB where one is
 * alone in its 2 MiB. A look-up takes three steps, however many there are.
 */
export class PageTable {
  readonly #root: ((Uint32Array | undefined)[] | undefined)[] = [];

  /** The number of a page, from 0 on; undefined for a hole. */
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

  /** The first page from `page` on, and before `end`, that is none of a table that was never made: to go over holes fast. */
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
