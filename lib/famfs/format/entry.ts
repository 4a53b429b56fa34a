// Owns decoding and encoding the entries of the log, of 544 bytes each. Their contents are checked elsewhere.

import { crc32, hasChecksum, storeChecksum } from './crc.js';
import { readU64, writeU64 } from './numbers.js';
import { uuidText } from './uuid.js';

export const ENTRY_SIZE = 544;
export const MAX_EXTENTS = 16;
/** The maximum length of a path in bytes; one more byte ends it. */
export const MAX_PATH = 79;

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
const CRC = 536;
const EXTENT_SIZE = 24;
/** Where the fields are that are read of every entry, and where the path is in that of a file and in that of a directory. */
export const FIELDS = { type: 8, owner: 16, size: 16, directoryPath: 28, filePath: 40, extentType: 120, count: 128, extents: 136, strips: 152 } as const;

// The path at `pos`; undefined if no NUL ends it.
function readPath(bytes: Buffer, pos: number): string | undefined {
  const end = bytes.indexOf(0, pos);
  return end < 0 || end > pos + MAX_PATH ? undefined : bytes.toString('latin1', pos, end);
}

function readExtents(bytes: Buffer, pos: number, count: number): Extent[] {
  const extents: Extent[] = [];
  for (let index = 0, at = pos; index < Math.min(count, MAX_EXTENTS); index++, at += EXTENT_SIZE) {
    extents.push({ device: readU64(bytes, at), offset: readU64(bytes, at + 8), length: readU64(bytes, at + 16) });
  }
  return extents;
}

function readFile(bytes: Buffer): FileEntry {
  const extentType = bytes.readUInt32LE(FIELDS.extentType);
  const isStriped = extentType === INTERLEAVED;
  const count = bytes.readUInt32LE(FIELDS.count);
  const stripCount = isStriped ? readU64(bytes, FIELDS.extents) : 0;
  return {
    type: FILE,
    size: readU64(bytes, FIELDS.size),
    flags: bytes.readUInt32LE(24),
    uid: bytes.readUInt32LE(28),
    gid: bytes.readUInt32LE(32),
    mode: bytes.readUInt32LE(36),
    path: readPath(bytes, FIELDS.filePath),
    extentType,
    count,
    chunk: isStriped ? readU64(bytes, 144) : 0,
    stripCount,
    extents: isStriped ? readExtents(bytes, FIELDS.strips, stripCount) : readExtents(bytes, FIELDS.extents, count),
  };
}

/** Decodes the entry in `bytes`, whose checksum must have been checked. */
export function readEntry(bytes: Buffer): Entry {
  const number = bytes.readUInt32LE(FIELDS.type);
  if (number === FILE) return readFile(bytes);
  if (number === MKDIR) {
    const [uid, gid, mode] = [bytes.readUInt32LE(16), bytes.readUInt32LE(20), bytes.readUInt32LE(24)];
    return { type: MKDIR, uid, gid, mode, path: readPath(bytes, FIELDS.directoryPath) };
  }
  if (number === ADD_DAXDEV) {
    return { type: ADD_DAXDEV, size: readU64(bytes, 16), uuid: uuidText(bytes, 24), index: bytes.readUInt32LE(40) };
  }
  return { type: undefined, number };
}

/** Whether the checksum of the entry in `bytes` is right. */
export function isSummed(bytes: Buffer): boolean {
  return hasChecksum(bytes, 0, CRC, CRC);
}

// The CRC-32 of entries with right checksums, by the number of entries. The content of the entries has no influence on it: bytes
// followed by their CRC-32 always leave the same remainder, and the next entry continues from that.
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
  bytes.writeUInt32LE(entry.type, FIELDS.type);
  if (entry.type === MKDIR) {
    for (const [field, value] of [entry.uid, entry.gid, entry.mode].entries()) bytes.writeUInt32LE(value, 16 + field * 4);
    bytes.write(entry.path ?? '', FIELDS.directoryPath, MAX_PATH, 'latin1');
  } else {
    writeFile(bytes, entry);
  }
  storeChecksum(bytes, 0, CRC, CRC);
  return bytes;
}

function writeFile(bytes: Buffer, entry: FileEntry): void {
  writeU64(bytes, entry.size, 16);
  for (const [field, value] of [entry.flags, entry.uid, entry.gid, entry.mode].entries()) bytes.writeUInt32LE(value, 24 + field * 4);
  bytes.write(entry.path ?? '', FIELDS.filePath, MAX_PATH, 'latin1');
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
