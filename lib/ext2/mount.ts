// Owns mounting: from a device to a filesystem, saying on the medium that it is in use.

import { argumentError, checkOptions, type BlockDevice, type OptionNames } from 'node-dax';
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
  /** Nothing is stored. Filesystems with features that are unknown are mounted so in any case. */
  readonly readOnly?: boolean;
  /** Every write is durable with its place and size when it returns (mount -o sync). */
  readonly synchronous?: boolean;
  /** Whose new files are, and who may use reserved blocks. Default: this process's effective user. */
  readonly owner?: Owner;
  /** Stored as s_last_mounted: where it was last mounted, for people to read. */
  readonly mountPoint?: string;
  /** Free what a power cut left taken, if it was not cleanly unmounted. See `Ext2.reclaim`. */
  readonly reclaim?: boolean;
  /**
   * Bytes of memory for inodes and names that nobody has open or holds, roughly: about 500 an inode and 16 a name. More are
   * read again when they are used. Default: 64 MiB.
   */
  readonly cacheBytes?: number;
  /**
   * Keep others from the device: from changing it, and, unless this one only reads, from reading it. Default true. `false` is
   * for who knows that nobody else has it: two who write destroy what is there.
   */
  readonly lock?: boolean;
  /** Told what people should know, as that it was not cleanly unmounted. Default: `process.emitWarning`. */
  readonly onWarning?: (message: string) => void;
}

const OPTIONS: OptionNames<MountOptions> = {
  ...{ readOnly: true, synchronous: true, owner: true, mountPoint: true, reclaim: true, cacheBytes: true, lock: true, onWarning: true },
};

/**
 * Mounts the ext2 filesystem that is on `device`. Never formats. While it is mounted the device is locked: others may mount
 * neither it nor a part of it that this one has, unless all of them only read. See `lockDevice`.
 *
 * Throws `TypeError` or `RangeError` for wrong options; `EBUSY` where another has it mounted or locked, and neither only
 * reads; `EROFS` to be changed on a device that is opened to be read; `EINVAL` where there is none, `EOPNOTSUPP` for one with
 * features that must be known, `EUCLEAN` for one that cannot be as it is. One that was not cleanly unmounted is mounted with
 * a warning.
 */
export function mount(device: BlockDevice, options: MountOptions = {}): Ext2 {
  checkOptions(options, OPTIONS);
  const { readOnly = false, synchronous = false, lock = true } = options;
  const cacheBytes = checkCacheBytes(options.cacheBytes ?? CACHE_BYTES);
  const owner = checkOwner(options) ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const held = lock ? lockFor('mount', device, readOnly ? 'shared' : 'exclusive') : undefined;
  let volume: Volume | undefined;
  try {
    const sb = new Super(device, { synchronous, owner });
    volume = new Volume(sb, cacheBytes);
    if (held !== undefined) volume.onEnd(held.release);
    checkRoot(volume);
    if (!readOnly && sb.isWritable) {
      sb.medium.unseal();
      syncAtExit(volume, device, options.onWarning ?? ((message) => { console.error(`node-dax: ${message}`); }));
    }
    return begin(volume, options, options.onWarning ?? warnProcess);
  } catch (error) {
    // The device is free for the next.
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
    // First: whatever happens from here on, it is in use.
    s_state: withFlag(found, EXT2_VALID_FS, false),
    s_mnt_count: (sb.fields.s_mnt_count + 1) % 2 ** 16,
    s_mtime: nowSeconds(),
    s_wtime: nowSeconds(),
    ...(options.mountPoint !== undefined && { s_last_mounted: padded(options.mountPoint) }),
  });
  const { s_max_mnt_count: most, s_mnt_count: count } = sb.fields;
  if (most > 0 && count >= most) warn(`it was mounted ${count} times since it was checked: run e2fsck`);
  if (!sb.wasClean) {
    // What the descriptors count may be wrong.
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
  return 'the ext2 filesystem was not cleanly unmounted: space may be lost until reclaim() or e2fsck';
}

function padded(path: string): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(Buffer.from(path).subarray(0, 63));
  return bytes;
}
