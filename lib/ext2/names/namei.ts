// Owns the operations that change names. Each orders its stores so that a power cut after any of them loses nothing but free space:
// a link is counted before its entry exists and until after it is removed, and the new entry exists before the old one is removed.

import { Directory, type Dirent } from '../inode/dir.js';
import {
  DIR_NLINK_MAX,
  EXT2_LINK_MAX,
  EXT2_ROOT_INO,
  hasFlag,
  INHERITED_FLAGS,
  INODE_FLAGS,
  maskOf,
  RO_COMPAT,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFSOCK,
  typeOf,
  withFlag,
} from '../format/disk.js';
import { fail } from '../format/error.js';
import type { IncoreInode } from '../inode/inode.js';
import { encodeDevice } from '../format/device-number.js'; // late
import type { ByteName } from '../format/name.js';
import { putTarget } from '../inode/symlink.js'; // late
import type { Owner } from '../space/super.js';
import type { Volume } from '../volume/volume.js';

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;
const PERMISSIONS = 0o7777;

/** The types other than regular file, directory and symbolic link. */
export const SPECIAL: readonly number[] = [S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK];

/** Whether `mode` is that of a device file. */
export function isDevice(mode: number): boolean {
  const type = typeOf(mode);
  return type === S_IFCHR || type === S_IFBLK;
}

/** The device number of a device file. */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

export function now(inode: IncoreInode, volume: Volume): void {
  inode.mtimeMs = inode.ctimeMs = Date.now();
  volume.markDirty(inode);
}

/** Throws `EPERM` if the inode's flags forbid the change: any change if it is immutable, any but appending if it is append-only. */
export function checkFlags({ flags, ino }: IncoreInode, syscall: string, mayAppend = false): void {
  const isProtected = hasFlag(flags, INODE_FLAGS.IMMUTABLE) || (!mayAppend && hasFlag(flags, INODE_FLAGS.APPEND));
  if (isProtected) fail('EPERM', syscall, `inode ${ino} is immutable or append-only`);
}

/** Throws `ENOENT` for a removed directory, and `ENOTDIR` for anything but a directory. */
export function checkDirectory(inode: IncoreInode, syscall: string): void {
  if (inode.isDeleted) fail('ENOENT', syscall, `the directory (inode ${inode.ino}) was removed`);
  if (!inode.isDirectory) fail('ENOTDIR', syscall, `inode ${inode.ino} is no directory`);
}

/**
 * The mode of an inode after a change of owner: without the set-user-ID bit and, if the group may execute it, without the
 * set-group-ID bit. A directory's mode stays.
 */
export function withoutSetId(mode: number): number {
  if (typeOf(mode) === S_IFDIR) return mode;
  const runsAsGroup = hasFlag(mode, S_ISGID) && hasFlag(mode, S_IXGRP);
  return withFlag(mode, S_ISUID + (runsAsGroup ? S_ISGID : 0), false);
}

export function isDot(name: ByteName): boolean {
  return name === '.' || name === '..';
}

/** The directory `dir`, checked and with room for a new entry `name`. Throws `EEXIST` if the entry exists. */
function forNew(volume: Volume, dir: IncoreInode, name: ByteName, syscall: string): Directory {
  volume.checkChange(syscall);
  checkDirectory(dir, syscall);
  checkFlags(dir, syscall, true);
  const directory = volume.directory(dir);
  if (directory.find(name) !== undefined) fail('EEXIST', syscall, name);
  if (dir.nlink === 0) fail('ENOENT', syscall, 'the directory was removed');
  directory.makeRoom(name);
  return directory;
}

/** An entry of `dir`, checked to be removable and replaceable. */
export function forOld(volume: Volume, dir: IncoreInode, name: ByteName, syscall: string): { directory: Directory; entry: Dirent } {
  volume.checkChange(syscall);
  checkDirectory(dir, syscall);
  checkFlags(dir, syscall);
  const directory = volume.directory(dir);
  const entry = directory.find(name) ?? fail('ENOENT', syscall, name);
  return { directory, entry };
}

function mostLinks(volume: Volume, isDirectory: boolean): number {
  const { sb } = volume;
  return isDirectory && hasFlag(sb.fields.s_feature_ro_compat, RO_COMPAT.DIR_NLINK) ? DIR_NLINK_MAX : EXT2_LINK_MAX;
}

