// Owns the checks of memory that a user hands in: plain, attached, and long enough.

import { argumentError } from '../argument-error.js';
import { types } from 'node:util';
import type { BufferRange } from './block-device.js';
import { toBytes } from '../units.js';

// The language's own accessors: a property of the same name on the view cannot shadow them, and a call takes half the time of a
// look-up through Buffer's prototypes.
function accessor(prototype: unknown, name: string): (receiver: unknown) => unknown {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name) as { get: () => unknown };
  return Function.prototype.call.bind(get) as (receiver: unknown) => unknown;
}

const bufferOf = accessor(Object.getPrototypeOf(Uint8Array.prototype), 'buffer') as (view: Uint8Array) => ArrayBufferLike;
// Throws for a SharedArrayBuffer, so one call answers two questions.
const isResizable = accessor(ArrayBuffer.prototype, 'resizable') as (buffer: ArrayBufferLike) => boolean;

// The checks below take longer than a small copy, and most calls pass the same view as the call before, so view is remembered: a
// view of a plain ArrayBuffer stays one. It is forgotten at the next garbage collection, so it never keeps memory for long; WeakSet
// and WeakRef, which would keep none, take longer than the checks.
const NO_BYTES: Uint8Array = new Uint8Array();
let lastView: unknown;
let lastBytes = NO_BYTES;
const collections = new FinalizationRegistry(() => {
  lastView = undefined;
  lastBytes = NO_BYTES;
});

function refuseUnusual(buffer: ArrayBufferLike, name: string): void {
  if (types.isSharedArrayBuffer(buffer)) {
    throw argumentError('ERR_INVALID_ARG_VALUE', `${name} must not be backed by a SharedArrayBuffer: copy into a Uint8Array of its own`);
  }
  if (isResizable(buffer)) {
    throw argumentError('ERR_INVALID_ARG_VALUE', `${name} must not be backed by a resizable ArrayBuffer: its memory may go away`);
  }
}

function isPlain(buffer: ArrayBufferLike): boolean {
  try {
    return !isResizable(buffer);
  } catch {
    return false;
  }
}

function checkPlain(view: unknown, name: string): Uint8Array {
  if (!ArrayBuffer.isView(view)) {
    throw argumentError('ERR_INVALID_ARG_TYPE', `${name} must be a Buffer, TypedArray or DataView`);
  }
  const bytes = types.isUint8Array(view) ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const buffer = bufferOf(bytes);
  if (!isPlain(buffer)) refuseUnusual(buffer, name);
  if (lastView === undefined) collections.register({}, undefined);
  lastView = view;
  lastBytes = bytes;
  return bytes;
}

/** `view` as bytes. Throws `TypeError` for anything but a view of a plain ArrayBuffer. A detached one has length 0. */
export function toPlainBytes(view: unknown, name: string): Uint8Array {
  return view === lastView && view !== undefined ? lastBytes : checkPlain(view, name);
}

/** Throws `TypeError` for a view without memory. */
export function checkAttached(view: NodeJS.ArrayBufferView, name: string): void {
  if (view.byteLength !== 0 || view.buffer.byteLength !== 0) return;
  try {
    new Uint8Array(view.buffer);
  } catch {
    throw argumentError('ERR_INVALID_ARG_VALUE', `${name} is detached: it was transferred, or its device was closed or shrunk`);
  }
}

/** `view` as bytes. Throws `TypeError` for anything but an attached view of a plain ArrayBuffer. */
export function toUint8Array(view: unknown, name: string): Uint8Array {
  const bytes = toPlainBytes(view, name);
  checkAttached(bytes, name);
  return bytes;
}

function refuseRange(view: NodeJS.ArrayBufferView, range: string, verb: string): never {
  checkAttached(view, 'the buffer');
  throw argumentError('ERR_OUT_OF_RANGE', `${range} ${verb} past the ${view.byteLength} bytes of the buffer`);
}

/** The offset and length of a part of `view`. Throws `TypeError` or `RangeError` for a part that is not in it. */
export function bufferRange(
  view: NodeJS.ArrayBufferView,
  options: BufferRange | undefined,
): { offset: number; length: number } {
  if (options === undefined) return { offset: 0, length: view.byteLength };
  if (typeof options !== 'object' || (options as unknown) === null) throw argumentError('ERR_INVALID_ARG_TYPE', 'options must be an object');
  const offset = options.offset === undefined ? 0 : toBytes(options.offset, 'offset');
  if (offset > view.byteLength) refuseRange(view, `offset ${offset}`, 'lies');
  const length = options.length === undefined ? view.byteLength - offset : toBytes(options.length, 'length');
  if (length > view.byteLength - offset) refuseRange(view, `offset ${offset} and length ${length}`, 'reach');
  return { offset, length };
}
