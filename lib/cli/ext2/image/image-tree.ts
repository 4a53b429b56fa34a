// Owns the entries of directories in an image, and walks through them.

import { isAscii } from 'node:buffer';
import { DaxError } from 'node-dax';
import type { Ext2, Ext2Inode } from 'node-dax/ext2';
import { attempt, goOnAfter } from '../../trees/failures.js';
import type { MountedImage } from './image.js';
import { needsSlash, SLASH } from '../../trees/names.js';
import { walk, type Step, type Tree } from './walk.js';

/** The path of the `names` of a walk that began at `directory`. */
export function pathOf(directory: Uint8Array, names: readonly Uint8Array[]): Buffer {
  const pieces = [directory];
  for (const name of names) {
    // Names have no slash; only the directory may end with one, or be empty.
    if (pieces.length > 1 || needsSlash(directory)) pieces.push(SLASH);
    pieces.push(name);
  }
  return Buffer.concat(pieces);
}

/**
 * A directory entry in an image. Its name has one character for each byte, so it sorts by its bytes, and a million names take
 * little memory.
 */
export interface Entry {
  readonly name: string;
  readonly ino: number;
}

/** The bytes of an entry's name. */
export function bytesOf({ name }: Entry): Buffer {
  return Buffer.from(name, 'latin1');
}

function namesIn(fs: Ext2, dir: Ext2Inode): Entry[] {
  const entries: Entry[] = [];
  for (const { name, bytes, ino } of fs.readdir(dir)) {
    if (name === '.' || name === '..') continue;
    const byBytes = isAscii(bytes) ? name : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    entries.push({ name: byBytes, ino });
  }
  return entries;
}

/** The entries of the directory at `path`, without `.` and `..`, in the order of their bytes. */
export function entriesOf(mounted: MountedImage, path: Uint8Array, dir: Ext2Inode): Entry[] {
  return mounted.at(path, () => namesIn(mounted.fs, dir)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The inode of an entry of `dir`, found by its number, because looking up the name would index the whole directory. Throws an error
 * of the medium at `path` if the entry leads to no inode.
 */
export function childOf(mounted: MountedImage, path: () => Uint8Array, dir: Ext2Inode, entry: Entry): Ext2Inode {
  const { fs } = mounted;
  try {
    return fs.inode(entry.ino);
  } catch {
    // The error of a look-up says what is wrong with the entry.
    return mounted.at(path, () => {
      const found = fs.lookup(dir, bytesOf(entry));
      if (found === undefined) throw new DaxError({ errno: 'ENOENT', syscall: 'ext2', hint: 'it was removed meanwhile' });
      return found;
    });
  }
}

/**
 * Walks from the inode at `path` on. If an inode or a directory cannot be read, the walk calls `tell` with the error and continues:
 * the step then has no item, or nothing below it.
 */
export function walkImage(
  mounted: MountedImage,
  path: Uint8Array,
  top: Ext2Inode,
  tell: (error: unknown) => void = goOnAfter,
): Generator<Step<Ext2Inode | undefined>> {
  const tree: Tree<Ext2Inode | undefined, Entry> = {
    directoryId: (inode) => (inode?.isDirectory === true ? String(inode.ino) : undefined),
    children: (dir, names) => attempt(() => entriesOf(mounted, pathOf(path, names), dir as Ext2Inode), tell) ?? [],
    bytesOf,
    item: (dir, entry, names) =>
      attempt(() => childOf(mounted, () => pathOf(path, [...names, bytesOf(entry)]), dir as Ext2Inode, entry), tell),
  };
  return walk(tree, top);
}
