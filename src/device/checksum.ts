// Owns crc32c: the checksum for bytes that are kept on a device.

import { addon } from '../binding.js';
import { bufferRange, toPlainBytes } from './memory.js';

/**
 * The CRC32C (Castagnoli, as in iSCSI and ext4) of `bytes`, from 0 to 2^32-1, computed by the processor's instruction if it has
 * one. With `previous`, the checksum of earlier bytes, the result is the checksum of those bytes followed by these. `offset` and
 * `length` select a part of `bytes`. Throws `TypeError` and `RangeError` for wrong arguments.
 */
export function crc32c(bytes: NodeJS.ArrayBufferView, previous = 0, offset?: number, length?: number): number {
  const plain = toPlainBytes(bytes, 'bytes');
  if (offset === undefined && length === undefined) return addon().crc32c(plain, previous);
  const { byteLength } = plain;
  const from = offset ?? 0;
  const count = length ?? byteLength - from;
  // The full check runs only on a wrong range, because it takes longer than the checksum of a small part.
  if (!(from >= 0 && count >= 0 && from + count <= byteLength)) bufferRange(plain, { offset, length });
  return addon().crc32c(plain, previous, from, count);
}
