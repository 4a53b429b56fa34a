// Owns finding the programs that the guest runner needs.

import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export type Program =
  | 'qemu-system-x86_64' | 'busybox' | 'ndctl' | 'cxl' | 'mkfs.ext2' | 'mkfs.ext4' | 'mkfs.xfs' | 'blkid' | 'flock' | 'setpriv' | 'xz' | 'zstd';

// Other names of the static busybox: those of Alpine and of openSUSE.
const NAMES: Partial<Record<Program, readonly string[]>> = { busybox: ['busybox', 'busybox.static', 'busybox-static'] };

// Folders of administrators' programs, which are often not on a user's PATH.
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The path of `program`, or `undefined`. A busybox that needs shared libraries does not count, because the initramfs has none. */
export function findProgram(program: Program, path = process.env['PATH'] ?? ''): string | undefined {
  const folders = path === '' ? [] : [...path.split(delimiter), ...SYSTEM_FOLDERS];
  return folders
    .flatMap((folder) => (NAMES[program] ?? [program]).map((name) => join(folder, name)))
    .find((candidate) => isExecutable(candidate) && (program !== 'busybox' || isStatic(candidate)));
}

/** Whether `path` is a file that this process may execute. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** True for a 64-bit ELF file without an interpreter (PT_INTERP). */
function isStatic(path: string): boolean {
  const head = Buffer.alloc(4096);
  const fd = openSync(path, 'r');
  try {
    if (readSync(fd, head, 0, head.length, 0) < 64 || head.readUInt32BE(0) !== 0x7f454c46) return false;
  } finally {
    closeSync(fd);
  }
  const [start, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)];
  const PT_INTERP = 3;
  for (let at = start; at < start + size * count && at + 4 <= head.length; at += size) {
    if (head.readUInt32LE(at) === PT_INTERP) return false;
  }
  return true;
}
