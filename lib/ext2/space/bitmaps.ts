// Owns the bitmaps of one kind, of blocks or of inodes: loaded group by group when they are needed, checked, changed in
// memory, and stored before anything relies on what they say is taken.

import { clearRun, countClear, isRun, setRun } from '../format/bits.js';
import type { Super } from './super.js';

/** The bitmap of one group. */
export interface Bitmap {
  readonly group: number;
  /** As it is on the medium, or will be after `flush`. */
  readonly bits: Uint8Array<ArrayBuffer>;
  /** The same, and besides what is reserved for files that are being written, and what is not there to be given away. */
  readonly busy: Uint8Array<ArrayBuffer>;
  /** Bits that exist. */
  readonly count: number;
  free: number;
  /** The bytes that changed: [from, to). */
  dirtyFrom: number;
  dirtyTo: number;
  /** No bit before this one is clear in `busy`. */
  hint: number;
}

/** What tells bitmaps of blocks and of inodes apart. */
export interface BitmapKind {
  /** The free ones of a group, as its descriptor counts them. */
  readonly countName: 'bg_free_blocks_count' | 'bg_free_inodes_count';
  blockOf(group: number): number;
  bitsIn(group: number): number;
  /** Throws for a bitmap that cannot be; marks as busy what must never be given away. */
  check(bitmap: Bitmap): void;
}

export class Bitmaps {
  readonly #sb: Super;
  readonly #kind: BitmapKind;
  readonly #loaded: (Bitmap | undefined)[] = [];
  // Each once.
  readonly #dirty: Bitmap[] = [];
  /** The clear bits of all groups: what the descriptors say, corrected when a bitmap is loaded. */
  free: number;

  constructor(sb: Super, kind: BitmapKind) {
    this.#sb = sb;
    this.#kind = kind;
    this.free = sb.groups.total(kind.countName);
  }

  /** The bitmap of a group. A count that is not its descriptor's corrects the descriptor's. */
  load(group: number): Bitmap {
    const known = this.#loaded[group];
    if (known !== undefined) return known;
    const { medium, blockSize, groups } = this.#sb;
    const bits = medium.load(this.#kind.blockOf(group) * blockSize, blockSize);
    const count = this.#kind.bitsIn(group);
    const free = countClear(bits, count);
    const bitmap = { group, bits, busy: bits.slice(), count, free, dirtyFrom: blockSize, dirtyTo: 0, hint: 0 };
    this.#kind.check(bitmap);
    const told = groups.get(this.#kind.countName, group);
    if (told !== free) {
      this.free += free - told;
      if (!medium.isSealed) groups.set(this.#kind.countName, group, free);
    }
    return (this.#loaded[group] = bitmap);
  }

  /** Marks `count` bits of a group as taken, in memory. */
  take(bitmap: Bitmap, from: number, count: number): void {
    setRun(bitmap.bits, from, count);
    setRun(bitmap.busy, from, count);
    this.#changed(bitmap, from, count, -count);
  }

  /** Marks them as free again. False, and nothing is changed, if one of them was not taken. */
  give(bitmap: Bitmap, from: number, count: number): boolean {
    if (!isRun(bitmap.bits, from, count, true)) return false;
    clearRun(bitmap.bits, from, count);
    clearRun(bitmap.busy, from, count);
    bitmap.hint = Math.min(bitmap.hint, from);
    this.#changed(bitmap, from, count, count);
    return true;
  }

  /** Makes what is taken durable before the next store, which may point there. What is free again comes along. */
  flush(): void {
    const { medium, blockSize } = this.#sb;
    for (let bitmap = this.#dirty.at(-1); bitmap !== undefined; bitmap = this.#dirty.at(-1)) {
      const pos = this.#kind.blockOf(bitmap.group) * blockSize;
      medium.stage(pos + bitmap.dirtyFrom, bitmap.bits.subarray(bitmap.dirtyFrom, bitmap.dirtyTo));
      bitmap.dirtyFrom = blockSize;
      bitmap.dirtyTo = 0;
      this.#dirty.pop();
    }
  }

  /** Loads every bitmap, so that all counts are what the bitmaps say. */
  loadAll(): void {
    for (let group = 0; group < this.#sb.groups.count; group++) this.load(group);
  }

  #changed(bitmap: Bitmap, from: number, count: number, freed: number): void {
    if (bitmap.dirtyTo === 0) this.#dirty.push(bitmap);
    bitmap.dirtyFrom = Math.min(bitmap.dirtyFrom, Math.floor(from / 8));
    bitmap.dirtyTo = Math.max(bitmap.dirtyTo, Math.ceil((from + count) / 8));
    bitmap.free += freed;
    this.free += freed;
    this.#sb.groups.set(this.#kind.countName, bitmap.group, bitmap.free);
  }
}
