// Owns the locks of a file's pages. A fault holds them, and so does a write while it fills blocks that hold garbage.

import { assertOrder, noteReleased, noteTaken, type Ranked } from './lock-order.js';

/** A lock on bytes of a file. Give it to `unlock` to release it. */
export interface LockedPages extends Ranked {
  readonly start: number;
  readonly end: number;
  /** Whether a write is filling these bytes, so some of their blocks still hold garbage. */
  readonly isFilling: boolean;
}

/** The kernel's entry locks, on ranges of bytes. No operation that holds one waits for another. */
export class PageLocks {
  // There are few at a time: one for each read, write or fault under way.
  readonly #held: LockedPages[] = [];
  #whenFreed: (() => void)[] = [];

  /** Whether no lock is held. */
  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Locks bytes [start, end) of the file, which are whole blocks or pages. Returns undefined if one of them is locked. */
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

  /** The first of the bytes [start, end) that a write is filling; `end` if there is none. */
  firstFilling(start: number, end: number): number {
    let first = end;
    for (const other of this.#held) {
      if (other.isFilling && other.start < first && other.end > start) first = Math.max(start, other.start);
    }
    return first;
  }

  /** Resolves when a lock that is held now is released; at once if none is held. */
  async change(): Promise<void> {
    if (this.#held.length > 0) await new Promise<void>((resolve) => this.#whenFreed.push(resolve));
  }
}
