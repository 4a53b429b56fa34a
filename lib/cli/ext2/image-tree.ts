// Owns an image as a tree: what is in its directories, and walks through them.

import { DaxError } from 'node-dax';
import type { Ext2, Ext2Inode } from 'node-dax/ext2';
import { attempt, goOnAfter } from '../trees/failures.js';
import type { MountedImage } from './image.js';
import { needsSlash, SLASH } from '../trees/names.js';
import { walk, type Step, type Tree } from './walk.js';

/** `directory`, and the names of a walk that began there. */
export function pathOf(directory: Uint8Array, names: readonly Uint8Array[]): Buffer {
  const pieces = [directory];
  for (const name of names) {
    // A name has no slash: only the directory may end with one, or be nothing.
    if (pieces.length > 1 || needsSlash(directory)) pieces.push(SLASH);
    pieces.push(name);
  }
  return Buffer.concat(pieces);
}

/**
 * A name in a directory of an image. It has a character for each byte, so that it sorts by its bytes, and a million of them take
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

function* namesIn(fs: Ext2, dir: Ext2Inode): Generator<Entry> {
  for (const { name, bytes, ino } of fs.readdir(dir)) {
    if (name !== '.' && name !== '..') yield { name: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'), ino };
  }
}

/** The entries of the directory at `path`, without `.` and `..`, in the order of their bytes. */
export function entriesOf(mounted: MountedImage, path: Uint8Array, dir: Ext2Inode): Entry[] {
  return mounted.at(path, () => [...namesIn(mounted.fs, dir)]).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What has the name `name` in `dir`, and lies at `path`: an entry that leads to nothing is the medium's fault. */
export function childOf(mounted: MountedImage, path: () => Uint8Array, dir: Ext2Inode, name: Uint8Array): Ext2Inode {
  return mounted.at(path, () => {
    const found = mounted.fs.lookup(dir, name);
    if (found === undefined) throw new DaxError({ errno: 'ENOENT', syscall: 'ext2', hint: 'it was removed meanwhile' });
    return found;
  });
}

/**
 * A walk from what is at `path` on. What cannot be read, an inode or what is in a directory, keeps nobody from the rest: `tell`
 * has its error, and the step no item, or nothing below it.
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
    item: (dir, entry, names) => {
      const name = bytesOf(entry);
      return attempt(() => childOf(mounted, () => pathOf(path, [...names, name]), dir as Ext2Inode, name), tell);
    },
  };
  return walk(tree, top);
}
