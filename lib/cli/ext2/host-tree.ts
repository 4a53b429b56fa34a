// Owns the files outside of images as a tree, and what tells one of them from another.

import { lstatSync, readdirSync, type BigIntStats } from 'node:fs';
import { attempt, goOnAfter } from '../trees/failures.js';
import { joined } from '../trees/names.js';
import { walk, type Step, type Tree } from './walk.js';

/** A file outside. A double has not the bits for every number of an inode: overlayfs and mergerfs use all 64. */
export interface HostFile {
  readonly path: Buffer;
  readonly stats: BigIntStats;
}

/** What tells a file from another, whatever its names. */
export function identityOf({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

/** What is at `path`; a symbolic link itself. */
export function lookAt(path: Buffer): HostFile {
  return { path, stats: lstatSync(path, { bigint: true }) };
}

/**
 * A walk from a file or directory on; symbolic links are not followed. What cannot be read keeps nobody from the rest: `tell`
 * has its error, and the step no item, or nothing below it.
 */
export function walkHost(top: HostFile, tell: (error: unknown) => void = goOnAfter): Generator<Step<HostFile | undefined>> {
  const namesIn = (path: Buffer): Buffer[] =>
    (attempt(() => readdirSync(path, { encoding: 'buffer' }), tell) ?? []).sort((a, b) => Buffer.compare(a, b));
  const tree: Tree<HostFile | undefined, Buffer> = {
    directoryId: (file) => (file?.stats.isDirectory() === true ? identityOf(file.stats) : undefined),
    children: (directory) => namesIn((directory as HostFile).path),
    bytesOf: (name) => name,
    item: (directory, name) => attempt(() => lookAt(joined((directory as HostFile).path, name)), tell),
  };
  return walk(tree, top);
}
