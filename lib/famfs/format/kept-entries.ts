// Owns what is kept of entries that were checked, whatever becomes of the memory that they lie on: of each file and directory, the
// bytes that it uses. They are decoded when somebody asks for it.

import { ENTRY_SIZE, entryMemory, FIELDS, MKDIR, pathOffset, readEntry, SIMPLE, TYPE, typeOf, usedEnd, type DirectoryEntry, type EntryMemory, type FileEntry } from './entry.js';

// Memory that is touched for the first time costs more than to fill it, so that as little as will do is kept. It is kept by words: a copy
// byte by byte takes four times as long in code that is not compiled yet.
const WORD = 4;
const PIECE = 2 ** 20;
const AT_FIRST = 2 ** 14;

/** What is kept first of an entry: what the rest is. */
const DIRECTORY = MKDIR;
/** A file of one extent, of which place and length are kept. */
const PLAIN = 2;
/** A file of which all is kept that says where it lies. */
const OTHER = 3;

const FIRST = FIELDS.owner;
const ONLY_EXTENT = FIELDS.extents + 8;
const ONLY_END = FIELDS.extents + 24;

export class KeptEntries {
  // Each entry lies in one piece: a word that says what it is, those from its fields to the NUL of its path, and those that say where its
  // file lies.
  readonly #pieces: Uint8Array[] = [];
  // The last piece, to be filled.
  #words = new Uint32Array();
  #end = 0;
  // By index: where an entry begins.
  #starts = new Float64Array(AT_FIRST);

  /** Keeps entry `index`, whose path ends at `pathEnd`. It must be sound. */
  keep(index: number, memory: EntryMemory, pathEnd: number): void {
    const { words } = memory;
    const kind = kindOf(memory);
    const fieldsEnd = wordAfter(pathEnd);
    const tail = (kind === PLAIN ? ONLY_EXTENT : FIELDS.extentType) / WORD;
    const tailEnd = kind === DIRECTORY ? tail : usedEnd(memory) / WORD;
    const length = (1 + fieldsEnd - FIRST / WORD + tailEnd - tail) * WORD;
    if (this.#end + length > this.#pieces.length * PIECE) this.#begin();
    this.#note(index);
    const kept = this.#words;
    let to = this.#placeOf(index) / WORD;
    kept[to++] = kind;
    for (let from = FIRST / WORD; from < fieldsEnd; from++) kept[to++] = words[from] as number;
    for (let from = tail; from < tailEnd; from++) kept[to++] = words[from] as number;
    this.#end += length;
  }

  /** Whether entry `index` is that of a directory. */
  isDirectory(index: number): boolean {
    return this.pieceOf(index)[this.#placeOf(index)] === DIRECTORY;
  }

  /** The memory that the path of entry `index` is in. */
  pieceOf(index: number): Uint8Array {
    return this.#pieces[Math.floor((this.#starts[index] as number) / PIECE)] as Uint8Array;
  }

  /** Where the path of entry `index` begins there. */
  pathOf(index: number): number {
    return this.#placeOf(index) + WORD + pathOffset(this.isDirectory(index)) - FIRST;
  }

  entryAt(index: number): FileEntry | DirectoryEntry {
    const memory = entryMemory(Buffer.alloc(ENTRY_SIZE));
    const { bytes } = memory;
    const piece = this.pieceOf(index);
    const place = this.#placeOf(index);
    const kind = piece[place];
    const end = wordAfter(piece.indexOf(0, this.pathOf(index))) * WORD;
    if (kind === DIRECTORY) bytes.writeUInt32LE(MKDIR, TYPE);
    bytes.set(piece.subarray(place + WORD, end), FIRST);
    if (kind === PLAIN) {
      bytes.writeUInt32LE(1, FIELDS.count);
      bytes.set(piece.subarray(end, end + ONLY_END - ONLY_EXTENT), ONLY_EXTENT);
    } else if (kind === OTHER) {
      bytes.set(piece.subarray(end, end + FIELDS.strips - FIELDS.extentType), FIELDS.extentType);
      bytes.set(piece.subarray(end, end + usedEnd(memory) - FIELDS.extentType), FIELDS.extentType);
    }
    return readEntry(memory) as FileEntry | DirectoryEntry;
  }

  #begin(): void {
    const piece = new Uint8Array(PIECE);
    this.#end = this.#pieces.push(piece) * PIECE - PIECE;
    this.#words = new Uint32Array(piece.buffer);
  }

  #placeOf(index: number): number {
    return (this.#starts[index] as number) % PIECE;
  }

  #note(index: number): void {
    if (index >= this.#starts.length) {
      const larger = new Float64Array(Math.max(index + 1, this.#starts.length * 2));
      larger.set(this.#starts);
      this.#starts = larger;
    }
    this.#starts[index] = this.#end;
  }
}

// The number of the first word behind the byte at `pos`.
function wordAfter(pos: number): number {
  return Math.floor(pos / WORD) + 1;
}

function kindOf(memory: EntryMemory): number {
  if (typeOf(memory) === MKDIR) return DIRECTORY;
  return memory.view.getUint32(FIELDS.extentType, true) === SIMPLE && usedEnd(memory) === ONLY_END ? PLAIN : OTHER;
}
