// Owns the contents of a new filesystem: the root, lost+found, the bad blocks inode, and the resize inode.

import {
  COMPAT,
  DIRENT,
  direntLength,
  DIRENT_HEADER,
  EXT2_BAD_INO,
  EXT2_NDIR_BLOCKS,
  EXT2_RESIZE_INO,
  EXT2_ROOT_INO,
  FT,
  GOOD_OLD_FIRST_INO,
  GOOD_OLD_INODE_SIZE,
  hasFlag,
  INODE,
  INODE_EXTRA,
  S_IFDIR,
  S_IFREG,
  WANT_EXTRA_ISIZE,
  type RawInode,
  type Superblock,
} from '../format/disk.js';
import type { Geometry } from '../format/geometry.js';
import { encode } from '../format/layout.js';
import { reserveOf } from '../format/reserve.js';

/** Contiguous blocks with content, beginning at `block`. */
export interface Content {
  readonly block: number;
  readonly bytes: Uint8Array;
}

/** The inodes and blocks of a filesystem without files. */
export interface FirstInodes {
  /** The bytes of the inodes from 1 to `GOOD_OLD_FIRST_INO`. */
  readonly inodes: Uint8Array;
  readonly contents: readonly Content[];
}

// lost+found gets its blocks now, so e2fsck need not allocate any. All of them are direct.
const LOST_FOUND_SIZE = 16 * 1024;
const DIND = EXT2_NDIR_BLOCKS + 1;

interface NewEntry {
  readonly ino: number;
  readonly name: string;
}

function directoryBlock(blockSize: number, entries: readonly NewEntry[], hasFileType: boolean): Uint8Array {
  const block = new Uint8Array(blockSize);
  let at = 0;
  for (const [index, { ino, name }] of entries.entries()) {
    const isLast = index === entries.length - 1;
    const rec_len = isLast ? blockSize - at : direntLength(name.length);
    const file_type = hasFileType ? FT.DIR : FT.UNKNOWN;
    encode(DIRENT, { inode: ino, rec_len, name_len: name.length, file_type }, block, at);
    block.set(Buffer.from(name), at + DIRENT_HEADER);
    at += rec_len;
  }
  return block;
}

function emptyDirectoryBlock(blockSize: number): Uint8Array {
  const block = new Uint8Array(blockSize);
  encode(DIRENT, { rec_len: blockSize }, block);
  return block;
}

// Pointers are little-endian on the disk, as they are in memory wherever node-dax runs.
function pointerBytes(pointers: Uint32Array): Uint8Array {
  return new Uint8Array(pointers.buffer);
}

/** Makes the first inodes and their contents. `take` allocates the next free block. */
export function firstInodes(sb: Superblock, geometry: Geometry, take: () => number): FirstInodes {
  const { blockSize, inodeSize, hasFileType } = geometry;
  const now = sb.s_mkfs_time;
  const inodes = new Uint8Array(GOOD_OLD_FIRST_INO * inodeSize);
  const put = (ino: number, values: Partial<RawInode>) => {
    const at = (ino - EXT2_BAD_INO) * inodeSize;
    encode(INODE, { i_atime: now, i_ctime: now, i_mtime: now, ...values }, inodes, at);
    if (inodeSize > GOOD_OLD_INODE_SIZE && values.i_mode !== undefined) {
      encode(INODE_EXTRA, { i_extra_isize: WANT_EXTRA_ISIZE, i_crtime: now }, inodes, at);
    }
  };
  const putFile = (ino: number, i_mode: number, i_links_count: number, size: number, blocks: number, pointers: number[]) => {
    const i_block = [...pointers, ...new Array<number>(15 - pointers.length).fill(0)];
    const [i_size, i_size_high] = [size % 2 ** 32, Math.floor(size / 2 ** 32)];
    put(ino, { i_mode, i_size, i_size_high, i_links_count, i_blocks: blocks * (blockSize / 512), i_block });
  };

  const root = take();
  const lostFoundBlocks = Math.min(EXT2_NDIR_BLOCKS, LOST_FOUND_SIZE / blockSize);
  const lostFound = Array.from({ length: lostFoundBlocks }, take);
  put(EXT2_BAD_INO, {});
  putFile(EXT2_ROOT_INO, S_IFDIR + 0o755, 3, blockSize, 1, [root]);
  putFile(GOOD_OLD_FIRST_INO, S_IFDIR + 0o700, 2, lostFoundBlocks * blockSize, lostFoundBlocks, lostFound);
  const up = { ino: EXT2_ROOT_INO, name: '..' };
  const rootEntries = [{ ino: EXT2_ROOT_INO, name: '.' }, up, { ino: GOOD_OLD_FIRST_INO, name: 'lost+found' }];
  const contents: Content[] = [
    { block: root, bytes: directoryBlock(blockSize, rootEntries, hasFileType) },
    ...lostFound.map((block, index) => ({
      block,
      bytes: index === 0 ? directoryBlock(blockSize, [{ ino: GOOD_OLD_FIRST_INO, name: '.' }, up], hasFileType) : emptyDirectoryBlock(blockSize),
    })),
  ];
  if (!hasFlag(sb.s_feature_compat, COMPAT.RESIZE_INODE)) return { inodes, contents };

  const reserve = reserveOf(sb, geometry);
  const dind = take();
  const pointers = new Array<number>(DIND).fill(0);
  putFile(EXT2_RESIZE_INO, S_IFREG + 0o600, 1, reserve.size, reserve.count, [...pointers, dind]);
  contents.push({ block: dind, bytes: pointerBytes(reserve.pointers) });
  const [firstReserved] = reserve.blocks;
  if (firstReserved !== undefined) contents.push({ block: firstReserved.block, bytes: pointerBytes(reserve.blockPointers) });
  return { inodes, contents };
}
