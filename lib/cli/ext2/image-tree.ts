// Owns an image as a tree: what is in its directories, and walks through them.

import { DaxError } from 'node-dax';
import type { Ext2Dirent, Ext2Inode } from 'node-dax/ext2';
import { attempt, goOnAfter } from '../trees/failures.js';
import type { MountedImage } from './image.js';
import { joined, needsSlash, SLASH } from '../trees/names.js';
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

/** The entries of the directory at `path`, without `.` and `..`, in the order of their bytes. */
export function entriesOf(mounted: MountedImage, path: Uint8Array, dir: Ext2Inode): Ext2Dirent[] {
  const entries = mounted.at(path, () => [...mounted.fs.readdir(dir)]);
  return entries.filter(({ name }) => name !== '.' && name !== '..').sort((a, b) => Buffer.compare(a.bytes, b.bytes));
}

/** What has the name `name` in `dir`, and lies at `path`: an entry that leads to nothing is the medium's fault. */
export function childOf(mounted: MountedImage, path: Uint8Array, dir: Ext2Inode, name: Uint8Array): Ext2Inode {
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
  const tree: Tree<Ext2Inode | undefined> = {
    directoryId: (inode) => (inode?.isDirectory === true ? String(inode.ino) : undefined),
    children: (dir, names) => {
      const here = pathOf(path, names);
      const entries = attempt(() => entriesOf(mounted, here, dir as Ext2Inode), tell) ?? [];
      return entries.map(({ bytes }) => ({
        name: bytes,
        item: () => attempt(() => childOf(mounted, joined(here, bytes), dir as Ext2Inode, bytes), tell),
      }));
    },
  };
  return walk(tree, top);
}
