// Owns reading a directory: its entries, in the order of node:fs.

import type { Dirent } from 'node:fs';
import { encodeName, type Encoding, type FsPath } from '../arguments/arguments.js';
import type { FsInode } from '../contract.js';
import { attempt, fail, type Call } from '../errors/failure.js';
import { direntOf, modeOfType } from './stats.js';
import type { Tree } from './tree.js';

export interface Entry {
  readonly name: Uint8Array;
  /** The name as UTF-8. */
  readonly text: string;
  /** A mode with the entry's type; 0 if the type is unknown. */
  readonly mode: number;
}

function directoryAt(tree: Tree, path: FsPath, call: Call): FsInode {
  const dir = attempt(call, () => tree.resolve(path));
  return dir.isDirectory ? dir : fail('ENOTDIR', call);
}

function isOwn(name: string): boolean {
  return name === '.' || name === '..';
}

function order(a: { readonly name: string }, b: { readonly name: string }): number {
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}

/**
 * The entries of a directory, sorted by name. Inodes are not read for names, nor for types that the directory stores, so a damaged
 * inode hides no other entry.
 */
export function entriesOf(tree: Tree, path: FsPath, call: Call): Entry[] {
  const dir = directoryAt(tree, path, call);
  const found = attempt(call, () => [...tree.readdir(dir)].filter(({ name }) => !isOwn(name)));
  return found.sort(order).map(({ name, bytes, type }) => ({
    name: bytes,
    text: name,
    get mode() {
      return modeOfType(type) ?? attempt(call, () => tree.lookup(dir, bytes)?.mode ?? 0);
    },
  }));
}

function isText(encoding: Encoding): boolean {
  return !encoding || encoding === 'utf8';
}

/** The name of an entry in an encoding. */
export function nameOf({ name, text }: Entry, encoding: Encoding): string | Buffer {
  return isText(encoding) ? text : encodeName(name, encoding);
}

function namesIn(tree: Tree, path: FsPath, call: Call): string[] {
  const dir = directoryAt(tree, path, call);
  return attempt(call, () => tree.names(dir)).filter((name) => !isOwn(name)).sort();
}

/** What `readdir` returns for the directory at `path`, with types or without. */
export function listed(tree: Tree, path: FsPath, call: Call, encoding: Encoding, isTyped: boolean): (string | Buffer | Dirent)[] {
  if (!isTyped && isText(encoding)) return namesIn(tree, path, call);
  return entriesOf(tree, path, call).map((entry) => {
    const name = nameOf(entry, encoding);
    return isTyped ? direntOf(name, path, entry.mode) : name;
  });
}
