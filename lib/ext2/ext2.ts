// Owns Ext2: a mounted filesystem, as its users and the programs above it see it.

import {
  argumentError,
  checkOptions,
  DaxError,
  daxWriteback,
  freezeSuper,
  thawSuper,
  type BlockDevice,
  type DaxFileOptions,
  type InodeOperations,
  type OptionNames,
} from 'node-dax';
import {
  EXT2_ERROR_FS,
  EXT2_MAGIC,
  EXT2_ROOT_INO,
  EXT2_VALID_FS,
  maskOf,
  S_IFREG,
  typeOf,
  USER_FLAGS,
  withFlag,
  type Superblock,
} from './format/disk.js';
import type { Dirent } from './inode/dir.js';
import { fail } from './format/error.js';
import { Ext2File, operationsOf } from './files/file.js';
import type { Ext2Inode } from './volume/ext2-inode.js';
import type { Ext2Times, IncoreInode } from './inode/inode.js';
import { decodeDevice } from './format/device-number.js'; // late
import { bytesOf, textOf, toEntryName, type ByteName, type Name } from './format/name.js';
import { exchange } from './names/exchange.js'; // late
import * as namei from './names/namei.js';
import { lookup, resolve, resolveParent } from './names/path.js';
import { reclaim, type Reclaimed } from './volume/reclaim.js'; // late
import { nowSeconds, type Owner, type Super } from './space/super.js';
import { readTarget } from './inode/symlink.js'; // late
import type { Ext2Change } from './volume/changes.js';
import type { Volume } from './volume/volume.js';
import { chmodAcl, getXattr, inheritAcl, listXattr, removeXattr, setXattr, type XattrFlag } from './xattr/xattr.js'; // late

/** What `stat` returns. */
export interface Ext2Stat {
  readonly ino: number;
  /** Type and permissions, as in `fs.Stats`. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** The two numbers of a device file; undefined for everything else. */
  readonly device: namei.DeviceNumber | undefined;
  /** Bytes. */
  readonly size: number;
  /** The block size of the filesystem. */
  readonly blksize: number;
  /** The file's blocks of data, pointers and extended attributes, in units of 512 bytes. */
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** When the inode was created; undefined if the filesystem's inodes are too small to store it. */
  readonly birthtimeMs: number | undefined;
  /** i_flags. */
  readonly flags: number;
  readonly generation: number;
}

/** What `setattr` changes. Omitted attributes keep their values. */
export interface Ext2Attributes {
  /** The permissions, from 0 to 0o7777. The file's type does not change. */
  readonly mode?: number;
  /** The owner. 0xffffffff or -1 keeps the owner, as in chown(2); the same applies to `gid`. */
  readonly uid?: number;
  readonly gid?: number;
  /**
   * The access time in milliseconds since 1970, or in nanoseconds as `atimeNs`; give one of the two. A time that the inode cannot
   * store is changed to the nearest one that it can.
   */
  readonly atimeMs?: number;
  readonly atimeNs?: bigint;
  readonly mtimeMs?: number;
  readonly mtimeNs?: bigint;
}

/** What `statfs` returns. Counts of blocks are in units of `blockSize` bytes. */
export interface Ext2Statfs {
  /** The magic number of ext2, as statfs(2) returns it. */
  readonly type: number;
  readonly blockSize: number;
  /** All blocks except those of the filesystem's own tables. */
  readonly blocks: number;
  readonly freeBlocks: number;
  /** The free blocks that are not reserved for root. */
  readonly availableBlocks: number;
  readonly inodes: number;
  readonly freeInodes: number;
  readonly nameLength: number;
}

/** A directory entry, as `readdir` yields it. */
export interface Ext2Dirent {
  /** The name, decoded as UTF-8. `bytes` is the name as stored on the medium. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly ino: number;
  /** The type stored in the entry, one of `FT`; 0 if the filesystem stores no types in entries. */
  readonly type: number;
  /** `readdir(dir, next)` continues after this entry. */
  readonly next: number;
}