export function checkLinks(volume: Volume, inode: IncoreInode, syscall: string): void {
  const { isDirectory, nlink } = inode;
  // With dir_nlink, a directory with too many links to count has the count 1.
  const counts = isDirectory && hasFlag(volume.sb.fields.s_feature_ro_compat, RO_COMPAT.DIR_NLINK);
  if (!counts && nlink >= mostLinks(volume, isDirectory)) {
    fail('EMLINK', syscall, `inode ${inode.ino} has ${nlink} links: that is the most`);
  }
}

/** Raises the link count, durably, before the link exists. */
export function addLink(volume: Volume, inode: IncoreInode): void {
  inode.ctimeMs = Date.now();
  if (inode.isDirectory && inode.nlink === 1) return;
  const tooMany = inode.isDirectory && inode.nlink + 1 >= DIR_NLINK_MAX;
  inode.nlink = tooMany ? 1 : inode.nlink + 1;
  volume.store(inode);
}

/** Lowers the link count, durably, after the link is removed. Never for the last one: see `Volume.loseLast`. */
export function dropLink(volume: Volume, inode: IncoreInode): void {
  inode.ctimeMs = Date.now();
  if (inode.nlink > (inode.isDirectory ? 2 : 1)) inode.nlink--;
  volume.store(inode);
}

/** What a new inode gets besides its type and permissions. */
export interface Making {
  /** Default: the owner of the mount. */
  readonly owner: Owner | undefined;
  /** Gives the inode what it inherits from the directory besides its group. Nothing refers to the inode yet. */
  readonly inherit: (inode: IncoreInode, dir: IncoreInode) => void;
}

/** Sets a new inode's owner and group, and what it inherits from the directory in which it is created. */
function inherit(volume: Volume, inode: IncoreInode, dir: IncoreInode, making: Making): void {
  const { uid, gid } = making.owner ?? volume.sb.owner;
  const hasGroupId = Math.floor(dir.mode / S_ISGID) % 2 === 1;
  inode.uid = uid;
  inode.gid = hasGroupId ? dir.gid : gid;
  // eslint-disable-next-line no-bitwise -- i_flags
  inode.flags = dir.flags & maskOf(INHERITED_FLAGS, inode.mode);
  if (hasGroupId && inode.isDirectory && Math.floor(inode.mode / S_ISGID) % 2 === 0) inode.mode += S_ISGID;
  making.inherit(inode, dir);
}

/** Creates anything but a directory. `fill` sets the inode's contents before any entry refers to it. */
export function create(
  volume: Volume,
  dir: IncoreInode,
  name: ByteName,
  mode: number,
  making: Making,
  fill?: (inode: IncoreInode) => void,
  syscall = 'create',
): IncoreInode {
  const directory = forNew(volume, dir, name, syscall);
  const inode = volume.makeInode(dir, mode, false);
  try {
    inherit(volume, inode, dir, making);
    fill?.(inode);
  } catch (error) {
    volume.loseLast(inode);
    throw error;
  }
  inode.nlink = 1;
  const show = directory.place(name, inode);
  volume.store(inode);
  show();
  now(dir, volume);
  return inode;
}

/** Creates a device file, FIFO or socket. */
export function mknod(
  volume: Volume,
  dir: IncoreInode,
  name: ByteName,
  mode: number,
  device: DeviceNumber | undefined,
  making: Making,
): IncoreInode {
  const fill = (inode: IncoreInode) => {
    if (!isDevice(mode) || device === undefined) return;
    for (const [index, word] of encodeDevice(device.major, device.minor).entries()) inode.map.top[index] = word;
  };
  return create(volume, dir, name, mode, making, fill, 'mknod');
}

export function symlink(volume: Volume, dir: IncoreInode, name: ByteName, target: Uint8Array, making: Making): IncoreInode {
  if (target.length === 0) fail('ENOENT', 'symlink', 'the target is empty');
  if (target.length >= volume.sb.blockSize) fail('ENAMETOOLONG', 'symlink', `the target has ${target.length} bytes`);
  const fill = (inode: IncoreInode) => {
    putTarget(inode, target);
  };
  return create(volume, dir, name, S_IFLNK + 0o777, making, fill, 'symlink');
}

