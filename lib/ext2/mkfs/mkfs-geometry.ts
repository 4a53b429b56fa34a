// Owns the geometry of a new filesystem: block and group sizes, inode counts and reserves, as mke2fs chooses them for ext2.

import { randomBytes, randomUUID } from 'node:crypto';
import { argumentError, PAGE_SIZE } from 'node-dax';
import {
  COMPAT,
  EXT2_DYNAMIC_REV,
  EXT2_GOOD_OLD_REV,
  EXT2_MAGIC,
  EXT2_VALID_FS,
  GOOD_OLD_FIRST_INO,
  GOOD_OLD_INODE_SIZE,
  GROUP_DESC_SIZE,
  hasFlag,
  INCOMPAT,
  readSuperblock,
  RO_COMPAT,
  SUPERBLOCK_SIZE,
  WANT_EXTRA_ISIZE,
  type Superblock,
} from '../format/disk.js';
import { fail } from '../format/error.js';
import { hasSuperblock } from '../format/geometry.js';

/** The layout of a new filesystem. Omitted members default to what mke2fs chooses for the device's size. */
export interface Layout {
  /** Bytes: 1024, 2048 or 4096. Default 4096, and 1024 below 512 MiB. */
  readonly blockSize?: number;
  /** Bytes: 128 or 256. Default 256: inodes of 128 bytes store no nanoseconds and no time after 2038. Revision 0 has 128. */
  readonly inodeSize?: number;
  /** 1, or 0 for the original format without features. */
  readonly revision?: 0 | 1;
  /** The minimum number of inodes. */
  readonly inodes?: number;
  /** Instead of `inodes`: bytes of the device per inode, 1024 to 67108864. Default 16384; 8192 below 3 MiB, 4096 below 512 MiB. */
  readonly bytesPerInode?: number;
  /** Percentage of the blocks that is reserved for root: 0 to 50. Default 5. */
  readonly reservedPercent?: number;
  /** The volume name: at most 16 bytes of UTF-8. Default: empty. */
  readonly label?: string;
  /** Default: a random one. */
  readonly uuid?: string;
  /** The seed of directory indexes' hashes, as a UUID. Default: a random one. */
  readonly hashSeed?: string;
  /** When the filesystem was created. Default: now. */
  readonly created?: Date;
}

const MIB = 1024 ** 2;
const TIB = 1024 ** 4;

// The size classes of mke2fs.conf.
function defaultsFor(size: number): { blockSize: number; bytesPerInode: number } {
  if (size < 3 * MIB) return { blockSize: 1024, bytesPerInode: 8192 };
  if (size < 512 * MIB) return { blockSize: 1024, bytesPerInode: 4096 };
  return { blockSize: 4096, bytesPerInode: size < 4 * TIB ? 16384 : size < 16 * TIB ? 32768 : 65536 };
}

const MOST_BLOCKS = 2 ** 32 - 1;
const MOST_INODES = 2 ** 32 - 1;
// The last group is left out unless it has this many blocks beyond its tables.
const LEAST_DATA_BLOCKS = 50;
const LEAST_BLOCKS_PER_GROUP = 256;
// The reserved descriptor blocks let a filesystem grow to this many times its size without moving anything.
const GROWTH = 1024;

const SIGNED_HASH = 1;
const HASH_HALF_MD4 = 1;
const ERRORS_CONTINUE = 1;
const MOUNT_USER_XATTR = 4;
const MOUNT_ACL = 8;

function checkChoice(value: number | undefined, name: string, choices: readonly number[]): void {
  if (value !== undefined && !choices.includes(value)) {
    throw argumentError('ERR_OUT_OF_RANGE', `${name} must be one of ${choices.join(', ')}, it is ${value}`);
  }
}

function checkRange(value: number | undefined, name: string, least: number, most: number, isInteger = true): void {
  if (value === undefined) return;
  if (!(value >= least && value <= most) || (isInteger && !Number.isInteger(value))) {
    throw argumentError('ERR_OUT_OF_RANGE', `${name} must be ${isInteger ? 'an integer ' : ''}from ${least} to ${most}, it is ${value}`);
  }
}

function uuidBytes(text: string, name: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw argumentError('ERR_OUT_OF_RANGE', `${name} must look like ${randomUUID()}, it is '${text}'`);
  }
  return Uint8Array.from(Buffer.from(text.replaceAll('-', ''), 'hex'));
}

function labelBytes(label: string): Uint8Array {
  const bytes = Buffer.from(label);
  if (bytes.length > 16 || bytes.includes(0)) {
    throw argumentError('ERR_OUT_OF_RANGE', `label must have at most 16 bytes and no NUL, '${label}' has ${bytes.length}`);
  }
  const padded = new Uint8Array(16);
  padded.set(bytes);
  return padded;
}

