// Owns mounting: from a device to a famfs, with its role.

import { checkOptions, DaxError, type BlockDevice, type OptionNames } from 'node-dax';
import { Famfs } from './famfs.js';
import { describeDamage } from './format/error.js';
import { LOG_OFFSET, readSuperblock, SUPERBLOCK_SIZE } from './format/superblock.js';
import { lockMemory } from './lock.js';
import { SYSTEM_UUID_FILE, systemUuidAt } from './master/system-uuid.js';
import { Medium } from './medium.js';

export interface FamfsMountOptions {
  /** Nothing is stored, neither to the log nor to files. Default: on a client, and on a device that is opened to be read. */
  readonly readOnly?: boolean;
  /** The file with this host's UUID: who has that of the superblock is the master. Default: /opt/famfs/system_uuid. It is never made. */
  readonly systemUuidFile?: string;
  /**
   * Keep `mkfs` from the device while this is mounted, and other processes of this machine from the log while this one adds to
   * it. Default true. Other hosts are kept from nothing.
   */
  readonly lock?: boolean;
  /** Told what people should know, as that an entry is bad. Default: `process.emitWarning`. */
  readonly onWarning?: (message: string) => void;
}

const OPTIONS: OptionNames<FamfsMountOptions> = { readOnly: true, systemUuidFile: true, lock: true, onWarning: true };

/**
 * Mounts the famfs that is on `device`, version 47 or 48, without the kernel. Nothing of what it holds is trusted: a bad entry
 * ends the reading of the log there, which `damage` and a warning tell.
 *
 * Throws `TypeError` for wrong options; `EINVAL` where there is none; `EUCLEAN` where superblock or header are damaged;
 * `EOPNOTSUPP` for a format that is not known; `EBUSY` while somebody makes one; `EROFS` to be changed on a device that is open
 * to be read.
 */
export function mountFamfs(device: BlockDevice, options: FamfsMountOptions = {}): Famfs {
  checkOptions(options, OPTIONS);
  const { systemUuidFile = SYSTEM_UUID_FILE, lock = true, onWarning = warnProcess } = options;
  // With all others who have it mounted; who makes a new one takes all of the device.
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
    if (famfs.damage !== undefined) onWarning(`${describeDamage(famfs.damage)}: nothing behind it is read`);
    return famfs;
  } catch (error) {
    held?.release();
    throw error;
  }
}

function warnProcess(message: string): void {
  process.emitWarning(message, { code: 'NODE_DAX_FAMFS' });
}
