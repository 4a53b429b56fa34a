// Owns the check of inodes: their fields, and the blocks that each of them claims.

import type { Census, CheckedDirectory } from './census.js';
import { checkBlockAttributes, checkBodyAttributes } from './check-xattr.js';
import { checkReserve, inodePos } from './check-tables.js';
import {
  CREATOR_HURD,
  EXT2_BAD_INO,
  EXT2_DYNAMIC_REV,
  EXT2_JOURNAL_INO,
  EXT2_N_BLOCKS,
  EXT2_NDIR_BLOCKS,
  EXT2_RESIZE_INO,
  EXT2_ROOT_INO,
  FAST_SYMLINK_LIMIT,
  fileTypeOf,
  FOREIGN_INODE_FLAGS,
  FT,
  GOOD_OLD_INODE_SIZE,
  hasFlag,
  INODE,
  INODE_EXTRA,
  INODE_FLAGS,
  RO_COMPAT,
} from '../format/disk.js';
import { POINTERS } from '../format/inode-fields.js';
import { readerOf } from '../format/layout.js';

const BOOT_LOADER_INO = 5;
const LARGE_FILE = 2 ** 31;
const CHUNK = 256 * 1024;
const FOREIGN_FLAGS = Object.entries(FOREIGN_INODE_FLAGS);

/** Reads the fields of an inode in place, in the part of the table that was loaded. Those of `INODE_EXTRA` are only in larger inodes. */
class InodeReader extends readerOf({ ...INODE, ...INODE_EXTRA }) {}

/** Checks all inodes of the groups whose inode tables are readable. */
export function checkInodes(census: Census, isReadable: readonly boolean[]): void {
  const { geometry } = census;
  const { inodeSize, inodesPerGroup, firstIno } = geometry;
  const chunk = new Uint8Array(Math.max(1, Math.floor(CHUNK / inodeSize)) * inodeSize);
  for (let group = 0; group < geometry.groups; group++) {
    if (isReadable[group] !== true) continue;
    const first = group * inodesPerGroup + EXT2_BAD_INO;
    const table = inodePos(census, first);
    // The filesystem's own inodes are always checked. All others are skipped where the table is a hole, which reads as zeros.
    let next = Math.min(Math.max(0, firstIno - first), inodesPerGroup);
    checkTable(census, first, next, chunk);
    for (const { pos, length } of census.dataRuns(table, inodesPerGroup * inodeSize)) {
      const from = Math.max(next, Math.floor((pos - table) / inodeSize));
      next = Math.max(from, Math.ceil((pos + length - table) / inodeSize));
      checkTable(census, first + from, next - from, chunk);
    }
  }
  if (census.typeOf(EXT2_ROOT_INO) !== FT.DIR) census.findings.error('is the root, and no directory', { ino: EXT2_ROOT_INO });
}

// Checks `count` inodes of one group, a chunk at a time.
function checkTable(census: Census, first: number, count: number, chunk: Uint8Array): void {
  const { inodeSize, firstIno } = census.geometry;
  const perChunk = chunk.length / inodeSize;
  for (let done = 0; done < count; done += perChunk) {
    const bytes = chunk.subarray(0, Math.min(perChunk, count - done) * inodeSize);
    if (!census.loadInto(bytes, inodePos(census, first + done))) continue;
    const inode = new InodeReader(bytes);
    for (; inode.at < bytes.length; inode.at += inodeSize) {
      const ino = first + done + inode.at / inodeSize;
      if (ino < firstIno || !isUntouched(inode)) checkInode(census, ino, inode);
    }
  }
}

// Whether the inode was never used, or was cleared after use, as most inodes are.
function isUntouched(inode: InodeReader): boolean {
  return inode.i_links_count === 0 && inode.i_mode === 0 && inode.i_dtime === 0;
}

function checkInode(census: Census, ino: number, inode: InodeReader): void {
  if (ino === EXT2_RESIZE_INO) checkReserve(census, inode.bytes.subarray(inode.at, inode.at + census.geometry.inodeSize));
  else if (ino === EXT2_BAD_INO) walkBlocks(census, ino, inode);
  else if (ino < census.geometry.firstIno && ino !== EXT2_ROOT_INO) checkReserved(census, ino, inode);
  else if (inode.i_links_count === 0) checkDeleted(census, ino, inode);
  else checkUsed(census, ino, inode);
}

function checkReserved(census: Census, ino: number, inode: InodeReader): void {
  const { findings } = census;
  const { i_mode, i_size_high, i_blocks } = inode;
  const isFile = fileTypeOf(i_mode) === FT.REG_FILE;
  // A journal inode may remain after the feature is removed.
  if ((ino === BOOT_LOADER_INO || ino === EXT2_JOURNAL_INO) && isFile) checkUsed(census, ino, inode);
  else if (i_mode !== 0 && ino !== EXT2_JOURNAL_INO) findings.error(`is reserved, and has mode ${i_mode.toString(8)}`, { ino });
  else if (i_size_high + i_blocks !== 0) findings.add('count', 'is reserved, and has a size or blocks', { ino });
}

