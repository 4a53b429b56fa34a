// Owns crc32c: the checksum of bytes that a device keeps.

import { addon } from '../binding.js';
import { bufferRange, toPlainBytes } from './memory.js';

/**
 * The CRC32C (Castagnoli, as in iSCSI and ext4) of `bytes`, by the processor's instruction where it has one: from 0 to 2^32-1.
 * With `previous`, that of the bytes which `previous` is the checksum of, and these after them. `offset` and `length` take a
 * part of `bytes`. Throws `TypeError` and `RangeError` for wrong arguments.
 */
export function crc32c(bytes: NodeJS.ArrayBufferView, previous = 0, offset?: number, length?: number): number {
  const plain = toPlainBytes(bytes, 'bytes');
  if (offset === undefined && length === undefined) return addon().crc32c(plain, previous);
  const { byteLength } = plain;
  const from = offset ?? 0;
  const count = length ?? byteLength - from;
  // Looked at closely only where it is wrong: small parts take less time than that.
  if (!(from >= 0 && count >= 0 && from + count <= byteLength)) bufferRange(plain, { offset, length });
  return addon().crc32c(plain, previous, from, count);
}
