// Owns the checks of memory that a user hands in: plain, attached, and long enough.

import { types } from 'node:util';
import type { BufferRange } from './block-device.js';
import { toBytes } from './units.js';

// On the path of every read and write, so what is rare is told apart in a function of its own.
function refuseUnusable(view: NodeJS.ArrayBufferView, name: string): void {
  const { buffer } = view;
  if (types.isSharedArrayBuffer(buffer)) {
    throw new TypeError(`${name} must not be backed by a SharedArrayBuffer: copy into a Uint8Array of its own`);
  }
  if ((buffer as { resizable?: boolean }).resizable === true) {
    throw new TypeError(`${name} must not be backed by a resizable ArrayBuffer: its memory may go away`);
  }
  if (view.byteLength === 0) {
    try {
      new Uint8Array(buffer);
    } catch {
      throw new TypeError(`${name} is detached: it was transferred, or its device was closed or shrunk`);
    }
  }
}

/** `view` as bytes. Throws `TypeError` for anything but an attached view of a plain ArrayBuffer. */
export function toUint8Array(view: unknown, name: string): Uint8Array {
  if (!ArrayBuffer.isView(view)) {
    throw new TypeError(`${name} must be a Buffer, TypedArray or DataView`);
  }
  refuseUnusable(view as NodeJS.ArrayBufferView, name);
  return view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Both ends of a part of `view`. Throws `TypeError` or `RangeError` for a part that is not in it. */
export function bufferRange(
  view: NodeJS.ArrayBufferView,
  options: BufferRange | undefined,
): { offset: number; length: number } {
  if (options === undefined) return { offset: 0, length: view.byteLength };
  if (typeof options !== 'object' || (options as unknown) === null) throw new TypeError('options must be an object');
  const offset = options.offset === undefined ? 0 : toBytes(options.offset, 'offset');
  if (offset > view.byteLength) {
    throw new RangeError(`offset ${offset} lies past the ${view.byteLength} bytes of the buffer`);
  }
  const length = options.length === undefined ? view.byteLength - offset : toBytes(options.length, 'length');
  if (length > view.byteLength - offset) {
    throw new RangeError(`offset ${offset} and length ${length} reach past the ${view.byteLength} bytes of the buffer`);
  }
  return { offset, length };
}
