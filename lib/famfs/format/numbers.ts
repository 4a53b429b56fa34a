// Owns the 64-bit numbers of the format.

const HALF = 2 ** 32;

/** The number at `pos`. A number of more than 53 bits is rounded, and is not a safe integer. */
export function readU64(bytes: Buffer, pos: number): number {
  return bytes.readUInt32LE(pos) + bytes.readUInt32LE(pos + 4) * HALF;
}

/** As `readU64`, of a view. */
export function viewU64(view: DataView, pos: number): number {
  return view.getUint32(pos, true) + view.getUint32(pos + 4, true) * HALF;
}

export function writeU64(bytes: Buffer, value: number, pos: number): void {
  bytes.writeUInt32LE(value % HALF, pos);
  bytes.writeUInt32LE(Math.floor(value / HALF), pos + 4);
}

export function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && Number.isInteger(Math.log2(value));
}
