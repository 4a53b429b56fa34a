// Owns the block allocator: gives files long runs near where they should be, and takes blocks back.

import { DaxError } from 'node-dax';
import { Bitmaps, type Bitmap } from './bitmaps.js';
import { clearRun, findRun, firstClear, isRun, isSet, runLength, setRun } from '../format/bits.js';
import type { Super } from './super.js';

/** Contiguous blocks. */
export interface BlockRun {
  block: number;
  count: number;
}

/** Free blocks kept for one file while it grows. They are recorded only in memory. */
export interface Window {
  start: number;
  end: number;
  /** The length of the next window, in blocks; it grows with the file. */
  length: number;
}

const FIRST_WINDOW = 8;
const LARGEST_WINDOW = 2048;
// The maximum number of windows at a time: a file that is not closed keeps its window, although it may never grow again.
const MOST_WINDOWS = 256;
// How many groups with free blocks are searched for a long run before a short one is taken.
const PATIENCE = 4;

export class BlockAllocator {
  readonly #sb: Super;
  readonly #bitmaps: Bitmaps;
  readonly #windows = new Set<Window>();
  readonly #mayUseReserved: boolean;

  constructor(sb: Super) {
    this.#sb = sb;
    const { groups } = sb;
    this.#bitmaps = new Bitmaps(sb, {
      countName: 'bg_free_blocks_count',
      blockOf: (group) => groups.blockBitmap(group),
      bitsIn: (group) => groups.blocksIn(group),
      check: (bitmap) => {
        this.#check(bitmap);
      },
    });
    const { uid, gid } = sb.owner;
    const { s_def_resuid: resuid, s_def_resgid: resgid } = sb.fields;
    this.#mayUseReserved = uid === 0 || uid === resuid || (resgid !== 0 && gid === resgid);
  }

  /** Free blocks, including those reserved for root. */
  get free(): number {
    return this.#bitmaps.free;
  }

  /** Free blocks that the owner of the mount may use. */
  get available(): number {
    return this.#mayUseReserved ? this.free : Math.max(0, this.free - this.#sb.fields.s_r_blocks_count);
  }

  loadAll(): void {
    this.#bitmaps.loadAll();
  }

  flush(): void {
    this.#bitmaps.flush();
  }

  /**
   * Allocates up to `wanted` blocks in one run, at `goal` if that is free, else near it. If the file's window `window` begins at
   * `goal`, the run comes from the window. The blocks are taken in memory only: call `flush` before storing pointers to them.
   *
   * Throws `ENOSPC`.
   */
  allocate(goal: number, wanted: number, window: Window | undefined): BlockRun {
    const most = Math.min(wanted, this.available);
    const run = most > 0 ? this.#take(goal, most, window) : undefined;
    if (run === undefined) throw new DaxError({ errno: 'ENOSPC', syscall: 'ext2', hint: 'no block is free' });
    return run;
  }

  /** Frees blocks to which no pointer on the medium refers any more. */
  release({ block, count }: BlockRun): void {
    for (let at = block; at < block + count; ) {
      const { bitmap, bit } = this.#find(at);
      const here = Math.min(block + count - at, bitmap.count - bit);
      if (!this.#bitmaps.give(bitmap, bit, here)) {
        throw this.#sb.corrupt('is given back, but was free: two pointers lead there', { block: at });
      }
      at += here;
    }
  }

  /** Throws `EUCLEAN` if a used block is marked as free. */
  checkTaken(isUsed: (block: number) => boolean): void {
    this.#forEach((block, bitmap, bit) => {
      if (isUsed(block) && !isSet(bitmap.bits, bit)) throw this.#sb.corrupt('is used, and marked as free', { block });
    });
  }

  /** Frees every block that is taken but not used. Returns how many it freed. */
  sweep(isUsed: (block: number) => boolean): number {
    let freed = 0;
    this.#forEach((block, bitmap, bit) => {
      if (isUsed(block) || !isSet(bitmap.bits, bit)) return;
      this.#bitmaps.give(bitmap, bit, 1);
      freed++;
    });
    return freed;
  }

  /** An empty window for a file. */
  openWindow(): Window {
    return { start: 0, end: 0, length: FIRST_WINDOW };
  }

  /** Gives back the unused rest of a file's window. */
  closeWindow(window: Window): void {
    this.#empty(window);
  }

  #empty(window: Window): void {
    if (!this.#windows.delete(window)) return;
    const { bitmap, bit } = this.#find(window.start);
    clearRun(bitmap.busy, bit, window.end - window.start);
    bitmap.hint = Math.min(bitmap.hint, bit);
    window.start = window.end = 0;
  }

  #forEach(visit: (block: number, bitmap: Bitmap, bit: number) => void): void {
    const { groups } = this.#sb;
    for (let group = 0; group < groups.count; group++) {
      const bitmap = this.#bitmaps.load(group);
      for (let bit = 0; bit < bitmap.count; bit++) visit(groups.start(group) + bit, bitmap, bit);
    }
  }

  #find(block: number): { bitmap: Bitmap; bit: number } {
    const { groups } = this.#sb;
    const group = groups.groupOf(block);
    return { bitmap: this.#bitmaps.load(group), bit: block - groups.start(group) };
  }

  #take(goal: number, wanted: number, window: Window | undefined): BlockRun | undefined {
    if (window !== undefined && window.end > window.start) {
      if (window.start === goal) return this.#takeFrom(window, wanted);
      this.#empty(window);
    }
    const run = this.#search(goal, wanted, window) ?? this.#searchAll(goal, wanted, window);
    if (run !== undefined && this.#windows.size > MOST_WINDOWS) {
      for (const oldest of this.#windows) {
        if (oldest !== window) this.#empty(oldest);
        break;
      }
    }
    return run;
  }

  // When there are no other free blocks, all windows are given back.
  #searchAll(goal: number, wanted: number, window: Window | undefined): BlockRun | undefined {
    for (const other of [...this.#windows]) this.#empty(other);
    return this.#search(goal, wanted, window);
  }

  #takeFrom(window: Window, wanted: number): BlockRun {
    const block = window.start;
    const count = Math.min(wanted, window.end - block);
    const { bitmap, bit } = this.#find(block);
    this.#bitmaps.take(bitmap, bit, count);
    window.start += count;
    if (window.start === window.end) this.#windows.delete(window);
    return { block, count };
  }

  #search(goal: number, wanted: number, window: Window | undefined): BlockRun | undefined {
    const { groups } = this.#sb;
    const desired = Math.max(wanted, window?.length ?? 0);
    // Half a window will do: small files leave holes a little shorter than one, and a search that passes them all takes longer with
    // each file.
    const enough = Math.max(wanted, Math.ceil(desired / 2));
    const { firstDataBlock, blocksCount } = this.#sb.geometry;
    // A goal past the last block is in no group.
    const near = goal < blocksCount ? goal : firstDataBlock;
    const first = groups.groupOf(near);
    let best: { bitmap: Bitmap; start: number; length: number } | undefined;
    let patience = PATIENCE;
    for (let step = 0; step < groups.count && patience > 0; step++) {
      const group = (first + step) % groups.count;
      if (groups.get('bg_free_blocks_count', group) === 0) continue;
      const bitmap = this.#bitmaps.load(group);
      const run = this.#searchGroup(bitmap, step === 0 ? near - groups.start(group) : 0, desired, enough);
      if (run.length > (best?.length ?? 0)) best = { bitmap, ...run };
      // A run at the goal, where the file continues, is better than a longer one elsewhere.
      if (run.length >= enough || (step === 0 && run.length > 0 && groups.start(group) + run.start === goal)) break;
      if (best !== undefined) patience--;
    }
    return best && this.#claimRun(best.bitmap, best.start, best.length, wanted, window);
  }

  // The run at the goal if that is free, else one after it, or one before it if that is longer.
  #searchGroup(bitmap: Bitmap, goal: number, desired: number, enough: number): { start: number; length: number } {
    bitmap.hint = firstClear(bitmap.busy, bitmap.hint, bitmap.count);
    const from = Math.max(goal, bitmap.hint);
    if (goal >= bitmap.hint && goal < bitmap.count) {
      const here = runLength(bitmap.busy, goal, Math.min(bitmap.count, goal + desired), false);
      if (here > 0) return { start: goal, length: here };
    }
    const after = findRun(bitmap.busy, Math.min(from, bitmap.count), bitmap.count, desired, enough);
    if (after.length >= enough || from === bitmap.hint) return after;
    const before = findRun(bitmap.busy, bitmap.hint, from, desired, enough);
    return before.length > after.length ? before : after;
  }

  // Allocates the wanted part of a run, and keeps the rest as the file's window.
  #claimRun(bitmap: Bitmap, start: number, length: number, wanted: number, window: Window | undefined): BlockRun {
    const block = this.#sb.groups.start(bitmap.group) + start;
    const count = Math.min(wanted, length);
    this.#bitmaps.take(bitmap, start, count);
    if (window !== undefined && length > count) {
      setRun(bitmap.busy, start + count, length - count);
      window.start = block + count;
      window.end = block + length;
      this.#windows.add(window);
    }
    if (window !== undefined) window.length = Math.min(LARGEST_WINDOW, Math.max(window.length, count) * 2);
    return { block, count };
  }

  // A bitmap that marks the group's own tables as free would let them be allocated.
  #check(bitmap: Bitmap): void {
    const { groups, geometry } = this.#sb;
    const { group } = bitmap;
    const start = groups.start(group);
    const tables: [number, number][] = [
      [start, groups.headBlocks(group)],
      [groups.blockBitmap(group), 1],
      [groups.inodeBitmap(group), 1],
      [groups.inodeTable(group), geometry.inodeTableBlocks],
    ];
    if (tables.some(([block, count]) => !isRun(bitmap.bits, block - start, count, true))) {
      throw this.#sb.corrupt('the block bitmap says that its tables are free', { group });
    }
  }
}
