// Owns reads and writes that move all bytes or throw.

import { AbortError } from '../abort.js';
import { ABORTABLE, FLUSHING, type Abortable, type FlushOption } from './block-device.js';
import { DaxError } from '../errors.js';
import { toUint8Array } from './memory.js';
import { checkOptions } from '../options.js';
import { toBytes, type Bytes } from '../units.js';

const WRITING = { ...FLUSHING, ...ABORTABLE };

type View = NodeJS.ArrayBufferView;

/** Something that is read by position: a device, a partition, a file. */
export interface ByteSource {
  readSync(target: View, pos: Bytes): number;
  read?(target: View, pos: Bytes, options?: Abortable): Promise<number>;
}

export interface ByteSink {
  writeSync(source: View, pos: Bytes, options?: FlushOption): number;
  write?(source: View, pos: Bytes, options?: FlushOption & Abortable): Promise<number>;
}

/**
 * Fills `target` from byte `pos` on. Throws `EIO` with reason `BEYOND_END` and the `position` if the source ends too early, and
 * what `readSync` throws; the bytes that were read until then are in `target`.
 */
export function readFullSync(from: ByteSource, target: View, pos: Bytes): void {
  let moved = from.readSync(target, pos);
  if (moved === target.byteLength) return;
  const bytes = toUint8Array(target, 'target');
  const start = toBytes(pos, 'pos');
  while (moved < bytes.length) {
    const more = from.readSync(bytes.subarray(moved), start + moved);
    moved += more > 0 ? more : ends('read', start + moved);
  }
}

/** Reads as `readFullSync` does. An `AbortError` tells the sum of the bytes read. */
export async function readFull(from: ByteSource, target: View, pos: Bytes, options?: Abortable): Promise<void> {
  checkOptions(options, ABORTABLE);
  const bytes = toUint8Array(target, 'target');
  const start = toBytes(pos, 'pos');
  await each(bytes, async (rest, moved) => {
    const more = await (from.read?.(rest, start + moved, options) ?? from.readSync(rest, start + moved));
    return more > 0 ? more : ends('read', start + moved);
  });
}

/**
 * Writes all of `source` from byte `pos` on, as durably as `writeSync`. Throws what `writeSync` throws, such as `ENOSPC` with the
 * `position` at which the device ends. The bytes that were written until then stay.
 */
export function writeAllSync(to: ByteSink, source: View, pos: Bytes, options?: FlushOption): void {
  checkOptions(options, FLUSHING);
  let moved = to.writeSync(source, pos, options);
  if (moved === source.byteLength) return;
  const bytes = toUint8Array(source, 'source');
  const start = toBytes(pos, 'pos');
  while (moved < bytes.length) {
    const more = to.writeSync(bytes.subarray(moved), start + moved, options);
    moved += more > 0 ? more : ends('write', start + moved);
  }
}

/** Writes as `writeAllSync` does. An `AbortError` tells the sum of the bytes written. */
export async function writeAll(to: ByteSink, source: View, pos: Bytes, options?: FlushOption & Abortable): Promise<void> {
  checkOptions(options, WRITING);
  const bytes = toUint8Array(source, 'source');
  const start = toBytes(pos, 'pos');
  await each(bytes, async (rest, moved) => {
    const more = await (to.write?.(rest, start + moved, options) ?? to.writeSync(rest, start + moved, options));
    return more > 0 ? more : ends('write', start + moved);
  });
}

async function each(bytes: Uint8Array, move: (rest: Uint8Array, moved: number) => Promise<number>): Promise<void> {
  const { length } = bytes;
  let moved = 0;
  try {
    while (moved < length) moved += await move(moved === 0 ? bytes : bytes.subarray(moved), moved);
  } catch (error) {
    if (error instanceof AbortError) error.bytesMoved += moved;
    throw error;
  }
}

function ends(syscall: string, position: number): never {
  throw new DaxError({ errno: 'EIO', syscall, reason: 'BEYOND_END', position, hint: 'it ends there' });
}
