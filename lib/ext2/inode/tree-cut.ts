// Owns removing blocks from a pointer tree in memory: all from one on, or some in the middle.

import type { BlockRun } from '../space/balloc.js';
import { EXT2_NDIR_BLOCKS } from '../format/disk.js';
import type { Indirect, PointerTree, Step } from './pointer-tree.js';

/** Adds a run to those to be freed. */
function add(freed: BlockRun[], { block, count }: BlockRun): void {
  const last = freed.at(-1);
  if (last !== undefined && last.block + last.count === block) last.count += count;
  else freed.push({ block, count });
}

/** Removes every block from `first` on from the tree. Returns them, with the indirect blocks that are removed too. */
export function cutFrom(tree: PointerTree, first: number): BlockRun[] {
  const freed: BlockRun[] = [];
  const { top, shape } = tree;
  for (let iblock = first; iblock < EXT2_NDIR_BLOCKS; iblock++) {
    const run = { block: top[iblock] as number, count: 1 };
    if (run.block === 0) continue;
    tree.check(run);
    top[iblock] = 0;
    add(freed, run);
  }
  const cut = new Cut(tree, freed);
  for (let depth = 1; depth <= 3; depth++) {
    const index = EXT2_NDIR_BLOCKS + depth - 1;
    const block = top[index] as number;
    const base = shape.bases[depth] as number;
    if (block === 0 || base + (shape.spans[depth] as number) <= first) continue;
    if (base >= first) {
      top[index] = 0;
      cut.subtree(block, depth, base);
    } else {
      cut.within(tree.load(block, depth, base), first);
    }
  }
  return freed;
}

/** Removes `count` blocks from `first` on from the tree. Indirect blocks that become empty are removed too. */
export function cutOut(tree: PointerTree, first: number, count: number): BlockRun[] {
  const freed: BlockRun[] = [];
  const end = first + count;
  for (let iblock = first; iblock < end; ) {
    const found = tree.find(iblock, end - iblock);
    if (found.block !== 0) {
      add(freed, found);
      clear(tree, iblock, found.count, freed);
    }
    iblock += found.count;
  }
  return freed;
}

// Clears pointers of one leaf, and removes the indirect blocks that become empty.
function clear(tree: PointerTree, iblock: number, count: number, freed: BlockRun[]): void {
  const path = tree.path(iblock);
  const { indirect, slots, index } = path.pop() as Step;
  slots.fill(0, index, index + count);
  if (indirect !== undefined) tree.changed(indirect, index, index + count);
  for (let child = indirect; child?.pointers.every((pointer) => pointer === 0) === true; ) {
    const above = path.pop() as Step;
    tree.forget(child);
    add(freed, { block: child.block, count: 1 });
    tree.set(above.indirect, above.slots, above.index, 0);
    child = above.indirect;
  }
}

class Cut {
  readonly #tree: PointerTree;
  readonly #freed: BlockRun[];
  readonly #seen = new Set<number>();

  constructor(tree: PointerTree, freed: BlockRun[]) {
    this.#tree = tree;
    this.#freed = freed;
  }

  // Frees a whole subtree, to which nothing in memory points any more.
  subtree(block: number, level: number, base: number): void {
    if (this.#seen.has(block)) throw this.#tree.inTwoPlaces(block);
    this.#seen.add(block);
    const indirect = this.#tree.load(block, level, base);
    const { pointers } = indirect;
    if (level === 1) {
      this.#addRuns(pointers, 0);
    } else {
      const below = this.#tree.shape.spans[level - 1] as number;
      for (let index = 0; index < pointers.length; index++) {
        const child = pointers[index] as number;
        if (child !== 0) this.subtree(child, level - 1, base + index * below);
      }
    }
    this.#tree.forget(indirect);
    add(this.#freed, { block, count: 1 });
  }

  // Frees the part of a subtree at or past `first`, which lies within the subtree.
  within(indirect: Indirect, first: number): void {
    const { level, base, pointers } = indirect;
    const below = this.#tree.shape.spans[level - 1] as number;
    const start = Math.floor((first - base) / below);
    if (level === 1) {
      const end = this.#addRuns(pointers, start);
      if (end === start) return;
      pointers.fill(0, start, end);
      this.#tree.changed(indirect, start, end);
      return;
    }
    for (let index = start; index < pointers.length; index++) {
      const block = pointers[index] as number;
      if (block === 0) continue;
      const childBase = base + index * below;
      if (childBase < first) {
        this.within(this.#tree.load(block, level - 1, childBase), first);
        continue;
      }
      this.subtree(block, level - 1, childBase);
      this.#tree.set(indirect, pointers, index, 0);
    }
  }

  // Collects the blocks of the file that the pointers from `start` on refer to. It adds them in runs, because there are many
  // pointers but few runs. Returns the index after the last pointer that is set.
  #addRuns(pointers: Uint32Array, start: number): number {
    let end = start;
    for (let index = start; index < pointers.length; index++) {
      const block = pointers[index] as number;
      if (block === 0) continue;
      let count = 1;
      while (pointers[index + count] === block + count) count++;
      this.#tree.check({ block, count });
      add(this.#freed, { block, count });
      index += count - 1;
      end = index + 1;
    }
    return end;
  }
}