function checkDeleted(census: Census, ino: number, { i_mode, i_dtime }: InodeReader): void {
  // In the orphan list, i_dtime is the number of the next inode.
  if (i_dtime !== 0 ? i_dtime <= census.geometry.inodesCount : i_mode !== 0) {
    census.findings.add('leak', 'was open without a name, and is to be deleted', { ino });
  }
}

function checkUsed(census: Census, ino: number, inode: InodeReader): void {
  const { sb, findings } = census;
  const place = { ino };
  const type = fileTypeOf(inode.i_mode);
  census.use(ino, type, inode.i_links_count);
  if (type === FT.UNKNOWN) findings.error(`has mode ${inode.i_mode.toString(8)}`, place);
  if (inode.i_dtime !== 0) findings.error('is in use, and was deleted', place);
  if (inode.i_faddr !== 0) findings.error('has a fragment', place);
  if (sb.s_creator_os !== CREATOR_HURD && inode.l_i_file_acl_high + inode.l_i_blocks_hi !== 0) {
    findings.error('has high halves of i_blocks or i_file_acl', place);
  }
  const flags = inode.i_flags;
  const foreign = flags === 0 ? undefined : FOREIGN_FLAGS.find(([, flag]) => hasFlag(flags, flag));
  if (foreign !== undefined) {
    findings.error(`has the flag ${foreign[0]}, which ext2 does not know`, place);
    return;
  }
  if (hasFlag(inode.i_flags, INODE_FLAGS.INDEX) && type !== FT.DIR) findings.error('has an index, and is no directory', place);
  if (type !== FT.REG_FILE && inode.i_size_high !== 0) findings.error('has a high half of the size, and is no file', place);
  checkBody(census, ino, inode);
  let blocks = inode.i_file_acl === 0 ? 0 : checkBlockAttributes(census, ino, inode.i_file_acl);
  if (sb.s_creator_os === CREATOR_HURD && inode.i_osd1 !== 0) blocks += checkTranslator(census, ino, inode.i_osd1);
  if (type === FT.REG_FILE || type === FT.UNKNOWN) blocks += checkFile(census, ino, inode);
  else if (type === FT.DIR) blocks += checkDirectory(census, ino, inode);
  else if (type === FT.SYMLINK) blocks += checkSymlink(census, ino, inode, blocks);
  else if (inode.i_size !== 0) findings.error(`is no file, and has ${inode.i_size} bytes`, place);
  checkSectors(census, ino, inode.i_blocks, blocks);
}

function checkSectors({ geometry, findings }: Census, ino: number, sectors: number, blocks: number): void {
  const expected = blocks * (geometry.blockSize / 512);
  if (sectors !== expected) findings.add('count', `i_blocks is ${sectors}, should be ${expected}`, { ino });
}

function checkTranslator(census: Census, ino: number, block: number): number {
  const { findings } = census;
  const place = { ino, block };
  if (!census.isBlock(block)) {
    findings.error('does not exist, and a translator is there', place);
    return 0;
  }
  if (!census.claim(block)) findings.error('is claimed twice', place);
  return 1;
}

function checkBody(census: Census, ino: number, inode: InodeReader): void {
  const room = census.geometry.inodeSize - GOOD_OLD_INODE_SIZE;
  if (room <= 0) return;
  const { i_extra_isize, at } = inode;
  if (i_extra_isize === 0) return;
  if (i_extra_isize % 4 !== 0 || i_extra_isize < 4 || i_extra_isize > room) {
    census.findings.error(`has i_extra_isize ${i_extra_isize}`, { ino });
    return;
  }
  const end = at + GOOD_OLD_INODE_SIZE;
  checkBodyAttributes(census, ino, inode, end + i_extra_isize, end + room);
}

function checkFile(census: Census, ino: number, inode: InodeReader): number {
  const { sb, geometry, findings } = census;
  const { blocks, last } = walkBlocks(census, ino, inode);
  const isDynamic = sb.s_rev_level >= EXT2_DYNAMIC_REV;
  const size = inode.i_size_high * 2 ** 32 + inode.i_size;
  // One block may exist that begins exactly at the end of the file.
  if (size < last * geometry.blockSize) findings.add('count', `i_size is ${size}, and block ${last} of it is there`, { ino });
  const pointers = geometry.blockSize / 4;
  const most = (EXT2_NDIR_BLOCKS + pointers + pointers ** 2 + pointers ** 3) * geometry.blockSize;
  if (size > most) findings.error(`has ${size} bytes: more than a file can`, { ino });
  if (size >= LARGE_FILE && !(isDynamic && hasFlag(sb.s_feature_ro_compat, RO_COMPAT.LARGE_FILE))) {
    findings.error(`has ${size} bytes, and the feature large_file is not there`, { ino });
  }
  return blocks;
}

