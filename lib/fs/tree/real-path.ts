// Owns real paths, resolved name by name: each symbolic link is replaced by its target.

import { SLASH, type FsPath } from '../arguments/arguments.js';
import { attempt } from '../errors/failure.js';
import type { Tree } from './tree.js';

/** The names of a path, without `.` and doubled slashes, as strings of one character per byte. */
export function partsOf(path: FsPath): string[] {
  return Buffer.from(path)
    .toString('latin1')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
}

/** An absolute path without `.`, `..` and doubled slashes, as path.resolve makes it, whether it exists or not. */
function plainPath(tree: Tree, path: FsPath): Buffer {
  const whole: string[] = [];
  for (const part of partsOf(path.length === 0 ? tree.absolute('.') : tree.absolute(path))) {
    if (part === '..') whole.pop();
    else whole.push(part);
  }
  return Buffer.from(`/${whole.join('/')}`, 'latin1');
}

/** As realpath(3): one call, whose errors name the whole path. */
export function nativeRealPath(tree: Tree, path: FsPath): Uint8Array {
  return attempt({ syscall: 'realpath', path }, () => {
    // This limits the number of symbolic links, which `walk` does not.
    tree.resolve(path);
    return walk(tree, partsOf(tree.absolute(path)), (at) => tree.resolve(at, { follow: false }));
  });
}

/** As `realpath` of node:fs without `native`, which looks up one name after another: errors name the path that failed. */
export function realPath(tree: Tree, path: FsPath): Uint8Array {
  const look = (at: Buffer) => attempt({ syscall: 'lstat', path: at }, () => tree.resolve(at, { follow: false }));
  const follow = (at: Buffer) => { attempt({ syscall: 'stat', path: at }, () => tree.resolve(at)); };
  return walk(tree, partsOf(plainPath(tree, path)), look, follow);
}

function walk(tree: Tree, left: string[], look: (at: Buffer) => ReturnType<Tree['resolve']>, follow?: (at: Buffer) => void): Uint8Array {
  let real: string[] = [];
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '..') {
      real = real.slice(0, -1);
      continue;
    }
    const at = Buffer.from(`/${[...real, part].join('/')}`, 'latin1');
    const inode = look(at);
    if (!inode.isSymlink) {
      real.push(part);
      continue;
    }
    follow?.(at);
    const target = tree.readlink(inode);
    if (target[0] === SLASH) real = [];
    left.unshift(...partsOf(target));
  }
  return Buffer.from(`/${real.join('/')}`, 'latin1');
}
