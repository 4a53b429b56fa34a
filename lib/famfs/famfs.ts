// Owns Famfs: a mounted famfs, with every operation on its files.

/* eslint-disable @typescript-eslint/unified-signatures -- one signature for both would not keep the contract of node-dax/fs, whose inodes are wider */

import { argumentError, checkOptions, type DaxFileOptions } from 'node-dax';
import type { DeviceEntry } from './format/entry.js';
import { fail, type FamfsDamage } from './format/error.js';
import { KeptEntries } from './format/kept-entries.js';
import type { FamfsSuperblock } from './format/superblock.js';
import { Files, type FamfsFile } from './files/file.js';
import { follow, Growth, type FamfsChange, type FollowOptions } from './log/growth.js';
import { Replay, type UnknownEntry } from './log/replay.js';
import { appendDirectory, appendFile, type Log } from './master/append.js';
import { newDirectory, newFile, type FamfsCreateOptions, type FamfsMkdirOptions } from './master/new-entry.js';
import type { Medium } from './medium.js';
import { nameOf } from './tree/names.js';
import { inoOf, type FamfsInode } from './tree/node.js';
import { toBytes, Tree, type Name } from './tree/tree.js';

const FAMFS_STATFS_TYPE = 0x87b282fd;
const SECTOR = 512;
const PAGE = 4096;
// Where `readdir` goes on after `.` and after `..`; after an entry, at the number of entries up to there above that.
const AFTER_DOT = 1;
const AFTER_DOTS = 2;
const DIRECTORY_TYPE = 2;
const FILE_TYPE = 1;

/** What `stat` returns. The format stores no times; they are 0. */
export interface FamfsStat {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly device: undefined;
  /** Bytes. */
  readonly size: number;
  readonly blksize: number;
  /** The memory that it takes, in units of 512 bytes. */
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: undefined;
}

export interface FamfsTimes {
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: undefined;
}

const NO_TIMES = { atimeMs: 0, mtimeMs: 0, ctimeMs: 0, birthtimeMs: undefined };
const NO_TIMES_NS = { atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n, birthtimeNs: undefined };

export interface FamfsDirent {
  /** The name, decoded as UTF-8. `bytes` is the name as stored. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly ino: number;
  /** 1 for a file, 2 for a directory. */
  readonly type: number;
  /** `readdir(dir, next)` continues after this entry. */
  readonly next: number;
}

/** What a new directory gets besides its name and mode. */
export interface FamfsMaking {
  /** Default: this process's effective user and group. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** What `statfs` returns, in units of `blockSize` bytes. */
export interface FamfsStatfs {
  readonly type: number;
  readonly blockSize: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  /** How many entries the log has room for. */
  readonly inodes: number;
  readonly freeInodes: number;
}

/** @internal What `mountFamfs` or `openMountedFamfs` determined. */
export interface Mounting {
  readonly superblock: FamfsSuperblock;
  readonly role: 'master' | 'client';
  readonly readOnly: boolean;
  readonly isLocked: boolean;
  /** The folder of the kernel's mount, if superblock and log are read through it and contents cannot be. */
  readonly folder?: string;
  /** Called after unmounting. */
  readonly release: () => void;
}

/**
 * A mounted famfs. It shows the files that the log contained when it was mounted or last refreshed. Nothing in it is ever removed,
 * renamed or resized. Where a path or an inode is expected, paths begin at the root, with or without a slash.
 *
 * All calls throw `DaxError` with a POSIX errno: `ENOENT`, `ENOTDIR`, `EISDIR`; `EBADF` after unmounting; `EROFS` for changes on a
 * host that is not the master.
 */
export class Famfs {
  readonly superblock: FamfsSuperblock;
  /** `master` if this host, by its UUID, is the one that made the famfs and may add to it; otherwise `client`. */
  readonly role: 'master' | 'client';
  /** Whether neither files nor the log can be written through this mount. */
  readonly readOnly: boolean;
  /** Other hosts may change what files hold. */
  readonly isShared = true;
  readonly #medium: Medium;
  readonly #tree: Tree;
  readonly #files: Files;
  readonly #replay: Replay;
  readonly #log: Log;
  readonly #folder: string | undefined;
  readonly #release: () => void;
  readonly #growth: Growth;
  #isMounted = true;

