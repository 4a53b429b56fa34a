// Owns open: its options, its refusals, and the errors that say what to do.

import { checkAborted, toSignal } from '../abort.js';
import { argumentError } from '../argument-error.js';
import { statfsSync, statSync, truncateSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { addon, type Addon, type Granularity, type NativeFacts } from '../binding.js';
import { ABORTABLE, type Abortable } from './block-device.js';
import { DaxDevice } from './device.js';
import { hintOfLocked } from './device-lock.js';
import { blockNumbered } from '../discovery/devices/block.js';
import { holdersOf, inWords, isClaimed } from '../discovery/use/device-use.js'; // late
import { pseudoFilesystemOf } from '../discovery/system/file-folder.js'; // late
import { look } from '../discovery/system/look.js';
import { persistenceAt } from '../discovery/devices/persistence.js';
import { SystemTree } from '../discovery/system/system-tree.js';
import { whyUnmappable } from '../discovery/diagnosis/unmappable.js'; // late
import { forcedGranularity, warnOfOverrides } from './environment.js';
import { DaxError, type DaxErrorInit, type DaxErrorReason } from '../errors.js';
import { checkOptions, type OptionNames } from '../options.js';
import { refuseLoss } from './refuse-loss.js';
import { toBytes, type Bytes } from '../units.js';

/** The options of `open`. `open` throws if the device cannot satisfy one; it never falls back to less. */
export interface OpenOptions {
  /** Open for reading only. Default false. Views are private then: stores to them stay in this process. */
  readOnly?: boolean | undefined;
  /** Throw `EOPNOTSUPP` with reason `NOT_DAX` unless loads and stores reach the medium directly. Default false. */
  requireDax?: boolean | undefined;
  /** Throw `EOPNOTSUPP` with reason `GRANULARITY_NOT_SUPPORTED` if the device's granularity is larger than this. */
  requireGranularity?: Granularity | undefined;
  /**
   * Throw `EOPNOTSUPP` with reason `NOT_DURABLE` unless the kernel vouches that bytes that were stored, and flushed as the
   * granularity asks, survive a power cut (`facts.persistent`). Default false.
   */
  requireDurable?: boolean | undefined;
  /**
   * The size in bytes of an ordinary file, which is created and allocated if the path does not exist. An existing file must be
   * empty or have this size, a device must have it. No file is created in /dev, /proc or /sys.
   */
  size?: Bytes | undefined;
  /** Open for writing even though a block device is mounted or in use, or an NVDIMM is not armed. Default false. */
  force?: boolean | undefined;
  /**
   * Lock the whole device against every other lock on any part of it, in this process and others. This takes a lock of flock(2)
   * too, as util-linux and systemd do. A device that is opened read-only shares its lock with other readers. A block device cannot
   * be mounted while it is open for writing, unless it was opened with `force`. The lock ends with the process, or once the device
   * is closed and no longer mapped. Mounts lock their devices without this option: see `DaxDevice.lock`. Default false.
   */
  lock?: boolean | undefined;
  /**
   * Read and write 512 bytes and more by pread(2) and pwrite(2) instead of the mapping, if the file is in the page cache
   * (granularity `page`). A write that flushes ends with msync(2), as through the mapping. The first touch of a page through a
   * mapping is a page fault, which takes many times as long as the copy: calls suit a program that goes over a file once, the
   * mapping one that comes back. Default false. Views and direct access are of the mapping in any case, and show the same bytes. A
   * file that somebody shortens meanwhile grows again when a write reaches past its end.
   */
  byCall?: boolean | undefined;
}

const OPTIONS: OptionNames<OpenOptions> = {
  ...{ readOnly: true, requireDax: true, requireGranularity: true, requireDurable: true, size: true, force: true, lock: true, byCall: true },
};

const OPENING_LATER: OptionNames<OpenOptions & Abortable> = { ...OPTIONS, ...ABORTABLE };

const GRANULARITIES: readonly Granularity[] = ['byte', 'cache_line', 'page'];

const EMPTY_FILE = 'it is empty: give `size` to make it as long as you need';

const REFUSALS: Readonly<Record<string, { reason?: DaxErrorReason; hint: string }>> = {
  EISDIR: { reason: 'INVALID_FILE_TYPE', hint: 'give a file in it, or a device' },
  ENODEV: {
    reason: 'INVALID_FILE_TYPE',
    hint: 'only files, block devices and device-DAX character devices (/dev/daxX.Y) can be opened',
  },
  EEXIST: { reason: 'SIZE_MISMATCH', hint: 'it exists with another size, or is a symbolic link that leads nowhere: leave out `size` to open what is there' },
  EBUSY: { reason: 'DEVICE_IN_USE', hint: 'another program or a mount has claimed it: end that, or use `force: true` if you know better' },
  EACCES: { hint: 'this user may not: `node-dax doctor` shows the permissions and what would change them' },
  EPERM: { hint: 'this user may not: `node-dax doctor` shows the permissions and what would change them' },
  EROFS: { hint: 'its filesystem is mounted read-only: open it with readOnly: true, or `mount -o remount,rw` that' },
  ENXIO: { hint: 'the device is there but cannot be opened: `node-dax doctor` tells why, and what changes it' },
  ENOENT: { hint: 'it, or a folder on the way, does not exist; `size` creates an ordinary file' },
};

// The reason and the hint to add to an errno that says too little by itself.
function refusalOf(path: string, code: string, size: number | undefined): Partial<DaxErrorInit> {
  if (code === 'ENOENT' && pseudoFilesystemOf(path, new SystemTree()) !== undefined) return NO_DEVICE;
  if (code === 'ENOSPC' && size !== undefined) return { hint: roomHint(path, size) };
  return REFUSALS[code] ?? {};
}

const NO_DEVICE: Partial<DaxErrorInit> = {
  reason: 'DEVICE_NOT_FOUND',
  hint: 'there is no such device: `node-dax list` shows the devices of this machine; no file can be made there: make it elsewhere, such as in /dev/shm',
};

function roomHint(path: string, size: number): string {
  const { bavail, bsize } = statfsSync(dirname(path));
  const name = `'${path.replaceAll("'", "'\\''")}'`;
  return (
    `${size} bytes were asked for, and ${bavail * bsize} are free there: ask for less, or make a sparse file, which takes room only ` +
    `where it is written, by \`truncate -s ${size} ${name}\`, and leave out \`size\``
  );
}

function fail(path: string, errno: number | string, more: Partial<DaxErrorInit>): never {
  throw new DaxError({ errno, syscall: 'open', path, ...more });
}

function toFlag(value: unknown, name: string): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw argumentError('ERR_INVALID_ARG_TYPE', `${name} must be a boolean`);
  return value ?? false;
}

