// Owns the checksum CRC-32C (Castagnoli), as jbd2 computes it: begun with all ones, and not inverted at the end.
/* eslint-disable no-bitwise -- arithmetic of 32-bit words */

// 0x1edc6f41 with its bits reversed: the lowest bit comes first.
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc % 2 === 1 ? ((crc >>> 1) ^ POLYNOMIAL) >>> 0 : crc >>> 1;
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = ((crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0)) >>> 0;
  return crc;
}
