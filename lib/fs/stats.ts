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

// Member by member: an object that is put together from others takes several times as long.

/** As `fs.Stats`. `dev` is the same for all files of one facade, and no device of the system. */
class Stats extends Typed {
  readonly dev: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly blksize: number;
  readonly ino: number;
  readonly size: number;
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;
  readonly atime: Date;
  readonly mtime: Date;
  readonly ctime: Date;
  readonly birthtime: Date;

  constructor(stat: FsStat, dev: number) {
    super(typeIn(stat.mode));
    this.dev = dev;
    this.mode = stat.mode;
    this.nlink = stat.nlink;
    this.uid = stat.uid;
    this.gid = stat.gid;
    this.rdev = rdevOf(stat.device);
    this.blksize = stat.blksize;
    this.ino = stat.ino;
    this.size = stat.size;
    this.blocks = stat.blocks;
    this.atimeMs = stat.atimeMs;
    this.mtimeMs = stat.mtimeMs;
    this.ctimeMs = stat.ctimeMs;
    // An inode of 128 bytes has no time of birth.
    this.birthtimeMs = stat.birthtimeMs ?? stat.ctimeMs;
    this.atime = dateOf(this.atimeMs);
    this.mtime = dateOf(this.mtimeMs);
    this.ctime = dateOf(this.ctimeMs);
    this.birthtime = dateOf(this.birthtimeMs);
  }
}

function dateOf(ms: number): Date {
  return new Date(Math.round(ms));
}

/** As `fs.BigIntStats`. */
class BigIntStats extends Typed {
  readonly dev: bigint;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev: bigint;
  readonly blksize: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly blocks: bigint;
  readonly atimeMs: bigint;
  readonly mtimeMs: bigint;
  readonly ctimeMs: bigint;
  readonly birthtimeMs: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint;
  readonly atime: Date;
  readonly mtime: Date;
  readonly ctime: Date;
  readonly birthtime: Date;

  constructor(stat: FsStat & FsTimes, dev: number) {
    super(typeIn(stat.mode));
    this.dev = BigInt(dev);
    this.mode = BigInt(stat.mode);
    this.nlink = BigInt(stat.nlink);
    this.uid = BigInt(stat.uid);
    this.gid = BigInt(stat.gid);
    this.rdev = BigInt(rdevOf(stat.device));
    this.blksize = BigInt(stat.blksize);
    this.ino = BigInt(stat.ino);
    this.size = BigInt(stat.size);
    this.blocks = BigInt(stat.blocks);
    this.atimeNs = stat.atimeNs;
    this.mtimeNs = stat.mtimeNs;
    this.ctimeNs = stat.ctimeNs;
    this.birthtimeNs = stat.birthtimeNs ?? stat.ctimeNs;
    this.atimeMs = this.atimeNs / NS_PER_MS;
    this.mtimeMs = this.mtimeNs / NS_PER_MS;
    this.ctimeMs = this.ctimeNs / NS_PER_MS;
    this.birthtimeMs = this.birthtimeNs / NS_PER_MS;
    this.atime = new Date(Number(this.atimeMs));
    this.mtime = new Date(Number(this.mtimeMs));
    this.ctime = new Date(Number(this.ctimeMs));
    this.birthtime = new Date(Number(this.birthtimeMs));
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
