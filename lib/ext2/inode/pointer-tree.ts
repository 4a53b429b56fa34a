// Owns the pointer tree of one file: its form in memory, and how its indirect blocks reach the medium.

import type { BlockRun } from '../space/balloc.js';
import { EXT2_NDIR_BLOCKS } from '../format/disk.js';
import { fail } from '../format/error.js';
import type { BlocksInFlight } from './blocks-in-flight.js';
import type { Super } from '../space/super.js';
import { treeShape, type TreeShape } from '../format/tree-shape.js';

export type Pointers = number[] | Uint32Array;

/** An indirect block: a block of pointers. */
export interface Indirect {
  readonly block: number;
  /** 1: its pointers refer to the file's blocks; 2 and 3: to indirect blocks of the level below. */
  readonly level: number;
  /** The first block of the file that it covers. */
  readonly base: number;
  readonly pointers: Uint32Array<ArrayBuffer>;
  /** The range [from, to) of pointers that differ from the medium; all of them in a new block. */
  from: number;
  to: number;
}

/** The place of one pointer: in the inode (`indirect` is undefined) or in an indirect block. */
export interface Step {
  readonly indirect: Indirect | undefined;
  readonly slots: Pointers;
  readonly index: number;
}

// The maximum number of unchanged indirect blocks in memory.
const MOST_CLEAN = 64;

export class PointerTree {
  /** i_block. */
  readonly top: number[];
  readonly shape: TreeShape;
  readonly #sb: Super;
  readonly #ino: number;
  // Made on first use: most files have no indirect blocks.
  #indirect: Map<number, Indirect> | undefined;
  #dirty = 0;

  constructor(sb: Super, ino: number, top: number[]) {
    this.#sb = sb;
    this.#ino = ino;
    this.top = top;
    this.shape = treeShape(sb.blockSize);
  }

  /** The number of indirect blocks that differ from the medium. */
  get dirty(): number {
    return this.#dirty;
  }

  /** The number of indirect blocks in memory. */
  get indirect(): number {
    return this.#indirect?.size ?? 0;
  }

  /** The number of indirect blocks on the way to block `iblock`. Throws `EFBIG` if a file cannot have such a block. */
  depthOf(iblock: number): number {
    const { bases } = this.shape;
    for (let depth = 0; depth <= 3; depth++) if (iblock < (bases[depth + 1] as number)) return depth;
    return fail('EFBIG', 'ext2', `inode ${this.#ino} cannot have a block ${iblock}`);
  }

  /**
   * The first block of the file that one indirect block covers: the indirect block of level `level` on the way to block `iblock`.
   * `depth` is `depthOf(iblock)`.
   */
  baseOf(iblock: number, depth: number, level: number): number {
    const base = this.shape.bases[depth] as number;
    const span = this.shape.spans[level] as number;
    return base + Math.floor((iblock - base) / span) * span;
  }

  /** What up to `most` pointers, from that of `iblock` on, refer to: one run of blocks, or a hole if `block` is 0. */
  find(iblock: number, most: number): BlockRun {
    this.forgetClean();
    const depth = this.depthOf(iblock);
    if (depth === 0) return this.#run(this.top, iblock, most, EXT2_NDIR_BLOCKS);
    const { shape } = this;
    let block = this.top[EXT2_NDIR_BLOCKS + depth - 1] as number;
    let base = shape.bases[depth] as number;
    for (let level = depth; ; level--) {
      if (block === 0) return { block: 0, count: Math.min(most, base + (shape.spans[level] as number) - iblock) };
      const { pointers } = this.load(block, level, base);
      const below = shape.spans[level - 1] as number;
      const index = Math.floor((iblock - base) / below);
      if (level === 1) return this.#run(pointers, index, most, shape.pointers);
      block = pointers[index] as number;
      base += index * below;
    }
  }