/** Throws `TypeError` or `RangeError` for invalid options. */
function checkLayout(layout: Layout): void {
  checkChoice(layout.blockSize, 'blockSize', [1024, 2048, 4096]);
  checkChoice(layout.revision, 'revision', [0, 1]);
  checkChoice(layout.inodeSize, 'inodeSize', layout.revision === 0 ? [128] : [128, 256]);
  checkRange(layout.inodes, 'inodes', 1, MOST_INODES);
  checkRange(layout.bytesPerInode, 'bytesPerInode', 1024, 64 * MIB);
  checkRange(layout.reservedPercent, 'reservedPercent', 0, 50, false);
  if (layout.inodes !== undefined && layout.bytesPerInode !== undefined) {
    throw argumentError('ERR_INVALID_ARG_VALUE', 'inodes and bytesPerInode cannot both be given');
  }
  const { created } = layout;
  if (created !== undefined && !(created instanceof Date && created.getTime() >= 0 && created.getTime() < 2 ** 32 * 1000)) {
    throw argumentError('ERR_OUT_OF_RANGE', 'created must be a Date from 1970 to 2106');
  }
}

interface Wanted {
  /** The superblock with what is known so far: revision, features, block and inode sizes. */
  readonly sb: Superblock;
  readonly blockSize: number;
  readonly inodeSize: number;
  readonly blocks: number;
  readonly inodes: number;
}

interface Numbers {
  readonly blocks: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly groups: number;
  readonly reservedDescBlocks: number;
  /** Blocks that files cannot use. */
  readonly overhead: number;
}

// Blocks to reserve for the descriptors of GROWTH times as many blocks, limited to what one block can point to.
function reserveFor({ sb, blockSize }: Wanted, blocks: number, blocksPerGroup: number, descBlocks: number): number {
  if (!hasFlag(sb.s_feature_compat, COMPAT.RESIZE_INODE)) return 0;
  const largest = blocks < MOST_BLOCKS / GROWTH ? blocks * GROWTH : MOST_BLOCKS;
  const groups = Math.ceil((largest - sb.s_first_data_block) / blocksPerGroup);
  const wanted = Math.ceil(groups / (blockSize / GROUP_DESC_SIZE)) - descBlocks;
  return Math.min(wanted, blockSize / 4);
}

// Rounded to whole blocks of inodes and whole bytes of the bitmap; at least enough for the first inodes of a new filesystem.
function inodesPerGroupOf({ blockSize, inodeSize, inodes }: Wanted, groups: number): number {
  const perBlock = blockSize / inodeSize;
  const whole = Math.ceil(Math.ceil(inodes / groups) / perBlock) * perBlock;
  return 8 * Math.max(Math.floor(whole / 8), Math.ceil(GOOD_OLD_FIRST_INO / 8));
}

// Undefined if a group would have more inodes than a block has bits.
function groupsOf(wanted: Wanted, blocksPerGroup: number): Numbers | undefined {
  const { sb, blockSize, inodeSize, inodes } = wanted;
  const firstDataBlock = sb.s_first_data_block;
  for (let { blocks } = wanted; ; ) {
    const groups = Math.ceil((blocks - firstDataBlock) / blocksPerGroup);
    if (groups <= 0) fail('ENOSPC', 'mkfs', 'the device is too small for a filesystem');
    const inodesPerGroup = inodesPerGroupOf(wanted, groups);
    if (inodesPerGroup > 8 * blockSize) return undefined;
    const descBlocks = Math.ceil((groups * GROUP_DESC_SIZE) / blockSize);
    const reservedDescBlocks = reserveFor(wanted, blocks, blocksPerGroup, descBlocks);
    const head = 1 + descBlocks + reservedDescBlocks;
    const tables = 2 + Math.ceil((inodesPerGroup * inodeSize) / blockSize);
    const tablesOf = (group: number) => tables + (hasSuperblock(sb, group) ? head : 0);
    if (head + tables > blocksPerGroup) fail('EINVAL', 'mkfs', `${inodes} inodes are too many for ${blocks} blocks`);
    const rest = (blocks - firstDataBlock) % blocksPerGroup;
    if (rest > 0 && rest < tablesOf(groups - 1) + LEAST_DATA_BLOCKS) {
      blocks -= rest;
      continue;
    }
    let overhead = firstDataBlock;
    for (let group = 0; group < groups; group++) overhead += tablesOf(group);
    return { blocks, blocksPerGroup, inodesPerGroup, groups, reservedDescBlocks, overhead };
  }
}