  /** @internal Use `mountFamfs`. */
  constructor(medium: Medium, { superblock, role, readOnly, isLocked, folder, release }: Mounting) {
    this.superblock = superblock;
    this.role = role;
    this.readOnly = readOnly;
    this.#medium = medium;
    this.#files = new Files(medium, readOnly);
    this.#folder = folder;
    const entries = new KeptEntries();
    this.#tree = new Tree(entries);
    this.#replay = new Replay(medium, superblock, entries, this.#tree);
    this.#release = release;
    this.#growth = new Growth(medium, superblock, this.#replay);
    this.#log = { medium, superblock, replay: this.#replay, tree: this.#tree, isLocked, catchUp: (syscall) => this.#growth.catchUp(syscall) };
    this.#replay.checkHeader('mountFamfs');
    this.#replay.run('mountFamfs');
  }

  /** Whether stored bytes survive a power cut; undefined if the device does not know. */
  get persistent(): boolean | undefined {
    return this.#medium.device.persistent;
  }

  get root(): FamfsInode {
    return this.#tree.root;
  }

  /** The number of log entries that were read. */
  get entries(): number {
    return this.#replay.next;
  }

  /** How many entries the log has room for. */
  get capacity(): number {
    return this.#replay.capacity;
  }

  /** The bad entry, if there is one: entries before it are in effect, entries after it are not read. */
  get damage(): FamfsDamage | undefined {
    return this.#replay.damage;
  }

  /** The first entry of an unknown type, and how many there are. They are skipped, and keep a master from adding. */
  get unknown(): (UnknownEntry & { readonly count: number }) | undefined {
    const { firstUnknown, unknownEntries } = this.#replay;
    return firstUnknown && { ...firstUnknown, count: unknownEntries };
  }

  /** Additional devices that the log names. Files cannot lie on them yet. */
  get devices(): readonly DeviceEntry[] {
    return this.#replay.devices;
  }

  lookup(dir: FamfsInode, name: Name): FamfsInode | undefined {
    this.#begin('lookup');
    return this.#tree.lookup(dir, toBytes(name), 'lookup');
  }

  /** The inode at a path. There are no symbolic links, so `follow` has no effect. */
  resolve(path: Name, options: { follow?: boolean } = {}): FamfsInode {
    checkOptions(options, { follow: true });
    this.#begin('resolve');
    return this.#tree.resolve(path, 'resolve');
  }

  /** The directory that contains the last name of a path, and the bytes of that name. The name need not exist. */
  resolveParent(path: Name): { dir: FamfsInode; name: Uint8Array } {
    this.#begin('resolve');
    const { dir, name } = this.#tree.resolveParent(path, 'resolve');
    return { dir, name: Buffer.from(name, 'latin1') };
  }

  /**
   * The entries of a directory, with `.` and `..`: all, or those after the one whose `next` is `from`. Entries that are added in the
   * meantime may or may not be yielded.
   */
  readdir(dir: FamfsInode, from?: number): Generator<FamfsDirent>;
  readdir(path: Name, from?: number): Generator<FamfsDirent>;
  *readdir(of: FamfsInode | Name, from = 0): Generator<FamfsDirent> {
    if (!Number.isSafeInteger(from) || from < 0) throw argumentError('ERR_OUT_OF_RANGE', `from must be 0 or the next of an entry, it is ${String(from)}`);
    const dir = this.#at(of, 'readdir');
    if (!dir.isDirectory) return fail('ENOTDIR', 'readdir', dir.path);
    if (from < AFTER_DOT) yield direntOf('.', dir, AFTER_DOT);
    if (from < AFTER_DOTS) yield direntOf('..', dir.parent, AFTER_DOTS);
    const { names } = this.#tree;
    const children = names.directory(dir.stored)?.children ?? [];
    for (let at = Math.max(0, from - AFTER_DOTS); at < children.length; at++) yield this.#direntOf(children[at] as string, AFTER_DOTS + at + 1);
  }

