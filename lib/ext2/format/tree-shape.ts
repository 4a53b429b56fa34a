// Owns the shape of the tree of pointers: how many blocks of a file each level leads to, and where in the file each begins.

import { EXT2_NDIR_BLOCKS } from './disk.js';

/** Of a block size. A file's block has as depth the number of blocks of pointers that lead to it: 0 to 3. */
export class TreeShape {
  /** Pointers in a block. */
  readonly pointers: number;
  /** The blocks of the file that are below a pointer to a block of each level; level 0 are the file's own. */
  readonly spans: readonly number[];
  /** The file's first block of each depth; of depth 4, the first that cannot be. */
  readonly bases: readonly number[];

  private constructor(pointers: number) {
    this.pointers = pointers;
    // Small integers to V8, which those of `**` are not.
    const square = pointers * pointers;
    const cube = square * pointers;
    this.spans = [1, pointers, square, cube];
    const single = EXT2_NDIR_BLOCKS + pointers;
    const double = single + square;
    this.bases = [0, EXT2_NDIR_BLOCKS, single, double, double + cube];
  }

  static readonly #shapes = new Map<number, TreeShape>();

  /** The shape for a block size in bytes: always the same one. */
  static of(blockSize: number): TreeShape {
    let shape = this.#shapes.get(blockSize);
    if (shape === undefined) this.#shapes.set(blockSize, (shape = new TreeShape(blockSize / 4)));
    return shape;
  }

  /** The file's first block that a block of pointers of `depth` in the inode leads to. */
  base(depth: number): number {
    return this.bases[depth] as number;
  }

  /** The blocks of the file that one pointer in a block of pointers of `level` leads to. */
  below(level: number): number {
    return this.spans[level - 1] as number;
  }

  span(level: number): number {
    return this.spans[level] as number;
  }

  /** Undefined where no file has a block `iblock`. */
  depthOf(iblock: number): number | undefined {
    for (let depth = 0; depth <= 3; depth++) if (iblock < (this.bases[depth + 1] as number)) return depth;
    return undefined;
  }

  /** The file's first block below the block of pointers of `level` through which `iblock`, of `depth`, is found. */
  subtreeBase(iblock: number, depth: number, level: number): number {
    const base = this.base(depth);
    const span = this.span(level);
    return base + Math.floor((iblock - base) / span) * span;
  }
}
