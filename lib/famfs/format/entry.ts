// Owns decoding and encoding the entries of the log, of 544 bytes each. Their contents are checked elsewhere.

import { hasChecksum, storeChecksum } from './crc.js';
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
const TYPE = 8;
const CRC = 536;
const FILE_PATH = 40;
const DIRECTORY_PATH = 28;
const EXTENT_SIZE = 24;

/** Memory with entries in it. A view gives their numbers to code that is not compiled yet much faster than a Buffer does. */
export interface EntryMemory {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function entryMemory(bytes: Buffer): EntryMemory {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

function readPath(bytes: Buffer, pos: number): string | undefined {
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

function readFile({ bytes, view }: EntryMemory, at: number): FileEntry {
  const extentType = view.getUint32(at + 120, true);
  const isStriped = extentType === INTERLEAVED;
  const count = view.getUint32(at + 128, true);
  const stripCount = isStriped ? viewU64(view, at + 136) : 0;
  return {
    type: FILE,
    size: viewU64(view, at + 16),
    flags: view.getUint32(at + 24, true),
    uid: view.getUint32(at + 28, true),
    gid: view.getUint32(at + 32, true),
    mode: view.getUint32(at + 36, true),
    path: readPath(bytes, at + FILE_PATH),
    extentType,
    count,
    chunk: isStriped ? viewU64(view, at + 144) : 0,
    stripCount,
    extents: isStriped ? readExtents(view, at + 152, stripCount) : readExtents(view, at + 136, count),
  };
}

/** Decodes the entry at `at`, whose checksum must have been checked. */
export function readEntry(memory: EntryMemory, at: number): Entry {
  const { bytes, view } = memory;
  const number = view.getUint32(at + TYPE, true);
  if (number === FILE) return readFile(memory, at);
  if (number === MKDIR) {
    const [uid, gid, mode] = [view.getUint32(at + 16, true), view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
    return { type: MKDIR, uid, gid, mode, path: readPath(bytes, at + DIRECTORY_PATH) };
  }
  if (number === ADD_DAXDEV) {
    return { type: ADD_DAXDEV, size: viewU64(view, at + 16), uuid: uuidText(bytes, at + 24), index: view.getUint32(at + 40, true) };
  }
  return { type: undefined, number };
}

/** The field that shows that the bytes at `at` are not entry `index`; undefined if none does. */
export function unsound({ bytes, view }: EntryMemory, at: number, index: number): 'seqnum' | 'crc' | undefined {
  if (viewU64(view, at + SEQNUM) !== index) return 'seqnum';
  return hasChecksum(bytes, at, at + CRC, at + CRC) ? undefined : 'crc';
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
    const at = (isStriped ? 152 : 136) + index * EXTENT_SIZE;
    writeU64(bytes, device, at);
    writeU64(bytes, offset, at + 8);
    writeU64(bytes, length, at + 16);
  }
}
