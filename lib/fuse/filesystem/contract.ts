// Owns the contract of a filesystem that is served: inodes, names in directories, open files. `Ext2` fulfils it without an adapter;
// so can any filesystem whose files are DaxFiles.

import type { DaxFile, DaxFileOptions, Inode, InodeOperations } from 'node-dax';

/** An inode. There may be several objects for one inode: `ino` identifies it. */
export interface FuseInode {
  readonly ino: number;
}

/** The answer of `stat`. Times are nanoseconds since 1970. */
export interface FuseStat {
  readonly ino: number;
  /** Type and permissions, as in `fs.Stats`. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** The numbers of a device file. */
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
  /** Bytes. */
  readonly size: number;
  /** A good size for reads and writes, in bytes. */
  readonly blksize: number;
  /** The space that it takes on the medium, in units of 512 bytes. */
  readonly blocks: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** When it was made, if that is known. */
  readonly birthtimeNs?: bigint | undefined;
  /**
   * i_flags, as ioctl(2) with FS_IOC_GETFLAGS has them. The filesystem refuses what an immutable or append-only file forbids.
   */
  readonly flags?: number;
}

/** The attributes that `setattr` changes. Those left out stay. */
export interface FuseAttributes {
  /** Permissions, from 0 to 0o7777. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atimeNs?: bigint;
  readonly mtimeNs?: bigint;
}

export interface FuseDirent {
  readonly bytes: Uint8Array;
  readonly ino: number;
  /** 1 a file, 2 a directory, 3 a character device, 4 a block device, 5 a fifo, 6 a socket, 7 a symbolic link, 0 unknown. */
  readonly type: number;
  /** `readdir(dir, next)` continues after this entry. A positive safe integer. */
  readonly next: number;
}

/** The answer of `statfs`, in blocks of `blockSize` bytes. */
export interface FuseStatfs {
  readonly blockSize: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  readonly inodes: number;
  readonly freeInodes: number;
  /** Bytes in the longest name. Default 255. */
  readonly nameLength?: number;
}

/**
 * An open file. A call that throws `EAGAIN`, because other work in this process has locked the file or because the filesystem is
 * frozen, is tried again; the program waits meanwhile.
 */
export interface FuseFile
  extends Pick<DaxFile, 'readSync' | 'writeSync' | 'truncateSync' | 'fsync'>,
    Partial<Pick<DaxFile, 'punchHoleSync' | 'zeroRange'>> {
  closeSync(): void;
}

/** What a new inode gets besides its name and permissions. */
export interface FuseMaking {
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** The program's umask, from 0 to 0o777. Only a filesystem whose `appliesUmask` is true gets it. */
  readonly umask?: number;
}

/** The inode `ino` changed; or a name in directory `dir`, an inode number, was added, removed or given to another inode. */
export type FuseChange = { readonly ino: number } | { readonly dir: number; readonly name: Uint8Array };

/**
 * A filesystem that `mountFuse` serves. Names are bytes without a slash, and never `.` or `..`. Methods throw a `DaxError` with the
 * errno that the program gets; for any other error it gets `EIO`. Requests that need a method that is left out are refused. An
 * inode that was looked up is held until the kernel forgets it: while it is held, its number must not be given to another inode,
 * even if its last name is removed.
 */
export interface FuseFilesystem<I extends FuseInode = FuseInode> {
  readonly root: I;
  /** Whether nothing can be changed: the mount is read-only. Default false. */
  readonly readOnly?: boolean;
  /**
   * Whether other processes or hosts change the content of files: the kernel then reads a file again after each open(2). Default
   * false.
   */
  readonly isShared?: boolean;
  /**
   * Whether it applies the umask to what it makes, because a default ACL counts instead of the umask. Default false: the kernel has
   * applied the umask to the permissions.
   */
  readonly appliesUmask?: boolean;
  lookup(dir: I, name: Uint8Array): I | undefined;
  /** The inode with the number that an entry of `readdir` has. Without it, the entry's name is looked up. */
  inode?(ino: number): I;
  stat(inode: I, options: { readonly nanoseconds: true }): FuseStat;
  /** The entries from `from` on, a `next` of one of them or 0, with or without `.` and `..`. */
  readdir(dir: I, from: number): Iterable<FuseDirent>;
  statfs(): FuseStatfs;
  open(inode: I, options: DaxFileOptions): FuseFile;
  hold?(inode: I): void;
  release?(inode: I): void;
  readlink?(inode: I): Uint8Array;
  /** Makes the attributes and the names of the inode durable. `FuseFile` has its own `fsync`. */
  fsync?(inode: I): void;
  setattr?(inode: I, attributes: FuseAttributes): void;
  create?(dir: I, name: Uint8Array, permissions: number, options: FuseMaking): I;
  mkdir?(dir: I, name: Uint8Array, permissions: number, options: FuseMaking): I;
  /** Makes a file without a name, and holds it: `release` is called once it is open. `link` may give it a name. */
  tmpfile?(dir: I, permissions: number, options: FuseMaking): I;
  symlink?(dir: I, name: Uint8Array, target: Uint8Array, options: FuseMaking): I;
  /** `mode` has the type of a device, a fifo or a socket. */
  mknod?(dir: I, name: Uint8Array, mode: number, device: { major: number; minor: number } | undefined, options: FuseMaking): I;
  link?(inode: I, dir: I, name: Uint8Array): void;
  unlink?(dir: I, name: Uint8Array): void;
  rmdir?(dir: I, name: Uint8Array): void;
  rename?(fromDir: I, fromName: Uint8Array, toDir: I, toName: Uint8Array): void;
  /** Exchanges what two names refer to. */
  exchange?(firstDir: I, firstName: Uint8Array, secondDir: I, secondName: Uint8Array): void;
  setFlags?(inode: I, flags: number): void;
  /** Whether the inode may have extended attributes. The kernel asks for one before it writes to a file. Default true. */
  mayHaveXattrs?(inode: I): boolean;
  listxattr?(inode: I): readonly (string | Uint8Array)[];
  getxattr?(inode: I, name: Uint8Array): Uint8Array;
  setxattr?(inode: I, name: Uint8Array, value: Uint8Array, flag?: 'create' | 'replace'): void;
  removexattr?(inode: I, name: Uint8Array): void;
  /**
   * Calls `listener` at every change, whoever makes it, until the returned function is called. With this method, programs see
   * changes that this process makes outside the mount at once; without it, after `cacheMs`.
   */
  watchChanges?(listener: (change: FuseChange) => void): () => void;
  /**
   * The layout of files, for filesystems whose inodes are `Inode`s of node-dax: with it, large reads are answered from the device's
   * memory, and lseek(2) finds holes.
   */
  readonly operations?: Pick<InodeOperations, 'getBlock'>;
}

/** Whether an inode is one that `operations` take. */
export function isInode(inode: FuseInode): inode is FuseInode & Inode {
  return 'sb' in inode && 'ilock' in inode;
}
