// Owns the synchronous calls on names and inodes: looking them up, creating, changing, renaming and removing them.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { types } from 'node:util';
import {
  encodeName,
  endsWithSlash,
  hasOpenFlag,
  isDots,
  toEncoding,
  toId,
  toMode,
  toOptions,
  toPath,
  toTextPath,
  toTime,
  type FsPath,
} from '../arguments/arguments.js';
import type { FsInode } from '../contract.js';
import { attempt, fail, shown, type Call } from '../errors/failure.js';
import { systemError } from '../errors/system-error.js';
import type { OpenFiles } from '../open/open-files.js';
import { NODE_MAJOR } from '../release.js';
import { listedBelow } from '../tree/below.js';
import { listed } from '../tree/entries.js';
import { nativeRealPath, partsOf, realPath } from '../tree/real-path.js';
import { removeName, removeTree } from '../tree/removal.js';
import { StatFs, statsOf } from '../tree/stats.js';
import { takeAll, type Steps } from '../tree/steps.js';
import type { Tree } from '../tree/tree.js';

interface StatOptions {
  readonly bigint?: boolean;
  readonly throwIfNoEntry?: boolean;
}

const ANY_EXECUTE = 0o111;
// The mode bits that a new directory does not take over.
const SET_IDS = 0o6000;
const MKDTEMP_ATTEMPTS = 100;

// Whether `throwIfNoEntry: false` covers paths below a file (`ENOTDIR`) too.
const isMissing = { stat: NODE_MAJOR >= 22, lstat: false };

