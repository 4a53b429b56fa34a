// Owns the header of the log: its fixed part, and the two counters that say how many entries there are.

import { hasChecksum, storeChecksum } from './crc.js';
import { ENTRY_SIZE } from './entry.js';
import { fail } from './error.js';
import { readU64, writeU64 } from './numbers.js';
import { LOG_OFFSET } from './superblock.js';

const LOG_MAGIC = 0xbadcafef00d;
export const HEADER_SIZE = 48;
const CHECKED = 24;
/** Where the two counters are in the memory. They share a cache line. */
export const COUNTERS = LOG_OFFSET + 32;
export const COUNTERS_SIZE = 16;

/** The number of entries for which a log of `length` bytes has room. */
export function capacityOf(length: number): number {
  return Math.floor((length - HEADER_SIZE) / ENTRY_SIZE);
}

/** Where entry `index` is in the memory. */
export function positionOf(index: number): number {
  return LOG_OFFSET + HEADER_SIZE + index * ENTRY_SIZE;
}

/** Throws `EUCLEAN`, with the field that is wrong, unless `bytes` are the header of a log of `length` bytes. */
export function checkHeader(bytes: Buffer, length: number, syscall: string): void {
  const refuse = (field: string, message: string) => fail('EUCLEAN', syscall, `header of the log: ${field}: ${message}`);
  if (readU64(bytes, 0) !== LOG_MAGIC) refuse('magic', 'there is no log');
  if (!hasChecksum(bytes, 0, CHECKED, CHECKED)) refuse('crc', 'the checksum is not that of the fields');
  if (readU64(bytes, 8) !== length) refuse('len', `it is ${readU64(bytes, 8)}, and the superblock says ${length}`);
  const last = readU64(bytes, 16);
  const wanted = capacityOf(length) - 1;
  if (last !== wanted) refuse('last_index', `it is ${last}, not ${wanted}: the entries are of another format`);
}

/** The two counters of entries. */
export interface Counters {
  readonly seqnum: number;
  readonly index: number;
}

export function readCounters(bytes: Buffer, pos: number): Counters {
  return { seqnum: readU64(bytes, pos), index: readU64(bytes, pos + 8) };
}

/** The bytes of both counters for a log of `count` entries. */
export function counterBytes(count: number): Buffer {
  const bytes = Buffer.alloc(COUNTERS_SIZE);
  writeU64(bytes, count, 0);
  writeU64(bytes, count, 8);
  return bytes;
}

/** The header of an empty log of `length` bytes. */
export function headerBytes(length: number): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE);
  writeU64(bytes, LOG_MAGIC, 0);
  writeU64(bytes, length, 8);
  writeU64(bytes, capacityOf(length) - 1, 16);
  storeChecksum(bytes, 0, CHECKED, CHECKED);
  return bytes;
}
