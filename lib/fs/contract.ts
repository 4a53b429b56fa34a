// Owns the contract between the facade and a mounted filesystem: all that the facade needs of it. Ext2 fulfils it; so can any
// filesystem whose files are DaxFiles. Every call may throw a `DaxError` with a POSIX errno, which the facade turns into the error
// of node:fs.

import type { DaxFile, DaxFileOptions, Inode } from 'node-dax';

/** A name or path: a string, encoded as UTF-8, or bytes, which need not be valid UTF-8. */
export type FsName = string | Uint8Array;

/** An inode. Each lookup may return the same object or a new one: compare `ino`, not objects. */
export interface FsInode extends Pick<Inode, 'ino' | 'size'> {
  /** Type and permissions, as in `fs.Stats`. */
  readonly mode: number;
  readonly isRegular: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
}

/** An open file. `closeSync` throws `EAGAIN` while work begun through this handle is under way; `close` waits for it. */
export interface FsFile
  extends Pick<DaxFile, 'isOpen' | 'read' | 'readSync' | 'write' | 'writeSync' | 'truncate' | 'truncateSync' | 'fsync'> {
  closeSync(): void;
  close(): Promise<void>;
}

/** What `stat` returns. */
export interface FsStat {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** The device number of a device file; undefined for everything else. */
  readonly device: { readonly major: number; readonly minor: number } | undefined;
  /** Bytes. */
  readonly size: number;
  /** A good size for reads and writes, in bytes. */
  readonly blksize: number;
  /** The space that it takes on the medium, in units of 512 bytes. */
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** Undefined if it is not stored. */
  readonly birthtimeMs: number | undefined;
}

/** The times in nanoseconds since 1970. */
export interface FsTimes {
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint | undefined;
}

/** What `setattr` changes. Omitted attributes keep their values. */
export interface FsAttributes {
  /** The permissions. The file's type does not change. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atimeNs?: bigint;
  readonly mtimeNs?: bigint;
}

/** A directory entry. */
export interface FsDirent {
  /** The name, decoded as UTF-8. `bytes` is the name as stored. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly ino: number;
  /** 1 regular file, 2 directory, 3 character device, 4 block device, 5 FIFO, 6 socket, 7 symbolic link; 0 unknown. */
  readonly type: number;
}

/** What `statfs` returns, in blocks of `blockSize` bytes. */
export interface FsStatfs {
  /** The filesystem's magic number, as statfs(2) returns it. */
  readonly type: number;
  readonly blockSize: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  readonly inodes: number;
  readonly freeInodes: number;
}

/**
 * A mounted filesystem. Its methods are called with inodes, of type `I`, that it returned. They throw `ESTALE` for an inode that
 * was removed, unless it is open or held.
 */
export interface MountedFilesystem<I extends FsInode = FsInode> {
  readonly readOnly: boolean;
  lookup(dir: I, name: FsName): I | undefined;
  /** The inode at a path from the root. With `follow: false`, a symbolic link at the end of the path is not followed. */
  resolve(path: FsName, options?: { follow?: boolean }): I;
  /** The directory that contains the last name of a path, and the bytes of that name. The name need not exist. */
  resolveParent(path: FsName): { dir: I; name: Uint8Array };
  /** The entries, with `.` and `..`. An entry that exists during the whole iteration is yielded exactly once. */
  readdir(dir: I): Iterable<FsDirent>;
  /** The names of `readdir`, in any order. Optional: it saves an object for each entry where only names are asked for. */
  names?(dir: I): string[];
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
  /** Keeps an inode in use, such as that of an open directory, until `release`. */
  hold(inode: I): void;
  release(inode: I): void;
  statfs(): FsStatfs;
}
