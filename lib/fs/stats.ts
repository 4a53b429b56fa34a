// Owns what is told of files: Stats and Dirent, as node:fs has them.

import type { Ext2Stat } from 'node-dax/ext2';

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

// As makedev(3).
function rdevOf(device: Ext2Stat['device']): number {
  if (device === undefined) return 0;
  const { major, minor } = device;
  return (minor % 256) + (major % 4096) * 256 + Math.floor(minor / 256) * 2 ** 20;
}

const TIMES = ['atime', 'mtime', 'ctime', 'birthtime'] as const;

/** The numbers of an inode, with the times where there are some: an inode of 128 bytes has no time of birth. */
function numbersOf(stat: Ext2Stat, dev: number): Record<string, number> {
  const { ino, mode, nlink, uid, gid, size, blksize, blocks, atimeMs, mtimeMs, ctimeMs } = stat;
  const birthtimeMs = stat.birthtimeMs ?? ctimeMs;
  const rdev = rdevOf(stat.device);
  return { dev, mode, nlink, uid, gid, rdev, blksize, ino, size, blocks, atimeMs, mtimeMs, ctimeMs, birthtimeMs };
}

/** As `fs.Stats`. `dev` is the same for all files of one facade, and no device of the system. */
class Stats extends Typed {
  constructor(stat: Ext2Stat, dev: number) {
    super(typeIn(stat.mode));
    const numbers = numbersOf(stat, dev);
    Object.assign(this, numbers);
    for (const name of TIMES) Object.assign(this, { [name]: new Date(Math.round(numbers[`${name}Ms`] as number)) });
  }
}

/** As `fs.BigIntStats`. */
class BigIntStats extends Typed {
  constructor(stat: Ext2Stat, dev: number) {
    super(typeIn(stat.mode));
    const numbers = numbersOf(stat, dev);
    for (const [name, value] of Object.entries(numbers)) Object.assign(this, { [name]: BigInt(Math.floor(value)) });
    for (const name of TIMES) {
      const ms = numbers[`${name}Ms`] as number;
      const whole = Math.floor(ms);
      const ns = BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6));
      Object.assign(this, { [`${name}Ns`]: ns, [name]: new Date(Math.round(ms)) });
    }
  }
}

/** What `stat` gives: with bigints if they were asked for. */
export function statsOf(stat: Ext2Stat, dev: number, options: { bigint?: boolean } = {}): Stats | BigIntStats {
  return options.bigint === true ? new BigIntStats(stat, dev) : new Stats(stat, dev);
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
