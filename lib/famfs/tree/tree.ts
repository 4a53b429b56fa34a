// Owns the tree of names: finding the inode at a path, and adding new names.

import type { FileEntry } from '../format/entry.js';
import { fail } from '../format/error.js';
import { FamfsInode } from './node.js';

/** A name or path: a string, encoded as UTF-8, or bytes, which need not be valid UTF-8. */
export type Name = string | Uint8Array;

/** Converts a name to its form in the tree: one character per byte. */
export function toBytes(name: Name): string {
  return Buffer.from(name).toString('latin1');
}

export class Tree {
  readonly root = FamfsInode.root();
  // Directories by path, so that the paths of a long log need not be walked name by name.
  readonly #directories = new Map<string, FamfsInode>([['', this.root]]);
  readonly #entryAt: (index: number) => FileEntry;

  /** `entryAt` gives the entry of a file that was added. */
  constructor(entryAt: (index: number) => FileEntry) {
    this.#entryAt = entryAt;
  }

  /** The directory at a path as entries have it; '' is the root. Undefined if there is none. */
  directory(path: string): FamfsInode | undefined {
    return this.#directories.get(path);
  }

  /** The parent directory of an entry's path; undefined if there is none. */
  parentOf(path: string): FamfsInode | undefined {
    return this.directory(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
  }

  /** The inode at an entry's path, if there is one. */
  at(path: string): FamfsInode | undefined {
    const parent = this.parentOf(path);
    return parent && this.child(parent, path.slice(path.lastIndexOf('/') + 1));
  }

  /** The inode of a name in a directory, if there is one. */
  child(dir: FamfsInode, name: string): FamfsInode | undefined {
    const found = dir.children?.get(name);
    if (typeof found !== 'number') return found;
    const inode = FamfsInode.file(found, dir, name, this.#entryAt(found));
    dir.children?.set(name, inode);
    return inode;
  }

  /** Adds the file of entry `index`. The directory must contain nothing of that name. */
  addFile(dir: FamfsInode, name: string, index: number): void {
    dir.children?.set(name, index);
  }

  /** Adds a directory at `path`. Its parent must contain nothing of that name. */
  addDirectory(path: string, inode: FamfsInode): void {
    inode.parent.children?.set(inode.name, inode);
    inode.parent.directories++;
    this.#directories.set(path, inode);
  }

  lookup(dir: FamfsInode, name: string, syscall: string): FamfsInode | undefined {
    if (dir.children === undefined) return fail('ENOTDIR', syscall, dir.path);
    if (name === '.') return dir;
    return name === '..' ? dir.parent : this.child(dir, name);
  }

  /** The inode at a path from the root. */
  resolve(path: Name, syscall: string): FamfsInode {
    const text = checked(path, syscall);
    let at = this.root;
    for (const name of text.split('/')) {
      if (name !== '') at = this.lookup(at, name, syscall) ?? fail('ENOENT', syscall, Buffer.from(text, 'latin1').toString());
    }
    if (text.endsWith('/') && !at.isDirectory) fail('ENOTDIR', syscall, at.path);
    return at;
  }

  /** The directory that contains the last name of a path, and that name. */
  resolveParent(path: Name, syscall: string): { dir: FamfsInode; name: string } {
    const text = checked(path, syscall).replace(/\/+$/, '');
    const slash = text.lastIndexOf('/');
    if (text === '') return { dir: this.root, name: '.' };
    const dir = slash <= 0 ? this.root : this.resolve(Buffer.from(text.slice(0, slash), 'latin1'), syscall);
    if (!dir.isDirectory) fail('ENOTDIR', syscall, dir.path);
    return { dir, name: text.slice(slash + 1) };
  }
}

function checked(path: Name, syscall: string): string {
  const text = toBytes(path);
  if (text === '') fail('ENOENT', syscall, 'the path is empty');
  if (text.includes('\0')) fail('EINVAL', syscall, 'a path has no NUL in it');
  return text;
}
