// Owns the record of the blocks that a check found claimed: per group a count if they are its first ones, else a bitmap.

import { countClear, isRun, isSet, setRun } from '../format/bits.js';
import type { Geometry } from '../format/geometry.js';

export class ClaimedBlocks {
  readonly #geometry: Geometry;
  // For each group without a bitmap: how many of its first blocks are claimed; no others are.
  readonly #heads: Uint32Array;
  readonly #bitmaps: (Uint8Array | undefined)[];
  readonly #scratch: Uint8Array;

  constructor(geometry: Geometry) {
    this.#geometry = geometry;
    this.#heads = new Uint32Array(geometry.groups);
    this.#bitmaps = new Array<Uint8Array | undefined>(geometry.groups).fill(undefined);
    this.#scratch = new Uint8Array(geometry.blocksPerGroup / 8);
  }

  has(block: number): boolean {
    const { group, index } = this.#place(block);
    const bitmap = this.#bitmaps[group];
    return bitmap === undefined ? index < (this.#heads[group] as number) : isSet(bitmap, index);
  }

  /** Claims blocks of one group. Returns false if one of them was claimed before. All of them are claimed afterwards. */
  claim(block: number, count: number): boolean {
    const { group, index } = this.#place(block);
    let bitmap = this.#bitmaps[group];
    if (bitmap === undefined) {
      const head = this.#heads[group] as number;
      if (index === head) {
        this.#heads[group] = head + count;
        return true;
      }
      if (index + count <= head) return false;
      bitmap = new Uint8Array(this.#scratch.length);
      setRun(bitmap, 0, head);
      this.#bitmaps[group] = bitmap;
    }
    const isFirst = isRun(bitmap, index, count, false);
    setRun(bitmap, index, count);
    return isFirst;
  }

  /** The block bitmap that the group should have. Valid until the next call. */
  bitmap(group: number): Uint8Array {
    const bitmap = this.#bitmaps[group];
    if (bitmap !== undefined) return bitmap;
    this.#scratch.fill(0);
    setRun(this.#scratch, 0, this.#heads[group] as number);
    return this.#scratch;
  }

  /** How many of the first `count` blocks of a group are unclaimed. */
  free(group: number, count: number): number {
    const bitmap = this.#bitmaps[group];
    return bitmap === undefined ? count - (this.#heads[group] as number) : countClear(bitmap, count);
  }

  #place(block: number): { group: number; index: number } {
    const { firstDataBlock, blocksPerGroup } = this.#geometry;
    const index = block - firstDataBlock;
    return { group: Math.floor(index / blocksPerGroup), index: index % blocksPerGroup };
  }
}
