// Owns the geometry that a superblock describes, checked before it is used.

import { DaxError } from 'node-dax';
import {
  COMPAT,
  EXT2_DYNAMIC_REV,
  EXT2_GOOD_OLD_REV,
  EXT2_MAGIC,
  GOOD_OLD_FIRST_INO,
  GOOD_OLD_INODE_SIZE,
  GROUP_DESC_SIZE,
  hasFlag,
  INCOMPAT,
  KNOWN_INCOMPAT,
  KNOWN_RO_COMPAT,
  RO_COMPAT,
  unknownFlags,
  type Superblock,
} from './disk.js';
import { featureNames } from './features.js'; // late

/** The geometry. Blocks and inodes are numbered as on the medium. */
export interface Geometry {
  readonly blockSize: number;
  readonly blocksCount: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly groups: number;
  readonly inodesCount: number;
  readonly inodesPerGroup: number;
  readonly inodeSize: number;
  readonly firstIno: number;
  /** The first block of the table of group descriptors. */
  readonly descBlock: number;
  readonly descBlocks: number;
  /** Blocks after the descriptor table that are reserved for its growth. */
  readonly reservedDescBlocks: number;
  /** Blocks of one group's inode table. */
  readonly inodeTableBlocks: number;
  /** Whether directory entries store the type of their inode. */
  readonly hasFileType: boolean;
  /** The unsupported flags of s_feature_ro_compat; 0 if the filesystem can be written. */
  readonly unknownRoCompat: number;
}