export function mkdir(volume: Volume, dir: IncoreInode, name: ByteName, mode: number, making: Making): IncoreInode {
  const directory = forNew(volume, dir, name, 'mkdir');
  checkLinks(volume, dir, 'mkdir');
  const inode = volume.makeInode(dir, S_IFDIR + (mode % (PERMISSIONS + 1)), true);
  try {
    inherit(volume, inode, dir, making);
    const { block } = inode.map.create(0, 1, inode.group);
    volume.sb.medium.store(block * volume.sb.blockSize, Directory.firstBlock(inode, dir));
    inode.map.settle(0, 1);
    inode.size = volume.sb.blockSize;
  } catch (error) {
    volume.loseLast(inode);
    throw error;
  }
  addLink(volume, dir);
  inode.nlink = 2;
  volume.store(inode);
  directory.add(name, inode);
  now(dir, volume);
  return inode;
}

export function link(volume: Volume, inode: IncoreInode, dir: IncoreInode, name: ByteName): void {
  if (inode.isDirectory) fail('EPERM', 'link', 'a directory has one name');
  const directory = forNew(volume, dir, name, 'link');
  const { isTemporary } = inode;
  if (inode.nlink === 0 && !isTemporary) fail('ENOENT', 'link', `inode ${inode.ino} has no name any more`);
  checkFlags(inode, 'link');
  checkLinks(volume, inode, 'link');
  addLink(volume, inode);
  directory.add(name, inode);
  if (isTemporary) volume.becomesLasting(inode);
  now(dir, volume);
}

/** Creates a file without a name, and holds it. It is deleted with its last reference unless `link` gives it a name first. */
export function temporary(volume: Volume, dir: IncoreInode, mode: number, making: Making): IncoreInode {
  volume.checkChange('tmpfile');
  checkDirectory(dir, 'tmpfile');
  checkFlags(dir, 'tmpfile', true);
  const inode = volume.makeInode(dir, mode, false);
  try {
    inherit(volume, inode, dir, making);
  } catch (error) {
    volume.loseLast(inode);
    throw error;
  }
  inode.isTemporary = true;
  volume.hold(inode);
  volume.loseLast(inode);
  return inode;
}

export function unlink(volume: Volume, dir: IncoreInode, name: ByteName): void {
  if (isDot(name)) fail('EISDIR', 'unlink', name);
  const { directory, entry } = forOld(volume, dir, name, 'unlink');
  const inode = volume.inode(entry.ino);
  if (inode.isDirectory) fail('EISDIR', 'unlink', `${name}: use rmdir`);
  checkFlags(inode, 'unlink');
  directory.remove(entry);
  now(dir, volume);
  loseName(volume, inode);
}

export function rmdir(volume: Volume, dir: IncoreInode, name: ByteName): void {
  if (name === '.') fail('EINVAL', 'rmdir', name);
  if (name === '..') fail('ENOTEMPTY', 'rmdir', name);
  const { directory, entry } = forOld(volume, dir, name, 'rmdir');
  const inode = volume.inode(entry.ino);
  if (!inode.isDirectory) fail('ENOTDIR', 'rmdir', name);
  if (inode.ino === EXT2_ROOT_INO) fail('EBUSY', 'rmdir', 'it is the root');
  checkFlags(inode, 'rmdir');
  if (!volume.directory(inode).isEmpty) fail('ENOTEMPTY', 'rmdir', name);
  directory.remove(entry);
  now(dir, volume);
  loseDirectory(volume, inode, dir);
}

// After the name of a non-directory was removed.
function loseName(volume: Volume, inode: IncoreInode): void {
  inode.ctimeMs = Date.now();
  if (inode.nlink <= 1) volume.loseLast(inode);
  else dropLink(volume, inode);
}

// Call it after the name of an empty directory was removed. If the link count is above 2, a power cut interrupted a rename: the
// directory may have another name, so it is not deleted.
function loseDirectory(volume: Volume, inode: IncoreInode, parent: IncoreInode): void {
  if (inode.nlink <= 2) {
    volume.loseLast(inode);
    dropLink(volume, parent);
  } else {
    dropLink(volume, inode);
  }
}

/** Makes `..` of a directory refer to another parent. */
export function setParent(volume: Volume, inode: IncoreInode, parent: IncoreInode): void {
  const entries = volume.directory(inode);
  entries.replace(entries.find('..') ?? fail('EUCLEAN', 'rename', `directory ${inode.ino} has no ..`), parent);
}

