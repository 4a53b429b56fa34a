// Owns the numbers of the FUSE protocol, version 7.31 and later, as linux/fuse.h publishes them.

/** The requests that the server handles. `forget`, `batchForget` and `interrupt` never have an answer. */
export const OP = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  init: 26,
  readdir: 28,
  fsyncdir: 30,
  create: 35,
  interrupt: 36,
  destroy: 38,
  ioctl: 39,
  batchForget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
  lseek: 46,
  copyFileRange: 47,
  tmpfile: 51,
  statx: 52,
} as const;

/** Messages that the server sends unasked. */
export const NOTIFY = { invalidInode: 2, invalidEntry: 3 } as const;

/** The root directory of every filesystem. */
export const ROOT_ID = 1;

/** The features that `init` agrees on. */
export const INIT = {
  asyncRead: 2 ** 0,
  atomicTruncate: 2 ** 3,
  bigWrites: 2 ** 5,
  dontMask: 2 ** 6,
  autoInvalidateData: 2 ** 12,
  readdirplus: 2 ** 13,
  asyncDirectIo: 2 ** 15,
  writebackCache: 2 ** 16,
  parallelDirectoryOperations: 2 ** 18,
  posixAcl: 2 ** 20,
  maxPages: 2 ** 22,
  cacheSymlinks: 2 ** 23,
  noOpendir: 2 ** 24,
  handleKillPrivileges: 2 ** 28,
} as const;

/** The attributes that a `setattr` sets. */
export const SET = {
  mode: 2 ** 0,
  uid: 2 ** 1,
  gid: 2 ** 2,
  size: 2 ** 3,
  atime: 2 ** 4,
  mtime: 2 ** 5,
  handle: 2 ** 6,
  atimeNow: 2 ** 7,
  mtimeNow: 2 ** 8,
} as const;

/**
 * Flags in the answer to `open`: the kernel does not cache the file, keeps its cache of it, or sends no `flush` when it is closed.
 */
export const FOPEN = { directIo: 2 ** 0, keepCache: 2 ** 1, noFlush: 2 ** 5 } as const;

/** Flags of open(2) that arrive with `open` and `create`. */
export const O = { excl: 0o200, trunc: 0o1000, append: 0o2000, dsync: 0o10000 } as const;

export const RENAME = { noReplace: 1, exchange: 2 } as const;

/** Modes of fallocate(2). */
export const FALLOC = { keepSize: 0x01, punchHole: 0x02, zeroRange: 0x10 } as const;

export const SEEK = { data: 3, hole: 4 } as const;

/** The requests of ioctl(2) that are answered, without the size of their data: of FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and their kind. */
export const IOCTL = { getFlags: 0x6601, setFlags: 0x6602, getAttributes: 0x581f } as const;

/** i_flags, as ioctl(2) has them. */
export const FLAG = { immutable: 0x10, append: 0x20 } as const;

/** The fields of statx(2) that `stat` gives, and the time of birth. */
export const STATX = { basic: 0x7ff, birthtime: 0x800 } as const;

export const XATTR = { create: 1, replace: 2 } as const;

/** Whether `flags` has `flag`, a power of two. */
export function hasFlag(flags: number, flag: number): boolean {
  return Math.floor(flags / flag) % 2 === 1;
}
