// Owns where something goes that is copied, moved or linked: into a directory that is there, or under a new name.

import type { Command } from 'commander';
import type { Ext2Inode } from 'node-dax/ext2';
import type { MountedImage } from './image.js';
import { baseName, endsWithSlash, joined, shown } from '../trees/names.js';

/** A name in a directory, which something may have. */
export interface Place {
  readonly dir: Ext2Inode;
  readonly name: Uint8Array;
}

export interface Destination extends Place {
  /** Both, for people. */
  readonly path: Buffer;
}

/** Whether a path ends with what is no name of its own: `.`, `..`, or nothing. */
export function hasNoName(path: Uint8Array): boolean {
  return ['', '.', '..'].includes(baseName(path).toString('latin1'));
}

/**
 * What has the name at the end of `path`, for commands that take it away from there. Fails where the path leads to it in
 * another way: by `.` and `..`, or through a link with a slash after it.
 */
export function ownName(mounted: MountedImage, path: Buffer): Place & { readonly inode: Ext2Inode } {
  if (hasNoName(path)) mounted.fail('EINVAL', path, 'it has no name of its own here: the root, `.` and `..` stay where they are');
  const inode = mounted.resolve(path, false);
  const place = mounted.parentOf(path);
  if (mounted.at(path, () => mounted.fs.lookup(place.dir, place.name))?.ino !== inode.ino) {
    mounted.fail('ENOTDIR', path, 'it is a symbolic link: name it without the slash, or name what it leads to');
  }
  return { ...place, inode };
}

/**
 * Where each of `count` sources goes that go to `path`, which is looked up once: for several there must be a directory. A name
 * that ends with a slash is only for what is a directory itself.
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

/** What names a command has given until now: it gives none of them away to another thing. */
export class GivenNames {
  readonly #mounted: MountedImage;
  readonly #names = new Set<string>();

  constructor(mounted: MountedImage) {
    this.#mounted = mounted;
  }

  add(place: Place): void {
    this.#names.add(keyOf(place));
  }

  /** Fails where this command gave the name before. */
  check(place: Destination): void {
    if (this.#names.has(keyOf(place))) this.#mounted.fail('EEXIST', place.path, JUST_MADE);
  }
}

/** Why what a command made is not replaced by what comes later. */
export const JUST_MADE = 'this command has just put another thing there, which it will not overwrite: give this one another name';

function keyOf({ dir, name }: Place): string {
  return `${dir.ino}/${Buffer.from(name).toString('latin1')}`;
}

/** The last of several paths, and those before it: the sources and the destination. Wrong usage for a single path. */
export function sourcesAndDestination(paths: readonly Buffer[], command: Command): { sources: Buffer[]; to: Buffer } {
  const to = paths.at(-1);
  if (to === undefined || paths.length < 2) command.error("error: missing required argument 'destination'", { exitCode: 2 });
  return { sources: paths.slice(0, -1), to };
}

/** The `sources` without those that are there twice, which is told. They are the same if `identityOf` and their last names are. */
export function distinct<T extends { readonly path: Buffer }>(sources: readonly T[], identityOf: (source: T) => string): T[] {
  const met = new Set<string>();
  return sources.filter((source) => {
    const key = `${identityOf(source)}/${baseName(source.path).toString('latin1')}`;
    if (met.has(key)) console.error(`node-dax: ${shown(source.path)} is named twice: it is copied once`);
    return !met.has(key) && met.add(key);
  });
}
