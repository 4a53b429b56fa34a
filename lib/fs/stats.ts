// Owns what is told of files: Stats and Dirent, as node:fs has them.

import type { FsInode, FsStat, FsTimes, MountedFilesystem } from './contract.js';

const TYPES = {
  isFIFO: 0o010000,
  isCharacterDevice: 0o020000,
  isDirectory: 0o040000,
  isBlockDevice: 0o060000,
  isFile: 0o100000,
  isSymbolicLink: 0o120000,
  isSocket: 0o140000,
} as const;

const TYPE = 0o10000;

/** What something is, asked by the methods that node:fs has for it. */
class Typed {
  readonly #type: number;

  constructor(type: number) {
    this.#type = type;
  }

  isFIFO(): boolean {
    return this.#type === TYPES.isFIFO;
  }

  isCharacterDevice(): boolean {
    return this.#type === TYPES.isCharacterDevice;
  }

  isDirectory(): boolean {
    return this.#type === TYPES.isDirectory;
  }

  isBlockDevice(): boolean {
    return this.#type === TYPES.isBlockDevice;
  }

  isFile(): boolean {
    return this.#type === TYPES.isFile;
  }

  isSymbolicLink(): boolean {
    return this.#type === TYPES.isSymbolicLink;
  }

  isSocket(): boolean {
    return this.#type === TYPES.isSocket;
  }
}

function typeIn(mode: number): number {
  return Math.floor(mode / TYPE) * TYPE;
}

// By the `type` of an entry.
const MODES: readonly (number | undefined)[] = [
  ...[undefined, TYPES.isFile, TYPES.isDirectory, TYPES.isCharacterDevice, TYPES.isBlockDevice, TYPES.isFIFO, TYPES.isSocket],
  TYPES.isSymbolicLink,
];

/** The type in a mode, of the type in an entry; undefined where the entry does not tell. */
export function modeOfType(type: number): number | undefined {
  return MODES[type];
}

export function isDirectory(mode: number): boolean {
  return typeIn(mode) === TYPES.isDirectory;
}

// As makedev(3).
function rdevOf(device: FsStat['device']): number {
  if (device === undefined) return 0;
  const { major, minor } = device;
  return (minor % 256) + (major % 4096) * 256 + Math.floor(minor / 256) * 2 ** 20;
}

const NS_PER_MS = 1_000_000n;
const TIMES = ['atime', 'mtime', 'ctime', 'birthtime'] as const;

/** The numbers of an inode, with the times where there are some: an inode of 128 bytes has no time of birth. */
function numbersOf(stat: FsStat, dev: number): Record<string, number> {
  const { ino, mode, nlink, uid, gid, size, blksize, blocks, atimeMs, mtimeMs, ctimeMs } = stat;
  const birthtimeMs = stat.birthtimeMs ?? ctimeMs;
  const rdev = rdevOf(stat.device);
  return { dev, mode, nlink, uid, gid, rdev, blksize, ino, size, blocks, atimeMs, mtimeMs, ctimeMs, birthtimeMs };
}

/** As `fs.Stats`. `dev` is the same for all files of one facade, and no device of the system. */
class Stats extends Typed {
  constructor(stat: FsStat, dev: number) {
    super(typeIn(stat.mode));
    const numbers = numbersOf(stat, dev);
    Object.assign(this, numbers);
    for (const name of TIMES) Object.assign(this, { [name]: new Date(Math.round(numbers[`${name}Ms`] as number)) });
  }
}

/** As `fs.BigIntStats`. */
class BigIntStats extends Typed {
  constructor(stat: FsStat & FsTimes, dev: number) {
    super(typeIn(stat.mode));
    const { atimeNs, mtimeNs, ctimeNs, birthtimeNs = ctimeNs } = stat;
    const exact = { atimeNs, mtimeNs, ctimeNs, birthtimeNs };
    for (const [name, value] of Object.entries(numbersOf(stat, dev))) Object.assign(this, { [name]: BigInt(Math.floor(value)) });
    for (const name of TIMES) {
      const ms = exact[`${name}Ns`] / NS_PER_MS;
      Object.assign(this, { [`${name}Ms`]: ms, [name]: new Date(Number(ms)) });
    }
    Object.assign(this, exact);
  }
}

/** What `stat` gives of an inode: with bigints if they were asked for. */
export function statsOf(
  mounted: MountedFilesystem,
  inode: FsInode,
  dev: number,
  isBigint = false,
): Stats | BigIntStats {
  return isBigint ? new BigIntStats(mounted.stat(inode, { nanoseconds: true }), dev) : new Stats(mounted.stat(inode), dev);
}

/** As `fs.Dirent`. */
export class Dirent extends Typed {
  readonly name: string | Buffer;
  readonly parentPath: string;
  /** As `parentPath`, by its older name. */
  readonly path: string;

  constructor(name: string | Buffer, parentPath: string, mode: number) {
    super(typeIn(mode));
    this.name = name;
    this.parentPath = this.path = parentPath;
  }
}
