// Owns the shape of the pointer tree: how many blocks of a file each level covers, and at which block of the file it begins.

import { EXT2_NDIR_BLOCKS } from './disk.js';

/** The shape for one block size. The depth of a file's block is the number of indirect blocks on the way to it: 0 to 3. */
export interface TreeShape {
  /** Pointers in a block. */
  readonly pointers: number;
  /**
   * For each level, how many blocks of the file a block of that level covers; level 0 is the file's own blocks. A pointer in a
   * block of one level covers the span of the level below.
   */
  readonly spans: readonly number[];
  /** The file's first block of each depth; for depth 4, the first block that no file can have. */
  readonly bases: readonly number[];
}

const shapes = new Map<number, TreeShape>();

/** The shape for a block size in bytes; always the same object. */
export function treeShape(blockSize: number): TreeShape {
  let shape = shapes.get(blockSize);
  if (shape === undefined) shapes.set(blockSize, (shape = shapeOf(blockSize / 4)));
  return shape;
}

function shapeOf(pointers: number): TreeShape {
  // V8 represents products as small integers, but results of `**` as doubles.
  const square = pointers * pointers;
  const cube = square * pointers;
  const single = EXT2_NDIR_BLOCKS + pointers;
  const double = single + square;
  return { pointers, spans: [1, pointers, square, cube], bases: [0, EXT2_NDIR_BLOCKS, single, double, double + cube] };
}
