// Owns the tree of pointers of one file: as it is in memory, and how its blocks of pointers reach the medium.

import type { BlockRun } from '../space/balloc.js';
import { EXT2_NDIR_BLOCKS } from '../format/disk.js';
import { fail } from '../format/error.js';
import type { Flights } from './flights.js';
import type { Super } from '../space/super.js';
import { TreeShape } from '../format/tree-shape.js';

export type Pointers = number[] | Uint32Array;

/** A block of pointers. */
export interface Indirect {
  readonly block: number;
  /** 1: its pointers lead to the file's blocks; 2 and 3: to blocks of pointers of one level less. */
  readonly level: number;
  /** The first block of the file that it leads to. */
  readonly base: number;
  readonly pointers: Uint32Array<ArrayBuffer>;
  /** The pointers that differ from the medium's: [from, to). All of one that is not there yet. */
  from: number;
  to: number;
}

/** A pointer: which one of the inode's own (`indirect` is undefined), or of a block of pointers. */
export interface Step {
  readonly indirect: Indirect | undefined;
  readonly slots: Pointers;
  readonly index: number;
}

// Blocks of pointers that are kept although they are as on the medium.
const MOST_CLEAN = 64;

export class PointerTree {
  /** i_block. */
  readonly top: number[];
  readonly shape: TreeShape;
  readonly #sb: Super;
  readonly #ino: number;
  // Most files have none.
  #indirect: Map<number, Indirect> | undefined;
  #dirty = 0;

  constructor(sb: Super, ino: number, top: number[]) {
    this.#sb = sb;
    this.#ino = ino;
    this.top = top;
    this.shape = TreeShape.of(sb.blockSize);
  }

  /** Blocks of pointers that are not on the medium as they are here. */
  get dirty(): number {
    return this.#dirty;
  }

  /** Blocks of pointers that are in memory. */
  get indirect(): number {
    return this.#indirect?.size ?? 0;
  }

  /** Throws `EFBIG` where a file cannot have a block `iblock`. */
  depthOf(iblock: number): number {
    return this.shape.depthOf(iblock) ?? fail('EFBIG', 'ext2', `inode ${this.#ino} cannot have a block ${iblock}`);
  }

  /** What up to `most` pointers from that of `iblock` on say: a run of blocks, or a hole if `block` is 0. */
  find(iblock: number, most: number): BlockRun {
    this.forgetClean();
    const depth = this.depthOf(iblock);
    if (depth === 0) return this.#run(this.top, iblock, most, EXT2_NDIR_BLOCKS);
    const { shape } = this;
    let block = this.top[EXT2_NDIR_BLOCKS + depth - 1] as number;
    let base = shape.base(depth);
    for (let level = depth; ; level--) {
      if (block === 0) return { block: 0, count: Math.min(most, base + shape.span(level) - iblock) };
      const { pointers } = this.load(block, level, base);
      const below = shape.below(level);
      const index = Math.floor((iblock - base) / below);
      if (level === 1) return this.#run(pointers, index, most, shape.pointers);
      block = pointers[index] as number;
      base += index * below;
    }
  }

  /**
   * The nearest block of the file before `iblock`: one of up to `most` to which the same block of pointers leads, or the last one
   * to which another leads if `iblock` is the first of its own. Undefined if there is none.
   */
  before(iblock: number, most: number): { iblock: number; block: number } | undefined {
    const depth = this.depthOf(iblock);
    const isFirst = iblock === (depth === 0 ? 0 : this.shape.subtreeBase(iblock, depth, 1));
    if (isFirst) {
      const block = iblock === 0 ? 0 : this.find(iblock - 1, 1).block;
      return block === 0 ? undefined : { iblock: iblock - 1, block };
    }
    const path = this.path(iblock);
    // No block of pointers is there for it.
    if (path.length <= depth) return undefined;
    const { slots, index } = path.at(-1) as Step;
    for (let back = 1; back <= Math.min(most, index); back++) {
      const block = slots[index - back] as number;
      if (block === 0) continue;
      this.#sb.checkData(block, 1, this.#ino);
      return { iblock: iblock - back, block };
    }
    return undefined;
  }