/** The options of `create`, `mkdir`, `mknod`, `symlink` and `tmpfile`. */
export interface MakeOptions {
  /** The owner of the new inode. Default: the `owner` of the mount. */
  readonly owner?: Owner;
  /** The permissions, from 0 to 0o777, that it does not get unless the directory has a default ACL. Default 0. */
  readonly umask?: number;
}

const MAKE_OPTIONS: OptionNames<MakeOptions> = { owner: true, umask: true };

const ATTRIBUTES: OptionNames<Ext2Attributes> = {
  ...{ mode: true, uid: true, gid: true, atimeMs: true, atimeNs: true, mtimeMs: true, mtimeNs: true },
};

const PERMISSIONS = 0o10000;

function checkPermissions(mode: number): number {
  if (!Number.isInteger(mode) || mode < 0 || mode >= PERMISSIONS) {
    throw argumentError('ERR_OUT_OF_RANGE', `the permissions must be from 0 to 0o7777, they are ${mode}`);
  }
  return mode;
}

function checkNumber(value: number, name: string, most: number): number {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw argumentError('ERR_OUT_OF_RANGE', `${name} must be an integer from 0 to ${most}, it is ${value}`);
  }
  return value;
}

/** The `owner` option, if given. Throws `RangeError` for IDs that an inode cannot store. */
export function checkOwner(options: MakeOptions | undefined): Owner | undefined {
  const owner = options?.owner;
  if (owner === undefined) return undefined;
  return { uid: checkNumber(owner.uid, 'uid', 2 ** 32 - 1), gid: checkNumber(owner.gid, 'gid', 2 ** 32 - 1) };
}

// The flags of `inode` after users asked for `wanted`.
function changedFlags({ flags, mode }: IncoreInode, wanted: number): number {
  // eslint-disable-next-line no-bitwise -- i_flags
  return ((wanted & maskOf(USER_FLAGS, mode)) | (flags & ~USER_FLAGS.directory)) >>> 0;
}

const UNCHANGED = 2 ** 32 - 1;

function checkNewOwner(id: number | undefined, name: string): number | undefined {
  if (id === undefined || id === -1 || id === UNCHANGED) return undefined;
  return checkNumber(id, name, UNCHANGED - 1);
}

function checkNanoseconds(ns: bigint | undefined, ms: number | undefined, name: string): void {
  if (ns === undefined) return;
  if (typeof (ns as unknown) !== 'bigint') throw argumentError('ERR_INVALID_ARG_TYPE', `${name}Ns must be a bigint`);
  if (ms !== undefined) throw argumentError('ERR_INVALID_ARG_VALUE', `give either ${name}Ms or ${name}Ns`);
}

function checkTime(ms: number, name: string): number {
  if (!Number.isFinite(ms)) throw argumentError('ERR_OUT_OF_RANGE', `${name} must be a finite number of milliseconds, it is ${ms}`);
  return ms;
}

/**
 * A mounted filesystem, made by `mount`. Operations on names are synchronous, and durable when they return. Bytes written to a file
 * are durable after `fsync` or `sync`. None of this is durable unless `persistent` is true. The filesystem stores permissions but
 * does not enforce them.
 *
 * Every member throws `DaxError` with a POSIX errno: `EROFS` if the filesystem is read-only, `EAGAIN` while it is frozen, `EBADF`
 * after unmounting, and `EUCLEAN` if the medium is corrupt, which makes the filesystem read-only.
 */
export class Ext2 {
  /** This filesystem's inode operations, to pass to `daxDoIo`, `DaxFile` and the like. */
  readonly operations: InodeOperations;
  /** For programs that serve the filesystem: `umask` of `create` and the like is applied here. */
  readonly appliesUmask = true;
  readonly #volume: Volume;
  readonly #sb: Super;
  #state: number;

