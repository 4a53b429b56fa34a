// Owns whether files may be created in a folder: not among device nodes, and not in the kernel's own filesystems (/proc, /sys).

import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { look } from './look.js';
import { mountOf, readMounts } from './mounts.js';
import type { SystemTree } from './system-tree.js';

const PSEUDO: ReadonlySet<string> = new Set([
  ...['binfmt_misc', 'bpf', 'cgroup', 'cgroup2', 'configfs', 'debugfs', 'devpts', 'devtmpfs', 'efivarfs', 'fusectl', 'mqueue'],
  ...['nsfs', 'proc', 'pstore', 'resctrl', 'rpc_pipefs', 'securityfs', 'selinuxfs', 'sysfs', 'tracefs'],
]);

/**
 * The type of the filesystem that `path` would be created on, if that filesystem is not for files. A folder of devices (/dev) may
 * be an ordinary tmpfs, as in containers; /dev/shm is for files, whatever it is. If folders on the path are missing, as
 * `/dev/disk/by-id` may be, the last one that exists decides.
 */
export function pseudoFilesystemOf(path: string, tree: SystemTree): string | undefined {
  let folder = dirname(resolve(path));
  while (!existsSync(folder)) folder = dirname(folder);
  const { realPath, devno } = look(folder, 'open');
  if (isIn(realPath, '/dev/shm')) return undefined;
  const mount = mountOf(readMounts(tree), realPath, devno);
  if (mount === undefined) return isIn(realPath, '/dev') ? 'devtmpfs' : undefined;
  return PSEUDO.has(mount.fstype) || mount.mountpoint === '/dev' ? mount.fstype : undefined;
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
