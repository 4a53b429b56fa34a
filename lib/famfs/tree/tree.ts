// Owns the tree: the inodes that somebody asked for, and finding the one at a path.

import { fail } from '../format/error.js';
import type { KeptEntries } from '../format/kept-entries.js';
import { Names, parentOf } from './names.js';
import { FamfsInode } from './node.js';

/** A name or path: a string, encoded as UTF-8, or bytes, which need not be valid UTF-8. */
export type Name = string | Uint8Array;

const ASCII = /^[\0-\x7f]*$/;

/** Converts a name to its form in the tree: one character per byte. */
export function toBytes(name: Name): string {
  if (typeof name === 'string' && ASCII.test(name)) return name;
  return Buffer.from(name).toString('latin1');
}

export class Tree {
  readonly root = FamfsInode.root();
  readonly names = new Names();
  readonly #entries: KeptEntries;
  // Those that somebody asked for, by path.
  readonly #inodes = new Map<string, FamfsInode>([['', this.root]]);

  constructor(entries: KeptEntries) {
    this.#entries = entries;
  }

  /** The inode at an entry's path, if there is one. */
  at(path: string): FamfsInode | undefined {
    const found = this.#inodes.get(path);
    if (found !== undefined) return found;
    const index = this.names.find(path);
    if (index === undefined) return undefined;
    const made = this.#make(path, index);
    this.#inodes.set(path, made);
    return made;
  }

  #make(path: string, index: number): FamfsInode {
    // An entry is kept only if its directory is in the tree.
    const parent = this.at(parentOf(path)) as FamfsInode;
    return this.names.directory(path) === undefined
      ? FamfsInode.file(index, parent, path, this.#entries.fileAt(index, path))
      : FamfsInode.directory(index, parent, path, this.#entries.directoryAt(index, path));
  }

  /** The inode of a name in a directory, if there is one. */
  child(dir: FamfsInode, name: string): FamfsInode | undefined {
    if (name === '' || name.includes('/')) return undefined;
    return this.at(dir === this.root ? name : `${dir.stored}/${name}`);
  }

  lookup(dir: FamfsInode, name: string, syscall: string): FamfsInode | undefined {
    if (!dir.isDirectory) return fail('ENOTDIR', syscall, dir.path);
    if (name === '.') return dir;
    return name === '..' ? dir.parent : this.child(dir, name);
  }

  /** The inode at a path from the root. */
  resolve(path: Name, syscall: string): FamfsInode {
    const text = checked(path, syscall);
    // Most paths are as the log has them.
    const found = this.at(text.startsWith('/') ? text.slice(1) : text);
    if (found !== undefined) return found;
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
