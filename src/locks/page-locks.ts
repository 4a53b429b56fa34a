// Owns the locks of a file's pages: held by a fault, and by a write for as long as it fills blocks that hold garbage.

import { assertOrder, noteReleased, noteTaken, type Ranked } from './lock-order.js';

/** Bytes of a file that somebody holds. Give it back to `unlock`. */
export interface LockedPages extends Ranked {
  readonly start: number;
  readonly end: number;
  /** Blocks of them hold garbage, for as long as it takes. */
  readonly isFilling: boolean;
}

/** The kernel's entry locks, by ranges. Nothing that holds one waits for another. */
export class PageLocks {
  // Few at a time: an I/O has one, and a page fault.
  readonly #held: LockedPages[] = [];
  #whenFreed: (() => void)[] = [];

  /** Nobody holds one. */
  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Locks bytes [start, end) of the file, which are whole blocks or pages, unless one of them is locked. */
  tryLock(start: number, end: number, isFilling = false): LockedPages | undefined {
    for (const other of this.#held) if (start < other.end && other.start < end) return undefined;
    const locked: LockedPages = { start, end, isFilling, rank: 'page entry' };
    assertOrder(locked);
    this.#held.push(locked);
    noteTaken(locked);
    return locked;
  }

  unlock(locked: LockedPages): void {
    noteReleased(locked);
    const index = this.#held.indexOf(locked);
    if (index >= 0) this.#held.splice(index, 1);
    if (this.#whenFreed.length > 0) for (const wake of this.#whenFreed.splice(0)) wake();
  }

  /** The first of the bytes [start, end) that a write fills; `end` if none is. */
  firstFilling(start: number, end: number): number {
    let first = end;
    for (const other of this.#held) {
      if (other.isFilling && other.start < first && other.end > start) first = Math.max(start, other.start);
    }
    return first;
  }

  /** Resolves when one that is locked now was unlocked; at once if none is. */
  async change(): Promise<void> {
    if (this.#held.length > 0) await new Promise<void>((resolve) => this.#whenFreed.push(resolve));
  }
}