  stat(inode: FamfsInode, options: { readonly nanoseconds: true }): FamfsStat & FamfsTimes;
  stat(inode: FamfsInode): FamfsStat;
  stat(path: Name, options: { readonly nanoseconds: true }): FamfsStat & FamfsTimes;
  stat(path: Name): FamfsStat;
  stat(of: FamfsInode | Name, options?: { readonly nanoseconds: true }): FamfsStat {
    if (options !== undefined) checkOptions(options, { nanoseconds: true });
    const inode = this.#at(of, 'stat');
    const { ino, mode, uid, gid, size, entry } = inode;
    const taken = entry?.extents.reduce((sum, { length }) => sum + length, 0) ?? 0;
    const nlink = entry === undefined ? 2 + (this.#tree.names.directory(inode.stored)?.subdirectories ?? 0) : 1;
    const stat = { ino, mode, nlink, uid, gid, device: undefined, size, blksize: PAGE, blocks: taken / SECTOR, ...NO_TIMES };
    return options?.nanoseconds === true ? { ...stat, ...NO_TIMES_NS } : stat;
  }

  /** Opens a file. It must be closed. Through a read-only mount it can be read, and mapped `PROT_READ` or privately. */
  open(inode: FamfsInode, options?: DaxFileOptions): FamfsFile;
  open(path: Name, options?: DaxFileOptions): FamfsFile;
  open(of: FamfsInode | Name, options: DaxFileOptions = {}): FamfsFile {
    return this.#files.openFile(this.#contentsOf(of, 'open'), options);
  }

  /**
   * Makes the contents of a file coherent in both directions: this host's stores reach the memory, and its next reads return what
   * the memory holds. Call it before reading what another host may have changed; it costs one instruction per 64 bytes. See
   * `DaxDevice.invalidate` for what it destroys if two hosts write.
   */
  flush(of: FamfsInode | Name): void {
    const inode = this.#contentsOf(of, 'flush');
    if (inode.isDirectory) fail('EISDIR', 'flush', inode.path);
    this.#files.flush(inode);
  }

  /**
   * Reads the entries that were added to the log since it was last read, and returns the new files and directories in order. A bad
   * entry is checked again. Throws `ESTALE` if a new famfs was made on the device, and `EIO` while superblock or log cannot be read.
   */
  refresh(): FamfsInode[] {
    this.#begin('refresh');
    return this.#growth.catchUp('refresh');
  }

  /**
   * Yields the files and directories that are added from now on. Ends with an `AbortError` when `signal` is aborted, or with what
   * `refresh` throws. Each look at the log reads two cache lines of the memory.
   */
  follow(signal?: AbortSignal, options: FollowOptions = {}): AsyncGenerator<FamfsInode, never> {
    return follow(() => this.refresh(), signal, options);
  }

  /** Throws `EPERM`: a file's size is fixed when it is created. Call `create(path, size)`. */
  create(dir: FamfsInode, name: Name, mode: number): never;
  /**
   * Creates a file of `size` bytes with its contents, and only then publishes it, so no reader sees it without them. The file has
   * reached the memory on return. Its directory must exist.
   *
   * Throws `EROFS` on a host that is not the master; `EEXIST`; `ENAMETOOLONG` for a path of more than 78 bytes; `ENOSPC` if there
   * is no room or the log is full; `EBUSY` while another process adds; `EUCLEAN` or `EOPNOTSUPP` if the log contains a bad or
   * unknown entry.
   */
  create(path: Name, size: number, options?: FamfsCreateOptions): FamfsInode;
  create(at: FamfsInode | Name, size: Name | number, options: number | FamfsCreateOptions = {}): FamfsInode {
    if (!isName(at) || typeof size !== 'number' || typeof options === 'number') {
      this.#beginChange('create');
      return fail('EPERM', 'create', 'a file of famfs has its size from its beginning: Famfs.create(path, size) makes one');
    }
    const wanted = newFile(at, size, options);
    this.#beginChange('create');
    return this.#growth.tell(appendFile(this.#log, wanted));
  }

  mkdir(dir: FamfsInode, name: Name, mode: number, making?: FamfsMaking): FamfsInode;
  /** Creates a directory. Throws as `create` does. */
  mkdir(path: Name, options?: FamfsMkdirOptions): FamfsInode;
  mkdir(at: FamfsInode | Name, options: Name | FamfsMkdirOptions = {}, mode?: number, making: FamfsMaking = {}): FamfsInode {
    checkOptions(making, { owner: true });
    const wanted = isName(at)
      ? newDirectory(at, options as FamfsMkdirOptions)
      : newDirectory(Buffer.concat([at.bytes, Buffer.from('/'), Buffer.from(options as Name)]), { ...(mode !== undefined && { mode }), ...making.owner });
    this.#beginChange('mkdir');
    return this.#growth.tell(appendDirectory(this.#log, wanted));
  }

  unlink(): never {
    return this.#refuse('unlink', 'famfs removes nothing');
  }

  rmdir(): never {
    return this.#refuse('rmdir', 'famfs removes nothing');
  }

  rename(): never {
    return this.#refuse('rename', 'a name of famfs stays as it is');
  }

  link(): never {
    return this.#refuse('link', 'famfs has no links');
  }

  symlink(): never {
    return this.#refuse('symlink', 'famfs has no links');
  }

  readlink(): never {
    return fail('EINVAL', 'readlink', 'famfs has no links');
  }

  setattr(_inode: FamfsInode, attributes: object): void {
    if (Object.keys(attributes).length > 0) this.#refuse('setattr', 'permissions and owners stay as they are, and there are no times');
  }

  /** Has no effect: files are never removed, so inodes need not be held. */
  hold(inode: FamfsInode): void {
    this.#at(inode, 'hold');
  }

  release(inode: FamfsInode): void {
    this.#at(inode, 'release');
  }

  /**
   * Calls `listener` at every name that `refresh`, `follow` or a change of this master adds to the tree, until the returned function is
   * called. The listener must not throw or use the filesystem. For servers whose clients cache.
   */
  watchChanges(listener: (change: FamfsChange) => void): () => void {
    return this.#growth.watch(listener);
  }

  statfs(): FamfsStatfs {
    this.#begin('statfs');
    const { space, capacity, next } = this.#replay;
    const { free } = space;
    const blocks = { blockSize: space.unit, blocks: space.units, freeBlocks: free, availableBlocks: free };
    return { type: FAMFS_STATFS_TYPE, ...blocks, inodes: capacity, freeInodes: capacity - next };
  }

  /**
   * Unmounts the filesystem. Throws `EBUSY` while files are open. Mappings of closed files lose their pages. The device stays open.
   */
  unmount(): void {
    this.#begin('unmount');
    const { open } = this.#files;
    if (open > 0) fail('EBUSY', 'unmount', `${open} files are open: close them`);
    this.#isMounted = false;
    this.#files.end();
    this.#release();
  }

  [Symbol.dispose](): void {
    this.unmount();
  }

  #direntOf(path: string, next: number): FamfsDirent {
    const { names } = this.#tree;
    return direntOf(nameOf(path), { ino: inoOf(names.find(path) as number), isDirectory: names.directory(path) !== undefined }, next);
  }