function corrupt(hint: string): never {
  throw new DaxError({ errno: 'EUCLEAN', syscall: 'mount', hint: `superblock: ${hint}` });
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

// s_log_block_size of a corrupt superblock may have any 32-bit value.
function blockSizeOf({ s_log_block_size: log }: Superblock): number {
  if (log > 2) {
    const hint = `s_log_block_size is ${log}: blocks of 1024, 2048 and 4096 bytes are supported`;
    throw new DaxError({ errno: log > 6 ? 'EUCLEAN' : 'EOPNOTSUPP', syscall: 'mount', hint });
  }
  // Floored so that V8 represents it, and all positions computed from it, as small integers; the result of `**` is a double.
  return Math.floor(1024 * 2 ** log);
}

function checkFeatures(sb: Superblock): void {
  if (sb.s_rev_level > EXT2_DYNAMIC_REV) {
    throw new DaxError({ errno: 'EOPNOTSUPP', syscall: 'mount', hint: `revision ${sb.s_rev_level} is not supported` });
  }
  if (sb.s_rev_level === EXT2_GOOD_OLD_REV) return;
  const unknown = unknownFlags(sb.s_feature_incompat, KNOWN_INCOMPAT);
  if (unknown === 0) return;
  const names = featureNames('s_feature_incompat', unknown).join(', ');
  const hint = `it has ${names}, which ext2 has not: mount it with the filesystem that it is`;
  throw new DaxError({ errno: 'EOPNOTSUPP', syscall: 'mount', hint });
}

function inodeSizeOf({ s_rev_level, s_inode_size: size }: Superblock, blockSize: number): number {
  if (s_rev_level === EXT2_GOOD_OLD_REV) return GOOD_OLD_INODE_SIZE;
  if (size < GOOD_OLD_INODE_SIZE || size > blockSize || !isPowerOfTwo(size)) corrupt(`s_inode_size is ${size}`);
  return size;
}

function firstInoOf({ s_rev_level, s_first_ino, s_inodes_count }: Superblock): number {
  if (s_rev_level === EXT2_GOOD_OLD_REV) return GOOD_OLD_FIRST_INO;
  if (s_first_ino < GOOD_OLD_FIRST_INO || s_first_ino > s_inodes_count) corrupt(`s_first_ino is ${s_first_ino}`);
  return s_first_ino;
}

function checkBlocks(sb: Superblock, blockSize: number, deviceSize: number): void {
  const { s_blocks_count: blocks, s_first_data_block: first, s_blocks_per_group: perGroup } = sb;
  if (blocks * blockSize > deviceSize) {
    corrupt(`s_blocks_count is ${blocks}, which take ${blocks * blockSize} bytes: the device has ${deviceSize}`);
  }
  const expected = blockSize === 1024 ? 1 : 0;
  if (first !== expected) corrupt(`s_first_data_block is ${first}`);
  if (blocks <= first + 1) corrupt(`s_blocks_count is ${blocks}`);
  if (perGroup < 8 || perGroup > 8 * blockSize || perGroup % 8 !== 0) corrupt(`s_blocks_per_group is ${perGroup}`);
}

function checkInodes(sb: Superblock, blockSize: number, inodeSize: number, groups: number): void {
  const { s_inodes_per_group: perGroup, s_inodes_count: inodes, s_blocks_per_group } = sb;
  const tableBlocks = Math.ceil((perGroup * inodeSize) / blockSize);
  if (perGroup === 0 || perGroup > 8 * blockSize || tableBlocks >= s_blocks_per_group) {
    corrupt(`s_inodes_per_group is ${perGroup}`);
  }
  if (inodes !== perGroup * groups) corrupt(`s_inodes_count is ${inodes}, not ${groups} groups of ${perGroup}`);
}

/**
 * Checks a superblock that was read from a device of `deviceSize` bytes, and returns its geometry.
 *
 * Throws `EINVAL` if there is no ext2 filesystem, `EOPNOTSUPP` for unsupported revisions, block sizes or incompatible features, and
 * `EUCLEAN` for invalid numbers.
 */
export function geometryOf(sb: Superblock, deviceSize: number): Geometry {
  if (sb.s_magic !== EXT2_MAGIC) {
    throw new DaxError({ errno: 'EINVAL', syscall: 'mount', hint: 'there is no ext2 filesystem here: the magic number of ext2 is missing' });
  }
  checkFeatures(sb);
  const blockSize = blockSizeOf(sb);
  checkBlocks(sb, blockSize, deviceSize);
  const inodeSize = inodeSizeOf(sb, blockSize);
  const groups = Math.ceil((sb.s_blocks_count - sb.s_first_data_block) / sb.s_blocks_per_group);
  checkInodes(sb, blockSize, inodeSize, groups);
  const isDynamic = sb.s_rev_level !== EXT2_GOOD_OLD_REV;
  const descBlock = sb.s_first_data_block + 1;
  const descBlocks = Math.ceil((groups * GROUP_DESC_SIZE) / blockSize);
  if (isDynamic && sb.s_reserved_gdt_blocks > blockSize / 4) {
    corrupt(`s_reserved_gdt_blocks is ${sb.s_reserved_gdt_blocks}`);
  }
  if (descBlock + descBlocks > sb.s_blocks_count) corrupt(`${groups} groups have no room for their descriptors`);
  return {
    blockSize,
    blocksCount: sb.s_blocks_count,
    firstDataBlock: sb.s_first_data_block,
    blocksPerGroup: sb.s_blocks_per_group,
    groups,
    inodesCount: sb.s_inodes_count,
    inodesPerGroup: sb.s_inodes_per_group,
    inodeSize,
    firstIno: firstInoOf(sb),
    descBlock,
    descBlocks,
    // Even without the resize_inode feature: tune2fs removes the feature and leaves the blocks allocated.
    reservedDescBlocks: isDynamic ? sb.s_reserved_gdt_blocks : 0,
    inodeTableBlocks: Math.ceil((sb.s_inodes_per_group * inodeSize) / blockSize),
    hasFileType: isDynamic && hasFlag(sb.s_feature_incompat, INCOMPAT.FILETYPE),
    unknownRoCompat: isDynamic ? unknownFlags(sb.s_feature_ro_compat, KNOWN_RO_COMPAT) : 0,
  };
}

// Groups 0 and 1, and those whose number is a power of 3, 5 or 7, have backups.
function isSparseGroup(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}

/** Whether a group begins with a copy of the superblock and of the descriptors. */
export function hasSuperblock(sb: Superblock, group: number): boolean {
  if (group === 0) return true;
  if (sb.s_rev_level === EXT2_GOOD_OLD_REV) return true;
  if (hasFlag(sb.s_feature_compat, COMPAT.SPARSE_SUPER2)) return sb.s_backup_bgs.includes(group);
  return !hasFlag(sb.s_feature_ro_compat, RO_COMPAT.SPARSE_SUPER) || isSparseGroup(group);
}
