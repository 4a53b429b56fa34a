// Owns reading a directory with everything below it, in the order of node:fs.

import type { Dirent } from 'node:fs';
import { join, relative } from 'node:path';
import { encodeName, SLASH, type Encoding, type FsPath } from '../arguments/arguments.js';
import { NODE_MAJOR } from '../release.js';
import { entriesOf, nameOf } from './entries.js';
import { direntOf, isDirectory } from './stats.js';
import type { Steps } from './steps.js';
import type { Tree } from './tree.js';

export interface Listing {
  readonly encoding: Encoding;
  readonly isTyped: boolean;
  /** Whether the promise form asks. */
  readonly isPromised: boolean;
}

/** What `readdir` with `recursive` returns, directory by directory, as the running Node does it; each step takes one name. */
export function listedBelow(tree: Tree, path: FsPath, listing: Listing): Steps<(string | Buffer | Dirent)[]> {
  return NODE_MAJOR < 26 ? byText(tree, path as string, listing) : byBytes(tree, path, listing);
}

function leadsToDirectory(tree: Tree, path: FsPath): boolean {
  try {
    return tree.resolve(path).isDirectory;
  } catch {
    return false;
  }
}

// The promise form continues with the directory that it found last, the other forms with the one that they found first. Without
// types, links to directories are followed. Since Node 22 they are followed with types too, except in the promise form.
function* byText(tree: Tree, path: string, { encoding, isTyped, isPromised }: Listing): Steps<(string | Dirent)[]> {
  const found: (string | Dirent)[] = [];
  const queue = [path];
  const follows = !isTyped || (NODE_MAJOR >= 22 && !isPromised);
  const next = () => (isPromised ? queue.pop() : queue.shift());
  for (let at = next(); at !== undefined; at = next()) {
    for (const entry of entriesOf(tree, at, { syscall: 'scandir', path: at })) {
      const name = nameOf(entry, encoding) as string;
      // As in node:fs, a name that is a buffer cannot be joined to a path, and this throws.
      const inner = () => join(at, name);
      found.push(isTyped ? direntOf(name, at, entry.mode) : relative(path, inner()));
      if (follows ? leadsToDirectory(tree, inner()) : isDirectory(entry.mode)) queue.push(inner());
      yield;
    }
  }
  return found;
}

interface Directory {
  readonly path: FsPath;
  /** The path from the one that was given; empty for that. */
  readonly below: Uint8Array;
  /** The path that Dirents tell. */
  readonly parent: FsPath;
}

function joinBytes(directory: FsPath, name: FsPath): Buffer {
  const bytes = Buffer.from(directory);
  const isWhole = bytes.length === 0 || bytes.at(-1) === SLASH;
  return Buffer.concat([bytes, Buffer.from(isWhole ? '' : '/'), Buffer.from(name)]);
}

// Since Node 26 names of any bytes are gone into, and links to directories always.
function* byBytes(tree: Tree, path: FsPath, { encoding, isTyped }: Listing): Steps<(string | Buffer | Dirent)[]> {
  const found: (string | Buffer | Dirent)[] = [];
  const queue: Directory[] = [{ path, below: new Uint8Array(0), parent: path }];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const entry of entriesOf(tree, at.path, { syscall: 'scandir', path: at.path })) {
      const name = nameOf(entry, encoding);
      const below = joinBytes(at.below, entry.name);
      found.push(isTyped ? direntOf(name, at.parent, entry.mode) : encodeName(below, encoding));
      const inner = joinBytes(at.path, entry.name);
      const parent = typeof at.parent === 'string' && typeof name === 'string' ? join(at.parent, name) : joinBytes(at.parent, name);
      if (leadsToDirectory(tree, inner)) queue.push({ path: inner, below, parent });
      yield;
    }
  }
  return found;
}