  #begin(syscall: string): void {
    if (!this.#isMounted) fail('EBADF', syscall, 'it was unmounted');
  }

  #beginChange(syscall: string): void {
    this.#begin(syscall);
    if (this.role === 'client') {
      fail('EROFS', syscall, `only the host that made it adds to it, which has the UUID ${this.superblock.systemUuid}: this one is a client`);
    }
    if (this.readOnly) fail('EROFS', syscall, 'it is mounted, or the device is open, to be read');
  }

  #refuse(syscall: string, hint: string): never {
    this.#begin(syscall);
    return fail(this.readOnly ? 'EROFS' : 'EPERM', syscall, hint);
  }

  #at(of: FamfsInode | Name, syscall: string): FamfsInode {
    this.#begin(syscall);
    return isName(of) ? this.#tree.resolve(of, syscall) : of;
  }

  #contentsOf(of: FamfsInode | Name, syscall: string): FamfsInode {
    const inode = this.#at(of, syscall);
    if (this.#folder === undefined || inode.isDirectory) return inode;
    return fail('EOPNOTSUPP', syscall, `its contents are in the mount: open ${this.#folder}${inode.path}`);
  }
}

function isName(of: FamfsInode | Name): of is Name {
  return typeof of === 'string' || of instanceof Uint8Array;
}

function direntOf(name: string, { ino, isDirectory }: Pick<FamfsInode, 'ino' | 'isDirectory'>, next: number): FamfsDirent {
  const bytes = Buffer.from(name, 'latin1');
  return { name: bytes.toString(), bytes, ino, type: isDirectory ? DIRECTORY_TYPE : FILE_TYPE, next };
}
