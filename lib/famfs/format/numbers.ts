// Owns the 64-bit numbers of the format.

const HALF = 2 ** 32;

/** The number at `pos`. A number of more than 53 bits is rounded, and is not a safe integer. */
export function readU64(bytes: Buffer, pos: number): number {
  return bytes.readUInt32LE(pos) + bytes.readUInt32LE(pos + 4) * HALF;
}

/** As `readU64`, of words: that of the two from `at` on. */
export function wordsU64(words: Uint32Array, at: number): number {
  return (words[at] as number) + (words[at + 1] as number) * HALF;
}

export function writeU64(bytes: Buffer, value: number, pos: number): void {
  bytes.writeUInt32LE(value % HALF, pos);
  bytes.writeUInt32LE(Math.floor(value / HALF), pos + 4);
}

export function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && Number.isInteger(Math.log2(value));
}
