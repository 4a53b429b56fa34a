// Owns openLog: its options, its checks, and the lock.

import { argumentError, checkDevice, checkOptions, contentOf, lockDevice, openSync, readFullSync, type BlockDevice, type Bytes, type DeviceLock, type OptionNames } from 'node-dax';
import { checkEmpty, create } from './create.js';
import { damaged, fail } from './error.js';
import { decodeSuperblock, MIN_SIZE, RING_POS, seedOf, SUPERBLOCK_SIZE, UNIT, VERSION, type Superblock } from './format.js';
import { Log } from './log.js';
import { LogMemory } from './memory.js';
import { recover } from './recover.js';
import { Ring } from './ring.js';

export interface OpenLogOptions {
  /**
   * Create a log if there is none and the memory is empty: it has no known signature, and its first MiB and its end are zeros.
   * Default false.
   */
  readonly create?: boolean;
  /** With `create`: create a new log over any existing content, another log included. All of it is lost. Default false. */
  readonly force?: boolean;
  /** Open the log for reading. Any number of readers may be open beside a writer, in this process or others. Default false. */
  readonly readOnly?: boolean;
  /**
   * Throw `EOPNOTSUPP` with reason `NOT_DURABLE` unless the kernel vouches that appended records survive a power cut. Default
   * false.
   */
  readonly requireDurable?: boolean;
  /** With a path and `create`: the size in bytes of the file, which is created if it does not exist. */
  readonly size?: Bytes;
}

const OPTIONS: OptionNames<OpenLogOptions> = { create: true, force: true, readOnly: true, requireDurable: true, size: true };

function checkFlags(options: OpenLogOptions): void {
  for (const name of ['create', 'force', 'readOnly', 'requireDurable'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== 'boolean') throw argumentError('ERR_INVALID_ARG_TYPE', `${name} must be a boolean`);
  }
  const { create: make = false, force = false, readOnly = false, size } = options;
  if (make && readOnly) throw argumentError('ERR_INVALID_ARG_VALUE', 'create makes a log, which readOnly forbids');
  if ((force || size !== undefined) && !make) throw argumentError('ERR_INVALID_ARG_VALUE', 'force and size are for making a log: they want create: true');
}

/**
 * Opens the log on a device, or at a path, where it opens and closes the device itself. Creates a log only with `create`. There is
 * one writer at a time, which locks the device as a mount does. Readers lock nothing.
 *
 * Throws `TypeError` and `RangeError` for wrong options; `EBUSY` if the device is locked by another user; `EINVAL` with reason
 * `NO_LOG` if there is no log, `EOPNOTSUPP` for another version, `EUCLEAN` with `position` if its first pages are damaged, `EEXIST`
 * if `create` finds other content, and whatever `openSync` throws.
 */
export function openLog(target: BlockDevice | string, options: OpenLogOptions = {}): Log {
  checkOptions(options, OPTIONS);
  checkFlags(options);
  const { readOnly = false, requireDurable = false, size } = options;
  if (typeof target !== 'string') {
    checkDevice(target);
    if (size !== undefined) throw argumentError('ERR_INVALID_ARG_VALUE', 'size makes a file, for which a path must be given');
    if (requireDurable && target.persistent !== true) {
      fail('EOPNOTSUPP', 'openLog', 'the kernel does not vouch that this device keeps what is stored', { reason: 'NOT_DURABLE' });
    }
    return openOn(target, options, () => undefined);
  }
  const device = openSync(target, { readOnly, requireDurable, ...(size !== undefined && { size }) });
  try {
    return openOn(device, options, () => { device.closeSync(); });
  } catch (error) {
    device.closeSync();
    throw error;
  }
}

function openOn(device: BlockDevice, options: OpenLogOptions, close: () => void): Log {
  const { create: make = false, force = false, readOnly = false } = options;
  const lock: DeviceLock | undefined = readOnly ? undefined : lockDevice(device, 'exclusive');
  try {
    if (make && (force || readSuperblock(device) === 'none')) {
      if (!force) checkEmpty(device);
      create(device);
    }
    const superblock = superblockOf(device);
    const ring = new Ring(new LogMemory(device), superblock, seedOf(superblock.id));
    const writer = readOnly ? undefined : recover(device, ring);
    return new Log(device, superblock, ring, writer, () => {
      lock?.release();
      close();
    });
  } catch (error) {
    lock?.release();
    throw error;
  }
}

function readSuperblock(device: BlockDevice): ReturnType<typeof decodeSuperblock> {
  if (device.size < MIN_SIZE) return 'none';
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  readFullSync(device, bytes, 0);
  return decodeSuperblock(bytes);
}

function superblockOf(device: BlockDevice): Superblock {
  const found = readSuperblock(device);
  if (found === 'none') {
    const { signature } = contentOf(device);
    const what = signature === undefined ? 'there is no log: create: true makes one' : `there is no log, but ${signature}`;
    fail('EINVAL', 'openLog', what, { reason: 'NO_LOG' });
  }
  if (found === 'damaged') damaged('openLog', 0, 'the superblock of the log is damaged');
  if (typeof found === 'number') {
    fail('EOPNOTSUPP', 'openLog', `it is a log of version ${found}, and this is node-dax for version ${VERSION}`, { position: 8 });
  }
  const { size, capacity } = found;
  if (capacity * UNIT !== size - RING_POS || size > device.size) {
    const hint = `the log has ${size} bytes, and the device ${device.size}: it was cut off`;
    damaged('openLog', 32, hint);
  }
  return found;
}
