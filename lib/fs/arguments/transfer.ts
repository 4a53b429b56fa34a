// Owns what a read or a write by descriptor is about: which bytes of which memory, and where in the file.

import { toBytes, toPosition, type Encoding } from './arguments.js';

/** The memory of a transfer. */
type View = NodeJS.ArrayBufferView;

const isView = (value: unknown): value is View => ArrayBuffer.isView(value);

/** `position` is null for the current one. */
export interface Transfer {
  readonly bytes: Uint8Array;
  readonly position: number | null;
}

interface Params {
  readonly buffer?: View;
  readonly offset?: number | null;
  readonly length?: number | null;
  readonly position?: number | bigint | null;
}

const READ_LENGTH = 16384;

/** Part of a view; what is left of it, where no length is given. */
function part(buffer: View, offset: unknown, length: unknown, position: unknown): Transfer {
  const view = toBytes(buffer);
  const from = typeof offset === 'number' ? offset : 0;
  const count = typeof length === 'number' ? length : view.byteLength - from;
  return { bytes: view.subarray(from, from + count), position: toPosition(position) };
}

function byParams(buffer: View, { offset, length, position }: Params): Transfer {
  return part(buffer, offset, length, position);
}

/** What `(buffer, offset, length, position)`, `(buffer, options)`, `(options)` or nothing asks to be read. */
export function toRead(args: readonly unknown[]): { transfer: Transfer; buffer: View } {
  const [first, second, length, position] = args;
  const options = isView(first) ? second : first;
  const buffer = isView(first) ? first : ((first as Params | null | undefined)?.buffer ?? Buffer.alloc(READ_LENGTH));
  if (args.length <= 2 || (typeof options === 'object' && options !== null)) {
    return { transfer: byParams(buffer, (options ?? {})), buffer };
  }
  // As in node:fs, whose descriptors take 32 bits of a length, and read nothing where it is no number.
  return { transfer: part(buffer, second, Int32Array.of(Number(length ?? 0))[0], position), buffer };
}

/** What `(buffer, offset, length, position)`, `(buffer, options)` or `(string, position, encoding)` asks to be written. */
export function toWrite([data, second, third, fourth]: readonly unknown[]): Transfer {
  if (!isView(data)) return { bytes: toBytes(data, third as Encoding), position: toPosition(second) };
  return typeof second === 'object' ? byParams(data, (second ?? {})) : part(data, second, third, typeof fourth === 'number' ? fourth : null);
}

/** A position of buffers that follow one another, which a bigint is not. */
export function toVectorPosition(position: unknown): number | null {
  return typeof position === 'number' ? toPosition(position) : null;
}

/** Buffers that follow one another. */
export function toVector(buffers: unknown): Uint8Array[] {
  return (buffers as readonly View[]).map((buffer) => toBytes(buffer));
}
