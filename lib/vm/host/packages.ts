// Owns the packages that bring the programs, by their names in the distributions, and the commands that install them.

import { delimiter, join } from 'node:path';
import { isExecutable, type Program } from './programs.js';

const INSTALL = {
  'apt-get': 'sudo apt-get install --no-install-recommends',
  dnf: 'sudo dnf install',
  pacman: 'sudo pacman -S --needed',
  apk: 'doas apk add',
  zypper: 'sudo zypper install --no-recommends',
} as const;

export type PackageManager = keyof typeof INSTALL;

const MANAGERS = Object.keys(INSTALL) as PackageManager[];

type Names = Readonly<Record<PackageManager, string>>;

function everywhere(name: string, others: Partial<Names> = {}): Names {
  return { 'apt-get': name, dnf: name, pacman: name, apk: name, zypper: name, ...others };
}

const PACKAGES: Readonly<Record<Program, Names>> = {
  'qemu-system-x86_64': everywhere('qemu-system-x86', { dnf: 'qemu-system-x86-core', apk: 'qemu-system-x86_64', zypper: 'qemu-x86' }),
  // Those of Fedora and Arch are static.
  busybox: everywhere('busybox-static', { dnf: 'busybox', pacman: 'busybox' }),
  ndctl: everywhere('ndctl'),
  cxl: everywhere('ndctl', { dnf: 'cxl-cli' }),
  'mkfs.ext2': everywhere('e2fsprogs'),
  'mkfs.ext4': everywhere('e2fsprogs'),
  'mkfs.xfs': everywhere('xfsprogs'),
  blkid: everywhere('util-linux', { apk: 'blkid' }),
  flock: everywhere('util-linux', { apk: 'flock' }),
  setpriv: everywhere('util-linux', { apk: 'setpriv' }),
  xz: everywhere('xz', { 'apt-get': 'xz-utils' }),
  zstd: everywhere('zstd'),
};

/** The package manager of this machine: the first known one in `path`. */
export function packageManager(path = process.env['PATH'] ?? ''): PackageManager | undefined {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  return MANAGERS.find((manager) => folders.some((folder) => isExecutable(join(folder, manager))));
}

/**
 * The commands that install the packages of `programs`, each package once: the command of this machine's package manager or, if it
 * has none that is known, the commands of all of them.
 */
export function installCommands(programs: readonly Program[], manager = packageManager()): string[] {
  const command = (name: PackageManager): string => `${INSTALL[name]} ${[...new Set(programs.map((program) => PACKAGES[program][name]))].join(' ')}`;
  return (manager === undefined ? MANAGERS : [manager]).map(command);
}
