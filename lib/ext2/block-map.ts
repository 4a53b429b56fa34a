// Owns where the blocks of one file are: the tree of pointers, in memory, and how it reaches the medium.

import type { BlockAllocator, BlockRun, Window } from './balloc.js';
import { EXT2_NDIR_BLOCKS } from './disk.js';
import { fail } from './error.js';
import type { Super } from './super.js';

/** What the tree says of a run of blocks of the file. */
export interface Mapping {
  /** The block of the filesystem where it begins; 0 for a hole. */
  block: number;
  count: number;
  /** Taken for a write that has not ended: no pointer on the medium may lead there yet. */
  isReserved: boolean;
}

type Pointers = number[] | Uint32Array;

/** A block of pointers. */
interface Indirect {
  readonly block: number;
  /** 1: its pointers lead to the file's blocks; 2 and 3: to blocks of pointers of one level less. */
  readonly level: number;
  /** The first block of the file that it leads to. */
  readonly base: number;
  readonly pointers: Uint32Array<ArrayBuffer>;
  /** It is not on the medium yet, and nothing there points to it. */
  isNew: boolean;
  /** The pointers that differ from the medium's: [from, to). */
  from: number;
  to: number;
}

/** A pointer: which one of the inode's own (`indirect` is undefined), or of a block of pointers. */
interface Step {
  readonly indirect: Indirect | undefined;
  readonly slots: Pointers;
  readonly index: number;
}

/** Blocks of the file that were taken for a write under way. */
interface Flight {
  iblock: number;
  count: number;
}

// Blocks of pointers that are kept although they are as on the medium.
const MOST_CLEAN = 64;

/**
 * The tree of one inode. Taking and freeing blocks changes it in memory; `storeIndirect` and then the inode's own
 * pointers bring it to the medium, leaves first, so that nothing ever points to a block that is not initialised.
 */
export class BlockMap {
  /** i_block. */
  readonly top: number[];
  /** i_blocks as it is in memory, in units of 512 bytes: with pointers, and with a block of extended attributes. */
  sectors: number;
  readonly #sb: Super;
  readonly #blocks: BlockAllocator;
  readonly #ino: number;
  readonly #pointers: number;
  readonly #spans: readonly number[];
  readonly #bases: readonly number[];
  readonly #indirect = new Map<number, Indirect>();
  #dirtyIndirect = 0;
  #flights: Flight[] = [];
  #window: Window | undefined;
  // Where the last allocation ended, in the file and on the medium.
  #nextIblock = -1;
  #nextBlock = 0;

