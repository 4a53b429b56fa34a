// Owns the hashes of extended attributes. They serve to find blocks with the same attributes.
/* eslint-disable no-bitwise -- rotations of 32-bit hashes */

const NAME_SHIFT = 5;
const VALUE_SHIFT = 16;

function rotated(hash: number, shift: number): number {
  return (hash << shift) ^ (hash >>> (32 - shift));
}

/**
 * e_hash: of the name's bytes, then of the value's words, the last one padded with zeros. With `isSigned`, name bytes from 0x80 on
 * count as negative, as in older kernels.
 */
export function entryHash(name: Uint8Array, value: Uint8Array, isSigned = false): number {
  let hash = 0;
  for (const byte of name) hash = rotated(hash, NAME_SHIFT) ^ (isSigned ? (byte << 24) >> 24 : byte);
  const padded = new Uint8Array(Math.ceil(value.length / 4) * 4);
  padded.set(value);
  const view = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 4) hash = rotated(hash, VALUE_SHIFT) ^ view.getUint32(at, true);
  return hash >>> 0;
}

/** h_hash: of the hashes of all entries in order; 0, which means unknown, if one of them is 0. */
export function blockHash(entries: readonly number[]): number {
  let hash = 0;
  for (const entry of entries) {
    if (entry === 0) return 0;
    hash = rotated(hash, VALUE_SHIFT) ^ entry;
  }
  return hash >>> 0;
}