// Groups are as large as one bitmap block allows, or smaller if there are many inodes.
function fit(wanted: Wanted): Numbers {
  for (let blocksPerGroup = 8 * wanted.blockSize; blocksPerGroup >= LEAST_BLOCKS_PER_GROUP; blocksPerGroup -= 8) {
    const numbers = groupsOf(wanted, blocksPerGroup);
    if (numbers !== undefined) return numbers;
  }
  return fail('EINVAL', 'mkfs', `${wanted.inodes} inodes are too many for ${wanted.blocks} blocks`);
}

/**
 * The superblock of a new filesystem on a device of `size` bytes, without the counts of free blocks and inodes.
 *
 * Throws `TypeError` or `RangeError` for wrong options, `ENOSPC` if the device is too small, `EFBIG` for more than 2³² - 1 blocks,
 * `EINVAL` for more inodes than fit.
 */
export function planOf(size: number, layout: Layout): Superblock {
  checkLayout(layout);
  const defaults = defaultsFor(size);
  const { blockSize = defaults.blockSize, revision = EXT2_DYNAMIC_REV, reservedPercent = 5 } = layout;
  const isDynamic = revision !== EXT2_GOOD_OLD_REV;
  const inodeSize = isDynamic ? (layout.inodeSize ?? 256) : GOOD_OLD_INODE_SIZE;
  // Whole pages only, because the kernel caches devices in pages.
  const available = Math.floor(size / PAGE_SIZE) * (PAGE_SIZE / blockSize);
  if (available > MOST_BLOCKS) {
    fail('EFBIG', 'mkfs', `the device has ${available} blocks of ${blockSize} bytes, ext2 at most ${MOST_BLOCKS}`);
  }
  const bytesPerInode = layout.bytesPerInode ?? Math.max(blockSize, defaults.bytesPerInode);
  const inodes = layout.inodes ?? Math.floor((available * blockSize) / bytesPerInode);
  if (inodes * inodeSize >= available * blockSize) {
    fail(available === 0 ? 'ENOSPC' : 'EINVAL', 'mkfs', `${inodes} inodes of ${inodeSize} bytes do not fit on ${size} bytes`);
  }
  const now = Math.floor((layout.created?.getTime() ?? Date.now()) / 1000);
  const sb: Superblock = {
    ...readSuperblock(new Uint8Array(SUPERBLOCK_SIZE)),
    s_first_data_block: blockSize === 1024 ? 1 : 0,
    s_log_block_size: Math.log2(blockSize / 1024),
    s_log_frag_size: Math.log2(blockSize / 1024),
    s_wtime: now,
    s_max_mnt_count: -1,
    s_magic: EXT2_MAGIC,
    s_state: EXT2_VALID_FS,
    s_errors: ERRORS_CONTINUE,
    s_lastcheck: now,
    s_rev_level: revision,
    s_uuid: uuidBytes(layout.uuid ?? randomUUID(), 'uuid'),
    s_volume_name: labelBytes(layout.label ?? ''),
    s_mkfs_time: now,
    s_first_ino: GOOD_OLD_FIRST_INO,
    s_inode_size: inodeSize,
    ...(isDynamic && {
      s_default_mount_opts: MOUNT_USER_XATTR + MOUNT_ACL,
      s_feature_compat: COMPAT.EXT_ATTR + COMPAT.RESIZE_INODE + COMPAT.DIR_INDEX,
      s_feature_incompat: INCOMPAT.FILETYPE,
      s_feature_ro_compat: RO_COMPAT.SPARSE_SUPER + RO_COMPAT.LARGE_FILE,
    }),
    s_hash_seed: hashSeed(layout.hashSeed),
    s_def_hash_version: HASH_HALF_MD4,
    s_flags: SIGNED_HASH,
    ...(inodeSize > GOOD_OLD_INODE_SIZE && { s_min_extra_isize: WANT_EXTRA_ISIZE, s_want_extra_isize: WANT_EXTRA_ISIZE }),
  };
  const numbers = fit({ sb, blockSize, inodeSize, blocks: available, inodes });
  if (numbers.inodesPerGroup * numbers.groups > MOST_INODES) fail('EINVAL', 'mkfs', `${inodes} inodes are too many`);
  return {
    ...sb,
    s_inodes_count: numbers.inodesPerGroup * numbers.groups,
    s_blocks_count: numbers.blocks,
    s_r_blocks_count: Math.floor((Math.floor((reservedPercent * available) / 100) * numbers.blocks) / available),
    s_blocks_per_group: numbers.blocksPerGroup,
    s_frags_per_group: numbers.blocksPerGroup,
    s_inodes_per_group: numbers.inodesPerGroup,
    s_reserved_gdt_blocks: numbers.reservedDescBlocks,
    s_overhead_blocks: numbers.overhead,
  };
}

function hashSeed(text: string | undefined): number[] {
  const bytes = text === undefined ? randomBytes(16) : uuidBytes(text, 'hashSeed');
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return [0, 4, 8, 12].map((at) => view.getUint32(at, true));
}
