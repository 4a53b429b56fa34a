// Owns making a filesystem: what is written to the device, and in which order.

import {
  argumentError,
  checkDevice,
  checkOptions,
  contentOf,
  dataRuns,
  readFullSync,
  SIGNATURE_LENGTH,
  writeAllSync,
  type BlockDevice,
  type DeviceLock,
  type OptionNames,
} from 'node-dax';
import { clearRun, setRun } from '../format/bits.js';
import {
  EXT2_MAGIC,
  GOOD_OLD_FIRST_INO,
  readSuperblock,
  SUPERBLOCK,
  SUPERBLOCK_POS,
  SUPERBLOCK_SIZE,
  writeGroupDesc,
  writeSuperblock,
  EXT2_VALID_FS,
  withFlag,
  type Superblock,
} from '../format/disk.js';
import { lockFor } from '../space/claim.js';
import { fail } from '../format/error.js';
import { geometryOf, hasSuperblock, type Geometry } from '../format/geometry.js';
import { planOf, type Layout } from './mkfs-geometry.js';
import { firstInodes, type FirstInodes } from './mkfs-root.js';

export interface MkfsOptions extends Layout {
  /** Format the device without looking for signatures of existing content. Default false. */
  readonly force?: boolean;
  /** The device is known to read as zeros, as a new sparse file does, so the inode tables need not be zeroed. Default false. */
  readonly zeroed?: boolean;
  /** Lock the device in the meantime, as `mount` does. Default true. */
  readonly lock?: boolean;
  /** Called with the fraction of the work that is done, from 0 to 1. */
  readonly onProgress?: (done: number) => void;
}

const OPTIONS: OptionNames<MkfsOptions> = {
  ...{ blockSize: true, inodeSize: true, revision: true, inodes: true, bytesPerInode: true, reservedPercent: true, label: true },
  ...{ uuid: true, hashSeed: true, created: true, force: true, zeroed: true, lock: true, onProgress: true },
};

// Signatures at the end of a device, of md and of the backup GPT: md 0.90 begins up to 128 KiB before the end.
const TAIL = 128 * 1024;
const MAGIC_POS = SUPERBLOCK_POS + SUPERBLOCK.s_magic[1];
// A bg_flag that mke2fs sets in ext2 too, although nothing there reads it.
const INODES_ZEROED = 4;
// The maximum number of progress reports for a large filesystem. Each report gives the event loop a turn, which takes as long as
// the bitmaps of a group.
const REPORTS = 1000;

/**
 * Makes an ext2 filesystem on the whole of `device`, with the layout of `mke2fs -t ext2`. Everything on the device is lost. The
 * filesystem is durable on return; an interrupted call leaves no filesystem, neither the old one nor the new.
 *
 * Throws `TypeError` or `RangeError` for wrong options, and `DaxError`: `EBUSY` if the device is mounted or locked; `EEXIST`,
 * without `force`, if it carries existing content; `ENOSPC` if it is too small, `EFBIG` if it has too many blocks; `EINVAL` for
 * more inodes than fit. Nothing is written before all of these are checked. `contentOf` looks for existing content: it blocks for
 * some 20 ms, and knows fewer signatures where util-linux is not installed.
 */
export async function mkfs(device: BlockDevice, options: MkfsOptions = {}): Promise<Superblock> {
  const held = lockOf(device, options);
  try {
    const plan = prepare(device, options);
    for (const done of format(device, plan, options.zeroed ?? false)) {
      options.onProgress?.(done);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return readBack(device);
  } finally {
    held?.release();
  }
}

/** As `mkfs`, but blocks until the filesystem is made. */
export function mkfsSync(device: BlockDevice, options: MkfsOptions = {}): Superblock {
  const held = lockOf(device, options);
  try {
    const plan = prepare(device, options);
    for (const done of format(device, plan, options.zeroed ?? false)) options.onProgress?.(done);
    return readBack(device);
  } finally {
    held?.release();
  }
}

function lockOf(device: BlockDevice, options: MkfsOptions): DeviceLock | undefined {
  checkDevice(device);
  checkOptions(options, OPTIONS);
  const { lock = true } = options;
  return lock ? lockFor('mkfs', device, 'exclusive') : undefined;
}

interface Plan {
  readonly sb: Superblock;
  readonly geometry: Geometry;
  readonly first: FirstInodes;
  /** For each group, how many of its data blocks `first` occupies; they are the group's first ones. */
  readonly taken: readonly number[];
}

function prepare(device: BlockDevice, options: MkfsOptions): Plan {
  const { onProgress } = options;
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw argumentError('ERR_INVALID_ARG_TYPE', `onProgress must be a function, it is ${String(onProgress)}`);
  }
  const sb = planOf(device.size, options);
  const geometry = geometryOf(sb, device.size);
  const taken = new Array<number>(geometry.groups).fill(0);
  const first = firstInodes(sb, geometry, () => {
    // The tables may leave too few blocks in a group, or none.
    const group = taken.findIndex((count, index) => count < freeBlocks(sb, geometry, index));
    if (group < 0) fail('EINVAL', 'mkfs', `${sb.s_inodes_count} inodes leave no room`);
    const before = taken[group] ?? 0;
    taken[group] = before + 1;
    return dataStart(sb, geometry, group) + before;
  });
  if (options.force !== true) refuseSigned(device);
  return { sb, geometry, first, taken };
}

