// Owns the block map of one file: finding its blocks, allocating them for writes, and freeing them.

import type { BlockAllocator, BlockRun, Window } from '../space/balloc.js';
import { EXT2_NDIR_BLOCKS } from '../format/disk.js';
import { BlocksInFlight } from './blocks-in-flight.js';
import { PointerTree, type Step } from './pointer-tree.js';
import type { Super } from '../space/super.js';
import { cutFrom, cutOut } from './tree-cut.js'; // late

// How many blocks before a new one are searched for an existing block to continue after.
const MOST_BACK = 16;

/** Where a run of the file's blocks is. */
export interface Mapping {
  /** The block of the filesystem at which the run begins; 0 for a hole. */
  block: number;
  count: number;
  /** Allocated for a write that has not ended: no pointer on the medium may refer to it yet. */
  isReserved: boolean;
}

/**
 * The blocks of one inode. Allocating and freeing them changes the tree in memory. To store the tree on the medium, call
 * `storeIndirect` and then store the inode's own pointers: the leaves are stored first, so nothing ever points to an uninitialised
 * block.
 */
export class BlockMap {
  /** i_blocks in memory, in units of 512 bytes: includes indirect blocks and a block of extended attributes. */
  sectors: number;
  readonly #sb: Super;
  readonly #blocks: BlockAllocator;
  readonly #tree: PointerTree;
  readonly #inFlight = new BlocksInFlight();
  #window: Window | undefined;
  // The end of the last allocation, in the file and on the medium.
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

  /** i_blocks without the blocks reserved for writes under way, to which the medium does not point. */
  get storedSectors(): number {
    return this.sectors - this.#sectorsIn(this.#inFlight.count);
  }

  /** The inode's own pointers as they may be stored: 0 for blocks of writes under way. */
  get storedTop(): readonly number[] {
    const { top } = this.#tree;
    if (this.#inFlight.isEmpty) return top;
    return top.map((block, index) => (index < EXT2_NDIR_BLOCKS && this.#inFlight.has(index) ? 0 : block));
  }

  /** The number of indirect blocks that differ from the medium. */
  get dirtyIndirect(): number {
    return this.#tree.dirty;
  }

  /** The number of indirect blocks in memory. */
  get indirect(): number {
    return this.#tree.indirect;
  }

  /** Up to `most` blocks from `iblock` on that form one run or one hole. Changes nothing. */
  find(iblock: number, most: number): Mapping {
    const { block, count } = this.#tree.find(iblock, most);
    if (block === 0 || this.#inFlight.isEmpty) return { block, count, isReserved: false };
    return { block, count: this.#inFlight.same(iblock, count), isReserved: this.#inFlight.has(iblock) };
  }

  /** As `find`, but allocates blocks for a hole; they are reserved until `settle`. Throws `ENOSPC` with nothing changed. */
  create(iblock: number, most: number, nearGroup: number): Mapping {
    const found = this.find(iblock, most);
    if (found.block !== 0) return found;
    const goal = this.#goal(iblock, nearGroup);
    const { block, count } =
      iblock < EXT2_NDIR_BLOCKS ? this.#takeDirect(iblock, found.count, goal) : this.#takeDeep(iblock, found.count, goal);
    this.#inFlight.add(iblock, count);
    this.#nextIblock = iblock + count;
    this.#nextBlock = block + count;
    return { block, count, isReserved: true };
  }

  /** Ends the reservation of the file's blocks from `from` to before `to`: they are filled durably, and may be pointed to. */
  settle(from: number, to: number): void {
    this.#inFlight.drop(from, to);
  }

  /** After a write: frees the blocks that it allocated but did not fill. */
  giveBackReserved(): void {
    for (const { iblock, count } of this.#inFlight.dropAll()) this.#giveBack(iblock, iblock + count);
  }

  /** Gives back the blocks that were kept for this file's growth. */
  closeWindow(): void {
    if (this.#window !== undefined) this.#blocks.closeWindow(this.#window);
    this.#window = undefined;
  }

  /**
   * Removes every block from `first` on from the tree, in memory. The caller must release the blocks, once the tree is on the
   * medium.
   */
  cut(first: number): BlockRun[] {
    this.#inFlight.drop(first, Number.POSITIVE_INFINITY);
    return this.#without(cutFrom(this.#tree, first));
  }

  /** As `cut`, for `count` blocks from `first` on. Indirect blocks that become empty are removed too. */
  punch(first: number, count: number): BlockRun[] {
    this.#inFlight.drop(first, first + count);
    return this.#without(cutOut(this.#tree, first, count));
  }

  /** Whether the file has a block at or past `first`. */
  hasFrom(first: number): boolean {
    const limit = this.#tree.shape.bases[4] as number;
    for (let iblock = first; iblock < limit; ) {
      const { block, count } = this.find(iblock, limit - iblock);
      if (block !== 0) return true;
      iblock += count;
    }
    return false;
  }

  /**
   * Counts the blocks of the tree, plus `others` outside it, because i_blocks may not have kept up with the pointers. Returns
   * whether it was wrong.
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

  /** Calls `visit` with every run of the tree's blocks: indirect blocks (level 1 to 3) and the file's blocks (level 0). */
  forEach(visit: (run: BlockRun, level: number, iblock: number) => void): void {
    this.#tree.forEach(visit);
  }

  /** Stores the changed indirect blocks. The blocks they point to must be durable, and durably marked as taken. */
  storeIndirect(): void {
    this.#tree.store(this.#inFlight);
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

  // Allocates data blocks and the missing indirect blocks below the last existing one; all are allocated before the tree changes.
  #takeDeep(iblock: number, most: number, goal: number): BlockRun {
    const tree = this.#tree;
    const { shape } = tree;
    const depth = tree.depthOf(iblock);
    const path = tree.path(iblock);
    let { indirect: parent, slots, index } = path.at(-1) as Step;
    const leafEnd = tree.baseOf(iblock, depth, 1) + shape.pointers;
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
      const made = tree.make(block, level, tree.baseOf(iblock, depth, level));
      tree.set(parent, slots, index, block);
      parent = made;
      slots = made.pointers;
      index = Math.floor((iblock - made.base) / (shape.spans[level - 1] as number));
    }
    for (let i = 0; i < data.count; i++) slots[index + i] = data.block + i;
    if (parent !== undefined) tree.changed(parent, index, index + data.count);
    this.sectors += this.#sectorsIn(data.count + taken.length);
    return data;
  }

  // The goal: after the last allocation if the file continues there, else after the nearest block before it, else in the inode's
  // group.
  #goal(iblock: number, nearGroup: number): number {
    if (iblock === this.#nextIblock) return this.#nextBlock;
    const before = this.#tree.before(iblock, MOST_BACK);
    return before === undefined ? this.#sb.groups.start(nearGroup) : before.block + (iblock - before.iblock);
  }

  // Frees blocks of the file to which no pointer on the medium refers; they can be reused at once. Indirect blocks stay, because
  // they may already be on the medium.
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
    // i_blocks of a corrupt inode may have any value.
    this.sectors = Math.max(0, this.sectors - this.#sectorsIn(blocks));
  }
}
