// Owns the files outside of images as a tree.

import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { joined } from './names.js';
import { walk, type Step, type Tree } from './walk.js';

export interface HostFile {
  readonly path: Buffer;
  readonly stats: Stats;
}

/** What tells a file from another, whatever its names. */
export function identityOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

const TREE: Tree<HostFile> = {
  directoryId: ({ stats }) => (stats.isDirectory() ? identityOf(stats) : undefined),
  children: ({ path }) =>
    readdirSync(path, { encoding: 'buffer' })
      .sort((a, b) => Buffer.compare(a, b))
      .map((name) => {
        const child = joined(path, name);
        return { name, item: { path: child, stats: lstatSync(child) } };
      }),
};

/** A walk from a file or directory on; symbolic links are not followed. */
export function walkHost(top: HostFile): Generator<Step<HostFile>> {
  return walk(TREE, top);
}
