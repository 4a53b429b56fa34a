// Owns the programs that the guest runner needs: their paths, and the package of each.

import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The package of each program, by its name in Debian and Ubuntu. */
const PACKAGES = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  ndctl: 'ndctl',
  cxl: 'ndctl',
  'mkfs.ext2': 'e2fsprogs',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  blkid: 'util-linux',
  flock: 'util-linux',
  setpriv: 'util-linux',
  xz: 'xz-utils',
  zstd: 'zstd',
} as const;

export type Program = keyof typeof PACKAGES;

// Folders of administrators' programs, which are often not on a user's PATH.
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The path of `program`, or `undefined`. A busybox that needs shared libraries does not count, because the initramfs has none. */
export function findProgram(program: Program, path = process.env['PATH'] ?? ''): string | undefined {
  const folders = path === '' ? [] : [...path.split(delimiter), ...SYSTEM_FOLDERS];
  return folders
    .map((folder) => join(folder, program))
    .find((candidate) => isExecutable(candidate) && (program !== 'busybox' || isStatic(candidate)));
}

/** The packages of the missing ones of `programs`, each once. */
export function missingPackages(programs: readonly Program[], path?: string): string[] {
  return [...new Set(programs.filter((program) => findProgram(program, path) === undefined).map((program) => PACKAGES[program]))];
}

function isExecutable(path: string): boolean {
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