  /** The slots that lead to a block of the file: the inode's own first, as far down as the tree goes. */
  path(iblock: number): Step[] {
    const depth = this.depthOf(iblock);
    const path: Step[] = [];
    let indirect: Indirect | undefined;
    let slots: Pointers = this.top;
    let index = depth === 0 ? iblock : EXT2_NDIR_BLOCKS + depth - 1;
    let base = this.shape.base(depth);
    path.push({ indirect, slots, index });
    for (let level = depth; level > 0; level--) {
      const block = slots[index] as number;
      if (block === 0) break;
      indirect = this.load(block, level, base);
      const below = this.shape.below(level);
      slots = indirect.pointers;
      index = Math.floor((iblock - base) / below);
      base += index * below;
      path.push({ indirect, slots, index });
    }
    return path;
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
      if (block !== 0) this.#visit(block, depth, this.shape.base(depth), seen, visit);
    }
  }

  /** A block of pointers, which the tree leads to. Throws `EUCLEAN` for what cannot be one, or is one elsewhere. */
  load(block: number, level: number, base: number): Indirect {
    const known = this.#indirect?.get(block);
    if (known !== undefined) {
      if (known.level === level && known.base === base) return known;
      throw this.inTwoPlaces(block);
    }
    this.#sb.checkData(block, 1, this.#ino);
    const { medium, blockSize } = this.#sb;
    const pointers = new Uint32Array(medium.load(block * blockSize, blockSize).buffer);
    return this.#keep({ block, level, base, pointers, from: this.shape.pointers, to: 0 });
  }

  /** A new block of pointers, all of them 0, which is not on the medium yet. */
  make(block: number, level: number, base: number): Indirect {
    this.#dirty++;
    const { pointers } = this.shape;
    return this.#keep({ block, level, base, pointers: new Uint32Array(pointers), from: 0, to: pointers });
  }

  /** The inode's own pointer `index`, or one of a block of pointers, leads to `block` from now on. */
  set(parent: Indirect | undefined, slots: Pointers, index: number, block: number): void {
    slots[index] = block;
    if (parent !== undefined) this.changed(parent, index, index + 1);
  }

  /** Pointers [from, to) of a block of them are not as on the medium. */
  changed(indirect: Indirect, from: number, to: number): void {
    if (!isDirty(indirect)) this.#dirty++;
    indirect.from = Math.min(indirect.from, from);
    indirect.to = Math.max(indirect.to, to);
  }

  /** A block of pointers is the tree's no more. */
  forget(indirect: Indirect): void {
    if (isDirty(indirect)) this.#dirty--;
    this.#indirect?.delete(indirect.block);
  }

  /** Forgets blocks of pointers that are as on the medium, if there are many. Only where nobody holds one. */
  forgetClean(): void {
    const indirects = this.#indirect;
    if (indirects === undefined || indirects.size - this.#dirty <= MOST_CLEAN) return;
    for (const [block, indirect] of indirects) if (!isDirty(indirect)) indirects.delete(block);
  }

  /**
   * Brings blocks of pointers to the medium, those that lead to the file's blocks first: none is pointed to before it is
   * there. What they lead to must be durable, and durably marked as taken; pointers to what is in flight stay 0 there.
   */
  store(flights: Flights): void {
    if (this.#indirect === undefined) return;
    for (let level = 1; level <= 3 && this.#dirty > 0; level++) {
      for (const indirect of this.#indirect.values()) {
        if (indirect.level === level && isDirty(indirect)) this.#store(indirect, flights);
      }
    }
    this.forgetClean();
  }

  /** One block cannot be in two places of a tree. */
  inTwoPlaces(block: number): Error {
    return this.#sb.corrupt('has pointers, and is in two places', { ino: this.#ino, block });
  }

  /** Throws `EUCLEAN` where blocks cannot be a file's. */
  check({ block, count }: BlockRun): void {
    this.#sb.checkData(block, count, this.#ino);
  }

  #run(pointers: Pointers, index: number, most: number, end: number): BlockRun {
    const limit = Math.min(most, end - index);
    const block = pointers[index] as number;
    const step = block === 0 ? 0 : 1;
    let count = 1;
    while (count < limit && pointers[index + count] === block + count * step) count++;
    if (block !== 0) this.#sb.checkData(block, count, this.#ino);
    return { block, count };
  }

  #keep(indirect: Indirect): Indirect {
    (this.#indirect ??= new Map<number, Indirect>()).set(indirect.block, indirect);
    return indirect;
  }

  #store(indirect: Indirect, flights: Flights): void {
    const { block, level, base, pointers, from, to } = indirect;
    const stored = pointers.slice(from, to);
    let [keptFrom, keptTo] = [this.shape.pointers, 0];
    if (level === 1 && !flights.isEmpty) {
      for (let i = 0; i < stored.length; i++) {
        if (stored[i] === 0 || !flights.has(base + from + i)) continue;
        stored[i] = 0;
        keptFrom = Math.min(keptFrom, from + i);
        keptTo = from + i + 1;
      }
    }
    this.#sb.medium.store(block * this.#sb.blockSize + from * 4, new Uint8Array(stored.buffer));
    indirect.from = keptFrom;
    indirect.to = keptTo;
    if (!isDirty(indirect)) this.#dirty--;
  }

  #visit(
    block: number,
    level: number,
    base: number,
    seen: Set<number>,
    visit: (run: BlockRun, level: number, iblock: number) => void,
  ): void {
    if (seen.has(block)) throw this.inTwoPlaces(block);
    seen.add(block);
    const { pointers } = this.load(block, level, base);
    visit({ block, count: 1 }, level, base);
    const below = this.shape.below(level);
    for (let index = 0; index < pointers.length; index++) {
      const child = pointers[index] as number;
      if (child === 0) continue;
      if (level > 1) this.#visit(child, level - 1, base + index * below, seen, visit);
      else visit({ block: child, count: 1 }, 0, base + index);
    }
    this.forgetClean();
  }
}

function isDirty({ from, to }: Indirect): boolean {
  return from < to;
}
