// Owns vectors of buffers: their check, and moving one buffer after the other with partial progress.

import { AbortError } from '../abort.js';
import { argumentError } from '../argument-error.js';
import { toUint8Array } from './memory.js';

/** The buffers of a vector as bytes. Throws `TypeError` for anything but an array of attached views. */
export function toVector(views: unknown, name: string): Uint8Array[] {
  if (!Array.isArray(views)) throw argumentError('ERR_INVALID_ARG_TYPE', `${name} must be an array of buffers`);
  return views.map((view, index) => toUint8Array(view, `${name}[${index}]`));
}

export function totalLength(buffers: readonly Uint8Array[]): number {
  return buffers.reduce((total, buffer) => total + buffer.byteLength, 0);
}

/**
 * Moves one buffer after the other with `step`, which gets the number of bytes moved before. Ends at the first buffer of which not
 * all is moved. Partial progress wins: once bytes moved they are reported, and the error comes with the next call.
 */
export function moveEachSync(buffers: readonly Uint8Array[], step: (buffer: Uint8Array, moved: number) => number): number {
  let moved = 0;
  for (const buffer of buffers) {
    let bytes = 0;
    try {
      bytes = step(buffer, moved);
    } catch (error) {
      if (moved === 0) throw error;
    }
    moved += bytes;
    if (bytes < buffer.byteLength) break;
  }
  return moved;
}

/**
 * As `moveEachSync`. The lengths are taken at the start: if a buffer is transferred in the meantime, the next one must not move in its
 * place. An abort is not partial progress: the call rejects, and says how many bytes were moved in all.
 */
export async function moveEach(
  buffers: readonly Uint8Array[],
  step: (buffer: Uint8Array, length: number, moved: number) => Promise<number>,
): Promise<number> {
  const lengths = buffers.map(({ byteLength }) => byteLength);
  let moved = 0;
  for (const [index, buffer] of buffers.entries()) {
    const length = lengths[index] ?? 0;
    let bytes = 0;
    try {
      bytes = await step(buffer, length, moved);
    } catch (error) {
      if (error instanceof AbortError) error.bytesMoved += moved;
      if (moved === 0 || error instanceof AbortError) throw error;
    }
    moved += bytes;
    if (bytes < length) break;
  }
  return moved;
}
