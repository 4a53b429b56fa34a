// Owns the contract of what lies under the facade: a mounted filesystem, of which it asks no more than this. Ext2 keeps it;
// so can any filesystem whose files are DaxFiles. Every call may throw a `DaxError` with the errno of POSIX, which the facade
// words as node:fs would.

import type { DaxFile, DaxFileOptions, Inode } from 'node-dax';

/** A name or path: UTF-8, or bytes that need not be. */
export type FsName = string | Uint8Array;

/** What a name leads to. One object may stand for an inode for ever, or a new one at each lookup: `ino` tells them apart. */
export interface FsInode extends Pick<Inode, 'ino' | 'size'> {
  /** Type and permissions, as in `fs.Stats`. */
  readonly mode: number;
  readonly isRegular: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
}

/** A file that is open. `closeSync` throws `EAGAIN` while work of this handle is under way, `close` waits for that. */
export interface FsFile
  extends Pick<DaxFile, 'isOpen' | 'read' | 'readSync' | 'write' | 'writeSync' | 'truncate' | 'truncateSync' | 'fsync'> {
  closeSync(): void;
  close(): Promise<void>;
}

/** What `stat` tells. */
export interface FsStat {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a device: both its numbers. */
  readonly device: { readonly major: number; readonly minor: number } | undefined;
  /** Bytes. */
  readonly size: number;
  /** Bytes that are a good size for reads and writes. */
  readonly blksize: number;
  /** What it takes of the medium, in units of 512 bytes. */
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** Undefined where it is not kept. */
  readonly birthtimeMs: number | undefined;
}

/** The times in nanoseconds since 1970. */
export interface FsTimes {
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint | undefined;
}

/** What `setattr` changes; what is left out stays. */
export interface FsAttributes {
  /** Permissions; the type stays. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atimeNs?: bigint;
  readonly mtimeNs?: bigint;
}

/** An entry of a directory. */
export interface FsDirent {
  /** As UTF-8; `bytes` has what it is. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly ino: number;
  /** 1 a file, 2 a directory, 3 and 4 a character and a block device, 5 a fifo, 6 a socket, 7 a link; 0: not told. */
  readonly type: number;
}

/** What `statfs` tells, in blocks of `blockSize` bytes. */
export interface FsStatfs {
  /** The filesystem's magic number, as statfs(2) has it. */
  readonly type: number;
  readonly blockSize: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  readonly inodes: number;
  readonly freeInodes: number;
}

/**
 * A mounted filesystem. Methods are called with the inodes that it gave, of the type `I`. They take no inode that was
 * removed (`ESTALE`), unless it is open or held.
 */
export interface MountedFilesystem<I extends FsInode = FsInode> {
  readonly readOnly: boolean;
  lookup(dir: I, name: FsName): I | undefined;
  /** What a path from the root leads to; `follow: false` gives a link at its end itself. */
  resolve(path: FsName, options?: { follow?: boolean }): I;
  /** The directory that a path's last name is in, which need not exist, and that name. */
  resolveParent(path: FsName): { dir: I; name: Uint8Array };
  /** The entries, with `.` and `..`. What stays while this goes on comes exactly once. */
  readdir(dir: I): Iterable<FsDirent>;
  create(dir: I, name: FsName, mode: number): I;
  mkdir(dir: I, name: FsName, mode: number): I;
  symlink(dir: I, name: FsName, target: FsName): I;
  readlink(inode: I): Uint8Array;
  link(inode: I, dir: I, name: FsName): void;
  unlink(dir: I, name: FsName): void;
  rmdir(dir: I, name: FsName): void;
  rename(fromDir: I, fromName: FsName, toDir: I, toName: FsName): void;
  stat(inode: I): FsStat;
  stat(inode: I, options: { readonly nanoseconds: true }): FsStat & FsTimes;
  setattr(inode: I, attributes: FsAttributes): void;
  open(inode: I, options: DaxFileOptions): FsFile;
  /** Keeps an inode in use, as a directory that is open is, until `release`. */
  hold(inode: I): void;
  release(inode: I): void;
  statfs(): FsStatfs;
}