  /**
   * The nearest block of the file before `iblock`: among up to `most` pointers before it in the same indirect block or, if `iblock`
   * is the first of its indirect block, the block just before. Undefined if there is none.
   */
  before(iblock: number, most: number): { iblock: number; block: number } | undefined {
    const depth = this.depthOf(iblock);
    const isFirst = iblock === (depth === 0 ? 0 : this.baseOf(iblock, depth, 1));
    if (isFirst) {
      const block = iblock === 0 ? 0 : this.find(iblock - 1, 1).block;
      return block === 0 ? undefined : { iblock: iblock - 1, block };
    }
    const path = this.path(iblock);
    // The indirect block for `iblock` does not exist.
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

  /** The pointers on the way to a block of the file, from the inode's own down to the last that exists. */
  path(iblock: number): Step[] {
    const depth = this.depthOf(iblock);
    const path: Step[] = [];
    let indirect: Indirect | undefined;
    let slots: Pointers = this.top;
    let index = depth === 0 ? iblock : EXT2_NDIR_BLOCKS + depth - 1;
    let base = this.shape.bases[depth] as number;
    path.push({ indirect, slots, index });
    for (let level = depth; level > 0; level--) {
      const block = slots[index] as number;
      if (block === 0) break;
      indirect = this.load(block, level, base);
      const below = this.shape.spans[level - 1] as number;
      slots = indirect.pointers;
      index = Math.floor((iblock - base) / below);
      base += index * below;
      path.push({ indirect, slots, index });
    }
    return path;
  }

  /** Calls `visit` with every run of the tree's blocks: indirect blocks (level 1 to 3) and the file's blocks (level 0). */
  forEach(visit: (run: BlockRun, level: number, iblock: number) => void): void {
    for (let iblock = 0; iblock < EXT2_NDIR_BLOCKS; iblock++) {
      const block = this.top[iblock] as number;
      if (block !== 0) visit({ block, count: 1 }, 0, iblock);
    }
    const seen = new Set<number>();
    for (let depth = 1; depth <= 3; depth++) {
      const block = this.top[EXT2_NDIR_BLOCKS + depth - 1] as number;
      if (block !== 0) this.#visit(block, depth, this.shape.bases[depth] as number, seen, visit);
    }
  }

  /**
   * An indirect block to which the tree points, loaded if need be. Throws `EUCLEAN` if the block cannot be an indirect block, or is
   * one at another place in the tree.
   */
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

  /** A new indirect block with all pointers 0, not on the medium yet. */
  make(block: number, level: number, base: number): Indirect {
    this.#dirty++;
    const { pointers } = this.shape;
    return this.#keep({ block, level, base, pointers: new Uint32Array(pointers), from: 0, to: pointers });
  }

  /** Sets pointer `index` of the inode, or of an indirect block, to `block`. */
  set(parent: Indirect | undefined, slots: Pointers, index: number, block: number): void {
    slots[index] = block;
    if (parent !== undefined) this.changed(parent, index, index + 1);
  }

  /** Marks pointers [from, to) of an indirect block as changed. */
  changed(indirect: Indirect, from: number, to: number): void {
    if (!isDirty(indirect)) this.#dirty++;
    indirect.from = Math.min(indirect.from, from);
    indirect.to = Math.max(indirect.to, to);
  }

  /** Removes an indirect block from memory after it left the tree. */
  forget(indirect: Indirect): void {
    if (isDirty(indirect)) this.#dirty--;
    this.#indirect?.delete(indirect.block);
  }

  /** Evicts unchanged indirect blocks, if there are many. Call it only while no caller uses one. */
  forgetClean(): void {
    const indirects = this.#indirect;
    if (indirects === undefined || indirects.size - this.#dirty <= MOST_CLEAN) return;
    for (const [block, indirect] of indirects) if (!isDirty(indirect)) indirects.delete(block);
  }

  /**
   * Stores the changed indirect blocks, lowest level first, so each is stored before any pointer to it. The blocks that they point
   * to must be durable and durably marked as taken. Pointers to blocks in flight are stored as 0.
   */
  store(inFlight: BlocksInFlight): void {
    if (this.#indirect === undefined) return;
    for (let level = 1; level <= 3 && this.#dirty > 0; level++) {
      for (const indirect of this.#indirect.values()) {
        if (indirect.level === level && isDirty(indirect)) this.#store(indirect, inFlight);
      }
    }
    this.forgetClean();
  }

  /** The error for a block that is in two places of the tree. */
  inTwoPlaces(block: number): Error {
    return this.#sb.corrupt('has pointers, and is in two places', { ino: this.#ino, block });
  }

  /** Throws `EUCLEAN` if blocks cannot be a file's. */
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

  #store(indirect: Indirect, inFlight: BlocksInFlight): void {
    const { block, level, base, pointers, from, to } = indirect;
    const stored = pointers.slice(from, to);
    let [keptFrom, keptTo] = [this.shape.pointers, 0];
    if (level === 1 && !inFlight.isEmpty) {
      for (let i = 0; i < stored.length; i++) {
        if (stored[i] === 0 || !inFlight.has(base + from + i)) continue;
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
    const below = this.shape.spans[level - 1] as number;
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