  /** @internal Use `mount`. `state` is the s_state that a clean unmount stores. */
  constructor(volume: Volume, state: number) {
    this.#volume = volume;
    this.#sb = volume.sb;
    this.#state = state;
    this.operations = operationsOf(volume);
  }

  get device(): BlockDevice {
    return this.#sb.device;
  }

  /** Whether synced bytes survive a power cut; undefined if the device does not know. */
  get persistent(): boolean | undefined {
    return this.#sb.bdev.persistent;
  }

  /** Bytes in a block. */
  get blockSize(): number {
    return this.#sb.blockSize;
  }

  /** A copy of the superblock in memory. */
  get superblock(): Readonly<Superblock> {
    return { ...this.#sb.fields };
  }

  /**
   * Whether the filesystem cannot be changed: it was mounted read-only, has features that permit only reading, or was found
   * corrupt.
   */
  get readOnly(): boolean {
    return this.#sb.readOnly;
  }

  /** The root directory. */
  get root(): Ext2Inode {
    this.#volume.begin('inode');
    return this.#identityOf(this.#volume.inode(EXT2_ROOT_INO));
  }

  /**
   * The inode with number `ino` and, if given, generation `generation`. Both are checked, because a server takes them from its
   * clients. Throws `ENOENT` for a number that no file can have, `ESTALE` if the inode is free or now has another generation, and
   * `EUCLEAN` for a corrupt inode.
   */
  inode(ino: number, generation?: number): Ext2Inode {
    this.#volume.begin('inode');
    const most = 2 ** 32 - 1;
    if (generation !== undefined) checkNumber(generation, 'generation', most);
    return this.#identityOf(this.#volume.again(checkNumber(ino, 'ino', most), generation));
  }

  /**
   * Holds an inode of any type. A held inode outlives its last name until `release` has been called as often as `hold`. For servers
   * that hand out inodes, such as those of FUSE and NFS.
   */
  hold(inode: Ext2Inode): void {
    this.#volume.hold(this.#begin(inode, 'hold'));
  }

  /** Ends `count` holds. The last reference to an inode without a name frees it. Throws `EINVAL` if the inode has fewer. */
  release(inode: Ext2Inode, count = 1): void {
    checkNumber(count, 'count', Number.MAX_SAFE_INTEGER);
    this.#volume.release(this.#begin(inode, 'release'), count);
  }

  /** The inode that `name` refers to in `dir`; undefined if there is no such name. */
  lookup(dir: Ext2Inode, name: Name): Ext2Inode | undefined {
    const at = this.#begin(dir, 'lookup');
    const found = lookup(this.#volume, at, toEntryName(name, 'lookup'), 'lookup');
    return found && this.#identityOf(found);
  }

  /**
   * The inode at a path from the root. With `follow: false`, a symbolic link at the end of the path is not followed. Throws
   * `ENOENT`, `ENOTDIR` and `ELOOP`.
   */
  resolve(path: Name, options: { follow?: boolean } = {}): Ext2Inode {
    checkOptions(options, { follow: true });
    this.#volume.begin('resolve');
    return this.#identityOf(resolve(this.#volume, path, options.follow ?? true, 'resolve'));
  }

  /** The directory that contains the last name of a path, and the bytes of that name. The name need not exist. */
  resolveParent(path: Name): { dir: Ext2Inode; name: Uint8Array } {
    this.#volume.begin('resolve');
    const { dir, name } = resolveParent(this.#volume, path, 'resolve');
    return { dir: this.#identityOf(dir), name: bytesOf(name) };
  }

  /**
   * The entries of a directory, with `.` and `..`, in their order on the medium. The entries' inodes are not read. An entry that
   * exists during the whole iteration is yielded exactly once; one that is added or removed meanwhile may or may not be. Removing
   * the directory ends the iteration.
   */
  *readdir(dir: Ext2Inode, from = 0): Generator<Ext2Dirent> {
    let pos = checkNumber(from, 'from', Number.MAX_SAFE_INTEGER);
    let at = this.#begin(dir, 'readdir');
    namei.checkDirectory(at, 'readdir');
    for (;;) {
      const batch = this.#volume.directory(at).batch(pos);
      if (batch === undefined) return;
      for (const entry of batch.entries) yield toDirent(entry);
      pos = batch.next;
      // Looks up the directory again, because the caller may have run other operations since the last entry.
      try {
        at = this.#begin(dir, 'readdir');
      } catch (error) {
        if (error instanceof DaxError && error.code === 'ESTALE') return;
        throw error;
      }
    }
  }

  /** The names of `readdir`, decoded as UTF-8: all at once, with no object for each. */
  names(dir: Ext2Inode): string[] {
    const at = this.#begin(dir, 'readdir');
    namei.checkDirectory(at, 'readdir');
    return this.#volume.directory(at).names().map(textOf);
  }

  /** Creates an empty regular file. Throws `EEXIST` and `ENOSPC`. */
  create(dir: Ext2Inode, name: Name, mode = 0o644, options?: MakeOptions): Ext2Inode {
    checkOptions(options, MAKE_OPTIONS);
    const type = S_IFREG + checkPermissions(mode);
    const at = this.#at(dir, 'create');
    return this.#added(at, toEntryName(name, 'create'), (entryName) => namei.create(this.#volume, at, entryName, type, this.#making(options)));
  }

  mkdir(dir: Ext2Inode, name: Name, mode = 0o755, options?: MakeOptions): Ext2Inode {
    checkOptions(options, MAKE_OPTIONS);
    const at = this.#at(dir, 'mkdir');
    const permissions = checkPermissions(mode);
    return this.#added(at, toEntryName(name, 'mkdir'), (entryName) => namei.mkdir(this.#volume, at, entryName, permissions, this.#making(options)));
  }

  /** Creates a device file, FIFO or socket. `mode` is `S_IFBLK`, `S_IFCHR`, `S_IFIFO` or `S_IFSOCK`, plus the permissions. */
  mknod(dir: Ext2Inode, name: Name, mode: number, device?: namei.DeviceNumber, options?: MakeOptions): Ext2Inode {
    checkOptions(options, MAKE_OPTIONS);
    checkPermissions(mode - typeOf(mode));
    if (!namei.SPECIAL.includes(typeOf(mode))) fail('EINVAL', 'mknod', 'the mode has no type of a device, fifo or socket');
    if (device !== undefined) {
      checkNumber(device.major, 'major', 4095);
      checkNumber(device.minor, 'minor', 2 ** 20 - 1);
    }
    const at = this.#at(dir, 'mknod');
    return this.#added(at, toEntryName(name, 'mknod'), (entryName) => namei.mknod(this.#volume, at, entryName, mode, device, this.#making(options)));
  }

  /**
   * Creates an empty regular file without a name, as open(2) with O_TMPFILE does. It is held: open it, then `release` it. It is
   * deleted with its last reference unless `link` gives it a name first.
   */
  tmpfile(dir: Ext2Inode, mode = 0o600, options?: MakeOptions): Ext2Inode {
    checkOptions(options, MAKE_OPTIONS);
    const type = S_IFREG + checkPermissions(mode);
    return this.#identityOf(namei.temporary(this.#volume, this.#at(dir, 'tmpfile'), type, this.#making(options)));
  }

  symlink(dir: Ext2Inode, name: Name, target: Name, options?: MakeOptions): Ext2Inode {
    checkOptions(options, MAKE_OPTIONS);
    const bytes = typeof target === 'string' ? Buffer.from(target) : target;
    if (!((bytes as unknown) instanceof Uint8Array)) throw argumentError('ERR_INVALID_ARG_TYPE', 'the target must be a string or a Uint8Array');
    if (bytes.includes(0)) fail('EINVAL', 'symlink', 'the target has a NUL in it');
    const at = this.#at(dir, 'symlink');
    return this.#added(at, toEntryName(name, 'symlink'), (entryName) => namei.symlink(this.#volume, at, entryName, bytes, this.#making(options)));
  }

  /** The target of a symbolic link, as bytes. */
  readlink(inode: Ext2Inode): Uint8Array {
    return readTarget(this.#begin(inode, 'readlink'));
  }

  /** Gives a file another name. Throws `EPERM` for a directory, and `EMLINK` for more than 32000 names. */
  link(inode: Ext2Inode, dir: Ext2Inode, name: Name): void {
    const at = this.#at(inode, 'link');
    const [to, entryName] = [this.#volume.current(dir, 'link'), toEntryName(name, 'link')];
    namei.link(this.#volume, at, to, entryName);
    this.#named(to, entryName);
  }

  /** Removes a name. A file without a name is freed once it is neither open nor held. Throws `EISDIR` for a directory. */
  unlink(dir: Ext2Inode, name: Name): void {
    const [at, entryName] = [this.#at(dir, 'unlink'), toEntryName(name, 'unlink')];
    namei.unlink(this.#volume, at, entryName);
    this.#named(at, entryName);
  }

  /** Removes an empty directory. Throws `ENOTEMPTY`. */
  rmdir(dir: Ext2Inode, name: Name): void {
    const [at, entryName] = [this.#at(dir, 'rmdir'), toEntryName(name, 'rmdir')];
    namei.rmdir(this.#volume, at, entryName);
    this.#named(at, entryName);
  }

  /**
   * Renames a file or directory, replacing one that already has the new name. That name exists at all times during the replacement.
   */
  rename(fromDir: Ext2Inode, fromName: Name, toDir: Ext2Inode, toName: Name): void {
    const [from, to] = [toEntryName(fromName, 'rename'), toEntryName(toName, 'rename')];
    const at = this.#at(fromDir, 'rename');
    const target = this.#volume.current(toDir, 'rename');
    namei.rename(this.#volume, at, from, target, to);
    this.#named(at, from);
    this.#named(target, to);
  }

  /**
   * Exchanges what two names refer to, as renameat2(2) with RENAME_EXCHANGE does: both exist at all times. A power cut during it may
   * leave one of the two inodes with a third name beside the first, `.exchange-…`.
   */
  exchange(firstDir: Ext2Inode, firstName: Name, secondDir: Ext2Inode, secondName: Name): void {
    const [first, second] = [toEntryName(firstName, 'rename'), toEntryName(secondName, 'rename')];
    const at = this.#at(firstDir, 'rename');
    const other = this.#volume.current(secondDir, 'rename');
    exchange(this.#volume, at, first, other, second);
    this.#named(at, first);
    this.#named(other, second);
  }

  /** The attributes of an inode. With `nanoseconds: true`, the times are also given in nanoseconds, as bigints. */
  stat(inode: Ext2Inode, options: { readonly nanoseconds: true }): Ext2Stat & Ext2Times;
  stat(inode: Ext2Inode): Ext2Stat;
  stat(inode: Ext2Inode, options?: { readonly nanoseconds: true }): Ext2Stat {
    checkOptions(options, { nanoseconds: true });
    const at = this.#begin(inode, 'stat');
    const stat: Ext2Stat = {
      ino: at.ino,
      mode: at.mode,
      nlink: at.nlink,
      uid: at.uid,
      gid: at.gid,
      device: namei.isDevice(at.mode) ? decodeDevice(at.map.top) : undefined,
      size: at.size,
      blksize: this.blockSize,
      blocks: at.sectors,
      atimeMs: at.atimeMs,
      mtimeMs: at.mtimeMs,
      ctimeMs: at.ctimeMs,
      birthtimeMs: at.birthtimeMs,
      flags: at.flags,
      generation: at.generation,
    };
    return options?.nanoseconds === true ? Object.assign(stat, at.times) : stat;
  }

  /**
   * Changes permissions, owner and times. The change is durable on return. Changing the owner or the group clears the set-ID bits,
   * unless the inode is a directory or `mode` is given too; the set-group-ID bit stays if the group may not execute the file
   * (chown(2)).
   */
  setattr(inode: Ext2Inode, attributes: Ext2Attributes): void {
    checkOptions(attributes, ATTRIBUTES, 'attributes');
    const { mode, uid, gid, atimeMs, mtimeMs, atimeNs, mtimeNs } = attributes;
    const at = this.#at(inode, 'setattr');
    const type = typeOf(at.mode);
    namei.checkFlags(at, 'setattr');
    const [owner, group] = [checkNewOwner(uid, 'uid'), checkNewOwner(gid, 'gid')];
    checkNanoseconds(atimeNs, atimeMs, 'atime');
    checkNanoseconds(mtimeNs, mtimeMs, 'mtime');
    const changes = {
      ...((uid ?? gid) !== undefined && { mode: namei.withoutSetId(at.mode) }),
      ...(mode !== undefined && { mode: type + checkPermissions(mode) }),
      ...(owner !== undefined && { uid: owner }),
      ...(group !== undefined && { gid: group }),
      ...(atimeMs !== undefined && { atimeMs: checkTime(atimeMs, 'atimeMs') }),
      ...(mtimeMs !== undefined && { mtimeMs: checkTime(mtimeMs, 'mtimeMs') }),
    };
    Object.assign(at, changes, { ctimeMs: Date.now() });
    if (atimeNs !== undefined || mtimeNs !== undefined) at.storeTimes(atimeNs, mtimeNs);
    this.#volume.store(at);
    if (mode !== undefined && at.mayHaveAttributes) chmodAcl(this.#volume, at);
  }

  /**
   * Sets i_flags, as `chattr` does: the flags that users may change and that an inode of this type can have. All others keep their
   * values. This works even if the inode is immutable or append-only, because this call is the way to clear those flags.
   */
  setFlags(inode: Ext2Inode, flags: number): void {
    const at = this.#at(inode, 'setFlags');
    at.flags = changedFlags(at, checkNumber(flags, 'flags', 2 ** 32 - 1));
    at.ctimeMs = Date.now();
    this.#volume.store(at);
  }

  chmod(inode: Ext2Inode, mode: number): void {
    this.setattr(inode, { mode });
  }

  /** Changes owner and group, as chown(2) does: 0xffffffff or -1 keeps either. */
  chown(inode: Ext2Inode, uid: number, gid: number): void {
    this.setattr(inode, { uid, gid });
  }

  /** Sets the access and modification times: numbers are milliseconds since 1970, bigints nanoseconds. */
  utimes(inode: Ext2Inode, atime: number | bigint, mtime: number | bigint): void {
    this.setattr(inode, {
      ...(typeof atime === 'bigint' ? { atimeNs: atime } : { atimeMs: atime }),
      ...(typeof mtime === 'bigint' ? { mtimeNs: mtime } : { mtimeMs: mtime }),
    });
  }

  /**
   * Opens a regular file. An open file exists until it is closed, even if it loses its last name. Throws `EISDIR` for a directory,
   * and `EINVAL` for anything else that is not a regular file.
   */
  open(inode: Ext2Inode, options: DaxFileOptions = {}): Ext2File {
    const at = this.#begin(inode, 'open');
    if (at.isDirectory) fail('EISDIR', 'open', `inode ${at.ino}`);
    if (!at.isRegular) fail('EINVAL', 'open', `inode ${at.ino} is no regular file`);
    if (options.readOnly !== true && !this.readOnly) namei.checkFlags(at, 'open', options.append);
    return new Ext2File(this.#volume, at, this.operations, options);
  }

  /**
   * The names of the extended attributes of an inode: each is a string, or bytes if it is not valid UTF-8. `getxattr` takes either.
   */
  listxattr(inode: Ext2Inode): Name[] {
    return listXattr(this.#begin(inode, 'listxattr'));
  }

  /** Whether an inode may have extended attributes. Costs less than `listxattr`, and than an `ENODATA` of `getxattr`. */
  mayHaveXattrs(inode: Ext2Inode): boolean {
    return this.#begin(inode, 'listxattr').mayHaveAttributes;
  }

  /**
   * The value of an extended attribute in any namespace. ACLs (`system.posix_acl_access`, `system.posix_acl_default`) are returned
   * in the form of getxattr(2). Throws `ENODATA` if there is no such attribute, and `EINVAL` for a malformed ACL.
   */
  getxattr(inode: Ext2Inode, name: Name): Uint8Array {
    return getXattr(this.#begin(inode, 'getxattr'), name);
  }

  /**
   * Sets a `user.*`, `trusted.*` or `security.*` attribute, or an ACL in the form of setxattr(2); the access ACL changes the mode too. `flag` is that of
   * setxattr(2): with `create` an existing attribute fails with `EEXIST`, with `replace` a missing one with `ENODATA`. Throws
   * `TypeError` for a value that is not a `Uint8Array`, `EINVAL` for a malformed ACL, and `EOPNOTSUPP` for an ACL of another
   * version.
   */
  setxattr(inode: Ext2Inode, name: Name, value: Uint8Array, flag?: XattrFlag): void {
    const at = this.#at(inode, 'setxattr');
    namei.checkFlags(at, 'setxattr');
    setXattr(this.#volume, at, name, value, flag);
  }

  removexattr(inode: Ext2Inode, name: Name): void {
    const at = this.#at(inode, 'removexattr');
    namei.checkFlags(at, 'removexattr');
    removeXattr(this.#volume, at, name);
  }

  /**
   * Calls `listener` at every change of an inode or a name, in the middle of the call that makes it, until the returned function is
   * called. The listener must not throw or use the filesystem. Access times do not count as changes, nor do stores through a
   * mapping after the first store to a page. For servers whose clients cache.
   */
  watchChanges(listener: (change: Ext2Change) => void): () => void {
    return this.#volume.changes.listen(listener);
  }

  statfs(): Ext2Statfs {
    this.#volume.begin('statfs');
    const { geometry, fields, groups } = this.#sb;
    const { blocks, inodes } = this.#volume;
    let own = geometry.firstDataBlock;
    for (let group = 0; group < groups.count; group++) own += groups.headBlocks(group) + 2 + geometry.inodeTableBlocks;
    return {
      type: EXT2_MAGIC,
      blockSize: geometry.blockSize,
      blocks: geometry.blocksCount - own,
      freeBlocks: blocks.free,
      availableBlocks: Math.max(0, blocks.free - fields.s_r_blocks_count),
      inodes: geometry.inodesCount,
      freeInodes: inodes.free,
      nameLength: 255,
    };
  }

  /** Makes the file durable, as fsync(2) does, including what was stored through its mappings. */
  fsync(inode: Ext2Inode): void {
    const { size } = this.#begin(inode, 'fsync');
    daxWriteback(inode);
    this.operations.fsync(inode, 0, size);
  }

  /** Makes everything durable. */
  sync(): void {
    this.#volume.begin('sync');
    if (!this.readOnly) this.#volume.sync();
  }

  /**
   * Waits for writes under way, makes everything durable, and marks the filesystem clean. The device can be copied until `thaw`:
   * writes and stores through mappings wait, and calls that cannot wait throw `EAGAIN`. Throws `EBUSY` if the filesystem is already
   * frozen.
   */
  async freeze(): Promise<void> {
    this.#volume.begin('freeze');
    this.#volume.checkWritable('freeze');
    await freezeSuper(this.#sb);
    this.#volume.isFrozen = true;
    try {
      this.#volume.sync();
      this.#sb.store({ s_state: this.#state });
      this.#sb.settle();
    } catch (error) {
      this.#volume.isFrozen = false;
      thawSuper(this.#sb);
      throw error;
    }
  }

  /** Ends `freeze`. Throws `EINVAL` if the filesystem is not frozen. */
  thaw(): void {
    this.#volume.begin('thaw');
    if (this.#volume.isFrozen) this.#sb.store({ s_state: withFlag(this.#sb.fields.s_state, EXT2_VALID_FS, false) });
    this.#sb.settle();
    this.#volume.isFrozen = false;
    thawSuper(this.#sb);
  }

  /**
   * Frees the blocks and inodes that a power cut left allocated, and lowers link counts that are too high. It walks the whole tree.
   * Files without a name are deleted: to recover them in lost+found, run e2fsck instead. Throws `EBUSY` while files are open or
   * inodes are held.
   */
  reclaim(): Reclaimed {
    this.#volume.beginChange('reclaim');
    if (this.#volume.openFiles > 0 || this.#volume.held > 0) fail('EBUSY', 'reclaim', 'files are open, or inodes held');
    this.#volume.sync();
    const reclaimed = reclaim(this.#volume);
    // The filesystem is repaired, so unmounting may mark it clean.
    this.#state = withFlag(withFlag(this.#state, EXT2_ERROR_FS, false), EXT2_VALID_FS);
    return reclaimed;
  }

  /**
   * Makes everything durable, and marks the filesystem clean if it was clean when it was mounted. Throws `EBUSY` while files are
   * open, inodes are held, or the filesystem is frozen. Buffers of closed files' mappings are detached, and accesses to them in
   * other isolates fail with `EBADF`. The device stays open.
   */
  unmount(): void {
    this.#volume.begin('unmount');
    if (this.#volume.openFiles > 0) fail('EBUSY', 'unmount', `${this.#volume.openFiles} files are open: close them`);
    if (this.#volume.held > 0) fail('EBUSY', 'unmount', `${this.#volume.held} inodes are held: release them`);
    if (this.#volume.isFrozen) fail('EBUSY', 'unmount', 'it is frozen: thaw it');
    if (!this.readOnly) {
      this.#volume.sync();
      this.#sb.store({ s_state: this.#state, s_wtime: nowSeconds() });
      this.#sb.settle();
    }
    this.#volume.end();
  }

  [Symbol.dispose](): void {
    this.unmount();
  }

  // Begins an operation on an inode and returns the inode in memory, valid until the operation ends. Call it once per operation,
  // because it may evict inodes that were found before.
  #begin(inode: Ext2Inode, syscall: string): IncoreInode {
    this.#volume.begin(syscall);
    return this.#volume.current(inode, syscall);
  }

  // As `#begin`, for an operation that changes something.
  #at(inode: Ext2Inode, syscall: string): IncoreInode {
    this.#volume.beginChange(syscall);
    return this.#volume.current(inode, syscall);
  }

  #making(options: MakeOptions | undefined): namei.Making {
    const umask = checkNumber(options?.umask ?? 0, 'umask', 0o777);
    return {
      owner: checkOwner(options),
      inherit: (inode, dir) => { inheritAcl(this.#volume, inode, dir, umask); },
    };
  }

  // The identity of an inode that `make` gives a name.
  #added(dir: IncoreInode, name: ByteName, make: (name: ByteName) => IncoreInode): Ext2Inode {
    const inode = make(name);
    this.#named(dir, name);
    return this.#identityOf(inode);
  }

  #named({ ino }: IncoreInode, name: ByteName): void {
    const { changes } = this.#volume;
    if (changes.isHeard) changes.tell({ dir: ino, name: bytesOf(name) });
  }

  #identityOf(inode: IncoreInode): Ext2Inode {
    return this.#volume.identityOf(inode);
  }
}

function toDirent({ name, ino, type, pos }: Dirent): Ext2Dirent {
  return { name: textOf(name), bytes: bytesOf(name), ino, type, next: pos + 1 };
}

export type { ByteName };
