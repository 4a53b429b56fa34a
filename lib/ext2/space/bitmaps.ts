// Owns the bitmaps of one kind, of blocks or of inodes: loaded and checked group by group on first use, changed in memory, and
// stored before anything relies on an allocation.

import { clearRun, countClear, isRun, setRun } from '../format/bits.js';
import type { Super } from './super.js';

/** The bitmap of one group. */
export interface Bitmap {
  readonly group: number;
  /** The bits as they are on the medium, or will be after `flush`. */
  readonly bits: Uint8Array<ArrayBuffer>;
  /** `bits`, plus what is reserved for files being written and what must never be allocated. */
  readonly busy: Uint8Array<ArrayBuffer>;
  /** The number of valid bits. */
  readonly count: number;
  free: number;
  /** The range [from, to) of changed bytes. */
  dirtyFrom: number;
  dirtyTo: number;
  /** No bit before this one is clear in `busy`. */
  hint: number;
}

/** What differs between block bitmaps and inode bitmaps. */
export interface BitmapKind {
  /** The descriptor's field with the group's free count. */
  readonly countName: 'bg_free_blocks_count' | 'bg_free_inodes_count';
  blockOf(group: number): number;
  bitsIn(group: number): number;
  /** Throws for an invalid bitmap; marks as busy what must never be allocated. */
  check(bitmap: Bitmap): void;
}

export class Bitmaps {
  readonly #sb: Super;
  readonly #kind: BitmapKind;
  readonly #loaded: (Bitmap | undefined)[] = [];
  // Bitmaps with changed bytes, each once.
  readonly #dirty: Bitmap[] = [];
  /** The free count of all groups: as the descriptors say, corrected as bitmaps are loaded. */
  free: number;

  constructor(sb: Super, kind: BitmapKind) {
    this.#sb = sb;
    this.#kind = kind;
    this.free = sb.groups.total(kind.countName);
  }

  /** The bitmap of a group, loaded on first use. A wrong free count in the group's descriptor is corrected. */
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
      if (!this.#sb.readOnly) groups.set(this.#kind.countName, group, free);
    }
    return (this.#loaded[group] = bitmap);
  }

  /** Marks `count` bits of a group as taken, in memory. */
  take(bitmap: Bitmap, from: number, count: number): void {
    setRun(bitmap.bits, from, count);
    setRun(bitmap.busy, from, count);
    this.#changed(bitmap, from, count, -count);
  }

  /** Marks `count` bits as free. Returns false, and changes nothing, if one of them was not taken. */
  give(bitmap: Bitmap, from: number, count: number): boolean {
    if (!isRun(bitmap.bits, from, count, true)) return false;
    clearRun(bitmap.bits, from, count);
    clearRun(bitmap.busy, from, count);
    bitmap.hint = Math.min(bitmap.hint, from);
    this.#changed(bitmap, from, count, count);
    return true;
  }

  /** Makes allocations durable before the next store, which may point to them. Freed bits are stored with them. */
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

  /** Loads every bitmap, which corrects all free counts to what the bitmaps say. */
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
