// Owns where the blocks of one file are: finding them, taking them for a write, and letting them go.

import type { BlockAllocator, BlockRun, Window } from '../space/balloc.js';
import { EXT2_NDIR_BLOCKS } from '../format/disk.js';
import { Flights } from './flights.js';
import { PointerTree, type Step } from './pointer-tree.js';
import type { Super } from '../space/super.js';
import { cutFrom, cutOut } from './tree-cut.js'; // late

// How far before a new block the allocator looks for one to go on after.
const MOST_BACK = 16;

/** What the tree says of a run of blocks of the file. */
export interface Mapping {
  /** The block of the filesystem where it begins; 0 for a hole. */
  block: number;
  count: number;
  /** Taken for a write that has not ended: no pointer on the medium may lead there yet. */
  isReserved: boolean;
}

/**
 * The blocks of one inode. Taking and freeing them changes the tree in memory; `storeIndirect` and then the inode's own
 * pointers bring it to the medium, leaves first, so that nothing ever points to a block that is not initialised.
 */
export class BlockMap {
  /** i_blocks as it is in memory, in units of 512 bytes: with pointers, and with a block of extended attributes. */
  sectors: number;
  readonly #sb: Super;
  readonly #blocks: BlockAllocator;
  readonly #tree: PointerTree;
  readonly #flights = new Flights();
  #window: Window | undefined;
  // Where the last allocation ended, in the file and on the medium.
  #nextIblock = -1;
  #nextBlock = 0;

  constructor(sb: Super, blocks: BlockAllocator, ino: number, top: number[], sectors: number) {
    this.#sb = sb;
    this.#blocks = blocks;
    this.#tree = new PointerTree(sb, ino, top);
    this.sectors = sectors;
  }

  /** i_block. */
  get top(): number[] {
    return this.#tree.top;
  }

  /** i_blocks without what is reserved for writes under way, to which the medium does not point. */
  get storedSectors(): number {
    return this.sectors - this.#sectorsIn(this.#flights.count);
  }

