// Owns mkfsFamfs: making an empty famfs, with this host as its master.

import { randomUUID } from 'node:crypto';
import { argumentError, checkDevice, checkOptions, contentOf, DaxError, type BlockDevice, type OptionNames } from 'node-dax';
import { fail } from './format/error.js';
import { headerBytes } from './format/log-header.js';
import { isPowerOfTwo } from './format/numbers.js';
import { LOG_OFFSET, MIN_LOG_LENGTH, superblockBytes, UNIT, type FamfsSuperblock } from './format/superblock.js';
import { lockMemory } from './lock.js';
import { SYSTEM_UUID_FILE, systemUuidAt } from './master/system-uuid.js';
import { Medium } from './medium.js';

export interface FamfsMkfsOptions {
  /** Bytes of the log: a power of two, 8 MiB (the default, room for 15,420 entries) or more. It never grows. */
  readonly logLength?: number;
  /** The file with the UUID of this host, which becomes the master. Default: /opt/famfs/system_uuid. The file is never created. */
  readonly systemUuidFile?: string;
  /** Make it even if the device has existing content, all of which is lost. Default false. */
  readonly force?: boolean;
}

const OPTIONS: OptionNames<FamfsMkfsOptions> = { logLength: true, systemUuidFile: true, force: true };
const MAGIC_LENGTH = 8;

function checkLogLength(length: number): number {
  if (isPowerOfTwo(length) && length >= MIN_LOG_LENGTH) return length;
  throw argumentError('ERR_OUT_OF_RANGE', `logLength must be a power of two of at least ${MIN_LOG_LENGTH} bytes, it is ${String(length)}`);
}

/**
 * Makes an empty famfs of version 48 on `device`, and returns its superblock. Clients on other hosts see it complete or not at all.
 *
 * Throws `TypeError` or `RangeError` for wrong options; `EEXIST` if the device has existing content, unless `force`; `ENOSPC` if it
 * is too small; `ENOENT` if this host has no UUID; `EBUSY` if the device is mounted or locked; `EROFS`.
 */
export function mkfsFamfs(device: BlockDevice, options: FamfsMkfsOptions = {}): FamfsSuperblock {
  checkDevice(device);
  checkOptions(options, OPTIONS);
  const { logLength = MIN_LOG_LENGTH, systemUuidFile = SYSTEM_UUID_FILE, force = false } = options;
  checkLogLength(logLength);
  const least = LOG_OFFSET + logLength + UNIT;
  if (device.size < least) fail('ENOSPC', 'mkfsFamfs', `the device has ${device.size} bytes, and a log of ${logLength} with one file needs ${least}`);
  const systemUuid = systemUuidAt(systemUuidFile, 'mkfsFamfs');
  if (systemUuid === undefined) {
    return fail('ENOENT', 'mkfsFamfs', `this host has no UUID in ${systemUuidFile}, by which it would be the master: \`uuidgen\` writes one, and so does the first command of famfs`);
  }
  const superblock: FamfsSuperblock = {
    version: 48,
    logOffset: LOG_OFFSET,
    logLength,
    allocUnit: UNIT,
    omfMajor: 2,
    omfMinor: 2,
    uuid: randomUUID(),
    deviceUuid: randomUUID(),
    systemUuid,
    deviceSize: device.size,
    devicePath: pathOf(device),
  };
  const held = lockMemory(device, 'exclusive', 0, device.size, 'mkfsFamfs');
  try {
    if (!force) checkEmpty(device);
    write(new Medium(device), superblock);
  } finally {
    held.release();
  }
  return superblock;
}

function checkEmpty(device: BlockDevice): void {
  const { signature } = contentOf(device);
  if (signature !== undefined) fail('EEXIST', 'mkfsFamfs', `the device carries ${signature}: \`force: true\` overwrites it`);
}

// The magic number is cleared first and stored last, so a half-made superblock is never visible.
function write(medium: Medium, superblock: FamfsSuperblock): void {
  const bytes = superblockBytes(superblock);
  medium.publish(new Uint8Array(MAGIC_LENGTH), 0);
  const { device } = medium;
  for (let done = 0; done < superblock.logLength; ) done += device.zeroSync(LOG_OFFSET + done, superblock.logLength - done);
  medium.writeBack(LOG_OFFSET, superblock.logLength);
  medium.publish(headerBytes(superblock.logLength), LOG_OFFSET);
  medium.publish(bytes.subarray(MAGIC_LENGTH), MAGIC_LENGTH);
  medium.publish(bytes.subarray(0, MAGIC_LENGTH), 0);
}

function pathOf(device: BlockDevice): string {
  try {
    return device.backing?.(0, 1).device.path ?? '';
  } catch (error) {
    if (error instanceof DaxError) return '';
    throw error;
  }
}