/** The synchronous calls of node:fs on names and inodes. `dev` is the device number in their stats. */
export function treeCalls(tree: Tree, files: OpenFiles, dev: number) {
  const at = (given: unknown, syscall: string, follow = true): { inode: FsInode; path: FsPath } => {
    const path = toPath(given);
    return { inode: attempt({ syscall, path }, () => tree.resolve(path, { follow })), path };
  };

  const statAt = (given: unknown, options: unknown, syscall: 'stat' | 'lstat') => {
    const path = toPath(given);
    const { bigint, throwIfNoEntry } = toOptions<StatOptions>(options);
    return attempt({ syscall, path }, () => {
      try {
        return statsOf(tree, tree.resolve(path, { follow: syscall === 'stat' }), dev, bigint === true);
      } catch (error) {
        const { code } = error as { code?: string };
        if (throwIfNoEntry === false && (code === 'ENOENT' || (code === 'ENOTDIR' && isMissing[syscall]))) return undefined;
        throw error;
      }
    });
  };

  // The path is resolved first; the attributes are converted only if it exists.
  const change = (given: unknown, syscall: string, follow: boolean, attributes: (inode: FsInode) => object) => {
    const { inode, path } = at(given, syscall, follow);
    attempt({ syscall, path }, () => { tree.setattr(inode, attributes(inode)); });
  };

  const changeOpen = (fd: number, syscall: string, attributes: (inode: FsInode) => object) => {
    const { inode } = files.get(fd, syscall);
    attempt({ syscall }, () => { tree.setattr(inode, attributes(inode)); });
  };

  const ownersOf = (inode: FsInode, uid: unknown, gid: unknown) => {
    const [owner, group] = [toId(uid), toId(gid)];
    // Keeping both is a change of owner all the same: Linux takes the set-id bits away.
    if (owner === undefined && group === undefined) return { uid: tree.stat(inode).uid };
    return { ...(owner !== undefined && { uid: owner }), ...(group !== undefined && { gid: group }) };
  };

  const timesOf = (syscall: string, ...times: [atime: unknown, mtime: unknown]) => {
    // Later releases treat an invalid date as now, as they do NaN.
    if (NODE_MAJOR < 22 && times.some((time) => types.isDate(time) && Number.isNaN(time.getTime()))) fail('EINVAL', { syscall });
    return { atimeNs: toTime(times[0]), mtimeNs: toTime(times[1]) };
  };

  // The place of a new entry that is not a directory, so its path must not end with a slash.
  const placeOf = (path: FsPath, call: Call) => {
    const place = tree.resolveParent(path);
    if (tree.lookup(place.dir, place.name) !== undefined) fail('EEXIST', call);
    if (endsWithSlash(path)) fail('ENOENT', call);
    return place;
  };

  const makeDirectory = (path: FsPath, mode: number, call: Call) => {
    attempt(call, () => {
      const { dir, name } = tree.resolveParent(path);
      tree.mkdir(dir, name, mode);
    });
  };

  // Where a link leads, if it leads anywhere.
  const linked = (path: FsPath, call: Call): FsInode | undefined => {
    try {
      return attempt(call, () => tree.resolve(path));
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return undefined;
      throw error;
    }
  };

  // Checks what exists at a path where a directory could not be made: only a directory is accepted. If a link to nothing is in the
  // middle of the path, node:fs fails with ENOENT in its synchronous form, and with ENOTDIR for the link in the others.
  const checkDirectory = (path: FsPath, call: Call, isLast: boolean, isLater: boolean) => {
    const inode = isLater && !isLast ? linked(path, call) : attempt(call, () => tree.resolve(path));
    if (inode?.isDirectory === true) return;
    if (isLast) fail('EEXIST', call);
    fail('ENOTDIR', { ...call, path });
  };

  // Makes a directory, after its missing parents. Returns the first directory that was made.
  const makeDirectories = (path: string, mode: number, call: Call, isLater: boolean, isLast = true): string | undefined => {
    const encoded = Buffer.from(path, 'latin1');
    try {
      makeDirectory(encoded, mode, call);
      return encoded.toString();
    } catch (error) {
      const { code } = error as { code?: string };
      const parent = path.slice(0, path.lastIndexOf('/'));
      if (code === 'EEXIST') {
        checkDirectory(encoded, call, isLast, isLater);
        return undefined;
      }
      if (code !== 'ENOENT' || parent === '') throw error;
      const first = makeDirectories(parent, mode, call, isLater, false);
      // Tried again, because a path with `..` may exist by now.
      const made = makeDirectories(path, mode, call, isLater, isLast);
      return first ?? made;
    }
  };

  const mkdir = (given: unknown, options: unknown, isLater: boolean) => {
    const path = toPath(given);
    const isMode = typeof options === 'number' || typeof options === 'string';
    const { mode, recursive } = isMode ? { mode: options, recursive: false } : toOptions<{ mode: unknown; recursive: unknown }>(options);
    const permissions = files.newMode(toMode(mode, 0o777));
    // eslint-disable-next-line no-bitwise -- permissions
    const kept = permissions & ~SET_IDS;
    const call = { syscall: 'mkdir', path };
    if (recursive === true) {
      const absolute = tree.absolute(path);
      const first = makeDirectories(`/${partsOf(absolute).join('/')}`, kept, call, isLater);
      // Of a path that does not begin at the root, neither does the answer.
      const before = absolute === path ? '' : `/${partsOf(tree.cwd).map((part) => `${part}/`).join('')}`;
      return first?.slice(Buffer.from(before, 'latin1').toString().length);
    }
    makeDirectory(path, kept, call);
    return undefined;
  };

  // The inode to be removed; undefined if it is missing and may be.
  const lookFor = (path: FsPath, mayBeMissing: unknown): FsInode | undefined => {
    try {
      return at(path, 'lstat', false).inode;
    } catch (error) {
      if (mayBeMissing === true && (error as { code?: string }).code === 'ENOENT') return undefined;
      throw error;
    }
  };

  const rmSteps = function* (given: unknown, options?: unknown): Steps<void> {
    const path = toPath(given);
    const { recursive, force } = toOptions<{ recursive: unknown; force: unknown }>(options);
    const call = { syscall: 'rm', path };
    const inode = lookFor(path, force);
    if (inode === undefined) return;
    if (!inode.isDirectory) removeName(tree, path, { syscall: 'unlink', path }, 'unlink');
    else if (recursive === true) yield* removeTree(tree, path, { syscall: 'rmdir', path });
    else throw systemError('ERR_FS_EISDIR', 'EISDIR', 'is a directory', call);
  };

  const rmdirSteps = function* (given: unknown, options?: unknown): Steps<void> {
    const path = toPath(given);
    // From Node 25 on, the option is refused before this point.
    const { recursive } = toOptions<{ recursive: unknown }>(options);
    const call = { syscall: 'rmdir', path };
    if (recursive === true && at(path, 'lstat', false).inode.isDirectory) yield* removeTree(tree, path, call);
    else removeName(tree, path, call, 'rmdir');
  };

  const readdirSteps = function* (given: unknown, options: unknown, isPromised: boolean) {
    const path = toPath(given);
    const { withFileTypes, recursive } = toOptions<{ withFileTypes: unknown; recursive: unknown }>(options);
    const [encoding, isTyped] = [toEncoding(options), Boolean(withFileTypes)];
    if (recursive) return yield* listedBelow(tree, path, { encoding, isTyped, isPromised });
    return listed(tree, path, { syscall: 'scandir', path }, encoding, isTyped);
  };

  return {
    statSync: (path: unknown, options?: unknown) => statAt(path, options, 'stat'),
    lstatSync: (path: unknown, options?: unknown) => statAt(path, options, 'lstat'),
    fstatSync: (fd: number, options?: unknown) => {
      const { inode } = files.get(fd, 'fstat');
      const { bigint } = toOptions<StatOptions>(options);
      return attempt({ syscall: 'fstat' }, () => statsOf(tree, inode, dev, bigint === true));
    },
    existsSync: (path: unknown): boolean => {
      try {
        tree.resolve(toPath(path));
        return true;
      } catch {
        return false;
      }
    },
    // Permissions are stored, not enforced: access fails only for executing a file without any execute permission, and for writing
    // on a read-only filesystem.
    accessSync: (given: unknown, mode?: unknown): void => {
      const { inode, path } = at(given, 'access');
      const asked = Number(mode ?? constants.F_OK);
      const call = { syscall: 'access', path };
      if (hasOpenFlag(asked, constants.W_OK) && tree.readOnly) fail('EROFS', call);
      // eslint-disable-next-line no-bitwise -- permissions
      const mayExecute = inode.isDirectory || (inode.mode & ANY_EXECUTE) !== 0;
      if (hasOpenFlag(asked, constants.X_OK) && !mayExecute) fail('EACCES', call);
    },
    realpathSync: (path: unknown, options?: unknown) => encodeName(realPath(tree, typeof path === 'string' || Buffer.isBuffer(path) ? path : toTextPath(path)), toEncoding(options)),
    nativeRealpathSync: (path: unknown, options?: unknown) => encodeName(nativeRealPath(tree, toPath(path)), toEncoding(options)),
    readdirSync: (path: unknown, options?: unknown) => takeAll(readdirSteps(path, options, false)),
    readdirSteps,
    readlinkSync: (given: unknown, options?: unknown) => {
      const { inode, path } = at(given, 'readlink', false);
      return encodeName(attempt({ syscall: 'readlink', path }, () => tree.readlink(inode)), toEncoding(options));
    },
    mkdirSync: (given: unknown, options?: unknown) => mkdir(given, options, false),
    mkdirLater: (given: unknown, options?: unknown) => mkdir(given, options, true),
    mkdtempSync: (given: unknown, options?: unknown) => {
      const prefix = toPath(given);
      const call = { syscall: 'mkdtemp', path: `${shown(prefix)}XXXXXX` };
      for (let tries = 1; ; tries++) {
        const path = Buffer.concat([Buffer.from(prefix), Buffer.from(randomBytes(6).toString('hex').slice(0, 6))]);
        try {
          makeDirectory(path, 0o700, call);
          return encodeName(path, toEncoding(options));
        } catch (error) {
          if ((error as { code?: string }).code !== 'EEXIST' || tries === MKDTEMP_ATTEMPTS) throw error;
        }
      }
    },
    rmdirSync: (path: unknown, options?: unknown): void => { takeAll(rmdirSteps(path, options)); },
    rmdirSteps,
    unlinkSync: (given: unknown): void => {
      const path = toPath(given);
      removeName(tree, path, { syscall: 'unlink', path }, 'unlink');
    },
    rmSync: (path: unknown, options?: unknown): void => { takeAll(rmSteps(path, options)); },
    rmSteps,
    renameSync: (oldPath: unknown, newPath: unknown): void => {
      const [path, dest] = [toPath(oldPath), toPath(newPath)];
      attempt({ syscall: 'rename', path, dest }, () => {
        const from = tree.resolveParent(path);
        const to = tree.resolveParent(dest);
        if (isDots(from.name) || isDots(to.name)) fail('EBUSY', { syscall: 'rename' });
        // The old name is checked before the new one.
        const moved = tree.lookup(from.dir, from.name) ?? fail('ENOENT', { syscall: 'rename' });
        if (!moved.isDirectory && (endsWithSlash(path) || endsWithSlash(dest))) fail('ENOTDIR', { syscall: 'rename' });
        tree.rename(from.dir, from.name, to.dir, to.name);
      });
    },
    linkSync: (existingPath: unknown, newPath: unknown): void => {
      const [path, dest] = [toPath(existingPath), toPath(newPath)];
      attempt({ syscall: 'link', path, dest }, () => {
        const inode = tree.resolve(path, { follow: false });
        const { dir, name } = placeOf(dest, { syscall: 'link' });
        tree.link(inode, dir, name);
      });
    },
    symlinkSync: (target: unknown, path: unknown): void => {
      const [to, at] = [toPath(target), toPath(path)];
      attempt({ syscall: 'symlink', path: to, dest: at }, () => {
        if (to.length === 0) fail('ENOENT', { syscall: 'symlink' });
        const { dir, name } = placeOf(at, { syscall: 'symlink' });
        tree.symlink(dir, name, to);
      });
    },
    chmodSync: (path: unknown, mode: unknown): void => { change(path, 'chmod', true, () => ({ mode: toMode(mode) })); },
    fchmodSync: (fd: number, mode: unknown): void => { changeOpen(fd, 'fchmod', () => ({ mode: toMode(mode) })); },
    chownSync: (path: unknown, uid: unknown, gid: unknown): void => { change(path, 'chown', true, (inode) => ownersOf(inode, uid, gid)); },
    lchownSync: (path: unknown, uid: unknown, gid: unknown): void => { change(path, 'lchown', false, (inode) => ownersOf(inode, uid, gid)); },
    fchownSync: (fd: number, uid: unknown, gid: unknown): void => { changeOpen(fd, 'fchown', (inode) => ownersOf(inode, uid, gid)); },
    utimesSync: (path: unknown, atime: unknown, mtime: unknown): void => { change(path, 'utime', true, () => timesOf('utime', atime, mtime)); },
    lutimesSync: (path: unknown, atime: unknown, mtime: unknown): void => { change(path, 'lutime', false, () => timesOf('lutime', atime, mtime)); },
    futimesSync: (fd: number, atime: unknown, mtime: unknown): void => { changeOpen(fd, 'futime', () => timesOf('futime', atime, mtime)); },
    statfsSync: (given: unknown, options?: unknown) => {
      const { path } = at(given, 'statfs');
      const told = attempt({ syscall: 'statfs', path }, () => tree.statfs());
      return toOptions<StatOptions>(options).bigint === true ? new StatFs(told, BigInt) : new StatFs(told, Number);
    },
  };
}
