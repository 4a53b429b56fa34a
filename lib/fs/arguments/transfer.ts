// Owns the arguments of reads and writes by descriptor: which bytes of which buffer, and where in the file.

import { toBytes, toPosition, type Encoding } from './arguments.js';

/** The buffer of a transfer. */
type View = NodeJS.ArrayBufferView;

const isView = (value: unknown): value is View => ArrayBuffer.isView(value);

/** The bytes to read or write. `position` is null for the current position. */
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

/** Part of a view, from `offset` to its end if no length is given. */
function part(buffer: View, offset: unknown, length: unknown, position: unknown): Transfer {
  const view = toBytes(buffer);
  const from = typeof offset === 'number' ? offset : 0;
  const count = typeof length === 'number' ? length : view.byteLength - from;
  return { bytes: view.subarray(from, from + count), position: toPosition(position) };
}

function byParams(buffer: View, { offset, length, position }: Params): Transfer {
  return part(buffer, offset, length, position);
}

/** Converts the arguments of a read: `(buffer, offset, length, position)`, `(buffer, options)`, `(options)` or nothing. */
export function toRead(args: readonly unknown[]): { transfer: Transfer; buffer: View } {
  const [first, second, length, position] = args;
  const options = isView(first) ? second : first;
  const buffer = isView(first) ? first : ((first as Params | null | undefined)?.buffer ?? Buffer.alloc(READ_LENGTH));
  if (args.length <= 2 || (typeof options === 'object' && options !== null)) {
    return { transfer: byParams(buffer, (options ?? {})), buffer };
  }
  // As in node:fs, whose reads by descriptor use 32 bits of a length, and read nothing if it is not a number.
  return { transfer: part(buffer, second, Int32Array.of(Number(length ?? 0))[0], position), buffer };
}

/**
 * Converts the arguments of a write: `(buffer, offset, length, position)`, `(buffer, options)` or `(string, position, encoding)`.
 */
export function toWrite([data, second, third, fourth]: readonly unknown[]): Transfer {
  if (!isView(data)) return { bytes: toBytes(data, third as Encoding), position: toNumericPosition(second) };
  const { offset, length, position } = (typeof second === 'object' ? (second ?? {}) : { offset: second, length: third, position: fourth }) as Params;
  return part(data, offset, length, toNumericPosition(position));
}

/** Converts the position of a write, or of a vectored read; a bigint means the current position. */
export function toNumericPosition(position: unknown): number | null {
  return typeof position === 'number' ? toPosition(position) : null;
}

/** Converts the buffers of a vectored read or write. */
export function toVector(buffers: unknown): Uint8Array[] {
  return (buffers as readonly View[]).map((buffer) => toBytes(buffer));
}
