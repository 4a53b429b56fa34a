// Owns walks through files outside of images, and the identity of such a file.

import { lstatSync, readdirSync } from 'node:fs';
import { SmallFiles, type FileStats, type SmallFile } from 'node-dax';
import { attempt, goOnAfter } from '../../trees/failures.js';
import { joined } from '../../trees/names.js';
import { walk, type Step, type Tree } from '../image/walk.js';

/** A file outside of images. Numbers are bigints, because overlayfs and mergerfs use all 64 bits of an inode number. */
export interface HostFile {
  readonly path: Buffer;
  readonly stats: FileStats;
  /** The content of a small regular file, valid until the walk goes on; undefined if it is to be read from `path`. */
  readonly content?: Uint8Array | undefined;
}

/** A string that identifies a file, whatever its name. */
export function identityOf({ dev, ino }: Pick<FileStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

/** The file at `path`. Symbolic links are not followed. */
export function lookAt(path: Buffer): HostFile {
  return { path, stats: lstatSync(path, { bigint: true }) };
}

// Bytes of small files that are read at once.
const ROOM = 256 * 1024;

/** Looks at the files of directories, and reads the small ones, many at a time. */
class ReadAhead {
  readonly #room: number;
  // Made for the first directory.
  #files: SmallFiles | undefined;
  // Of each directory that the walk is in, the names, and how many of them were read.
  readonly #directories = new Map<HostFile, { readonly names: readonly Buffer[]; read: number }>();
  // The files that were read but that the walk has not reached yet, in reverse. Only the last file of a batch can be a directory,
  // so the batch is used up before the walk enters the directory.
  #batch: (SmallFile | undefined)[] = [];

  constructor(room: number) {
    this.#room = room;
  }

  /** Takes the names in a directory, in the order of the walk. */
  enter(directory: HostFile, names: readonly Buffer[]): void {
    if (names.length > 0) this.#directories.set(directory, { names, read: 0 });
  }

  /** The next file of `directory`, whose name is `name`. */
  lookAt(directory: HostFile, name: Buffer): HostFile {
    const path = joined(directory.path, name);
    if (this.#batch.length === 0) this.#batch = this.#read(directory).reverse();
    const file = this.#batch.pop();
    return file === undefined ? lookAt(path) : { path, ...file };
  }

  #read(directory: HostFile): (SmallFile | undefined)[] {
    const state = this.#directories.get(directory);
    if (state === undefined) return [undefined];
    const { names, read } = state;
    const batch = (this.#files ??= new SmallFiles(this.#room)).read(directory.path, names.slice(read, read + SmallFiles.most));
    if (batch.length === 0) batch.push(undefined);
    state.read += batch.length;
    if (state.read === names.length) this.#directories.delete(directory);
    return batch;
  }
}

/**
 * Walks through a file or directory without following symbolic links. If something cannot be read, the walk calls `tell` with the
 * error and continues: the step then has no item, or nothing below it. `room` is for the content of small files, in bytes: with 0,
 * none are read.
 */
export function walkHost(top: HostFile, tell: (error: unknown) => void = goOnAfter, room = ROOM): Generator<Step<HostFile | undefined>> {
  const namesIn = (path: Buffer): Buffer[] =>
    (attempt(() => readdirSync(path, { encoding: 'buffer' }), tell) ?? []).sort((a, b) => Buffer.compare(a, b));
  const ahead = new ReadAhead(room);
  const tree: Tree<HostFile | undefined, Buffer> = {
    directoryId: (file) => (file?.stats.isDirectory() === true ? identityOf(file.stats) : undefined),
    children: (directory) => {
      const names = namesIn((directory as HostFile).path);
      ahead.enter(directory as HostFile, [...names]);
      return names;
    },
    bytesOf: (name) => name,
    item: (directory, name) => attempt(() => ahead.lookAt(directory as HostFile, name), tell),
  };
  return walk(tree, top);
}
