// Owns decoding and encoding the entries of the log, of 544 bytes each. Their contents are checked elsewhere.

import { crc32, storeChecksum } from './crc.js';
import { viewU64, writeU64 } from './numbers.js';
import { uuidText } from './uuid.js';

export const ENTRY_SIZE = 544;
export const MAX_EXTENTS = 16;
/** The maximum length of a path in bytes; one more byte ends it. */
const MAX_PATH = 79;

export const FILE = 0;
export const MKDIR = 1;
export const ADD_DAXDEV = 3;

export const SIMPLE = 0;
export const INTERLEAVED = 1;

/** A run of bytes of the memory. */
export interface Extent {
  readonly device: number;
  /** Bytes from the start of the device. */
  readonly offset: number;
  readonly length: number;
}

export interface DirectoryEntry {
  readonly type: typeof MKDIR;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** One character per byte; undefined if no NUL ends it. */
  readonly path: string | undefined;
}

export interface FileEntry extends Omit<DirectoryEntry, 'type'> {
  readonly type: typeof FILE;
  /** Bytes. */
  readonly size: number;
  readonly flags: number;
  readonly extentType: number;
  /** The number of extents, or of interleaved extents. */
  readonly count: number;
  /** Bytes of a chunk; 0 if the file is not striped. */
  readonly chunk: number;
  /** The number of strips; 0 if the file is not striped. */
  readonly stripCount: number;
  /** The extents, or the strips: at most 16, even if their count says more. */
  readonly extents: readonly Extent[];
}

export interface DeviceEntry {
  readonly type: typeof ADD_DAXDEV;
  readonly size: number;
  readonly uuid: string;
  readonly index: number;
}

export interface OtherEntry {
  readonly type: undefined;
  readonly number: number;
}

export type Entry = FileEntry | DirectoryEntry | DeviceEntry | OtherEntry;

const SEQNUM = 0;
/** Where an entry's type is. */
export const TYPE = 8;
const CRC = 536;
const FILE_PATH = 40;
const DIRECTORY_PATH = 28;
const EXTENT_SIZE = 24;
/** Where the fields are that say what a directory or file is, and those of a file that say how long it is and where it lies. */
export const FIELDS = { owner: 16, size: 16, extentType: 120, count: 128, extents: 136, strips: 152 } as const;

/** The memory of one entry. */
export interface EntryMemory {
  readonly bytes: Buffer;
  /** The same bytes. It gives their numbers to code that is not compiled yet much faster than a Buffer does. */
  readonly view: DataView;
  /** The same bytes, to be copied. */
  readonly words: Uint32Array;
  /** Those of them that its checksum is of. */
  readonly checked: Uint8Array;
}

/** The memory of the entry that begins at `pos`, which must lie at a multiple of 4 bytes of its memory. */
export function entryMemory(bytes: Buffer, pos = 0): EntryMemory {
  const { buffer, byteOffset } = bytes;
  const at = byteOffset + pos;
  return {
    bytes: bytes.subarray(pos, pos + ENTRY_SIZE),
    view: new DataView(buffer, at, ENTRY_SIZE),
    words: new Uint32Array(buffer, at, ENTRY_SIZE / Uint32Array.BYTES_PER_ELEMENT),
    checked: new Uint8Array(buffer, at, CRC),
  };
}

/** The type of an entry: `FILE`, `MKDIR`, `ADD_DAXDEV` or another number. */
export function typeOf({ view }: EntryMemory): number {
  return view.getUint32(TYPE, true);
}

/** Where the path of a file or directory begins in its entry. */
export function pathOffset(isDirectory: boolean): number {
  return isDirectory ? DIRECTORY_PATH : FILE_PATH;
}

/** Where, from its beginning, a sound entry of a file says nothing more: its extents end there. */
export function usedEnd({ view }: EntryMemory): number {
  const isStriped = view.getUint32(FIELDS.extentType, true) === INTERLEAVED;
  if (isStriped) return FIELDS.strips + viewU64(view, FIELDS.extents) * EXTENT_SIZE;
  return FIELDS.extents + view.getUint32(FIELDS.count, true) * EXTENT_SIZE;
}

/** The path at `pos`, one character per byte; undefined if no NUL ends it. */
export function readPath(bytes: Buffer, pos: number): string | undefined {
  const end = bytes.indexOf(0, pos);
  return end < 0 || end > pos + MAX_PATH ? undefined : bytes.toString('latin1', pos, end);
}

function readExtents(view: DataView, pos: number, count: number): Extent[] {
  const extents: Extent[] = [];
  for (let index = 0, at = pos; index < Math.min(count, MAX_EXTENTS); index++, at += EXTENT_SIZE) {
    extents.push({ device: viewU64(view, at), offset: viewU64(view, at + 8), length: viewU64(view, at + 16) });
  }
  return extents;
}

