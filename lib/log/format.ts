// Owns the format on the medium: the places, the superblock, checkpoints and record headers. docs/log.md shows them byte by byte.

import { crc32c } from 'node-dax';

/** The first bytes of a log. */
export const MAGIC = 'NDAXLOG\0';
export const VERSION = 1;

/** Positions count units of this many bytes; records begin at whole units. */
export const UNIT = 16;
/** Bytes of a record before its content. */
export const HEADER_SIZE = 16;

// Each word and each checkpoint has a cache line of its own.
export const SUPERBLOCK_SIZE = 64;
export const CHECKPOINT_SIZE = 64;
/** The position after the last record. */
export const TAIL_POS = 4096;
/** The position of the first record. */
export const HEAD_POS = 4160;
/** The next value of `HEAD_POS`, stored before it, so damage to either can be told from a power cut. */
export const NEXT_HEAD_POS = 4224;
export const CHECKPOINT_POS = [4288, 4352] as const;
export const RING_POS = 8192;

/** The smallest log: a page of records. */
export const MIN_SIZE = RING_POS + 4096;
/** The longest record: a view cannot be longer. */
export const MAX_LENGTH = 2 ** 31 - HEADER_SIZE;
/** No record may end past this position, so every position is a safe integer. */
export const MAX_POSITION = Number.MAX_SAFE_INTEGER - 1;

const WORD = 2 ** 32;
const SKIP = 2 ** 31;

export interface Superblock {
  readonly id: Uint8Array;
  /** Bytes of the device that the log occupies. */
  readonly size: number;
  /** The size of the ring in units. */
  readonly capacity: number;
}

/** The position and sequence of a record, from which a walk over the records can begin. */
export interface Checkpoint {
  readonly position: number;
  /** The sequence of the record at `position`. */
  readonly sequence: number;
}

/** Units that a record with `length` bytes of content takes. */
export function unitsOf(length: number): number {
  return Math.ceil((HEADER_SIZE + length) / UNIT);
}

/** The value with which all checksums of one log begin. */
export function seedOf(id: Uint8Array): number {
  return crc32c(id);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function getWord(data: DataView, offset: number): number {
  return data.getUint32(offset + 4, true) * WORD + data.getUint32(offset, true);
}

function setWord(data: DataView, offset: number, value: number): void {
  data.setUint32(offset, value % WORD, true);
  data.setUint32(offset + 4, Math.floor(value / WORD), true);
}

function checksumOfSuperblock(bytes: Uint8Array): number {
  return crc32c(bytes.subarray(16, SUPERBLOCK_SIZE), crc32c(bytes.subarray(0, 12)));
}

export function encodeSuperblock({ id, size, capacity }: Superblock): Uint8Array {
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  const data = viewOf(bytes);
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i);
  data.setUint32(8, VERSION, true);
  bytes.set(id, 16);
  setWord(data, 32, size);
  setWord(data, 40, RING_POS);
  setWord(data, 48, capacity * UNIT);
  data.setUint32(12, checksumOfSuperblock(bytes), true);
  return bytes;
}

/** The superblock; `'none'` if there is no log, `'damaged'` for a wrong checksum, a number for another version. */
export function decodeSuperblock(bytes: Uint8Array): Superblock | 'none' | 'damaged' | number {
  const data = viewOf(bytes);
  if (String.fromCharCode(...bytes.subarray(0, MAGIC.length)) !== MAGIC) return 'none';
  const version = data.getUint32(8, true);
  // Another version may have its checksum elsewhere.
  if (version !== VERSION) return version;
  if (data.getUint32(12, true) !== checksumOfSuperblock(bytes) || getWord(data, 40) !== RING_POS) return 'damaged';
  return { id: bytes.slice(16, 32), size: getWord(data, 32), capacity: getWord(data, 48) / UNIT };
}

/** The bytes of a checkpoint, in `bytes` if there are `CHECKPOINT_SIZE` that can be used again. */
export function encodeCheckpoint({ position, sequence }: Checkpoint, seed: number, bytes = new Uint8Array(CHECKPOINT_SIZE)): Uint8Array {
  const data = viewOf(bytes);
  setWord(data, 8, position);
  setWord(data, 16, sequence);
  data.setUint32(0, crc32c(bytes, seed, 4, CHECKPOINT_SIZE - 4), true);
  return bytes;
}

/** Decodes a checkpoint; undefined if it was only partly stored, or is damaged. */
export function decodeCheckpoint(bytes: Uint8Array, seed: number): Checkpoint | undefined {
  const data = viewOf(bytes);
  if (data.getUint32(0, true) !== crc32c(bytes.subarray(4), seed)) return undefined;
  return { position: getWord(data, 8), sequence: getWord(data, 16) };
}

/** The header of a record, as it was last loaded or is to be stored. The object is reused. */
export class Header {
  checksum = 0;
  /** Bytes of content; in a skip, bytes without meaning. */
  length = 0;
  /** In a skip, the sequence of the next record. */
  sequence = 0;
  /** Whether it is a skip, which stands for no record: records continue after it. */
  isSkip = false;

  load(data: DataView, offset: number): void {
    const high = data.getUint32(offset + 12, true);
    this.checksum = data.getUint32(offset, true);
    this.length = data.getUint32(offset + 4, true);
    this.isSkip = high >= SKIP;
    this.sequence = (this.isSkip ? high - SKIP : high) * WORD + data.getUint32(offset + 8, true);
  }
}

/** Stores a header without its checksum, which covers its other bytes and, unless it is a skip, the content. */
export function storeHeader(data: DataView, offset: number, length: number, sequence: number, isSkip: boolean): void {
  data.setUint32(offset + 4, length, true);
  data.setUint32(offset + 8, sequence % WORD, true);
  data.setUint32(offset + 12, Math.floor(sequence / WORD) + (isSkip ? SKIP : 0), true);
}
