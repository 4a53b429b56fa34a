// Owns the blocks reserved for a longer table of group descriptors, and what inode 7 must contain to keep them.

import { EXT2_NDIR_BLOCKS, type Superblock } from './disk.js';
import { hasSuperblock, type Geometry } from './geometry.js';

/** A block, and the pointers that it must contain. */
export interface PointerBlock {
  readonly block: number;
  readonly pointers: Uint32Array;
}

/** The blocks of inode 7: one double indirect block, the reserved blocks of the first group, and their copies. */
export interface Reserve {
  /** The pointers of the double indirect block. */
  readonly pointers: Uint32Array;
  /** The reserved blocks; each contains pointers to its own copies in the groups that have copies. */
  readonly blocks: readonly PointerBlock[];
  /** The pointers of all reserved blocks, which lie one after the other. */
  readonly blockPointers: Uint32Array;
  /** Bytes: i_size. */
  readonly size: number;
  /** The number of all blocks, including the double indirect one. */
  readonly count: number;
}

/** The reserve of a filesystem with the resize_inode feature. */
export function reserveOf(sb: Superblock, geometry: Geometry): Reserve {
  const { blockSize, groups, blocksPerGroup, descBlock, descBlocks, reservedDescBlocks } = geometry;
  const perBlock = blockSize / 4;
  const offsets: number[] = [];
  for (let group = 1; group < groups && offsets.length < perBlock; group++) if (hasSuperblock(sb, group)) offsets.push(group * blocksPerGroup);
  const pointers = new Uint32Array(perBlock);
  const blockPointers = new Uint32Array(reservedDescBlocks * perBlock);
  const blocks: PointerBlock[] = [];
  for (let index = 0; index < reservedDescBlocks; index++) {
    const block = descBlock + descBlocks + index;
    const places = blockPointers.subarray(index * perBlock, (index + 1) * perBlock);
    for (let copy = 0; copy < offsets.length; copy++) places[copy] = block + (offsets[copy] as number);
    // Each pointer stands at the index that its block has in the descriptor table.
    pointers[(descBlocks + index) % perBlock] = block;
    blocks.push({ block, pointers: places });
  }
  const size = (EXT2_NDIR_BLOCKS + perBlock + perBlock ** 2) * blockSize;
  return { pointers, blocks, blockPointers, size, count: 1 + blocks.length * (1 + offsets.length) };
}
