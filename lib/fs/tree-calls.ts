// Owns the calls on names and inodes: what is there, and making, renaming and removing it.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  encodeName,
  endsWithSlash,
  hasOpenFlag,
  isDots,
  joined,
  toBoolean,
  toEncoding,
  toId,
  toMode,
  toOptions,
  toPath,
  toTime,
  type FsPath,
} from './arguments.js';
import type { FsInode, MountedFilesystem } from './contract.js';
import { attempt, fail, type Call } from './failure.js';
import type { OpenFiles } from './open-files.js';
import { removeName, removeTree } from './removal.js';
import { Dirent, isDirectory, modeOfType, statsOf } from './stats.js';

interface ReaddirOptions {
  readonly withFileTypes?: boolean;
  readonly recursive?: boolean;
}

interface RmOptions {
  readonly recursive?: boolean;
  readonly force?: boolean;
}

interface StatOptions {
  readonly bigint?: boolean;
  readonly throwIfNoEntry?: boolean;
}

const ANY_EXECUTE = 0o111;
const MKDTEMP_ATTEMPTS = 100;

type TreeCalls = ReturnType<typeof treeCalls>;

/** The synchronous calls of node:fs on names and inodes. `dev` is what their stats say. */
export function treeCalls(mounted: MountedFilesystem, files: OpenFiles, dev: number) {
  const at = (path: unknown, syscall: string, follow = true): { inode: FsInode; path: FsPath } => {
    const checked = toPath(path);
    const inode = attempt({ syscall, path: checked }, () => mounted.resolve(checked, { follow }));
    return { inode, path: checked };
  };

  const statAt = (path: unknown, options: unknown, syscall: 'stat' | 'lstat') => {
    const checked = toPath(path);
    const { bigint, throwIfNoEntry } = toOptions(options as StatOptions | null | undefined);
    return attempt({ syscall, path: checked }, () => {
      try {
        const inode = mounted.resolve(checked, { follow: syscall === 'stat' });
        return statsOf(mounted, inode, dev, bigint);
      } catch (error) {
        const { code } = error as { code?: string };
        if (throwIfNoEntry === false && code === 'ENOENT') return undefined;
        throw error;
      }
    });
  };

  const change = (path: unknown, syscall: string, follow: boolean, attributes: object) => {
    const { inode, path: checked } = at(path, syscall, follow);
    attempt({ syscall, path: checked }, () => { mounted.setattr(inode, attributes); });
  };

  const changeOpen = (fd: number, syscall: string, attributes: object) => {
    const { inode } = files.get(fd, syscall);
    attempt({ syscall }, () => { mounted.setattr(inode, attributes); });
  };

  const ownersOf = (uid: unknown, gid: unknown) => {
    const [owner, group] = [toId(uid, 'uid'), toId(gid, 'gid')];
    return { ...(owner !== undefined && { uid: owner }), ...(group !== undefined && { gid: group }) };
  };

  const timesOf = (atime: unknown, mtime: unknown) => ({ atimeNs: toTime(atime, 'atime'), mtimeNs: toTime(mtime, 'mtime') });

  // Where something new is to be that is no directory, and so has no slash after its name.
  const placeOf = (path: FsPath, call: Call) => {
    const place = mounted.resolveParent(path);
    if (mounted.lookup(place.dir, place.name) !== undefined) fail('EEXIST', call);
    if (endsWithSlash(path)) fail('ENOENT', call);
    return place;
  };

  const makeDirectory = (path: FsPath, mode: number, call: Call) => {
    attempt(call, () => {
      const { dir, name } = mounted.resolveParent(path);
      mounted.mkdir(dir, name, mode);
    });
  };

  // What has the path that could not be made: only a directory will do.
  const checkDirectory = (path: FsPath, call: Call, isLast: boolean) => {
    const inode = attempt(call, () => mounted.resolve(path));
    if (!inode.isDirectory) fail(isLast ? 'EEXIST' : 'ENOTDIR', isLast ? call : { ...call, path });
  };

  // Up to what is there, then down again. Returns the first that was made.
  const makeDirectories = (path: string, mode: number, call: Call, isLast = true): string | undefined => {
    const encoded = Buffer.from(path, 'latin1');
    try {
      makeDirectory(encoded, mode, call);
      return encoded.toString();
    } catch (error) {
      const { code } = error as { code?: string };
      const parent = path.slice(0, path.lastIndexOf('/'));
      if (code === 'EEXIST') {
        checkDirectory(encoded, call, isLast);
        return undefined;
      }
      if (code !== 'ENOENT' || parent === '') throw error;
      const first = makeDirectories(parent, mode, call, false);
      // Again: after `..` it may be there now.
      const made = makeDirectories(path, mode, call, isLast);
      return first ?? made;
    }
  };

  // No inode is looked at for a name, or for a type that the directory tells: one that is damaged hides no other.
  function* entriesOf(path: FsPath, call: Call): Generator<{ name: Uint8Array; mode: () => number }> {
    const dir = attempt(call, () => mounted.resolve(path));
    if (!dir.isDirectory) fail('ENOTDIR', call);
    for (const { name, bytes, type } of attempt(call, () => [...mounted.readdir(dir)])) {
      if (name === '.' || name === '..') continue;
      yield { name: bytes, mode: () => modeOfType(type) ?? attempt(call, () => mounted.lookup(dir, bytes)?.mode ?? 0) };
    }
  }

  // What is to be removed; undefined where it is all right that it is not there.
  const lookFor = (path: FsPath, mayBeMissing: boolean): FsInode | undefined => {
    try {
      return at(path, 'lstat', false).inode;
    } catch (error) {
      if (mayBeMissing && (error as { code?: string }).code === 'ENOENT') return undefined;
      throw error;
    }
  };

  const calls = {
    statSync: (path: unknown, options?: unknown) => statAt(path, options, 'stat'),
    lstatSync: (path: unknown, options?: unknown) => statAt(path, options, 'lstat'),
    fstatSync: (fd: number, options?: unknown) => {
      const { inode } = files.get(fd, 'fstat');
      const { bigint = false } = toOptions(options as StatOptions | null | undefined);
      return attempt({ syscall: 'fstat' }, () => statsOf(mounted, inode, dev, bigint));
    },
    existsSync: (path: unknown) => {
      try {
        mounted.resolve(toPath(path));
        return true;
      } catch {
        return false;
      }
    },
    // Permissions are kept, not enforced: everything may be done but executing what nobody may, and writing where nobody can.
    accessSync: (path: unknown, mode: number = constants.F_OK) => {
      const { inode, path: checked } = at(path, 'access');
      const call = { syscall: 'access', path: checked };
      if (hasOpenFlag(mode, constants.W_OK) && mounted.readOnly) fail('EROFS', call);
      // eslint-disable-next-line no-bitwise -- permissions
      const mayExecute = inode.isDirectory || (inode.mode & ANY_EXECUTE) !== 0;
      if (hasOpenFlag(mode, constants.X_OK) && !mayExecute) fail('EACCES', call);
    },
    realpathSync: (path: unknown, options?: unknown) => {
      const checked = toPath(path);
      const real = attempt({ syscall: 'realpath', path: checked }, () => realPath(mounted, checked));
      return encodeName(real, toEncoding(options));
    },
    readdirSync: (path: unknown, options?: unknown) => {
      const checked = toPath(path);
      const { withFileTypes = false, recursive = false } = toOptions(options as ReaddirOptions | null | undefined);
      const encoding = toEncoding(options);
      const call = { syscall: 'scandir', path: checked };
      const found: (string | Buffer | Dirent)[] = [];
      const visit = (directory: FsPath, below: FsPath | undefined) => {
        for (const { name, mode } of entriesOf(directory, call)) {
          const inner = below === undefined ? name : joined(below, name);
          const parent = Buffer.from(directory).toString();
          if (withFileTypes) found.push(new Dirent(encodeName(name, encoding), parent, mode()));
          else found.push(encodeName(Buffer.from(inner), encoding));
          if (recursive && isDirectory(mode())) visit(joined(directory, name), inner);
        }
      };
      visit(checked, undefined);
      return found;
    },
    readlinkSync: (path: unknown, options?: unknown) => {
      const { inode, path: checked } = at(path, 'readlink', false);
      return encodeName(attempt({ syscall: 'readlink', path: checked }, () => mounted.readlink(inode)), toEncoding(options));
    },
    mkdirSync: (path: unknown, options?: unknown) => {
      const checked = toPath(path);
      const isMode = typeof options !== 'object' || options === null;
      const { mode: given, recursive = false } = isMode
        ? { mode: options }
        : (options as { mode?: unknown; recursive?: boolean });
      const mode = files.newMode(toMode(given, 0o777));
      const call = { syscall: 'mkdir', path: checked };
      if (toBoolean(recursive, 'options.recursive')) return makeDirectories(`/${partsOf(checked).join('/')}`, mode, call);
      makeDirectory(checked, mode, call);
      return undefined;
    },
    mkdtempSync: (prefix: unknown, options?: unknown) => {
      const checked = toPath(prefix, 'prefix');
      const call = { syscall: 'mkdtemp', path: `${Buffer.from(checked).toString()}XXXXXX` };
      for (let tries = 1; ; tries++) {
        const path = Buffer.concat([Buffer.from(checked), Buffer.from(randomBytes(6).toString('base64url').slice(0, 6))]);
        try {
          makeDirectory(path, files.newMode(0o700), call);
          return encodeName(path, toEncoding(options));
        } catch (error) {
          if ((error as { code?: string }).code !== 'EEXIST' || tries === MKDTEMP_ATTEMPTS) throw error;
        }
      }
    },
    rmdirSync: (path: unknown) => {
      const checked = toPath(path);
      removeName(mounted, checked, { syscall: 'rmdir', path: checked }, 'rmdir');
    },
    unlinkSync: (path: unknown) => {
      const checked = toPath(path);
      removeName(mounted, checked, { syscall: 'unlink', path: checked }, 'unlink');
    },
    rmSync: (path: unknown, options?: unknown) => {
      const checked = toPath(path);
      const { recursive = false, force = false } = toOptions(options as RmOptions | null | undefined);
      const isRecursive = toBoolean(recursive, 'options.recursive');
      const call = { syscall: 'rm', path: checked };
      const inode = lookFor(checked, toBoolean(force, 'options.force'));
      if (inode === undefined) return;
      if (!inode.isDirectory) removeName(mounted, checked, call, 'unlink');
      else if (isRecursive) removeTree(mounted, checked, call);
      else throw isDirectoryError(checked);
    },
    renameSync: (oldPath: unknown, newPath: unknown) => {
      const [path, dest] = [toPath(oldPath, 'oldPath'), toPath(newPath, 'newPath')];
      attempt({ syscall: 'rename', path, dest }, () => {
        const from = mounted.resolveParent(path);
        const to = mounted.resolveParent(dest);
        if (isDots(from.name) || isDots(to.name)) fail('EBUSY', { syscall: 'rename' });
        const isNoDirectory = mounted.lookup(from.dir, from.name)?.isDirectory === false;
        if (isNoDirectory && (endsWithSlash(path) || endsWithSlash(dest))) fail('ENOTDIR', { syscall: 'rename' });
        mounted.rename(from.dir, from.name, to.dir, to.name);
      });
    },
    linkSync: (existingPath: unknown, newPath: unknown) => {
      const [path, dest] = [toPath(existingPath, 'existingPath'), toPath(newPath, 'newPath')];
      attempt({ syscall: 'link', path, dest }, () => {
        const inode = mounted.resolve(path, { follow: false });
        const { dir, name } = placeOf(dest, { syscall: 'link' });
        mounted.link(inode, dir, name);
      });
    },
    symlinkSync: (target: unknown, path: unknown) => {
      const [to, at] = [toPath(target, 'target'), toPath(path)];
      attempt({ syscall: 'symlink', path: to, dest: at }, () => {
        const { dir, name } = placeOf(at, { syscall: 'symlink' });
        mounted.symlink(dir, name, to);
      });
    },
    chmodSync: (path: unknown, mode: unknown) => { change(path, 'chmod', true, { mode: toMode(mode) }); },
    fchmodSync: (fd: number, mode: unknown) => { changeOpen(fd, 'fchmod', { mode: toMode(mode) }); },
    chownSync: (path: unknown, uid: unknown, gid: unknown) => { change(path, 'chown', true, ownersOf(uid, gid)); },
    lchownSync: (path: unknown, uid: unknown, gid: unknown) => { change(path, 'lchown', false, ownersOf(uid, gid)); },
    fchownSync: (fd: number, uid: unknown, gid: unknown) => { changeOpen(fd, 'fchown', ownersOf(uid, gid)); },
    utimesSync: (path: unknown, atime: unknown, mtime: unknown) => { change(path, 'utime', true, timesOf(atime, mtime)); },
    lutimesSync: (path: unknown, atime: unknown, mtime: unknown) => { change(path, 'lutime', false, timesOf(atime, mtime)); },
    futimesSync: (fd: number, atime: unknown, mtime: unknown) => { changeOpen(fd, 'futime', timesOf(atime, mtime)); },
    statfsSync: (path: unknown, options?: unknown) => {
      const { path: checked } = at(path, 'statfs');
      const told = attempt({ syscall: 'statfs', path: checked }, () => mounted.statfs());
      const { type, blockSize: bsize, blocks, freeBlocks: bfree, availableBlocks: bavail, inodes: files, freeInodes: ffree } = told;
      const numbers = { type, bsize, blocks, bfree, bavail, files, ffree };
      if (toOptions(options as StatOptions | null | undefined).bigint !== true) return numbers;
      return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, BigInt(value)]));
    },
  };
  return calls;
}

export type { TreeCalls };

function isDirectoryError(path: FsPath): Error {
  const text = Buffer.from(path).toString();
  const error = new Error(`Path is a directory: rm returned EISDIR (is a directory) ${text}`);
  return Object.assign(error, { name: 'SystemError', code: 'ERR_FS_EISDIR', errno: 21, syscall: 'rm', path: text });
}

// Name by name, each link replaced by what it leads to; the filesystem has limited their number before.
function realPath(mounted: MountedFilesystem, path: FsPath): Uint8Array {
  mounted.resolve(path);
  const left = partsOf(path);
  let real: string[] = [];
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '..') {
      real = real.slice(0, -1);
      continue;
    }
    const inode = mounted.resolve(Buffer.from(`/${[...real, part].join('/')}`, 'latin1'), { follow: false });
    if (!inode.isSymlink) {
      real.push(part);
      continue;
    }
    const target = mounted.readlink(inode);
    if (target[0] === 0x2f) real = [];
    left.unshift(...partsOf(target));
  }
  return Buffer.from(`/${real.join('/')}`, 'latin1');
}

function partsOf(path: FsPath): string[] {
  return Buffer.from(path)
    .toString('latin1')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
}