/** The parts of a rename that passed all checks. */
interface Renaming {
  readonly from: { dir: IncoreInode; directory: Directory; entry: Dirent };
  readonly to: { dir: IncoreInode; directory: Directory; entry: Dirent | undefined };
  readonly inode: IncoreInode;
  readonly replaced: IncoreInode | undefined;
}

/** Renames as POSIX does: `fromName` of `fromDir` becomes `toName` of `toDir`, replacing what has that name. */
export function rename(
  volume: Volume,
  fromDir: IncoreInode,
  fromName: ByteName,
  toDir: IncoreInode,
  toName: ByteName,
): void {
  const renaming = prepare(volume, fromDir, fromName, toDir, toName);
  if (renaming === undefined) return;
  const { from, to, inode, replaced } = renaming;
  const moves = inode.isDirectory && from.dir !== to.dir;
  if (moves) addLink(volume, to.dir);
  addLink(volume, inode);
  if (to.entry === undefined) to.directory.add(toName, inode);
  else to.directory.replace(to.entry, inode);
  if (moves) setParent(volume, inode, to.dir);
  from.directory.remove(from.entry);
  dropLink(volume, inode);
  if (moves) dropLink(volume, from.dir);
  now(from.dir, volume);
  now(to.dir, volume);
  if (replaced?.isDirectory === true) loseDirectory(volume, replaced, to.dir);
  else if (replaced !== undefined) loseName(volume, replaced);
}

// Checks everything before a rename. Undefined if both names already refer to one file: the rename then changes nothing.
function prepare(
  volume: Volume,
  fromDir: IncoreInode,
  fromName: ByteName,
  toDir: IncoreInode,
  toName: ByteName,
): Renaming | undefined {
  if (isDot(fromName) || isDot(toName)) fail('EINVAL', 'rename', 'a directory cannot be renamed by . or ..');
  const from = { dir: fromDir, ...forOld(volume, fromDir, fromName, 'rename') };
  const inode = volume.inode(from.entry.ino);
  checkDirectory(toDir, 'rename');
  const directory = volume.directory(toDir);
  const entry = directory.find(toName);
  const replaced = entry && volume.inode(entry.ino);
  if (replaced === inode) return undefined;
  // Checked before the two inodes' own flags and types, as in the kernel.
  if (inode.isDirectory && isWithin(volume, toDir, inode)) fail('EINVAL', 'rename', 'a directory cannot become part of itself');
  if (replaced?.isDirectory === true && isWithin(volume, fromDir, replaced)) {
    fail('ENOTEMPTY', 'rename', 'the directory to be replaced has in it what is renamed');
  }
  checkFlags(inode, 'rename');
  if (replaced !== undefined) checkReplaced(volume, inode, replaced);
  checkFlags(toDir, 'rename', replaced === undefined);
  if (inode.isDirectory && fromDir !== toDir && replaced === undefined) checkLinks(volume, toDir, 'rename');
  if (toDir.nlink === 0) fail('ENOENT', 'rename', 'the directory was removed');
  if (entry === undefined) directory.makeRoom(toName);
  return { from, to: { dir: toDir, directory, entry }, inode, replaced };
}

function checkReplaced(volume: Volume, inode: IncoreInode, replaced: IncoreInode): void {
  checkFlags(replaced, 'rename');
  if (inode.isDirectory && !replaced.isDirectory) fail('ENOTDIR', 'rename', 'a directory cannot replace a file');
  if (!inode.isDirectory && replaced.isDirectory) fail('EISDIR', 'rename', 'a file cannot replace a directory');
  if (replaced.isDirectory && !volume.directory(replaced).isEmpty) {
    fail('ENOTEMPTY', 'rename', 'the directory to be replaced is not empty');
  }
}

/** Whether `dir` is `ancestor` or lies below it. */
export function isWithin(volume: Volume, dir: IncoreInode, ancestor: IncoreInode): boolean {
  const seen = new Set<number>();
  for (let at = dir; at !== ancestor; ) {
    if (at.ino === EXT2_ROOT_INO) return false;
    const up = volume.directory(at).find('..');
    if (up === undefined || seen.has(at.ino)) {
      throw volume.sb.corrupt('is a directory that no way leads up from to the root', { ino: at.ino });
    }
    seen.add(at.ino);
    at = volume.inode(up.ino);
  }
  return true;
}