function toGranularity(value: unknown): Granularity | undefined {
  if (value === undefined || GRANULARITIES.includes(value as Granularity)) return value as Granularity | undefined;
  throw argumentError('ERR_INVALID_ARG_VALUE', `requireGranularity must be one of ${GRANULARITIES.join(', ')}`);
}

function toSize(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const size = toBytes(value, 'size');
  if (size === 0) throw argumentError('ERR_OUT_OF_RANGE', 'size must be at least 1 byte');
  return size;
}

const READ_ONLY_BLOCK: Pick<DaxErrorInit, 'reason' | 'hint'> = {
  reason: 'READ_ONLY',
  hint: 'the block device is read-only: open it with readOnly: true; `node-dax doctor` tells why, and what changes it',
};

// Whether the block device at `path` is read-only. The kernel allows it to be opened for writing, and then refuses the mapping or
// each write.
function isReadOnlyBlock(path: string): boolean {
  return blockNumbered(new SystemTree(), look(path, 'open').rdevno)?.readOnly === true;
}

function isBlockDevice(path: string): boolean {
  try {
    return statSync(path).isBlockDevice();
  } catch {
    return false; // the open that follows says why
  }
}

// Refuses a device that is mounted or held, because a store would destroy the filesystem on it. /proc and /sys name the users; the
// only sign of a mount that this process cannot see is that the device is claimed.
function refuseHeld(path: string): void {
  const by = inWords(holdersOf(look(path, 'open'), new SystemTree()));
  if (by.length === 0 && isClaimed(path)) by.push('claimed by another program or a mount elsewhere');
  if (by.length === 0) return;
  fail(path, 'EBUSY', {
    reason: 'DEVICE_IN_USE',
    hint: `it is ${by.join(', ')}: open it with readOnly: true, or force: true if you know better`,
  });
}