  /** The inode's own pointers as the medium may have them: 0 where a write is under way. */
  get storedTop(): readonly number[] {
    const { top } = this.#tree;
    if (this.#flights.isEmpty) return top;
    return top.map((block, index) => (index < EXT2_NDIR_BLOCKS && this.#flights.has(index) ? 0 : block));
  }

  /** Blocks of pointers that are not on the medium as they are here. */
  get dirtyIndirect(): number {
    return this.#tree.dirty;
  }

  /** Blocks of pointers that are in memory. */
  get indirect(): number {
    return this.#tree.indirect;
  }

  /** Up to `most` blocks from `iblock` on, which lie in one run or are one hole. Changes nothing. */
  find(iblock: number, most: number): Mapping {
    const { block, count } = this.#tree.find(iblock, most);
    if (block === 0 || this.#flights.isEmpty) return { block, count, isReserved: false };
    return { block, count: this.#flights.same(iblock, count), isReserved: this.#flights.has(iblock) };
  }

  /**
   * As `find`, but takes blocks where there is a hole; they are reserved until `settle`. Throws `ENOSPC` with nothing
   * changed.
   */
  create(iblock: number, most: number, nearGroup: number): Mapping {
    const found = this.find(iblock, most);
    if (found.block !== 0) return found;
    const goal = this.#goal(iblock, nearGroup);
    const { block, count } =
      iblock < EXT2_NDIR_BLOCKS ? this.#takeDirect(iblock, found.count, goal) : this.#takeDeep(iblock, found.count, goal);
    this.#flights.add(iblock, count);
    this.#nextIblock = iblock + count;
    this.#nextBlock = block + count;
    return { block, count, isReserved: true };
  }

  /** The file's blocks from `from` to before `to` are filled, durably: they may be pointed to. */
  settle(from: number, to: number): void {
    this.#flights.drop(from, to);
  }

  /** A write ended: what it took and did not fill is free again. */
  giveBackReserved(): void {
    for (const { iblock, count } of this.#flights.dropAll()) this.#giveBack(iblock, iblock + count);
  }

  /** Nobody writes any more: the blocks that are kept for this file are anyone's. */
  closeWindow(): void {
    if (this.#window !== undefined) this.#blocks.closeWindow(this.#window);
    this.#window = undefined;
  }

  /**
   * Takes every block from `first` on out of the tree, in memory. They are to be released when the tree is on the
   * medium.
   */
  cut(first: number): BlockRun[] {
    this.#flights.drop(first, Number.POSITIVE_INFINITY);
    return this.#without(cutFrom(this.#tree, first));
  }

  /** As `cut`, for `count` blocks from `first` on. Blocks of pointers that have none left go too. */
  punch(first: number, count: number): BlockRun[] {
    this.#flights.drop(first, first + count);
    return this.#without(cutOut(this.#tree, first, count));
  }

  /** Whether the file has a block at or past `first`. */
  hasFrom(first: number): boolean {
    const limit = this.#tree.shape.base(4);
    for (let iblock = first; iblock < limit; ) {
      const { block, count } = this.find(iblock, limit - iblock);
      if (block !== 0) return true;
      iblock += count;
    }
    return false;
  }

  /**
   * Counts the blocks of the tree, with `others` that are beside it, where i_blocks may not have kept up with the pointers.
   * Returns whether it had not.
   */
  recount(others: number): boolean {
    let blocks = others;
    this.forEach(({ count }) => {
      blocks += count;
    });
    const before = this.sectors;
    this.sectors = this.#sectorsIn(blocks);
    return this.sectors !== before;
  }

  /** Calls `visit` with every run of blocks that the tree has, those of pointers (level 1 to 3) and those of the file (0). */
  forEach(visit: (run: BlockRun, level: number, iblock: number) => void): void {
    this.#tree.forEach(visit);
  }

  /** Brings blocks of pointers to the medium. What they lead to must be durable, and durably marked as taken. */
  storeIndirect(): void {
    this.#tree.store(this.#flights);
  }

  #sectorsIn(blocks: number): number {
    return blocks * (this.#sb.blockSize / 512);
  }

  #takeDirect(iblock: number, most: number, goal: number): BlockRun {
    const { top } = this.#tree;
    this.#window ??= this.#blocks.openWindow();
    const data = this.#blocks.allocate(goal, most, this.#window);
    for (let i = 0; i < data.count; i++) top[iblock + i] = data.block + i;
    this.sectors += this.#sectorsIn(data.count);
    return data;
  }

  // Down to the last block of pointers that there is; what is missing below is made first, and hung up here last.
  #takeDeep(iblock: number, most: number, goal: number): BlockRun {
    const tree = this.#tree;
    const { shape } = tree;
    const depth = tree.depthOf(iblock);
    const path = tree.path(iblock);
    let { indirect: parent, slots, index } = path.at(-1) as Step;
    const leafEnd = shape.subtreeBase(iblock, depth, 1) + shape.pointers;
    const window = (this.#window ??= this.#blocks.openWindow());
    const taken: { block: number; level: number }[] = [];
    let next = goal;
    let data: BlockRun;
    try {
      for (let level = depth + 1 - path.length; level > 0; level--) {
        const { block } = this.#blocks.allocate(next, 1, window);
        next = block + 1;
        taken.push({ block, level });
      }
      data = this.#blocks.allocate(next, Math.min(most, leafEnd - iblock), window);
    } catch (error) {
      for (const { block } of taken) this.#blocks.release({ block, count: 1 });
      throw error;
    }
    for (const { block, level } of taken) {
      const made = tree.make(block, level, shape.subtreeBase(iblock, depth, level));
      tree.set(parent, slots, index, block);
      parent = made;
      slots = made.pointers;
      index = Math.floor((iblock - made.base) / shape.below(level));
    }
    for (let i = 0; i < data.count; i++) slots[index + i] = data.block + i;
    if (parent !== undefined) tree.changed(parent, index, index + data.count);
    this.sectors += this.#sectorsIn(data.count + taken.length);
    return data;
  }

  // After the last block, if the file goes on there; else after the nearest one before it; else in the inode's group.
  #goal(iblock: number, nearGroup: number): number {
    if (iblock === this.#nextIblock) return this.#nextBlock;
    const before = this.#tree.before(iblock, MOST_BACK);
    return before === undefined ? this.#sb.groups.start(nearGroup) : before.block + (iblock - before.iblock);
  }

  // Blocks of the file that no pointer on the medium leads to: they are free at once. Blocks of pointers stay, because
  // they may be on the medium by now.
  #giveBack(from: number, to: number): void {
    for (let iblock = from; iblock < to; ) {
      const found = this.#tree.find(iblock, to - iblock);
      if (found.block !== 0) {
        const { slots, index } = this.#tree.path(iblock).pop() as Step;
        slots.fill(0, index, index + found.count);
        this.#uncount([found]);
        this.#blocks.release(found);
      }
      iblock += found.count;
    }
  }

  #without(freed: BlockRun[]): BlockRun[] {
    this.#nextIblock = -1;
    this.#uncount(freed);
    return freed;
  }

  #uncount(freed: readonly BlockRun[]): void {
    let blocks = 0;
    for (const { count } of freed) blocks += count;
    // i_blocks of a corrupt inode may say anything.
    this.sectors = Math.max(0, this.sectors - this.#sectorsIn(blocks));
  }
}
