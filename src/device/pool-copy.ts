// Owns large copies: chunk by chunk on a thread of the pool, so the event loop keeps running.

import { AbortError } from '../abort.js';
import { argumentError } from '../argument-error.js';
import { addon, type NativeHandle } from '../binding.js';
import type { BufferRange } from './block-device.js';

// The bytes that one job of the pool copies. Between jobs, every 2 ms or so, the copy checks for an abort and for a detached
// buffer. A copy of 64 MiB takes 1.4 times as long in jobs of 1 MiB as in one job, and 1.1 times as long in jobs of 8 MiB.
const CHUNK = 8 * 1024 * 1024;

/**
 * Copies up to this length are made on the calling thread: they take at most 25 µs, as long as the way to another thread and back.
 */
export const POOL_THRESHOLD = 256 * 1024;

/**
 * The length of a copy to make on this thread; undefined for a copy to hand to another thread. Arguments of a wrong type give 0,
 * because the synchronous form then refuses them.
 */
export function smallLength(view: NodeJS.ArrayBufferView, options: BufferRange | undefined): number | undefined {
  if (!ArrayBuffer.isView(view)) return 0;
  const length: unknown = options?.length ?? view.byteLength;
  if (typeof length !== 'number' && typeof length !== 'bigint') return 0;
  return length <= POOL_THRESHOLD ? Number(length) : undefined;
}

/** A copy between a buffer and a device; the caller has checked every number. */
export interface PoolCopy {
  handle: NativeHandle;
  write: boolean;
  flush: boolean;
  buffer: Uint8Array;
  offset: number;
  length: number;
  pos: number;
  signal: AbortSignal | undefined;
}

/**
 * Returns the bytes moved, or a negative errno if none were. Rejects with an `AbortError` that says how many were moved, or with
 * `TypeError` for a buffer that was transferred in the meantime, if nothing had moved by then.
 */
export async function copyInPool(copy: PoolCopy): Promise<number> {
  const { handle, write, flush, buffer, offset, length, pos, signal } = copy;
  let moved = 0;
  while (moved < length) {
    if (signal?.aborted === true) throw new AbortError(signal, moved);
    if (moved > 0 && buffer.byteLength === 0) break;
    if (buffer.byteLength === 0) throw argumentError('ERR_INVALID_ARG_VALUE', 'the buffer was transferred while a copy was under way');
    const chunk = Math.min(CHUNK, length - moved);
    const result = await addon().copyAsync(handle, buffer, offset + moved, chunk, pos + moved, flush, write);
    if (result < 0) return moved > 0 ? moved : result;
    moved += result;
    if (result < chunk) break;
  }
  return moved;
}
