// Owns the destination of what is copied, moved or linked: into an existing directory, or under a new name.

import type { Command } from 'commander';
import type { Ext2Inode } from 'node-dax/ext2';
import type { MountedImage } from './image.js';
import { baseName, endsWithSlash, joined, shown } from '../../trees/names.js';

/** A name, taken or free, in a directory. */
export interface Dentry {
  readonly dir: Ext2Inode;
  readonly name: Uint8Array;
}

export interface Destination extends Dentry {
  /** The path of the name, for messages. */
  readonly path: Buffer;
}

/** Whether a path does not end with a name: it ends with `.` or `..`, or is `/` or empty. */
export function hasNoName(path: Uint8Array): boolean {
  return ['', '.', '..'].includes(baseName(path).toString('latin1'));
}

/**
 * The inode with the name at the end of `path`, for commands that remove it from there. Fails if the path leads to an inode
 * otherwise: by `.` and `..`, or through a link with a slash after it.
 */
export function ownName(mounted: MountedImage, path: Buffer): Dentry & { readonly inode: Ext2Inode } {
  if (hasNoName(path)) mounted.fail('EINVAL', path, 'it has no name of its own here: the root, `.` and `..` stay where they are');
  const inode = mounted.resolve(path, false);
  const place = mounted.parentOf(path);
  if (mounted.at(path, () => mounted.fs.lookup(place.dir, place.name))?.ino !== inode.ino) {
    mounted.fail('ENOTDIR', path, 'it is a symbolic link: name it without the slash, or name what it leads to');
  }
  return { ...place, inode };
}

/**
 * Returns a function that gives the destination of each of the `count` sources that go to `path`, which is looked up once. For
 * several sources it must be a directory. If it ends with a slash and does not exist, only a directory can go there.
 */
export function destinationAt(mounted: MountedImage, path: Buffer, count: number): (source: Uint8Array, isDirectory: boolean) => Destination {
  const there = mounted.find(path);
  if (there?.isDirectory === true) {
    return (source) => {
      const name = baseName(source);
      return { dir: there, name, path: joined(path, name) };
    };
  }
  if (count > 1) mounted.fail('ENOTDIR', path, 'several things go into a directory: make it first with `node-dax ext2 mkdir`');
  return (_source, isDirectory) => {
    if (endsWithSlash(path) && !isDirectory) mounted.fail('ENOTDIR', path, 'the directory is not there: `node-dax ext2 mkdir` makes it');
    return { ...mounted.parentOf(path), path };
  };
}

/** The names that a command has given so far. It does not give one of them again to something else. */
export class GivenNames {
  readonly #mounted: MountedImage;
  readonly #names = new Set<string>();

  constructor(mounted: MountedImage) {
    this.#mounted = mounted;
  }

  add(place: Dentry): void {
    this.#names.add(keyOf(place));
  }

  /** Fails if this command has given the name before. */
  check(place: Destination): void {
    if (this.#names.has(keyOf(place))) this.#mounted.fail('EEXIST', place.path, JUST_MADE);
  }
}

/** The hint of the error when a command would replace what it has made itself. */
export const JUST_MADE = 'this command has just put another thing there, which it will not overwrite: give this one another name';

function keyOf({ dir, name }: Dentry): string {
  return `${dir.ino}/${Buffer.from(name).toString('latin1')}`;
}

/** Splits paths into the destination, which is the last, and the sources before it. A single path is wrong usage. */
export function sourcesAndDestination(paths: readonly Buffer[], command: Command): { sources: Buffer[]; to: Buffer } {
  const to = paths.at(-1);
  if (to === undefined || paths.length < 2) command.error("error: missing required argument 'destination'", { exitCode: 2 });
  return { sources: paths.slice(0, -1), to };
}

/**
 * The `sources` without repetitions. Prints a message for each repetition. Two sources are the same if their `identityOf` and their
 * last names are equal.
 */
export function distinct<T extends { readonly path: Buffer }>(sources: readonly T[], identityOf: (source: T) => string): T[] {
  const met = new Set<string>();
  return sources.filter((source) => {
    const key = `${identityOf(source)}/${baseName(source.path).toString('latin1')}`;
    if (met.has(key)) console.error(`node-dax: ${shown(source.path)} is named twice: it is copied once`);
    return !met.has(key) && met.add(key);
  });
}
