// Owns the objects that describe files and filesystems: Stats, BigIntStats, Dirent and StatFs, with the methods of Node's own.

import * as nodeFs from 'node:fs';
import type { FsInode, FsStat, FsStatfs, FsTimes, MountedFilesystem } from '../contract.js';
import { NODE_MAJOR } from '../release.js';

const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } = nodeFs.constants;
const TYPE = 0o10000;

// The type bits of a mode, indexed by the `type` of an entry.
const MODES: readonly (number | undefined)[] = [undefined, S_IFREG, S_IFDIR, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK, S_IFLNK];

/** Converts the type of an entry to the type bits of a mode; undefined if the entry's type is unknown. */
export function modeOfType(type: number): number | undefined {
  return MODES[type];
}

export function isDirectory(mode: number): boolean {
  return Math.floor(mode / TYPE) * TYPE === S_IFDIR;
}

// As makedev(3).
function rdevOf(device: FsStat['device']): number {
  if (device === undefined) return 0;
  const { major, minor } = device;
  return (minor % 256) + (major % 4096) * 256 + Math.floor(minor / 256) * 2 ** 20;
}

const NS_PER_MS = 1_000_000n;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

// From Node 22 on the dates are accessors of the prototype, which create them on access.
const hasDates = 'atime' in nodeFs.Stats.prototype;

// Assigns member by member, in Node's order: an object assembled from others takes several times as long to make. `dev` is the same
// for all files of one facade, and is not a device of the system.
function StatsOf(this: Mutable<nodeFs.Stats>, stat: FsStat, dev: number): void {
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
  // An inode of 128 bytes has no birth time.
  this.birthtimeMs = stat.birthtimeMs ?? stat.ctimeMs;
  if (hasDates) return;
  this.atime = dateOf(this.atimeMs);
  this.mtime = dateOf(this.mtimeMs);
  this.ctime = dateOf(this.ctimeMs);
  this.birthtime = dateOf(this.birthtimeMs);
}
StatsOf.prototype = nodeFs.Stats.prototype;
const Stats = StatsOf as unknown as new (stat: FsStat, dev: number) => nodeFs.Stats;

function dateOf(ms: number): Date {
  return new Date(Math.round(ms));
}

function BigIntStatsOf(this: Mutable<nodeFs.BigIntStats>, stat: FsStat & FsTimes, dev: number): void {
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
  const birthtimeNs = stat.birthtimeNs ?? stat.ctimeNs;
  this.atimeMs = stat.atimeNs / NS_PER_MS;
  this.mtimeMs = stat.mtimeNs / NS_PER_MS;
  this.ctimeMs = stat.ctimeNs / NS_PER_MS;
  this.birthtimeMs = birthtimeNs / NS_PER_MS;
  this.atimeNs = stat.atimeNs;
  this.mtimeNs = stat.mtimeNs;
  this.ctimeNs = stat.ctimeNs;
  this.birthtimeNs = birthtimeNs;
  if ('atime' in BigIntStatsOf.prototype) return;
  this.atime = new Date(Number(this.atimeMs));
  this.mtime = new Date(Number(this.mtimeMs));
  this.ctime = new Date(Number(this.ctimeMs));
  this.birthtime = new Date(Number(this.birthtimeMs));
}

// Node does not export this class; its prototype is taken from one of its objects.
let BigIntStats: (new (stat: FsStat & FsTimes, dev: number) => nodeFs.BigIntStats) | undefined;

function bigIntStats() {
  if (BigIntStats === undefined) {
    BigIntStatsOf.prototype = Object.getPrototypeOf(nodeFs.lstatSync('/', { bigint: true })) as object;
    BigIntStats = BigIntStatsOf as unknown as NonNullable<typeof BigIntStats>;
  }
  return BigIntStats;
}

/** What `stat` returns for an inode, with bigints if `isBigint` is true. */
export function statsOf(mounted: MountedFilesystem, inode: FsInode, dev: number, isBigint: boolean): nodeFs.Stats | nodeFs.BigIntStats {
  return isBigint ? new (bigIntStats())(mounted.stat(inode, { nanoseconds: true }), dev) : new Stats(mounted.stat(inode), dev);
}

const NOTHING: FsStat & FsTimes = {
  ...{ ino: 0, mode: 0, nlink: 0, uid: 0, gid: 0, device: undefined, size: 0, blksize: 0, blocks: 0 },
  ...{ atimeMs: 0, mtimeMs: 0, ctimeMs: 0, birthtimeMs: 0, atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n, birthtimeNs: 0n },
};

/** The Stats of a missing file: all zeros. */
export function statsOfNothing(isBigint: boolean): nodeFs.Stats | nodeFs.BigIntStats {
  return isBigint ? new (bigIntStats())(NOTHING, 0) : new Stats(NOTHING, 0);
}

const { UV_DIRENT_BLOCK, UV_DIRENT_CHAR, UV_DIRENT_DIR, UV_DIRENT_FIFO, UV_DIRENT_FILE, UV_DIRENT_LINK, UV_DIRENT_SOCKET } =
  nodeFs.constants as unknown as Record<string, number>;
const DIRENTS: ReadonlyMap<number, number | undefined> = new Map([
  [S_IFREG, UV_DIRENT_FILE],
  [S_IFDIR, UV_DIRENT_DIR],
  [S_IFLNK, UV_DIRENT_LINK],
  [S_IFIFO, UV_DIRENT_FIFO],
  [S_IFSOCK, UV_DIRENT_SOCKET],
  [S_IFCHR, UV_DIRENT_CHAR],
  [S_IFBLK, UV_DIRENT_BLOCK],
]);

const NodeDirent = nodeFs.Dirent as unknown as new (name: string | Buffer, type: number | undefined, path: unknown) => nodeFs.Dirent;

/** The Dirent of an entry of the directory at `path`. */
export function direntOf(name: string | Buffer, path: unknown, mode: number): nodeFs.Dirent {
  return new NodeDirent(name, DIRENTS.get(Math.floor(mode / TYPE) * TYPE), path);
}

/** As `fs.StatFs`. */
export class StatFs<T extends number | bigint = number> {
  // Declared and assigned in Node's order.
  declare readonly type: T;
  declare readonly bsize: T;
  /** Since Node 24. */
  declare readonly frsize?: T;
  declare readonly blocks: T;
  declare readonly bfree: T;
  declare readonly bavail: T;
  declare readonly files: T;
  declare readonly ffree: T;

  constructor(told: FsStatfs, as: (value: number) => T) {
    this.type = as(told.type);
    this.bsize = as(told.blockSize);
    if (NODE_MAJOR >= 24) this.frsize = this.bsize;
    this.blocks = as(told.blocks);
    this.bfree = as(told.freeBlocks);
    this.bavail = as(told.availableBlocks);
    this.files = as(told.inodes);
    this.ffree = as(told.freeInodes);
  }
}
