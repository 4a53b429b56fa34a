// Owns /proc/self/mountinfo: its parsing, the mount that a path lies on, and the dax option of a mount.

import type { DaxOption } from '../device-info.js';
import type { SystemTree } from './system-tree.js';

export const MOUNTINFO = '/proc/self/mountinfo';

export interface Mount {
  /** `major:minor` as stat reports it; invented by filesystems without a block device. */
  devno: string;
  /** The directory within the filesystem that is mounted: other than `/` for a bind mount. */
  root: string;
  mountpoint: string;
  fstype: string;
  source: string;
  /** Options of this mount, then those of the filesystem. */
  options: string[];
}

/** The mounts in the order they were made. Lines that do not parse are left out. */
export function readMounts(tree: SystemTree): Mount[] {
  const mounts: Mount[] = [];
  for (const line of tree.text(MOUNTINFO)?.split('\n') ?? []) {
    // Any number of optional fields stand between the options and the dash.
    const [, , devno, root, mountpoint, options, ...rest] = line.split(' ');
    const [fstype, source, superOptions] = rest.slice(rest.indexOf('-') + 1);
    if (!rest.includes('-') || devno === undefined || root === undefined || mountpoint === undefined) continue;
    if (options === undefined || fstype === undefined || source === undefined) continue;
    mounts.push({
      devno,
      root: unescapeOctal(root),
      mountpoint: unescapeOctal(mountpoint),
      fstype,
      source: unescapeOctal(source),
      options: [...options.split(','), ...(superOptions?.split(',') ?? [])],
    });
  }
  return mounts;
}

/** The kernel writes space, tab, newline and backslash in /proc as `\` and three octal digits, byte by byte. */
export function unescapeOctal(text: string): string {
  const bytes = text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/**
 * The mount that the absolute path `path` (without symbolic links) lies on. The device number decides between a mount and another
 * one made over it; the later of two mounts on one directory hides the earlier. Filesystems that report another number in stat than
 * here (btrfs, overlay) go by the path alone.
 */
export function mountOf(mounts: readonly Mount[], path: string, devno: string): Mount | undefined {
  const above = mounts.filter(({ mountpoint }) => isWithin(path, mountpoint));
  return longest(above.filter((mount) => mount.devno === devno)) ?? longest(above);
}

function isWithin(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

function longest(mounts: readonly Mount[]): Mount | undefined {
  return mounts.reduce<Mount | undefined>(
    (best, mount) => (best !== undefined && best.mountpoint.length > mount.mountpoint.length ? best : mount),
    undefined,
  );
}

/** The dax option of a mount, as its options state it; `dax` alone means `always`. */
export function daxOption(mount: Mount): DaxOption | undefined {
  for (const option of mount.options) {
    if (option === 'dax' || option === 'dax=always') return 'always';
    if (option === 'dax=inode') return 'inode';
    if (option === 'dax=never') return 'never';
  }
  return undefined;
}

/** The meaning of a mount without a dax option: `inode` for ext4 and xfs (Linux 5.8 and later), `never` for the others. */
export function defaultDaxOption(fstype: string): DaxOption {
  return fstype === 'ext4' || fstype === 'xfs' ? 'inode' : 'never';
}
