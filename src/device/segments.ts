// Owns the ArrayBuffers over a device's memory: few, cached and overlapping, so that views of them are cheap.

import { argumentError } from '../argument-error.js';
import { addon, type NativeHandle } from '../binding.js';
import type { DirectAccess } from './block-device.js';
import { DaxError } from '../errors.js';
import { PAGE_SIZE, roundUp } from '../units.js';

// The most that an ArrayBuffer of Node 20 can hold. A segment begins at every half of this size, so that any view of up to a half
// lies in one segment, and a device of up to this size is one segment.
const SEGMENT_SIZE = 4 * 1024 ** 3;
const SEGMENT_STRIDE = SEGMENT_SIZE / 2;

// EOPNOTSUPP from the addon: a runtime with a memory cage, such as Electron's.
const NO_EXTERNAL_BUFFERS = -95;

/** The longest view that can begin anywhere, in bytes. */
export const MAX_VIEW_LENGTH = SEGMENT_STRIDE;

function refuseTransfer(): never {
  throw argumentError('ERR_INVALID_ARG_VALUE', 'memory of a device cannot be transferred: copy what is wanted, as by `view.slice()`');
}

// Node 20 has none of these methods. `structuredClone` and `postMessage` refuse by themselves to transfer these buffers, or copy
// them.
const TRANSFERS = ['transfer', 'transferToFixedLength', 'transferToImmutable'].filter((name) => name in ArrayBuffer.prototype);
const REFUSALS = Object.fromEntries(TRANSFERS.map((name) => [name, { value: refuseTransfer }]));

/**
 * Makes the `transfer` methods of `buffer` throw a `TypeError`: the device could not detach the buffer that `transfer` returns.
 * Returns `buffer`.
 */
export function keepInPlace(buffer: ArrayBuffer): ArrayBuffer {
  return Object.defineProperties(buffer, REFUSALS);
}

interface Retired {
  end: number;
  buffer: WeakRef<ArrayBuffer>;
}

/**
 * Views of one device's memory. A new external ArrayBuffer costs garbage-collection work in proportion to its length;
 * a view of a cached one costs none.
 */
export class Segments {
  readonly #handle: NativeHandle;
  readonly #path: string;
  readonly #current = new Map<number, ArrayBuffer>();
  // Segments that ended at the end of a file before it grew. Their views live on.
  #retired: Retired[] = [];
  #size: number;

  constructor(handle: NativeHandle, path: string, size: number) {
    this.#handle = handle;
    this.#path = path;
    this.#size = size;
  }

  /** Bytes from `pos` to the end of the segment that a view of `length` bytes would be made of. */
  reach(pos: number, length: number): number {
    return this.#end(this.#start(pos, length)) - pos;
  }

  /** The range must lie in the device and in one segment (`reach`). */
  view(pos: number, length: number): Uint8Array {
    // An empty file has no mapping to make a segment of.
    if (this.#size === 0) return new Uint8Array(0);
    const start = this.#start(pos, length);
    const buffer = this.#current.get(start) ?? this.#create(start);
    try {
      return new Uint8Array(buffer, pos - start, length);
    } catch (error) {
      // The user transferred the buffer by the prototype's method, and its memory went along. Checking first would take a third of
      // the time.
      if (buffer.byteLength !== 0) throw error;
      return new Uint8Array(this.#create(start), pos - start, length);
    }
  }

  /** Detaches the segments that reach past the new end. Call before the device shrinks. */
  shrink(size: number): void {
    for (const [start, buffer] of this.#current) {
      if (this.#end(start) <= size) continue;
      this.#current.delete(start);
      addon().detach(buffer);
    }
    this.#retired = this.#retired.filter(({ end, buffer }) => {
      const alive = buffer.deref();
      if (end > size && alive !== undefined) addon().detach(alive);
      return end <= size && alive !== undefined;
    });
    this.#size = size;
  }

  /** Lets new views reach the new end. Call after the device grew. */
  grow(size: number): void {
    for (const [start, buffer] of this.#current) {
      if (buffer.byteLength === SEGMENT_SIZE) continue;
      this.#current.delete(start);
      this.#retired.push({ end: start + buffer.byteLength, buffer: new WeakRef(buffer) });
    }
    this.#size = size;
  }

  // The first segment that holds the whole range.
  #start(pos: number, length: number): number {
    if (pos + length <= SEGMENT_SIZE) return 0;
    const index = Math.ceil((pos + length - SEGMENT_SIZE) / SEGMENT_STRIDE);
    return Math.min(index, Math.floor(pos / SEGMENT_STRIDE)) * SEGMENT_STRIDE;
  }

  #end(start: number): number {
    return Math.min(this.#size, start + SEGMENT_SIZE);
  }

  #create(start: number): ArrayBuffer {
    const buffer = addon().segment(this.#handle, start, this.#end(start) - start);
    if (typeof buffer === 'number') {
      throw new DaxError({
        errno: buffer,
        syscall: 'view',
        path: this.#path,
        ...(buffer === NO_EXTERNAL_BUFFERS && {
          reason: 'NO_EXTERNAL_BUFFERS' as const,
          hint: 'this runtime forbids ArrayBuffers of memory that is not its own: use readSync and writeSync',
        }),
      });
    }
    this.#current.set(start, keepInPlace(buffer));
    return buffer;
  }
}

interface Source {
  readonly handle: NativeHandle;
  view(pos: number, length: number): Uint8Array;
}

/** The answer of an open device's direct access: its length is known at once, its window is made when the caller gets it. */
export class Accessed implements DirectAccess {
  readonly bytes: number;
  readonly #device: Source;
  readonly #pos: number;
  readonly #length: number;

  constructor(device: Source, pos: number, wanted: number, reach: number) {
    // The last page is mapped whole, even if a file ends within it.
    this.bytes = roundUp(reach, PAGE_SIZE);
    this.#device = device;
    this.#pos = pos;
    this.#length = Math.min(wanted, reach);
  }

  get window(): Uint8Array {
    return this.#device.view(this.#pos, this.#length);
  }

  // Only the filesystem knows where a file lies on its device.
  get pfn(): number | undefined {
    const address = addon().physicalAddress(this.#device.handle, this.#pos);
    return address === undefined ? undefined : address / PAGE_SIZE;
  }
}
