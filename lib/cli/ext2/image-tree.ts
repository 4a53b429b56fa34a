// Owns an image as a tree: what is in its directories, and walks through them.

import type { Ext2Dirent, Ext2Inode } from 'node-dax/ext2';
import type { MountedImage } from './image.js';
import { joined } from './names.js';
import { walk, type Step, type Tree } from './walk.js';

/** `directory`, and the names of a walk that began there. */
export function pathOf(directory: Uint8Array, names: readonly Uint8Array[]): Buffer {
  return names.reduce<Buffer>((path, name) => joined(path, name), Buffer.from(directory));
}

/** The entries of the directory at `path`, without `.` and `..`, in the order of their bytes. */
export function entriesOf(mounted: MountedImage, path: Uint8Array, dir: Ext2Inode): Ext2Dirent[] {
  const entries = mounted.at(path, () => [...mounted.fs.readdir(dir)]);
  return entries.filter(({ name }) => name !== '.' && name !== '..').sort((a, b) => Buffer.compare(a.bytes, b.bytes));
}

/** A walk from what is at `path` on. */
export function walkImage(mounted: MountedImage, path: Uint8Array, top: Ext2Inode): Generator<Step<Ext2Inode>> {
  const tree: Tree<Ext2Inode> = {
    directoryId: (inode) => (inode.isDirectory ? String(inode.ino) : undefined),
    children: (dir, names) => {
      const here = pathOf(path, names);
      return entriesOf(mounted, here, dir).map(({ bytes, ino }) => ({
        name: bytes,
        item: mounted.at(joined(here, bytes), () => mounted.fs.inode(ino)),
      }));
    },
  };
  return walk(tree, top);
}
