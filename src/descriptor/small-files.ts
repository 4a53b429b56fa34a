// Owns reading the small files of a directory: many of them in one call, each with its attributes and its content.

import type { BigIntStats } from 'node:fs';
import { addon } from '../binding.js';

const S_IFMT = 0o170000n;
const S_IFDIR = 0o040000n;
const S_IFLNK = 0o120000n;
const S_IFREG = 0o100000n;

// The fields of a file, 64 bits each, in the order of native/napi/files/small_files.cc.
const FIELDS = 12;
const MOST_FILES = 128;
const NUL = Buffer.alloc(1);

/** The attributes of a file, as `lstatSync` with `bigint: true` gives them. */
export type FileStats = Pick<
  BigIntStats,
  'dev' | 'ino' | 'mode' | 'nlink' | 'uid' | 'gid' | 'rdev' | 'size' | 'atimeNs' | 'mtimeNs' | 'isFile' | 'isDirectory' | 'isSymbolicLink'
>;

/** A file that `SmallFiles` has looked at, without following symbolic links. */
export interface SmallFile {
  readonly stats: FileStats;
  /** The whole content of a regular file, valid until the next call; undefined if it is to be read in another way. */
  readonly content: Uint8Array | undefined;
}

class Stats implements FileStats {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev: bigint;
  readonly size: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;

  constructor(fields: BigInt64Array, at: number) {
    const field = (index: number): bigint => fields[at + index] as bigint;
    this.dev = field(0);
    this.ino = field(1);
    this.mode = field(2);
    this.nlink = field(3);
    this.uid = field(4);
    this.gid = field(5);
    this.rdev = field(6);
    this.size = field(7);
    this.atimeNs = field(8);
    this.mtimeNs = field(9);
  }

  isFile(): boolean {
    return this.#type === S_IFREG;
  }

  isDirectory(): boolean {
    return this.#type === S_IFDIR;
  }

  isSymbolicLink(): boolean {
    return this.#type === S_IFLNK;
  }

  get #type(): bigint {
    // eslint-disable-next-line no-bitwise -- st_mode
    return this.mode & S_IFMT;
  }
}

/** A buffer for the files of a directory. */
export class SmallFiles {
  /** The most files that one call looks at. */
  static readonly most = MOST_FILES;
  readonly #content: Buffer;
  readonly #fields = new BigInt64Array(FIELDS * MOST_FILES);
  readonly #fieldBytes = new Uint8Array(this.#fields.buffer);

  /** Files of fewer bytes than `room` are read. */
  constructor(room: number) {
    this.#content = Buffer.allocUnsafeSlow(room);
  }

  /**
   * Looks at files of the directory at the path `directory`, in the order of `names`, and reads those that are small. Ends after a
   * directory, when the buffer is full, and after `SmallFiles.most` files. Returns one element for each file that it looked at,
   * undefined for a file that cannot be looked at. Returns no elements if the directory cannot be opened.
   */
  read(directory: Uint8Array, names: readonly Uint8Array[]): (SmallFile | undefined)[] {
    const list = names.slice(0, MOST_FILES).flatMap((name) => [name, NUL]);
    const count = addon().readSmallFiles(Buffer.concat([directory, NUL]), Buffer.concat(list), this.#content, this.#fieldBytes);
    return Array.from({ length: Math.max(0, count) }, (_, index) => this.#file(index * FIELDS));
  }

  #file(at: number): SmallFile | undefined {
    const [error, offset] = [this.#fields[at + 10], Number(this.#fields[at + 11])];
    if (error !== 0n) return undefined;
    const stats = new Stats(this.#fields, at);
    return { stats, content: offset < 0 ? undefined : this.#content.subarray(offset, offset + Number(stats.size)) };
  }
}