function refuseSigned(device: BlockDevice): void {
  const { signature } = contentOf(device);
  if (signature !== undefined) {
    fail('EEXIST', 'mkfs', `the device carries ${signature}, which would be lost: force formats it all the same`);
  }
}

function readBack(device: BlockDevice): Superblock {
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  readFullSync(device, bytes, SUPERBLOCK_POS);
  return readSuperblock(bytes);
}

function groupStart({ firstDataBlock, blocksPerGroup }: Geometry, group: number): number {
  return firstDataBlock + group * blocksPerGroup;
}

function groupBlocks(geometry: Geometry, group: number): number {
  return Math.min(geometry.blocksPerGroup, geometry.blocksCount - groupStart(geometry, group));
}

function headBlocks(sb: Superblock, { descBlocks, reservedDescBlocks }: Geometry, group: number): number {
  return hasSuperblock(sb, group) ? 1 + descBlocks + reservedDescBlocks : 0;
}

// A group's head is followed by its two bitmaps, its inode table, and its data.
function bitmapsStart(sb: Superblock, geometry: Geometry, group: number): number {
  return groupStart(geometry, group) + headBlocks(sb, geometry, group);
}

function dataStart(sb: Superblock, geometry: Geometry, group: number): number {
  return bitmapsStart(sb, geometry, group) + 2 + geometry.inodeTableBlocks;
}

// The group's blocks outside its tables, whether `first` occupies them or not.
function freeBlocks(sb: Superblock, geometry: Geometry, group: number): number {
  return groupStart(geometry, group) + groupBlocks(geometry, group) - dataStart(sb, geometry, group);
}

function descriptors({ sb, geometry, taken }: Plan): Uint8Array {
  const table = new Uint8Array(geometry.descBlocks * geometry.blockSize);
  for (let group = 0; group < geometry.groups; group++) {
    const bitmaps = bitmapsStart(sb, geometry, group);
    const isFirst = group === 0;
    const desc = {
      bg_block_bitmap: bitmaps,
      bg_inode_bitmap: bitmaps + 1,
      bg_inode_table: bitmaps + 2,
      bg_free_blocks_count: freeBlocks(sb, geometry, group) - (taken[group] ?? 0),
      bg_free_inodes_count: geometry.inodesPerGroup - (isFirst ? GOOD_OLD_FIRST_INO : 0),
      bg_used_dirs_count: isFirst ? 2 : 0,
      bg_flags: INODES_ZEROED,
    };
    writeGroupDesc(desc, table, group);
  }
  return table;
}

// Bits past the end of the group are set, so blocks and inodes that do not exist are never allocated.
function bitmaps({ sb, geometry, taken }: Plan, group: number): Uint8Array {
  const { blockSize, inodesPerGroup } = geometry;
  const bytes = new Uint8Array(2 * blockSize).fill(0xff);
  const [blocks, inodes] = [bytes.subarray(0, blockSize), bytes.subarray(blockSize)];
  const free = freeBlocks(sb, geometry, group);
  clearRun(blocks, groupBlocks(geometry, group) - free, free);
  clearRun(inodes, 0, inodesPerGroup);
  setRun(blocks, groupBlocks(geometry, group) - free, taken[group] ?? 0);
  if (group === 0) setRun(inodes, 0, GOOD_OLD_FIRST_INO);
  return bytes;
}

// Most groups have the same bitmaps, which are made once.
function bitmapsOf(plan: Plan): (group: number) => Uint8Array {
  const { sb, geometry, taken } = plan;
  const known = new Map<string, Uint8Array>();
  return (group) => {
    const key = [group === 0, groupBlocks(geometry, group), freeBlocks(sb, geometry, group), taken[group]].join();
    const bytes = known.get(key) ?? bitmaps(plan, group);
    known.set(key, bytes);
    return bytes;
  };
}

