// Owns where something goes that is copied, moved or linked: into a directory that is there, or under a new name.

import type { Command } from 'commander';
import type { Ext2Inode } from 'node-dax/ext2';
import type { MountedImage } from './image.js';
import { baseName, joined } from './names.js';

export interface Destination {
  readonly dir: Ext2Inode;
  readonly name: Uint8Array;
  /** Both, for people. */
  readonly path: Buffer;
}

const SLASH = 0x2f;

/** Whether a path ends with what is no name of its own: `.`, `..`, or nothing. */
export function hasNoName(path: Uint8Array): boolean {
  return ['', '.', '..'].includes(baseName(path).toString('latin1'));
}

/**
 * Where `source` goes when it goes to `path`. With `isOneOfMany` there must be a directory; a name that ends with a slash is
 * only for what is a directory itself.
 */
export function destinationOf(
  mounted: MountedImage,
  path: Buffer,
  source: Uint8Array,
  { isOneOfMany = false, isDirectory = false } = {},
): Destination {
  const there = mounted.find(path);
  if (there?.isDirectory === true) {
    const name = baseName(source);
    return { dir: there, name, path: joined(path, name) };
  }
  if (isOneOfMany) mounted.fail('ENOTDIR', path, 'several things go into a directory: make it first with `node-dax ext2 mkdir`');
  if (path.at(-1) === SLASH && !isDirectory) mounted.fail('ENOTDIR', path, 'the directory is not there: `node-dax ext2 mkdir` makes it');
  return { ...mounted.parentOf(path), path };
}

/** The last of several paths, and those before it: the sources and the destination. Wrong usage for a single path. */
export function sourcesAndDestination(paths: readonly Buffer[], command: Command): { sources: Buffer[]; to: Buffer } {
  const to = paths.at(-1);
  if (to === undefined || paths.length < 2) command.error("error: missing required argument 'destination'", { exitCode: 2 });
  return { sources: paths.slice(0, -1), to };
}