function checkDirectory(census: Census, ino: number, inode: InodeReader): number {
  const { geometry, findings } = census;
  const { blockSize } = geometry;
  const directory: CheckedDirectory = {
    ino,
    blocks: [],
    length: Math.floor(inode.i_size / blockSize),
    isIndexed: hasFlag(inode.i_flags, INODE_FLAGS.INDEX),
    up: undefined,
    parents: [],
  };
  const onData = (block: number, iblock: number) => {
    directory.blocks.push({ iblock, block });
  };
  const { blocks, last } = walkBlocks(census, ino, inode, onData);
  const expected = (last + 1) * blockSize;
  if (last < 0) findings.error('is a directory without blocks', { ino });
  else if (inode.i_size > expected) findings.error(`i_size is ${inode.i_size}, should be ${expected}`, { ino });
  else if (inode.i_size < expected) findings.add('count', `i_size is ${inode.i_size}, should be ${expected}`, { ino });
  census.directories.set(ino, directory);
  return blocks;
}

// The target is in i_block if the inode has no blocks other than those outside its tree.
function checkSymlink(census: Census, ino: number, inode: InodeReader, attributeBlocks: number): number {
  const { geometry, findings } = census;
  const { blockSize } = geometry;
  const isFast = inode.i_blocks === attributeBlocks * (blockSize / 512);
  if (isFast) {
    const target = new Uint8Array(Uint32Array.from(inode.i_block).buffer);
    if (inode.i_size >= FAST_SYMLINK_LIMIT || target.indexOf(0) !== inode.i_size || inode.i_size === 0) {
      findings.error(`is a symbolic link of ${inode.i_size} bytes with another target`, { ino });
    }
    return 0;
  }
  const [first = 0] = inode.i_block;
  const { blocks } = walkBlocks(census, ino, inode);
  const target = census.isBlock(first) ? census.loadBlock(first) : undefined;
  if (blocks !== 1 || target?.indexOf(0) !== inode.i_size || inode.i_size === 0 || inode.i_size >= blockSize) {
    findings.error(`is a symbolic link of ${inode.i_size} bytes with another target`, { ino });
  }
  return blocks;
}

/**
 * Claims the blocks of an inode, indirect blocks included. An indirect block that was claimed before is not read again, so
 * nothing is walked twice. Calls `onData` with each data block that was not claimed before.
 */
function walkBlocks(census: Census, ino: number, { view, at }: InodeReader, onData?: OnData): BlockWalk {
  const walk = new BlockWalk(census, ino, onData);
  const perBlock = census.geometry.blockSize / 4;
  let iblock = 0;
  for (let index = 0; index < EXT2_N_BLOCKS; index++) {
    const level = Math.max(0, index - EXT2_NDIR_BLOCKS + 1);
    walk.visit(view.getUint32(at + POINTERS + 4 * index, true), level, iblock);
    iblock += perBlock ** level;
  }
  return walk;
}

type OnData = (block: number, iblock: number) => void;

class BlockWalk {
  /** How many blocks there are. */
  blocks = 0;
  /** The last block of the file; -1 if there is none. */
  last = -1;
  readonly #census: Census;
  readonly #ino: number;
  readonly #onData: OnData | undefined;

  constructor(census: Census, ino: number, onData: OnData | undefined) {
    this.#census = census;
    this.#ino = ino;
    this.#onData = onData;
  }

  /** Takes the pointer to a block that is `level` levels above the data, of which `iblock` is the first. */
  visit(block: number, level: number, iblock: number): void {
    if (block === 0) return;
    const { findings } = this.#census;
    if (!this.#census.isBlock(block)) {
      findings.error('does not exist, and a pointer leads there', { ino: this.#ino, block });
      return;
    }
    this.blocks++;
    if (level === 0) this.last = iblock;
    if (!this.#census.claim(block)) {
      findings.error('is claimed twice', { ino: this.#ino, block });
      return;
    }
    if (level === 0) this.#onData?.(block, iblock);
    else this.#visitPointers(block, level, iblock);
  }

  #visitPointers(block: number, level: number, iblock: number): void {
    const bytes = this.#census.loadBlock(block);
    if (bytes === undefined) return;
    const view = new DataView(bytes.buffer);
    const perBlock = bytes.length / 4;
    const step = perBlock ** (level - 1);
    for (let index = 0; index < perBlock; index++) this.visit(view.getUint32(4 * index, true), level - 1, iblock + index * step);
  }
}
