// Owns walks through files outside of images, and the identity of such a file.

import { lstatSync, readdirSync, type BigIntStats } from 'node:fs';
import { attempt, goOnAfter } from '../../trees/failures.js';
import { joined } from '../../trees/names.js';
import { walk, type Step, type Tree } from '../image/walk.js';

/** A file outside of images. Numbers are bigints, because overlayfs and mergerfs use all 64 bits of an inode number. */
export interface HostFile {
  readonly path: Buffer;
  readonly stats: BigIntStats;
}

/** A string that identifies a file, whatever its name. */
export function identityOf({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

/** The file at `path`. Symbolic links are not followed. */
export function lookAt(path: Buffer): HostFile {
  return { path, stats: lstatSync(path, { bigint: true }) };
}

/**
 * Walks through a file or directory without following symbolic links. If something cannot be read, the walk calls `tell` with the
 * error and continues: the step then has no item, or nothing below it.
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
