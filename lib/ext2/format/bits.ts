// Owns bitmaps: counting, finding, setting and clearing runs of bits. Bit 0 of a byte comes first.
/* eslint-disable no-bitwise -- bits of bytes, and indices of bits in one block: at most 32768 */

export function isSet(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3] as number) & (1 << (index & 7))) !== 0;
}

/** Sets `count` bits from `from` on. */
export function setRun(bits: Uint8Array, from: number, count: number): void {
  change(bits, from, count, true);
}

/** Clears `count` bits from `from` on. */
export function clearRun(bits: Uint8Array, from: number, count: number): void {
  change(bits, from, count, false);
}

function change(bits: Uint8Array, from: number, count: number, value: boolean): void {
  const end = from + count;
  const wholeFrom = Math.min(end, (from + 7) & ~7);
  const wholeTo = Math.max(wholeFrom, end & ~7);
  if (from < wholeFrom) changeInByte(bits, from, wholeFrom, value);
  if (wholeFrom < wholeTo) bits.fill(value ? 0xff : 0, wholeFrom >> 3, wholeTo >> 3);
  if (wholeTo < end) changeInByte(bits, wholeTo, end, value);
}

// Changes the bits [from, to), all of one byte.
function changeInByte(bits: Uint8Array, from: number, to: number, value: boolean): void {
  const mask = ((1 << (to - from)) - 1) << (from & 7);
  const byte = bits[from >> 3] as number;
  bits[from >> 3] = value ? byte | mask : byte & ~mask;
}

/** Whether all of `count` bits from `from` on are `value`. */
export function isRun(bits: Uint8Array, from: number, count: number, value: boolean): boolean {
  return runLength(bits, from, from + count, value) === count;
}

/** How many consecutive bits from `from` on, before `end`, are `value`. */
export function runLength(bits: Uint8Array, from: number, end: number, value: boolean): number {
  const same = value ? 0xff : 0;
  let index = from;
  while (index < end && (index & 7) !== 0 && isSet(bits, index) === value) index++;
  if ((index & 7) !== 0) return index - from;
  const lastByte = end >> 3;
  let byte = index >> 3;
  while (byte < lastByte && bits[byte] === same) byte++;
  index = byte * 8;
  while (index < end && isSet(bits, index) === value) index++;
  return index - from;
}

/** The number of clear bits before `end`. */
export function countClear(bits: Uint8Array, end: number): number {
  const words = bits.byteOffset % 4 === 0 ? end >> 5 : 0;
  let clear = 0;
  for (const word of new Uint32Array(bits.buffer, bits.byteOffset, words)) clear += 32 - onesIn(word);
  let index = words * 32;
  for (; index + 8 <= end; index += 8) clear += CLEAR_IN_BYTE[bits[index >> 3] as number] as number;
  for (; index < end; index++) if (!isSet(bits, index)) clear++;
  return clear;
}

// Counts the ones in pairs of bits, then in fours, then in bytes, which the multiplication adds up.
function onesIn(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

const CLEAR_IN_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => {
  let clear = 0;
  for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) === 0) clear++;
  return clear;
});

/** The first clear bit from `from` on, or `end`. */
export function firstClear(bits: Uint8Array, from: number, end: number): number {
  return from + runLength(bits, from, end, true);
}

/**
 * The first run of at least `enough` clear bits from `from` on and before `end`, or else the longest run there; length 0 if there is
 * none. A run is counted up to `most` bits.
 */
export function findRun(bits: Uint8Array, from: number, end: number, most: number, enough: number): { start: number; length: number } {
  let best = { start: end, length: 0 };
  for (let start = firstClear(bits, from, end); start < end; ) {
    const length = runLength(bits, start, Math.min(end, start + most), false);
    if (length > best.length) best = { start, length };
    if (length >= enough) break;
    start = firstClear(bits, start + length, end);
  }
  return best;
}
