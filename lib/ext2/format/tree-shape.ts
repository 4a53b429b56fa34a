// Owns the shape of the pointer tree: how many blocks of a file each level covers, and at which block of the file it begins.

import { EXT2_NDIR_BLOCKS } from './disk.js';

/** The shape for one block size. The depth of a file's block is the number of indirect blocks on the way to it: 0 to 3. */
export class TreeShape {
  /** Pointers in a block. */
  readonly pointers: number;
  /** For each level, how many blocks of the file a block of that level covers; level 0 is the file's own blocks. */
  readonly spans: readonly number[];
  /** The file's first block of each depth; for depth 4, the first block that no file can have. */
  readonly bases: readonly number[];

  private constructor(pointers: number) {
    this.pointers = pointers;
    // V8 represents products as small integers, but results of `**` as doubles.
    const square = pointers * pointers;
    const cube = square * pointers;
    this.spans = [1, pointers, square, cube];
    const single = EXT2_NDIR_BLOCKS + pointers;
    const double = single + square;
    this.bases = [0, EXT2_NDIR_BLOCKS, single, double, double + cube];
  }

  static readonly #shapes = new Map<number, TreeShape>();

  /** The shape for a block size in bytes; always the same object. */
  static of(blockSize: number): TreeShape {
    let shape = this.#shapes.get(blockSize);
    if (shape === undefined) this.#shapes.set(blockSize, (shape = new TreeShape(blockSize / 4)));
    return shape;
  }

  /** The file's first block of depth `depth`. */
  base(depth: number): number {
    return this.bases[depth] as number;
  }

  /** How many blocks of the file one pointer in an indirect block of level `level` covers. */
  below(level: number): number {
    return this.spans[level - 1] as number;
  }

  span(level: number): number {
    return this.spans[level] as number;
  }

  /** The depth of block `iblock`; undefined if no file can have it. */
  depthOf(iblock: number): number | undefined {
    for (let depth = 0; depth <= 3; depth++) if (iblock < (this.bases[depth + 1] as number)) return depth;
    return undefined;
  }

  /**
   * The file's first block that is covered by the indirect block of level `level` on the way to `iblock`, which has depth `depth`.
   */
  subtreeBase(iblock: number, depth: number, level: number): number {
    const base = this.base(depth);
    const span = this.span(level);
    return base + Math.floor((iblock - base) / span) * span;
  }
}
