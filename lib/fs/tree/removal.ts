// Owns the removal of names, and of directories with everything in them.

import { endsWithSlash, isDots, SLASH, type FsPath } from '../arguments/arguments.js';
import type { FsInode } from '../contract.js';
import { attempt, attemptSteps, fail, type Call } from '../errors/failure.js';
import type { Steps } from './steps.js';
import type { Tree } from './tree.js';

/** A directory to be removed. */
interface Named {
  readonly dir: FsInode;
  readonly name: Uint8Array;
  readonly inode: FsInode;
}

interface Level extends Named {
  /** The names in it that are still to be removed. */
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

// The directory that the last name of a path refers to. If that directory itself cannot be removed, refuses it before anything in
// it is removed: the root, `.` and `..`, and a directory behind a symbolic link.
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

// Others may remove names between two steps: whatever is gone already needs no removal.
function unlessGone(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if (!['ENOENT', 'ESTALE'].includes(String((error as { code?: string }).code))) throw error;
  }
}

/**
 * Removes the directory at `path`, after everything in it; each step removes one name. Works on inodes, because a tree can be deeper
 * than the longest path reaches. Throws `EBUSY` for the root, `EINVAL` for `.` and `..`, and `ENOTDIR` for a link followed by a slash,
 * before it removes anything; `ELOOP` if a damaged filesystem has a directory that contains itself; `ENOTEMPTY` if others made
 * something in it meanwhile.
 */
export function removeTree(tree: Tree, path: FsPath, call: Call): Steps<void> {
  return attemptSteps(call, removal(tree, path, call));
}

function* removal(tree: Tree, path: FsPath, call: Call): Steps<void> {
  const levels: Level[] = [];
  const within = new Set<number>();
  const enter = (entry: Named): void => {
    if (within.has(entry.inode.ino)) fail('ELOOP', call);
    within.add(entry.inode.ino);
    levels.push({ ...entry, left: namesIn(tree, entry.inode) });
  };
  enter(namedBy(tree, path, call));
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const { dir, name, inode, left } = level;
    const next = left.pop();
    unlessGone(() => {
      if (next === undefined) {
        within.delete(inode.ino);
        levels.pop();
        tree.rmdir(dir, name);
        return;
      }
      const found = tree.lookup(inode, next);
      if (found?.isDirectory === true) enter({ dir: inode, name: next, inode: found });
      else if (found !== undefined) tree.unlink(inode, next);
    });
    yield;
  }
}
