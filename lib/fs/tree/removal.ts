// Owns removing: a name, and a directory with all that is in it.

import { endsWithSlash, isDots, SLASH, type FsPath } from '../arguments/arguments.js';
import type { FsInode } from '../contract.js';
import { attempt, fail, type Call } from '../errors/failure.js';
import type { Tree } from './tree.js';

/** A directory that is to be removed. */
interface Named {
  readonly dir: FsInode;
  readonly name: Uint8Array;
  readonly inode: FsInode;
}

interface Level extends Named {
  /** Names in it that are still there. */
  readonly left: Uint8Array[];
}

/** Removes the name at the end of `path`. */
export function removeName(tree: Tree, path: FsPath, call: Call, how: 'unlink' | 'rmdir'): void {
  attempt(call, () => {
    const { dir, name } = tree.resolveParent(path);
    if (how === 'unlink' && endsWithSlash(path) && tree.lookup(dir, name)?.isDirectory === false) fail('ENOTDIR', call);
    tree[how](dir, name);
  });
}

// The directory that a path ends with the name of. What cannot be removed in the end is refused before anything in it is: the
// root, what a path only comes back to, and what a link leads to.
function namedBy(tree: Tree, path: FsPath, call: Call): Named {
  if (Buffer.from(path).every((byte) => byte === SLASH)) fail('EBUSY', call);
  const { dir, name } = tree.resolveParent(path);
  if (isDots(name)) fail('EINVAL', call);
  const inode = tree.lookup(dir, name);
  return inode?.isDirectory === true ? { dir, name, inode } : fail('ENOTDIR', call);
}

function namesIn(tree: Tree, dir: FsInode): Uint8Array[] {
  return Array.from(tree.readdir(dir), ({ bytes }) => bytes).filter((name) => !isDots(name)).reverse();
}

/**
 * Removes the directory at `path` with all that is in it, which goes before it. It goes by inodes: a path can have fewer bytes
 * than a tree is deep. Throws `EBUSY` for the root, `EINVAL` for `.` and `..`, `ENOTDIR` for a link with a slash after it,
 * before it removes anything; `ELOOP` where a damaged filesystem has a directory in itself.
 */
export function removeTree(tree: Tree, path: FsPath, call: Call): void {
  attempt(call, () => {
    const levels: Level[] = [];
    const within = new Set<number>();
    const enter = (entry: Named): void => {
      if (within.has(entry.inode.ino)) fail('ELOOP', call);
      within.add(entry.inode.ino);
      levels.push({ ...entry, left: namesIn(tree, entry.inode) });
    };
    enter(namedBy(tree, path, call));
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const next = level.left.pop();
      const inode = next && tree.lookup(level.inode, next);
      if (next === undefined) {
        tree.rmdir(level.dir, level.name);
        within.delete(level.inode.ino);
        levels.pop();
      } else if (inode?.isDirectory === true) enter({ dir: level.inode, name: next, inode });
      else tree.unlink(level.inode, next);
    }
  });
}
