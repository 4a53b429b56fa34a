// Owns reading the log of a famfs through a mount by the kernel or by FUSE, if the device itself cannot be mapped (famfs mode): the
// superblock and the log are files in `.meta` there.

import { join } from 'node:path';
import { checkOptions, openSync, type DaxDevice, type OptionNames } from 'node-dax';
import { linear } from 'node-dax/drivers';
import { Famfs } from './famfs.js';
import { fail } from './format/error.js';
import { LOG_OFFSET, readSuperblock, SUPERBLOCK_SIZE } from './format/superblock.js';
import { SYSTEM_UUID_FILE, systemUuidAt } from './master/system-uuid.js';
import { Medium } from './medium.js';
import { warnOfDamage, warnProcess, type FamfsMountOptions } from './mount.js';

const OPTIONS: OptionNames<FamfsMountedOptions> = { systemUuidFile: true, onWarning: true };
const SYSCALL = 'openMountedFamfs';

export type FamfsMountedOptions = Pick<FamfsMountOptions, 'systemUuidFile' | 'onWarning'>;

/**
 * Opens the famfs that is mounted at `folder`, to read its superblock, names, attributes, places, and files that are added later.
 * It shows what the log on the memory has, which may be more than the mount shows (`famfs logplay` adds the rest to the mount). To
 * read contents, open the files in the mount: opening a file here is `EOPNOTSUPP`, and the error names the file in the mount.
 * Adding is `EROFS`: the tools of famfs do that in the mount.
 *
 * Throws `TypeError` for wrong options; `ENOENT` if no famfs is mounted there; otherwise as `mountFamfs`. `unmount` of what it
 * returns leaves the mount as it is.
 */
export function openMountedFamfs(folder: string, options: FamfsMountedOptions = {}): Famfs {
  checkOptions(options, OPTIONS);
  const { systemUuidFile = SYSTEM_UUID_FILE, onWarning = warnProcess } = options;
  const opened: DaxDevice[] = [];
  const open = (path: string): DaxDevice => {
    const device = openSync(path, { readOnly: true });
    opened.push(device);
    return device;
  };
  const release = (): void => {
    for (const device of opened) device.closeSync();
  };
  try {
    const superblockFile = open(join(folder, '.meta', '.superblock'));
    if (superblockFile.size !== LOG_OFFSET) fail('EUCLEAN', SYSCALL, `${superblockFile.path} has ${superblockFile.size} bytes, not ${LOG_OFFSET}`);
    const device = linear([superblockFile, open(join(folder, '.meta', '.log'))]);
    const bytes = Buffer.alloc(SUPERBLOCK_SIZE);
    new Medium(device).read(bytes, 0);
    const superblock = readSuperblock(bytes, device.size, SYSCALL);
    const role = systemUuidAt(systemUuidFile, SYSCALL) === superblock.systemUuid ? 'master' : 'client';
    const famfs = new Famfs(new Medium(device, superblock.deviceSize), { superblock, role, readOnly: true, isLocked: false, folder, release });
    warnOfDamage(famfs, onWarning);
    return famfs;
  } catch (error) {
    release();
    throw error;
  }
}
