// Owns the copies of entries that were checked, which stay whatever becomes of the memory. An entry is decoded when it is asked
// for.

import { FIELDS, FILE, MKDIR, SIMPLE, type DirectoryEntry, type FileEntry } from './entry.js';
import { wordsU64 } from './numbers.js';

const WORD = Uint32Array.BYTES_PER_ELEMENT;
const OWNER = FIELDS.owner / WORD;
const EXTENT = FIELDS.extents / WORD;
// The words that are kept of each entry: those from its owner, or its size, to its mode, and place and length of the only extent.
const ROW = 10;
// As many as the shortest log has room for.
const AT_FIRST = 2 ** 14;

export class KeptEntries {
  // By index.
  #rows = new Uint32Array(AT_FIRST * ROW);
  // By index: files that do not have one extent.
  readonly #others = new Map<number, FileEntry>();

  /** Keeps entry `index`, that of a directory or of a file of one extent, which begins at `at` in `words`. It must be sound. */
  keep(index: number, words: Uint32Array, at: number): void {
    let row = index * ROW;
    if (row >= this.#rows.length) this.#grow(row);
    const rows = this.#rows;
    for (let from = at + OWNER; from < at + OWNER + 6; from++) rows[row++] = words[from] as number;
    for (let from = at + EXTENT + 2; from < at + EXTENT + 6; from++) rows[row++] = words[from] as number;
  }

  /** Keeps entry `index`, that of any file. It must be sound. */
  keepFile(index: number, entry: FileEntry): void {
    this.#others.set(index, entry);
  }

  /** The directory that entry `index` makes at `path`. */
  directoryAt(index: number, path: string): DirectoryEntry {
    const [uid = 0, gid = 0, mode = 0] = this.#row(index);
    return { type: MKDIR, uid, gid, mode, path };
  }

  /** The file that entry `index` makes at `path`. */
  fileAt(index: number, path: string): FileEntry {
    const other = this.#others.get(index);
    if (other !== undefined) return other;
    const row = this.#row(index);
    const [, , flags = 0, uid = 0, gid = 0, mode = 0] = row;
    const extents = [{ device: 0, offset: wordsU64(row, 6), length: wordsU64(row, 8) }];
    return { type: FILE, size: wordsU64(row, 0), flags, uid, gid, mode, path, extentType: SIMPLE, count: 1, chunk: 0, stripCount: 0, extents };
  }

  #row(index: number): Uint32Array {
    return this.#rows.subarray(index * ROW, (index + 1) * ROW);
  }

  // Entries that make nothing have rows too, so one may be far behind the last.
  #grow(row: number): void {
    let { length } = this.#rows;
    while (length <= row) length *= 2;
    const larger = new Uint32Array(length);
    larger.set(this.#rows);
    this.#rows = larger;
  }
}