function unmappable(path: string): ReturnType<typeof whyUnmappable> {
  return whyUnmappable(look(path, 'open').rdevno, new SystemTree());
}

// What `open` was asked for, once its arguments are checked.
interface Request {
  readonly path: string;
  readonly readOnly: boolean;
  readonly requireDax: boolean;
  readonly requireGranularity: Granularity | undefined;
  readonly requireDurable: boolean;
  readonly size: number | undefined;
  readonly force: boolean;
  readonly lock: boolean;
  readonly byCall: boolean;
}

function toRequest(path: string, options: OpenOptions): Request {
  if (typeof path !== 'string') throw argumentError('ERR_INVALID_ARG_TYPE', 'path must be a string');
  if (path === '' || path.includes('\0')) throw argumentError('ERR_INVALID_ARG_VALUE', 'path must not be empty or contain null bytes');
  const readOnly = toFlag(options.readOnly, 'readOnly');
  const requireDax = toFlag(options.requireDax, 'requireDax');
  const requireGranularity = toGranularity(options.requireGranularity);
  const requireDurable = toFlag(options.requireDurable, 'requireDurable');
  const size = toSize(options.size);
  const force = toFlag(options.force, 'force');
  const lock = toFlag(options.lock, 'lock');
  const byCall = toFlag(options.byCall, 'byCall');
  if (readOnly && size !== undefined) throw argumentError('ERR_INVALID_ARG_VALUE', 'size creates a file, which readOnly forbids');
  return { path, readOnly, requireDax, requireGranularity, requireDurable, size, force, lock, byCall };
}

// Refuses a device that must not be written to. Returns the arguments for the addon.
function toNative({ path, readOnly, size, force, lock, byCall }: Request): Parameters<Addon['open']> {
  const forced = forcedGranularity();
  warnOfOverrides();
  if (!readOnly && isBlockDevice(path)) {
    if (isReadOnlyBlock(path)) fail(path, 'EROFS', READ_ONLY_BLOCK);
    if (!force) refuseHeld(path);
  }
  // No file is created in /dev, /proc or /sys, even if the device at `path` disappears in the meantime.
  const made = size !== undefined && pseudoFilesystemOf(path, new SystemTree()) === undefined ? size : undefined;
  return [path, readOnly, made, forced, lock, lock && !force, byCall];
}