function encodeSuperblock(values: Partial<Superblock>): Uint8Array {
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  writeSuperblock(values, bytes);
  return bytes;
}

function put(device: BlockDevice, bytes: Uint8Array, pos: number): void {
  writeAllSync(device, bytes, pos, { flush: false });
}

// Skips the holes of a sparse file: they are zeros already, and a store would allocate disk space.
function zero(device: BlockDevice, pos: number, length: number): void {
  for (const run of dataRuns(device, pos, length)) {
    for (let done = 0; done < run.length; ) done += device.zeroSync(run.pos + done, run.length - done, { flush: false });
    flush(device, run.pos, run.length);
  }
}

// As `zero`, for ranges in ascending order. One query finds a hole and with it all the ranges in that hole; a query for each range
// would make two system calls for each.
function zeroAscending(device: BlockDevice): (pos: number, length: number) => void {
  let nextData = 0;
  return (pos, length) => {
    if (pos + length <= nextData) return;
    const rest = device.size - pos;
    nextData = device.seekData === undefined ? pos : (device.seekData(pos, rest)?.pos ?? device.size);
    if (pos + length > nextData) zero(device, pos, length);
  };
}

// On a device that flushes with msync, does nothing: `settle` makes one msync for everything.
function flush(device: BlockDevice, pos: number, length: number): void {
  if (device.granularity !== 'page') device.flush(pos, length);
}

function settle(device: BlockDevice): void {
  if (device.granularity === 'page') device.flush(0, device.size);
  device.drain();
}

// There is no filesystem until the magic is stored, at the very end; the old filesystem is wiped first.
function* format(device: BlockDevice, plan: Plan, isZeroed: boolean): Generator<number, void> {
  const { sb, geometry, first } = plan;
  const { blockSize, groups } = geometry;
  wipe(device);
  const table = descriptors(plan);
  const bitmapsAt = bitmapsOf(plan);
  const free = plan.taken.map((count, group) => freeBlocks(sb, geometry, group) - count);
  const complete: Superblock = {
    ...sb,
    s_free_blocks_count: free.reduce((sum, count) => sum + count),
    s_free_inodes_count: sb.s_inodes_count - GOOD_OLD_FIRST_INO,
  };
  const groupsPerReport = Math.ceil(groups / REPORTS);
  const zeroTable = zeroAscending(device);
  for (let group = 0; group < groups; group++) {
    const start = groupStart(geometry, group) * blockSize;
    if (group > 0 && hasSuperblock(sb, group)) {
      const copy = { ...complete, s_state: withFlag(sb.s_state, EXT2_VALID_FS, false), s_block_group_nr: group };
      put(device, encodeSuperblock(copy), start);
      put(device, table, start + blockSize);
      flush(device, start, blockSize + table.byteLength);
    }
    const at = bitmapsStart(sb, geometry, group) * blockSize;
    put(device, bitmapsAt(group), at);
    flush(device, at, 2 * blockSize);
    if (!isZeroed) zeroTable(at + 2 * blockSize, geometry.inodeTableBlocks * blockSize);
    if (group % groupsPerReport === 0) yield (group + 1) / (groups + 1);
  }
  for (const { block, bytes } of first.contents) {
    put(device, bytes, block * blockSize);
    flush(device, block * blockSize, bytes.byteLength);
  }
  const inodes = (bitmapsStart(sb, geometry, 0) + 2) * blockSize;
  put(device, first.inodes, inodes);
  flush(device, inodes, first.inodes.byteLength);
  put(device, table, geometry.descBlock * blockSize);
  flush(device, geometry.descBlock * blockSize, table.byteLength);
  settle(device);
  put(device, encodeSuperblock({ ...complete, s_magic: 0 }), SUPERBLOCK_POS);
  device.persist(SUPERBLOCK_POS, SUPERBLOCK_SIZE);
  const magic = encodeSuperblock({ s_magic: EXT2_MAGIC }).subarray(MAGIC_POS - SUPERBLOCK_POS);
  put(device, magic.subarray(0, 2), MAGIC_POS);
  device.persist(MAGIC_POS, 2);
  yield 1;
}

// Wipes all signatures, so nothing recognises the device by its old content. The first store, to the magic, ends an old ext2.
function wipe(device: BlockDevice): void {
  zero(device, MAGIC_POS, 2);
  device.persist(MAGIC_POS, 2);
  const tail = Math.max(0, device.size - TAIL);
  zero(device, tail, device.size - tail);
  const head = Math.min(SIGNATURE_LENGTH, device.size);
  zero(device, 0, head);
  settle(device);
}
