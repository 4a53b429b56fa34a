// Owns the blocks of one file that are in flight: allocated for a write that has not ended, so no pointer on the medium may refer
// to them yet.

/** Consecutive blocks of the file. */
export interface FileBlocks {
  iblock: number;
  count: number;
}

export class BlocksInFlight {
  #runs: FileBlocks[] = [];

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  /** The number of blocks in flight. */
  get count(): number {
    let sum = 0;
    for (const { count } of this.#runs) sum += count;
    return sum;
  }

  has(iblock: number): boolean {
    return this.#runs.some((run) => iblock >= run.iblock && iblock < run.iblock + run.count);
  }

  /** The length of the run from `iblock` on, of at most `count` blocks, that is entirely in flight or entirely not. */
  same(iblock: number, count: number): number {
    let end = iblock + count;
    for (const run of this.#runs) {
      const runEnd = run.iblock + run.count;
      if (iblock >= run.iblock && iblock < runEnd) return Math.min(end, runEnd) - iblock;
      if (run.iblock > iblock && run.iblock < end) end = run.iblock;
    }
    return end - iblock;
  }

  /** Marks `count` blocks from `iblock` on as in flight. None of them may be in flight yet. */
  add(iblock: number, count: number): void {
    const last = this.#runs.at(-1);
    if (last !== undefined && last.iblock + last.count === iblock) last.count += count;
    else this.#runs.push({ iblock, count });
  }

  /** Marks the blocks from `from` to before `to` as no longer in flight. */
  drop(from: number, to: number): void {
    const runs = this.#runs;
    if (runs.length === 0) return;
    const left: FileBlocks[] = [];
    for (const run of runs) {
      const end = run.iblock + run.count;
      if (end <= from || run.iblock >= to) {
        left.push(run);
        continue;
      }
      if (run.iblock < from) left.push({ iblock: run.iblock, count: from - run.iblock });
      if (end > to) left.push({ iblock: to, count: end - to });
    }
    this.#runs = left;
  }

  /** Drops all blocks in flight, and returns them. */
  dropAll(): readonly FileBlocks[] {
    const runs = this.#runs;
    if (runs.length > 0) this.#runs = [];
    return runs;
  }
}
