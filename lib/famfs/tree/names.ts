// Owns the names of the tree by number: a log has many entries, and most of them nobody ever asks for. The root has number 0, and what
// entry `index` makes has `index` + 1. The names lie in the entries.

/* eslint-disable no-bitwise -- hashes of 32 bits, no offsets */

import type { KeptEntries } from '../format/kept-entries.js';
import { hashOfName, ROOT_HASH, type StoredPath } from './path.js';

const ROOT = 0;
// As many as the shortest log has room for.
const AT_FIRST = 2 ** 14;

export class Names {
  readonly #entries: KeptEntries;
  // By number: the hash of the path, the directory, the first and last in a directory and how many directories are in it, the next in
  // the same directory, and where in the path the name begins and ends.
  #hashes = new Int32Array(AT_FIRST);
  #parents = new Int32Array(AT_FIRST);
  #firsts = new Int32Array(AT_FIRST);
  #lasts = new Int32Array(AT_FIRST);
  #directories = new Int32Array(AT_FIRST);
  #nexts = new Int32Array(AT_FIRST);
  #starts = new Uint8Array(AT_FIRST);
  #ends = new Uint8Array(AT_FIRST);
  // Numbers, from the place on that the hash says; 0 where there is none.
  #table = new Int32Array(2 * AT_FIRST);

  constructor(entries: KeptEntries) {
    this.#entries = entries;
    this.#hashes[ROOT] = ROOT_HASH;
  }

  /** Whether a number is that of a directory. */
  isDirectory(number: number): boolean {
    return number === ROOT || this.#entries.isDirectory(number - 1);
  }

  parentOf(number: number): number {
    return this.#parents[number] as number;
  }

  /** The number of directories directly in a directory. */
  directoriesIn(number: number): number {
    return this.#directories[number] as number;
  }

  /** The last name of its path, one character per byte. */
  nameOf(number: number): string {
    const path = this.#entries.pathOf(number - 1);
    const { buffer } = this.#entries.pieceOf(number - 1);
    return Buffer.from(buffer).toString('latin1', path + (this.#starts[number] as number), path + (this.#ends[number] as number));
  }

  /** The numbers in a directory, in the order in which they were added: all, or those added later than `after`, which is one of them. */
  *in(directory: number, after?: number): Generator<number> {
    if (after !== undefined && this.#parents[after] !== directory) return;
    const first = after === undefined ? this.#firsts[directory] : this.#nexts[after];
    for (let number = first as number; number !== 0; number = this.#nexts[number] as number) yield number;
  }

  /** The number of a name in a directory; 0 if there is none. */
  find(directory: number, name: string): number {
    const hash = hashOfName(this.#hashes[directory] as number, name);
    for (let place = hash; ; place++) {
      const number = this.#at(place);
      if (number === 0 || (this.#hashes[number] === hash && this.#parents[number] === directory && this.#isNamed(number, name))) return number;
    }
  }

  /** The number of a path; 0 if there is none. */
  findPath(path: StoredPath): number {
    return this.#find(path, path.hash, path.end);
  }

  /** The number of the directory that a path is in; undefined if there is none. */
  findParent(path: StoredPath): number | undefined {
    if (path.name === path.start) return ROOT;
    const number = this.#find(path, path.parentHash, path.name - 1);
    return number !== 0 && this.isDirectory(number) ? number : undefined;
  }

  /** Adds what entry `index`, which must be kept, makes at `path` in a directory, which must contain nothing of that name. */
  add(index: number, { start, name, end, hash }: StoredPath, directory: number): void {
    const number = index + 1;
    if (number >= this.#hashes.length) this.#grow(number);
    this.#hashes[number] = hash;
    this.#parents[number] = directory;
    this.#starts[number] = name - start;
    this.#ends[number] = end - start;
    const last = this.#lasts[directory] as number;
    if (last === 0) this.#firsts[directory] = number;
    else this.#nexts[last] = number;
    this.#lasts[directory] = number;
    if (this.isDirectory(number)) this.#directories[directory] = this.directoriesIn(directory) + 1;
    this.#enter(number);
  }

  #at(place: number): number {
    return this.#table[place & (this.#table.length - 1)] as number;
  }

  // What has the path's bytes up to before `end`.
  #find(path: StoredPath, hash: number, end: number): number {
    for (let place = hash; ; place++) {
      const number = this.#at(place);
      if (number === 0 || (this.#hashes[number] === hash && this.#has(number, path, end))) return number;
    }
  }

  #has(number: number, { bytes, start }: StoredPath, end: number): boolean {
    if (this.#ends[number] !== end - start) return false;
    const own = this.#entries.pieceOf(number - 1);
    const from = this.#entries.pathOf(number - 1);
    for (let at = 0; at < end - start; at++) if (own[from + at] !== bytes[start + at]) return false;
    return true;
  }

  #isNamed(number: number, name: string): boolean {
    const start = this.#starts[number] as number;
    if ((this.#ends[number] as number) - start !== name.length) return false;
    const own = this.#entries.pieceOf(number - 1);
    const from = this.#entries.pathOf(number - 1) + start;
    for (let at = 0; at < name.length; at++) if (own[from + at] !== name.charCodeAt(at)) return false;
    return true;
  }

  #enter(number: number): void {
    let place = this.#hashes[number] as number;
    while (this.#at(place) !== 0) place++;
    this.#table[place & (this.#table.length - 1)] = number;
  }

  // At most half of the table is taken.
  #grow(number: number): void {
    // Entries that make nothing have numbers too, so that one may be far above the last.
    let size = this.#hashes.length * 2;
    while (size <= number) size *= 2;
    const larger = <T extends Int32Array | Uint8Array>(old: T, made: T): T => {
      made.set(old);
      return made;
    };
    this.#hashes = larger(this.#hashes, new Int32Array(size));
    this.#parents = larger(this.#parents, new Int32Array(size));
    this.#firsts = larger(this.#firsts, new Int32Array(size));
    this.#lasts = larger(this.#lasts, new Int32Array(size));
    this.#directories = larger(this.#directories, new Int32Array(size));
    this.#nexts = larger(this.#nexts, new Int32Array(size));
    this.#starts = larger(this.#starts, new Uint8Array(size));
    this.#ends = larger(this.#ends, new Uint8Array(size));
    this.#table = new Int32Array(2 * size);
    // An entry that made nothing has no name.
    for (let old = 1; old < number; old++) if (this.#ends[old] !== 0) this.#enter(old);
  }
}
