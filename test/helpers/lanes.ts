// Owns the check of a file to whose words threads store while another thread takes its pages away. Each thread has words of its
// own, the values tell which thread stored them and when, and counters tell what was destroyed meanwhile.

/** Words of a page that have an owner: eight threads' and the file's owner's. */
export const LANES = 9;
/** The lane of the thread that owns the file. */
export const OWNER = LANES - 1;

const STOP = 0;
const SIZE = 1;
const HEADER = 2;
const WRITER_SHIFT = 28;

/** A value that was in a word, and the count of what happened to the word before and after it was there. */
export interface Stored {
  value: number;
  before: number;
  after: number;
  /** The word was in the file. Otherwise only the mapping has it, and may lose it at any time. */
  isInFile: boolean;
}

/** What all threads share: `postMessage` `shared`, and make another of it there. */
export class Lanes {
  readonly shared: SharedArrayBuffer;
  readonly page: number;
  readonly pages: number;
  readonly #words: Int32Array;

  constructor(page: number, pages: number, shared = new SharedArrayBuffer(4 * (HEADER + LANES + pages * LANES))) {
    this.shared = shared;
    this.page = page;
    this.pages = pages;
    this.#words = new Int32Array(shared);
  }

  /** Where in the file a lane's word of a page is. */
  positionOf(page: number, lane: number): number {
    return page * this.page + Math.floor((lane * this.page) / LANES / 4) * 4;
  }

  stop(): void {
    Atomics.store(this.#words, STOP, 1);
  }

  get isStopped(): boolean {
    return Atomics.load(this.#words, STOP) === 1;
  }

  get size(): number {
    return Atomics.load(this.#words, SIZE);
  }

  set size(size: number) {
    Atomics.store(this.#words, SIZE, size);
  }

  /** The next value that a lane's owner may store: nobody has seen it before. */
  next(lane: number): number {
    return (lane + 1) * 2 ** WRITER_SHIFT + Atomics.add(this.#words, HEADER + lane, 1) + 1;
  }

  /** Odd while the word is being destroyed; goes up by two each time. A full fence. */
  countOf(page: number, lane: number): number {
    return Atomics.add(this.#words, this.#counter(page, lane), 0);
  }

  /** Destroys what is in `[pos, end)` of the file by `work`. */
  async destroy(pos: number, end: number, work: () => Promise<void>): Promise<void> {
    this.#bump(pos, end);
    await work();
    this.#bump(pos, end);
  }

  /** Whether a lane's word may hold `value`, whoever looks: nothing, or what its owner has stored there. */
  isPlausible(lane: number, value: number): boolean {
    if (value === 0) return true;
    const generation = value % 2 ** WRITER_SHIFT;
    const isOwn = Math.floor(value / 2 ** WRITER_SHIFT) === lane + 1;
    return isOwn && generation > 0 && generation <= Atomics.load(this.#words, HEADER + lane);
  }

  #counter(page: number, lane: number): number {
    return HEADER + LANES + page * LANES + lane;
  }

  #bump(pos: number, end: number): void {
    for (let page = Math.floor(pos / this.page); page < Math.min(this.pages, Math.ceil(end / this.page)); page++) {
      for (let lane = 0; lane < LANES; lane++) {
        const at = this.positionOf(page, lane);
        if (at >= pos && at < end) Atomics.add(this.#words, this.#counter(page, lane), 1);
      }
    }
  }
}

/** Whether the owner of a word may find `value` there. `before` and `after`: the word's count around the look. */
export function isExpected(stored: Stored | undefined, value: number, before: number, after: number): boolean {
  if (stored === undefined) return value === 0;
  // Nothing was destroyed from before the store until after the look.
  if (stored.isInFile && stored.before % 2 === 0 && stored.before === after) return value === stored.value;
  // Something was, from its beginning to its end, between the two.
  if (before >= stored.after + (stored.after % 2) + 2) return value === 0;
  return value === 0 || value === stored.value;
}

/** What is known of a word that was looked at: what was seen was there then. */
export function afterLook(stored: Stored | undefined, value: number, before: number, after: number): Stored | undefined {
  if (stored === undefined) return undefined;
  if (value !== 0) return { ...stored, before, after };
  // While it is being destroyed it may be gone from one mapping, and be seen through the next.
  return before === after && before % 2 === 0 ? undefined : stored;
}