// Makes the device from what the addon found, and refuses a device that does not meet the options. A file that was created for a
// refused device is removed.
function toDevice(request: Request, found: NativeFacts | number, signal?: AbortSignal): DaxDevice {
  const { path, readOnly, requireDax, requireGranularity, requireDurable, size, force, lock } = request;
  if (typeof found === 'number') {
    const { code } = new DaxError({ errno: found, syscall: 'open', path });
    // From flock(2), EAGAIN means that the lock is held; from other calls, that the call may be retried.
    if (lock && code === 'EAGAIN') fail(path, 'EBUSY', { reason: 'DEVICE_IN_USE', hint: hintOfLocked(path) });
    // ENODEV comes from a devdax whose driver has no mmap.
    fail(path, found, (code === 'ENODEV' ? unmappable(path) : undefined) ?? refusalOf(path, code, size));
  }
  const persistence = persistenceAt(new SystemTree(), path);
  const device = new DaxDevice(path, found, { readOnly, isLocked: lock, isForced: force, persistence });
  try {
    checkAborted(signal);
    if (size !== undefined && device.size !== size) {
      fail(path, 'EEXIST', { reason: 'SIZE_MISMATCH', hint: `it has ${device.size} bytes: leave out \`size\` to open it as it is` });
    }
    const granularity = requireGranularity !== undefined;
    refuseLoss(path, persistence, { writable: !readOnly, force, durable: requireDurable, granularity });
    if (device.size === 0) {
      const hint = device.kind === 'devdax' ? 'it has no memory yet: `node-dax doctor` tells how its region gives it some' : EMPTY_FILE;
      fail(path, 'EINVAL', { reason: 'SOURCE_EMPTY', hint });
    }
    // The read also fails if only the first page is bad, which is no reason to refuse the device.
    if (device.kind === 'devdax' && addon().read(found.handle, new Uint8Array(1), 0) < 0) {
      const refusal = unmappable(path);
      if (refusal !== undefined) fail(path, 'EOPNOTSUPP', refusal);
    }
    if (requireDax && !device.isDax) {
      fail(path, 'EOPNOTSUPP', { reason: 'NOT_DAX', hint: '`node-dax doctor` tells why, and the command that changes it' });
    }
    if (
      requireGranularity !== undefined &&
      GRANULARITIES.indexOf(device.granularity) > GRANULARITIES.indexOf(requireGranularity)
    ) {
      fail(path, 'EOPNOTSUPP', {
        reason: 'GRANULARITY_NOT_SUPPORTED',
        hint: `its store granularity is ${device.granularity}, you require ${requireGranularity}`,
      });
    }
  } catch (error) {
    // Removes the file before the lock ends, because another process may take the file afterwards.
    if (found.created) unlinkSync(path);
    if (found.filled) truncateSync(path, 0);
    device.closeSync();
    throw error;
  }
  return device;
}

/**
 * Opens a device or file and maps it whole. `path` may be a `/dev/daxX.Y`, a file on any filesystem, or a block device.
 *
 * Throws `TypeError` or `RangeError` for wrong arguments, and `DaxError`: `ENOENT`, `EACCES`, `EISDIR`; `ENODEV` (a kind of device
 * that cannot be mapped); `EINVAL` with reason `SOURCE_EMPTY` (an empty file); `EEXIST` (`size` differs); `ENOENT` with reason
 * `DEVICE_NOT_FOUND` (no such device in /dev); `ENOSPC` (no room for `size`); `EOPNOTSUPP` (`requireDax`, `requireGranularity`,
 * `requireDurable`); `EROFS` with reason `READ_ONLY` (a read-only block device) or `NOT_ARMED` (an NVDIMM that will not save
 * stores, without `force`); `EBUSY` (a block device that is mounted or held, without `force`, or, with `lock`, a device that is
 * locked already). `lock` waits up to a second for a block device, because udev holds new ones that long.
 */
export function openSync(path: string, options: OpenOptions = {}): DaxDevice {
  checkOptions(options, OPTIONS);
  const request = toRequest(path, options);
  return toDevice(request, addon().open(...toNative(request)));
}

/**
 * Opens a device as `openSync` does, and waits for a lock, and for the room of a new file, on another thread. Rejects with what
 * `openSync` throws, and with an `AbortError` if `signal` is aborted before the device is open: nothing is open then, and no file
 * was made.
 */
export async function open(path: string, options: OpenOptions & Abortable = {}): Promise<DaxDevice> {
  checkOptions(options, OPENING_LATER);
  const request = toRequest(path, options);
  const signal = toSignal(options);
  return toDevice(request, await addon().openAsync(...toNative(request)), signal);
}
