// Owns what is kept of entries that were checked, whatever becomes of the memory that they lie on: of each file and directory, the
// bytes that it uses. They are decoded when somebody asks for it.

import { ENTRY_SIZE, entryMemory, FIELDS, MKDIR, pathOffset, readEntry, SIMPLE, TYPE, typeOf, usedEnd, type DirectoryEntry, type EntryMemory, type FileEntry } from './entry.js';

// Memory that is touched for the first time costs more than to fill it, so that as little as will do is kept.
const PIECE = 2 ** 16;
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
  // Each entry lies in one piece: what it is, from its fields to the NUL of its path, and where its file lies.
  readonly #pieces: Uint8Array[] = [];
  #end = 0;
  // By index: where an entry begins.
  #starts = new Float64Array(AT_FIRST);

  /** Keeps entry `index`, whose path ends at `pathEnd`. It must be sound. */
  keep(index: number, memory: EntryMemory, pathEnd: number): void {
    const { bytes } = memory;
    const kind = kindOf(memory);
    const tail = kind === PLAIN ? ONLY_EXTENT : FIELDS.extentType;
    const tailEnd = kind === DIRECTORY ? tail : usedEnd(memory);
    const length = 1 + (pathEnd + 1 - FIRST) + (tailEnd - tail);
    if (this.#end + length > this.#pieces.length * PIECE) this.#end = this.#pieces.push(new Uint8Array(PIECE)) * PIECE - PIECE;
    this.#note(index);
    const piece = this.pieceOf(index);
    let to = this.#placeOf(index);
    piece[to++] = kind;
    for (let from = FIRST; from <= pathEnd; from++) piece[to++] = bytes[from] as number;
    for (let from = tail; from < tailEnd; from++) piece[to++] = bytes[from] as number;
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
    return this.#placeOf(index) + 1 + pathOffset(this.isDirectory(index)) - FIRST;
  }

  entryAt(index: number): FileEntry | DirectoryEntry {
    const memory = entryMemory(Buffer.alloc(ENTRY_SIZE));
    const { bytes } = memory;
    const piece = this.pieceOf(index);
    const place = this.#placeOf(index);
    const kind = piece[place];
    const end = piece.indexOf(0, this.pathOf(index)) + 1;
    if (kind === DIRECTORY) bytes.writeUInt32LE(MKDIR, TYPE);
    bytes.set(piece.subarray(place + 1, end), FIRST);
    if (kind === PLAIN) {
      bytes.writeUInt32LE(1, FIELDS.count);
      bytes.set(piece.subarray(end, end + ONLY_END - ONLY_EXTENT), ONLY_EXTENT);
    } else if (kind === OTHER) {
      bytes.set(piece.subarray(end, end + FIELDS.strips - FIELDS.extentType), FIELDS.extentType);
      bytes.set(piece.subarray(end, end + usedEnd(memory) - FIELDS.extentType), FIELDS.extentType);
    }
    return readEntry(memory) as FileEntry | DirectoryEntry;
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

function kindOf(memory: EntryMemory): number {
  if (typeOf(memory) === MKDIR) return DIRECTORY;
  return memory.view.getUint32(FIELDS.extentType, true) === SIMPLE && usedEnd(memory) === ONLY_END ? PLAIN : OTHER;
}
