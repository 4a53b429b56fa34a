// Owns reading directories: their entries, alone or with everything below, in the order of node:fs.

import type { Dirent } from 'node:fs';
import { join, relative } from 'node:path';
import { encodeName, type Encoding, type FsPath } from '../arguments/arguments.js';
import { attempt, fail, type Call } from '../errors/failure.js';
import { direntOf, isDirectory, modeOfType } from './stats.js';
import type { Tree } from './tree.js';

export interface Entry {
  readonly name: Uint8Array;
  /** The name as UTF-8. */
  readonly text: string;
  /** A mode with the entry's type; 0 if the type is unknown. */
  readonly mode: number;
}

function order(a: { readonly name: string }, b: { readonly name: string }): number {
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}

/**
 * The entries of a directory, sorted by name. Inodes are not read for names, nor for types that the directory stores, so that a
 * damaged inode hides no other entry.
 */
export function entriesOf(tree: Tree, path: FsPath, call: Call): Entry[] {
  const dir = attempt(call, () => tree.resolve(path));
  if (!dir.isDirectory) fail('ENOTDIR', call);
  const found = attempt(call, () => [...tree.readdir(dir)].filter(({ name }) => name !== '.' && name !== '..'));
  return found.sort(order).map(({ name, bytes, type }) => ({
    name: bytes,
    text: name,
    get mode() {
      return modeOfType(type) ?? attempt(call, () => tree.lookup(dir, bytes)?.mode ?? 0);
    },
  }));
}

function nameOf({ name, text }: Entry, encoding: Encoding): string | Buffer {
  return !encoding || encoding === 'utf8' ? text : encodeName(name, encoding);
}

/** What `readdir` returns for the directory at `path`, with types or without. */
export function listed(tree: Tree, path: FsPath, call: Call, encoding: Encoding, isTyped: boolean): (string | Buffer | Dirent)[] {
  return entriesOf(tree, path, call).map((entry) => {
    const name = nameOf(entry, encoding);
    return isTyped ? direntOf(name, path, entry.mode) : name;
  });
}

function leadsToDirectory(tree: Tree, path: string): boolean {
  try {
    return tree.resolve(path).isDirectory;
  } catch {
    return false;
  }
}

/**
 * As `listed`, with everything below, directory by directory: the next one is the first of those found or, if `isLastFirst`, the
 * last. Without types, links to directories are followed.
 */
export function listedBelow(tree: Tree, path: FsPath, encoding: Encoding, isTyped: boolean, isLastFirst: boolean): (string | Dirent)[] {
  const found: (string | Dirent)[] = [];
  const queue = [path as string];
  const next = () => (isLastFirst ? queue.pop() : queue.shift());
  for (let at = next(); at !== undefined; at = next()) {
    for (const entry of entriesOf(tree, at, { syscall: 'scandir', path: at })) {
      const name = nameOf(entry, encoding) as string;
      // As in node:fs, a name that is a buffer cannot be joined to a path, and this throws.
      const inner = () => join(at, name);
      found.push(isTyped ? direntOf(name, at, entry.mode) : relative(path as string, inner()));
      if (isTyped ? isDirectory(entry.mode) : leadsToDirectory(tree, inner())) queue.push(inner());
    }
  }
  return found;
}
