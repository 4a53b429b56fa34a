// Owns mounting: from a device to a filesystem, which is marked as in use on the medium.

import { argumentError, checkDevice, checkOptions, type BlockDevice, type OptionNames } from 'node-dax';
import { lockFor } from './space/claim.js';
import { syncAtExit } from './volume/sync-at-exit.js';
import { EXT2_ERROR_FS, EXT2_ROOT_INO, EXT2_VALID_FS, hasFlag, withFlag } from './format/disk.js';
import { corruption } from './format/error.js';
import { checkOwner, Ext2 } from './ext2.js';
import { IncoreInode } from './inode/inode.js';
import { nowSeconds, Super, type Owner } from './space/super.js';
import { Volume } from './volume/volume.js';

const CACHE_BYTES = 64 * 2 ** 20;

export interface MountOptions {
  /**
   * Store nothing on the device. Default false. A filesystem with features that permit only reading is always mounted read-only.
   */
  readonly readOnly?: boolean;
  /**
   * Make each write durable before it returns, together with its block pointers and the file's size (mount -o sync). Default false.
   */
  readonly synchronous?: boolean;
  /**
   * On a device whose `granularity` is `page`, where each flush is an msync: flush everything together when `fsync`, `sync`, `freeze`
   * or `unmount` asks for it, instead of step by step. A power cut meanwhile may keep any of the stores and lose the others, as with
   * the kernel's ext2, and e2fsck mends what it leaves; the end of the process loses nothing that was stored. Default false.
   */
  readonly writeBack?: boolean;
  /**
   * The owner of new files. Only root and the owner named in the superblock may use the reserved blocks. Default: the effective
   * user of this process.
   */
  readonly owner?: Owner;
  /** Where the filesystem is mounted, for information only: stored as s_last_mounted, up to 63 bytes. */
  readonly mountPoint?: string;
  /** Call `Ext2.reclaim` if the filesystem was not cleanly unmounted. Default false. */
  readonly reclaim?: boolean;
  /**
   * Approximate bytes of memory for cached inodes and names that are neither open nor held: an inode takes about 500, a name 16.
   * Whatever exceeds the limit is evicted, and read again when needed. Default: 64 MiB.
   */
  readonly cacheBytes?: number;
  /**
   * Lock the device while it is mounted: a read-only mount shares the lock with other readers, a writable one holds it alone.
   * Default true. Give `false` only if nothing else uses the device, because two writers destroy the filesystem.
   */
  readonly lock?: boolean;
  /** Called with each warning, such as the one for a filesystem that was not cleanly unmounted. Default: `process.emitWarning`. */
  readonly onWarning?: (message: string) => void;
}

const OPTIONS: OptionNames<MountOptions> = {
  ...{ readOnly: true, synchronous: true, writeBack: true, owner: true, mountPoint: true, reclaim: true, cacheBytes: true, lock: true, onWarning: true },
};

/**
 * Mounts the ext2 filesystem that is on `device`. Never formats. The device is locked while the filesystem is mounted: it, or a
 * part of it, cannot be mounted again unless all of the mounts are read-only. See `lockDevice`.
 *
 * Throws `TypeError` or `RangeError` for wrong options, `EBUSY` if the device is already mounted or locked, `EROFS` if the device
 * was opened read-only and `readOnly` is not given, `EINVAL` if the device holds no ext2 filesystem, `EOPNOTSUPP` for a filesystem
 * with incompatible features that are not supported, and `EUCLEAN` for a corrupt filesystem. A filesystem that was not cleanly
 * unmounted is mounted with a warning.
 */
export function mount(device: BlockDevice, options: MountOptions = {}): Ext2 {
  checkDevice(device);
  checkOptions(options, OPTIONS);
  const { readOnly = false, synchronous = false, writeBack = false, lock = true } = options;
  const cacheBytes = checkCacheBytes(options.cacheBytes ?? CACHE_BYTES);
  const owner = checkOwner(options) ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const held = lock ? lockFor('mount', device, readOnly ? 'shared' : 'exclusive') : undefined;
  let volume: Volume | undefined;
  try {
    const sb = new Super(device, { synchronous, writeBack, owner });
    volume = new Volume(sb, cacheBytes);
    if (held !== undefined) volume.onEnd(held.release);
    checkRoot(volume);
    if (!readOnly && sb.isWritable) {
      sb.readOnly = false;
      syncAtExit(volume, device, options.onWarning ?? ((message) => { console.error(`node-dax: ${message}`); }));
    }
    return begin(volume, options, options.onWarning ?? warnProcess);
  } catch (error) {
    // Unlock the device again.
    volume?.end();
    held?.release();
    throw error;
  }
}

function warnProcess(message: string): void {
  process.emitWarning(message, { code: 'NODE_DAX_EXT2' });
}

function begin(volume: Volume, options: MountOptions, warn: (message: string) => void): Ext2 {
  const { sb } = volume;
  const found = sb.fields.s_state;
  if (!sb.wasClean) warn(describe(found));
  if (sb.readOnly) return new Ext2(volume, found);
  sb.store({
    // First, so that the medium says that the filesystem is in use before anything else changes.
    s_state: withFlag(found, EXT2_VALID_FS, false),
    s_mnt_count: (sb.fields.s_mnt_count + 1) % 2 ** 16,
    s_mtime: nowSeconds(),
    s_wtime: nowSeconds(),
    ...(options.mountPoint !== undefined && { s_last_mounted: padded(options.mountPoint) }),
  });
  sb.settle();
  const { s_max_mnt_count: most, s_mnt_count: count } = sb.fields;
  if (most > 0 && count >= most) warn(`it was mounted ${count} times since it was checked: run e2fsck`);
  if (!sb.wasClean) {
    // The counts in the group descriptors may be wrong.
    volume.blocks.loadAll();
    volume.inodes.loadAll();
  }
  const orphans = volume.recoverOrphans();
  if (orphans > 0) warn(`${orphans} files that had no name any more were deleted`);
  const fs = new Ext2(volume, found);
  if (options.reclaim === true && !sb.wasClean) fs.reclaim();
  return fs;
}

function checkCacheBytes(bytes: number): number {
  if (Number.isSafeInteger(bytes) && bytes >= 0) return bytes;
  throw argumentError('ERR_OUT_OF_RANGE', `cacheBytes must be an integer of 0 or more, it is ${bytes}`);
}

function checkRoot(volume: Volume): void {
  if (!IncoreInode.load(volume, EXT2_ROOT_INO).isDirectory) throw corruption('is no directory, and the root', { ino: EXT2_ROOT_INO });
}

function describe(state: number): string {
  if (hasFlag(state, EXT2_ERROR_FS)) return 'the ext2 filesystem has errors: run e2fsck';
  return 'the ext2 filesystem was not cleanly unmounted: space may be lost until reclaim() or e2fsck; if it was written back at a power cut, run e2fsck';
}

function padded(path: string): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(Buffer.from(path).subarray(0, 63));
  return bytes;
}
