// Owns the checksum of superblock, header and entries: the CRC-32 of zlib, stored in 64 bits whose upper half is zero.

/* eslint-disable no-bitwise -- a polynomial of 32 bits, no offset */

import * as zlib from 'node:zlib';

const POLYNOMIAL = 0xedb88320;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest % 2 === 1 ? (POLYNOMIAL ^ (rest >>> 1)) >>> 0 : rest >>> 1;
  return rest;
});

/** The CRC-32 of `bytes`, computed by a table: `previous` is that of the bytes before them. Exported for tests. */
export function crc32ByTable(bytes: Uint8Array, previous = 0): number {
  let crc = (previous ^ 0xffffffff) >>> 0;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The CRC-32 of `bytes`; `previous` is that of the bytes before them. Node has this function since 20.15. */
export const crc32: (bytes: Uint8Array, previous?: number) => number = (zlib as { crc32?: typeof zlib.crc32 }).crc32 ?? crc32ByTable;

/** Whether the 64 bits at `pos` are the checksum of the bytes from `start` to before `end`. */
export function hasChecksum(bytes: Buffer, start: number, end: number, pos: number): boolean {
  return bytes.readUInt32LE(pos + 4) === 0 && bytes.readUInt32LE(pos) === crc32(bytes.subarray(start, end));
}

/** Stores at `pos` the checksum of the bytes from `start` to before `end`. */
export function storeChecksum(bytes: Buffer, start: number, end: number, pos: number): void {
  bytes.writeUInt32LE(crc32(bytes.subarray(start, end)), pos);
  bytes.writeUInt32LE(0, pos + 4);
}