function readFile({ bytes, view }: EntryMemory): FileEntry {
  const extentType = view.getUint32(FIELDS.extentType, true);
  const isStriped = extentType === INTERLEAVED;
  const count = view.getUint32(FIELDS.count, true);
  const stripCount = isStriped ? viewU64(view, FIELDS.extents) : 0;
  return {
    type: FILE,
    size: viewU64(view, FIELDS.size),
    flags: view.getUint32(24, true),
    uid: view.getUint32(28, true),
    gid: view.getUint32(32, true),
    mode: view.getUint32(36, true),
    path: readPath(bytes, FILE_PATH),
    extentType,
    count,
    chunk: isStriped ? viewU64(view, 144) : 0,
    stripCount,
    extents: isStriped ? readExtents(view, FIELDS.strips, stripCount) : readExtents(view, FIELDS.extents, count),
  };
}

/** Decodes an entry, whose checksum must have been checked. */
export function readEntry(memory: EntryMemory): Entry {
  const { bytes, view } = memory;
  const number = typeOf(memory);
  if (number === FILE) return readFile(memory);
  if (number === MKDIR) {
    const [uid, gid, mode] = [view.getUint32(16, true), view.getUint32(20, true), view.getUint32(24, true)];
    return { type: MKDIR, uid, gid, mode, path: readPath(bytes, DIRECTORY_PATH) };
  }
  if (number === ADD_DAXDEV) {
    return { type: ADD_DAXDEV, size: viewU64(view, 16), uuid: uuidText(bytes, 24), index: view.getUint32(40, true) };
  }
  return { type: undefined, number };
}

/** The field that shows that the bytes are not entry `index`; undefined if none does. `isSummed`: its checksum is known to be right. */
export function unsound({ view, checked }: EntryMemory, index: number, isSummed = false): 'seqnum' | 'crc' | undefined {
  if (viewU64(view, SEQNUM) !== index) return 'seqnum';
  return isSummed || viewU64(view, CRC) === crc32(checked) ? undefined : 'crc';
}

// By their number, the CRC-32 of entries with right checksums. What else they say has no influence on it: bytes and their CRC-32
// after them leave a remainder that is always the same, and that is where the next entry begins.
const SUMS = [0];

function sumOf(entries: number): number {
  if (SUMS.length <= entries) {
    const blank = Buffer.alloc(ENTRY_SIZE);
    storeChecksum(blank, 0, CRC, CRC);
    for (let count = SUMS.length; count <= entries; count++) SUMS.push(crc32(blank, SUMS[count - 1]));
  }
  return SUMS[entries] as number;
}

/** Whether every entry in `bytes`, which are whole entries one after the other, has a right checksum. One call for each takes much longer. */
export function haveChecksums(bytes: Buffer): boolean {
  const entries = bytes.byteLength / ENTRY_SIZE;
  return Number.isInteger(entries) && crc32(bytes) === sumOf(entries);
}

/** The bytes of entry `index`. Unused bytes are zeros. */
export function entryBytes(entry: FileEntry | DirectoryEntry, index: number): Buffer {
  const bytes = Buffer.alloc(ENTRY_SIZE);
  writeU64(bytes, index, SEQNUM);
  bytes.writeUInt32LE(entry.type, TYPE);
  if (entry.type === MKDIR) {
    for (const [field, value] of [entry.uid, entry.gid, entry.mode].entries()) bytes.writeUInt32LE(value, 16 + field * 4);
    bytes.write(entry.path ?? '', DIRECTORY_PATH, MAX_PATH, 'latin1');
  } else {
    writeFile(bytes, entry);
  }
  storeChecksum(bytes, 0, CRC, CRC);
  return bytes;
}

function writeFile(bytes: Buffer, entry: FileEntry): void {
  writeU64(bytes, entry.size, 16);
  for (const [field, value] of [entry.flags, entry.uid, entry.gid, entry.mode].entries()) bytes.writeUInt32LE(value, 24 + field * 4);
  bytes.write(entry.path ?? '', FILE_PATH, MAX_PATH, 'latin1');
  bytes.writeUInt32LE(entry.extentType, 120);
  bytes.writeUInt32LE(entry.count, 128);
  const isStriped = entry.extentType === INTERLEAVED;
  if (isStriped) {
    writeU64(bytes, entry.stripCount, 136);
    writeU64(bytes, entry.chunk, 144);
  }
  for (const [index, { device, offset, length }] of entry.extents.entries()) {
    const at = (isStriped ? FIELDS.strips : FIELDS.extents) + index * EXTENT_SIZE;
    writeU64(bytes, device, at);
    writeU64(bytes, offset, at + 8);
    writeU64(bytes, length, at + 16);
  }
}
