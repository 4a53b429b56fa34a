// Owns mounting: from a device to a famfs, in the role of master or client.

import { checkDevice, checkOptions, DaxError, type BlockDevice, type OptionNames } from 'node-dax';
import { Famfs } from './famfs.js';
import { describeDamage } from './format/error.js';
import { LOG_OFFSET, readSuperblock, SUPERBLOCK_SIZE } from './format/superblock.js';
import { lockMemory } from './lock.js';
import { SYSTEM_UUID_FILE, systemUuidAt } from './master/system-uuid.js';
import { Medium } from './medium.js';

export interface FamfsMountOptions {
  /** Store nothing, neither in the log nor in files. Default: true on a client, and on a device that was opened read-only. */
  readonly readOnly?: boolean;
  /**
   * The file with this host's UUID. The host is the master if its UUID is the superblock's. Default: /opt/famfs/system_uuid. The
   * file is never created.
   */
  readonly systemUuidFile?: string;
  /**
   * Lock the device against `mkfs` while it is mounted, and the log against other processes of this machine while this one adds to
   * it. Default true. Other hosts are not kept out.
   */
  readonly lock?: boolean;
  /** Called with each warning, such as that an entry is bad. Default: `process.emitWarning`. */
  readonly onWarning?: (message: string) => void;
}

const OPTIONS: OptionNames<FamfsMountOptions> = { readOnly: true, systemUuidFile: true, lock: true, onWarning: true };

/**
 * Mounts the famfs that is on `device`, version 47 or 48, without the kernel. Its contents are not trusted: reading the log ends at
 * the first bad entry, which `damage` and a warning report.
 *
 * Throws `TypeError` for wrong options; `EINVAL` if there is no famfs; `EUCLEAN` if the superblock or the log's header is damaged;
 * `EOPNOTSUPP` for an unknown format; `EBUSY` while a famfs is being made; `EROFS` for a writable mount of a device that was opened
 * read-only.
 */
export function mountFamfs(device: BlockDevice, options: FamfsMountOptions = {}): Famfs {
  checkDevice(device);
  checkOptions(options, OPTIONS);
  const { systemUuidFile = SYSTEM_UUID_FILE, lock = true, onWarning = warnProcess } = options;
  // Shared with all other mounts. Making a new famfs locks the whole device exclusively.
  const held = lock ? lockMemory(device, 'shared', 0, Math.min(LOG_OFFSET, device.size), 'mountFamfs') : undefined;
  try {
    const medium = new Medium(device);
    const bytes = Buffer.alloc(SUPERBLOCK_SIZE);
    medium.read(bytes, 0);
    const superblock = readSuperblock(bytes, device.size, 'mountFamfs');
    const role = systemUuidAt(systemUuidFile, 'mountFamfs') === superblock.systemUuid ? 'master' : 'client';
    const readOnly = options.readOnly ?? (device.readOnly === true || role === 'client');
    if (!readOnly && device.readOnly === true) throw new DaxError({ errno: 'EROFS', syscall: 'mountFamfs', reason: 'READ_ONLY', hint: 'the device is open to be read' });
    const release = (): void => { held?.release(); };
    const famfs = new Famfs(medium, { superblock, role, readOnly, isLocked: lock, release });
    warnOfDamage(famfs, onWarning);
    return famfs;
  } catch (error) {
    held?.release();
    throw error;
  }
}

/** Calls `onWarning` if an entry of the log is bad. */
export function warnOfDamage({ damage }: Famfs, onWarning: (message: string) => void): void {
  if (damage !== undefined) onWarning(`${describeDamage(damage)}: nothing behind it is read`);
}

export function warnProcess(message: string): void {
  process.emitWarning(message, { code: 'NODE_DAX_FAMFS' });
}