  constructor(sb: Super, blocks: BlockAllocator, ino: number, top: number[], sectors: number) {
    this.#sb = sb;
    this.#blocks = blocks;
    this.#ino = ino;
    this.top = top;
    this.sectors = sectors;
    this.#pointers = sb.blockSize / 4;
    const { spans, bases } = shapeOf(this.#pointers);
    this.#spans = spans;
    this.#bases = bases;
  }

  /** i_blocks without what is reserved for writes under way, to which the medium does not point. */
  get storedSectors(): number {
    const reserved = this.#flights.reduce((sum, { count }) => sum + count, 0);
    return this.sectors - reserved * (this.#sb.blockSize / 512);
  }

  /** The inode's own pointers as the medium may have them: 0 where a write is under way. */
  get storedTop(): readonly number[] {
    if (this.#flights.length === 0) return this.top;
    const stored = this.top.slice();
    for (let iblock = 0; iblock < EXT2_NDIR_BLOCKS; iblock++) if (this.#isReserved(iblock)) stored[iblock] = 0;
    return stored;
  }

  /** Blocks of pointers that are not on the medium as they are here. */
  get dirtyIndirect(): number {
    return this.#dirtyIndirect;
  }

  /** Up to `most` blocks from `iblock` on, which lie in one run or are one hole. Changes nothing. */
  find(iblock: number, most: number): Mapping {
    this.#forgetClean();
    const depth = this.#depthOf(iblock);
    if (depth === 0) return this.#run(this.top, iblock, iblock, most, EXT2_NDIR_BLOCKS);
    let block = this.top[EXT2_NDIR_BLOCKS + depth - 1] as number;
    let base = this.#baseOf(depth);
    for (let level = depth; ; level--) {
      const span = this.#spans[level] as number;
      if (block === 0) return { block: 0, count: Math.min(most, base + span - iblock), isReserved: false };
      const { pointers } = this.#load(block, level, base);
      const below = span / this.#pointers;
      const index = Math.floor((iblock - base) / below);
      if (level === 1) return this.#run(pointers, index, iblock, most, this.#pointers);
      block = pointers[index] as number;
      base += index * below;
    }
  }

  /**
   * As `find`, but takes blocks where there is a hole; they are reserved until `settle`. Throws `ENOSPC` with nothing
   * changed.
   */
  create(iblock: number, most: number, nearGroup: number): Mapping {
    const found = this.find(iblock, most);
    if (found.block !== 0) return found;
    const depth = this.#depthOf(iblock);
    let goal = this.#goal(iblock, nearGroup);
    // Down to the last block of pointers that there is; what is missing below is made first, and hung up here last.
    const path = this.#path(iblock);
    const levels = Array.from({ length: depth + 1 - path.length }, (_, index) => depth + 1 - path.length - index);
    let { indirect: parent, slots, index } = path.pop() as Step;
    const leafEnd = depth === 0 ? EXT2_NDIR_BLOCKS : this.#subtreeBase(iblock, depth, 1) + this.#pointers;
    const count = Math.min(found.count, leafEnd - iblock);
    this.#window ??= this.#blocks.openWindow();
    const taken: { block: number; level: number }[] = [];
    let data: BlockRun;
    try {
      for (const level of levels) {
        const { block } = this.#blocks.allocate(goal, 1, this.#window);
        goal = block + 1;
        taken.push({ block, level });
      }
      data = this.#blocks.allocate(goal, count, this.#window);
    } catch (error) {
      for (const { block } of taken) this.#blocks.release({ block, count: 1 });
      throw error;
    }
    for (const { block, level } of taken) {
      const made = this.#make(block, level, this.#subtreeBase(iblock, depth, level));
      this.#set(parent, slots, index, block);
      parent = made;
      slots = made.pointers;
      index = Math.floor((iblock - made.base) / ((this.#spans[level] as number) / this.#pointers));
    }
    for (let i = 0; i < data.count; i++) slots[index + i] = data.block + i;
    if (parent !== undefined) this.#changed(parent, index, index + data.count);
    this.sectors += (data.count + taken.length) * (this.#sb.blockSize / 512);
    this.#takeOff(iblock, data.count);
    this.#nextIblock = iblock + data.count;
    this.#nextBlock = data.block + data.count;
    return { block: data.block, count: data.count, isReserved: true };
  }

  /** The file's blocks from `from` to before `to` are filled, durably: they may be pointed to. */
  settle(from: number, to: number): void {
    this.#dropFlights(from, to);
  }

  /** A write ended: what it took and did not fill is free again. */
  giveBackReserved(): void {
    const flights = this.#flights;
    if (flights.length === 0) return;
    this.#flights = [];
    for (const { iblock, count } of flights) this.#giveBack(iblock, iblock + count);
  }

  /** Nobody writes any more: the blocks that are kept for this file are anyone's. */
  closeWindow(): void {
    if (this.#window !== undefined) this.#blocks.closeWindow(this.#window);
  }

  /**
   * Takes every block from `first` on out of the tree, in memory. They are to be released when the tree is on the
   * medium.
   */
  cut(first: number): BlockRun[] {
    const freed: BlockRun[] = [];
    const seen = new Set<number>();
    this.#dropFlights(first, Number.POSITIVE_INFINITY);
    for (let iblock = first; iblock < EXT2_NDIR_BLOCKS; iblock++) this.#cutDirect(iblock, freed);
    for (let depth = 1; depth <= 3; depth++) {
      const index = EXT2_NDIR_BLOCKS + depth - 1;
      const block = this.top[index] as number;
      const base = this.#baseOf(depth);
      if (block === 0 || base + (this.#spans[depth] as number) <= first) continue;
      if (base >= first) {
        this.top[index] = 0;
        this.#free(block, depth, base, freed, seen);
      } else {
        this.#cutWithin(this.#load(block, depth, base), first, freed, seen);
      }
    }
    this.#nextIblock = -1;
    this.#count(freed);
    return freed;
  }

  /** As `cut`, for `count` blocks from `first` on. Blocks of pointers that have none left go too. */
  punch(first: number, count: number): BlockRun[] {
    const freed: BlockRun[] = [];
    const end = first + count;
    this.#dropFlights(first, end);
    for (let iblock = first; iblock < end; ) {
      const found = this.find(iblock, end - iblock);
      if (found.block !== 0) {
        add(freed, found);
        this.#clear(iblock, found.count, freed);
      }
      iblock += found.count;
    }
    this.#nextIblock = -1;
    this.#count(freed);
    return freed;
  }

  /** Whether the file has a block at or past `first`. */
  hasFrom(first: number): boolean {
    const limit = this.#baseOf(4);
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
    this.sectors = blocks * (this.#sb.blockSize / 512);
    return this.sectors !== before;
  }

  /** Calls `visit` with every run of blocks that the tree has, those of pointers (level 1 to 3) and those of the file (0). */
  forEach(visit: (run: BlockRun, level: number, iblock: number) => void): void {
    for (let iblock = 0; iblock < EXT2_NDIR_BLOCKS; iblock++) {
      const block = this.top[iblock] as number;
      if (block !== 0) visit({ block, count: 1 }, 0, iblock);
    }
    const seen = new Set<number>();
    for (let depth = 1; depth <= 3; depth++) {
      const block = this.top[EXT2_NDIR_BLOCKS + depth - 1] as number;
      if (block !== 0) this.#visit(block, depth, this.#baseOf(depth), seen, visit);
    }
  }

  /**
   * Brings blocks of pointers to the medium, those that lead to the file's blocks first: none is pointed to before it is
   * there. What they lead to must be durable, and durably marked as taken.
   */
  storeIndirect(): void {
    if (this.#dirtyIndirect > 0) {
      for (const level of [1, 2, 3]) {
        for (const indirect of this.#indirect.values()) {
          if (indirect.level === level && isDirty(indirect)) this.#store(indirect);
        }
      }
    }
    this.#forgetClean();
  }

  #depthOf(iblock: number): number {
    for (let depth = 0; depth <= 3; depth++) if (iblock < this.#baseOf(depth + 1)) return depth;
    return fail('EFBIG', 'ext2', `inode ${this.#ino} cannot have a block ${iblock}`);
  }

  #baseOf(depth: number): number {
    return this.#bases[depth] as number;
  }

  #subtreeBase(iblock: number, depth: number, level: number): number {
    const base = this.#baseOf(depth);
    const span = this.#spans[level] as number;
    return base + Math.floor((iblock - base) / span) * span;
  }

  #run(pointers: Pointers, index: number, iblock: number, most: number, end: number): Mapping {
    const limit = Math.min(most, end - index);
    const block = pointers[index] as number;
    const step = block === 0 ? 0 : 1;
    let count = 1;
    while (count < limit && pointers[index + count] === block + count * step) count++;
    if (block === 0) return { block: 0, count, isReserved: false };
    this.#sb.checkData(block, count, this.#ino);
    if (this.#flights.length === 0) return { block, count, isReserved: false };
    return this.#withFlights(block, iblock, count);
  }

  #withFlights(block: number, iblock: number, count: number): Mapping {
    let end = iblock + count;
    for (const flight of this.#flights) {
      const flightEnd = flight.iblock + flight.count;
      if (iblock >= flight.iblock && iblock < flightEnd) {
        return { block, count: Math.min(end, flightEnd) - iblock, isReserved: true };
      }
      if (flight.iblock > iblock && flight.iblock < end) end = flight.iblock;
    }
    return { block, count: end - iblock, isReserved: false };
  }

  #takeOff(iblock: number, count: number): void {
    const last = this.#flights.at(-1);
    if (last !== undefined && last.iblock + last.count === iblock) last.count += count;
    else this.#flights.push({ iblock, count });
  }

  #isReserved(iblock: number): boolean {
    return this.#flights.some((flight) => iblock >= flight.iblock && iblock < flight.iblock + flight.count);
  }

  #load(block: number, level: number, base: number): Indirect {
    const known = this.#indirect.get(block);
    if (known !== undefined) {
      // One block cannot be in two places of a tree.
      if (known.level === level && known.base === base) return known;
      throw this.#sb.corrupt('has pointers, and is in two places', { ino: this.#ino, block });
    }
    this.#sb.checkData(block, 1, this.#ino);
    const { medium, blockSize } = this.#sb;
    const pointers = new Uint32Array(medium.load(block * blockSize, blockSize).buffer);
    const indirect = { block, level, base, pointers, isNew: false, from: this.#pointers, to: 0 };
    this.#indirect.set(block, indirect);
    return indirect;
  }

  #make(block: number, level: number, base: number): Indirect {
    const pointers = new Uint32Array(this.#pointers);
    const indirect = { block, level, base, pointers, isNew: true, from: 0, to: this.#pointers };
    this.#indirect.set(block, indirect);
    this.#dirtyIndirect++;
    return indirect;
  }

  // Only where nobody holds one.
  #forgetClean(): void {
    if (this.#indirect.size - this.#dirtyIndirect <= MOST_CLEAN) return;
    for (const [block, indirect] of this.#indirect) if (!isDirty(indirect)) this.#indirect.delete(block);
  }

  #set(parent: Indirect | undefined, slots: Pointers, index: number, block: number): void {
    slots[index] = block;
    if (parent !== undefined) this.#changed(parent, index, index + 1);
  }

  #changed(indirect: Indirect, from: number, to: number): void {
    if (!isDirty(indirect)) this.#dirtyIndirect++;
    indirect.from = Math.min(indirect.from, from);
    indirect.to = Math.max(indirect.to, to);
  }

  #store(indirect: Indirect): void {
    const { block, base, pointers, from, to } = indirect;
    const stored = pointers.slice(from, to);
    let [keptFrom, keptTo] = [this.#pointers, 0];
    if (indirect.level === 1 && this.#flights.length > 0) {
      for (let i = 0; i < stored.length; i++) {
        if (stored[i] === 0 || !this.#isReserved(base + from + i)) continue;
        stored[i] = 0;
        keptFrom = Math.min(keptFrom, from + i);
        keptTo = from + i + 1;
      }
    }
    this.#sb.medium.store(block * this.#sb.blockSize + from * 4, new Uint8Array(stored.buffer));
    indirect.isNew = false;
    indirect.from = keptFrom;
    indirect.to = keptTo;
    if (!isDirty(indirect)) this.#dirtyIndirect--;
  }

  // After the last block, if the file goes on there; else after the nearest one before it; else in the inode's group.
  #goal(iblock: number, nearGroup: number): number {
    if (iblock === this.#nextIblock) return this.#nextBlock;
    if (iblock > 0) {
      const before = this.find(iblock - 1, 1);
      if (before.block !== 0) return before.block + 1;
    }
    const depth = this.#depthOf(iblock);
    const first = depth === 0 ? 0 : this.#subtreeBase(iblock, depth, 1);
    for (let back = iblock - 2; back >= Math.max(first, iblock - 16); back--) {
      const { block } = this.find(back, 1);
      if (block !== 0) return block + (iblock - back);
    }
    return this.#sb.groups.start(nearGroup);
  }

  #cutDirect(iblock: number, freed: BlockRun[]): void {
    const block = this.top[iblock] as number;
    if (block === 0) return;
    this.#sb.checkData(block, 1, this.#ino);
    this.top[iblock] = 0;
    add(freed, { block, count: 1 });
  }

  // What of a subtree lies at or past `first`, which lies within it.
  #cutWithin(indirect: Indirect, first: number, freed: BlockRun[], seen: Set<number>): void {
    const { level, base, pointers } = indirect;
    const below = (this.#spans[level] as number) / this.#pointers;
    const start = Math.floor((first - base) / below);
    if (level === 1) {
      const end = this.#addRuns(pointers, start, freed);
      if (end === start) return;
      pointers.fill(0, start, end);
      this.#changed(indirect, start, end);
      return;
    }
    for (let index = start; index < this.#pointers; index++) {
      const block = pointers[index] as number;
      if (block === 0) continue;
      const childBase = base + index * below;
      if (childBase < first) {
        this.#cutWithin(this.#load(block, level - 1, childBase), first, freed, seen);
        continue;
      }
      this.#free(block, level - 1, childBase, freed, seen);
      this.#set(indirect, pointers, index, 0);
    }
  }

  // The blocks of the file to which pointers from `start` on lead, run by run: there are many, and few runs. Returns where
  // the last pointer ends.
  #addRuns(pointers: Uint32Array, start: number, freed: BlockRun[]): number {
    let end = start;
    for (let index = start; index < pointers.length; index++) {
      const block = pointers[index] as number;
      if (block === 0) continue;
      let count = 1;
      while (pointers[index + count] === block + count) count++;
      this.#sb.checkData(block, count, this.#ino);
      add(freed, { block, count });
      index += count - 1;
      end = index + 1;
    }
    return end;
  }

  // A whole subtree, to which nothing in memory leads any more.
  #free(block: number, level: number, base: number, freed: BlockRun[], seen: Set<number>): void {
    if (seen.has(block)) throw this.#sb.corrupt('has pointers, and is in two places', { ino: this.#ino, block });
    seen.add(block);
    const indirect = this.#load(block, level, base);
    if (level === 1) {
      this.#addRuns(indirect.pointers, 0, freed);
    } else {
      const below = (this.#spans[level] as number) / this.#pointers;
      for (let index = 0; index < this.#pointers; index++) {
        const child = indirect.pointers[index] as number;
        if (child !== 0) this.#free(child, level - 1, base + index * below, freed, seen);
      }
    }
    this.#forget(indirect);
    add(freed, { block, count: 1 });
  }

  #forget(indirect: Indirect): void {
    if (isDirty(indirect)) this.#dirtyIndirect--;
    this.#indirect.delete(indirect.block);
  }

  // Pointers of one leaf to zero; blocks of pointers that are then empty go.
  #clear(iblock: number, count: number, freed: BlockRun[]): void {
    const path = this.#path(iblock);
    const { indirect, slots, index } = path.pop() as Step;
    slots.fill(0, index, index + count);
    if (indirect !== undefined) this.#changed(indirect, index, index + count);
    for (let child = indirect; child?.pointers.every((pointer) => pointer === 0) === true; ) {
      const above = path.pop() as Step;
      this.#forget(child);
      add(freed, { block: child.block, count: 1 });
      this.#set(above.indirect, above.slots, above.index, 0);
      child = above.indirect;
    }
  }

  // The slots that lead to a block of the file: the inode's own first, as far down as the tree goes.
  #path(iblock: number): Step[] {
    const depth = this.#depthOf(iblock);
    const path: Step[] = [];
    let indirect: Indirect | undefined;
    let slots: Pointers = this.top;
    let index = depth === 0 ? iblock : EXT2_NDIR_BLOCKS + depth - 1;
    let base = this.#baseOf(depth);
    path.push({ indirect, slots, index });
    for (let level = depth; level > 0; level--) {
      const block = slots[index] as number;
      if (block === 0) break;
      indirect = this.#load(block, level, base);
      const below = (this.#spans[level] as number) / this.#pointers;
      slots = indirect.pointers;
      index = Math.floor((iblock - base) / below);
      base += index * below;
      path.push({ indirect, slots, index });
    }
    return path;
  }

  // Blocks of the file that no pointer on the medium leads to: they are free at once. Blocks of pointers stay, because
  // they may be on the medium by now.
  #giveBack(from: number, to: number): void {
    for (let iblock = from; iblock < to; ) {
      const found = this.find(iblock, to - iblock);
      if (found.block !== 0) {
        const { slots, index } = this.#path(iblock).pop() as Step;
        slots.fill(0, index, index + found.count);
        this.#count([found]);
        this.#blocks.release(found);
      }
      iblock += found.count;
    }
  }

  #dropFlights(from: number, to: number): void {
    if (this.#flights.length === 0) return;
    this.#flights = this.#flights.flatMap(({ iblock, count }) => {
      const before = { iblock, count: Math.min(count, from - iblock) };
      const start = Math.max(iblock, to);
      const after = { iblock: start, count: iblock + count - start };
      if (iblock + count <= from || iblock >= to) return [{ iblock, count }];
      return [before, after].filter((flight) => flight.count > 0);
    });
  }

  #count(freed: readonly BlockRun[]): void {
    const blocks = freed.reduce((sum, { count }) => sum + count, 0);
    // i_blocks of a corrupt inode may say anything.
    this.sectors = Math.max(0, this.sectors - blocks * (this.#sb.blockSize / 512));
  }

  #visit(
    block: number,
    level: number,
    base: number,
    seen: Set<number>,
    visit: (run: BlockRun, level: number, iblock: number) => void,
  ): void {
    if (seen.has(block)) throw this.#sb.corrupt('has pointers, and is in two places', { ino: this.#ino, block });
    seen.add(block);
    const { pointers } = this.#load(block, level, base);
    visit({ block, count: 1 }, level, base);
    const below = (this.#spans[level] as number) / this.#pointers;
    for (let index = 0; index < this.#pointers; index++) {
      const child = pointers[index] as number;
      if (child === 0) continue;
      if (level > 1) this.#visit(child, level - 1, base + index * below, seen, visit);
      else visit({ block: child, count: 1 }, 0, base + index);
    }
    this.#forgetClean();
  }
}

/** The blocks of the file that a pointer of each level leads to, and the first that is found through so many levels. */
interface Shape {
  readonly spans: readonly number[];
  readonly bases: readonly number[];
}

const shapes = new Map<number, Shape>();

function shapeOf(pointers: number): Shape {
  const known = shapes.get(pointers);
  if (known !== undefined) return known;
  const spans = [1, pointers, pointers ** 2, pointers ** 3];
  const single = EXT2_NDIR_BLOCKS + pointers;
  const double = single + pointers ** 2;
  const shape = { spans, bases: [0, EXT2_NDIR_BLOCKS, single, double, double + pointers ** 3] };
  shapes.set(pointers, shape);
  return shape;
}

function isDirty({ from, to }: Indirect): boolean {
  return from < to;
}

function add(freed: BlockRun[], { block, count }: BlockRun): void {
  const last = freed.at(-1);
  if (last !== undefined && last.block + last.count === block) last.count += count;
  else freed.push({ block, count });
}
