// Owns the ArrayBuffers over a device's memory: few, cached and overlapping, so views of them are cheap.

import { argumentError } from '../argument-error.js';
import { addon, type NativeHandle } from '../binding.js';
import type { DirectAccess } from './block-device.js';
import { DaxError } from '../errors.js';
import { PAGE_SIZE, roundUp } from '../units.js';

/** Segments of one size. A segment begins at every multiple of half the size, so any view of up to half the size lies in one. */
class SizeClass {
  readonly size: number;
  readonly stride: number;
  readonly current = new Map<number, ArrayBuffer>();

  constructor(size: number) {
    this.size = size;
    this.stride = size / 2;
  }

  // The first that holds the whole range.
  start(pos: number, length: number): number {
    if (pos + length <= this.size) return 0;
    const index = Math.ceil((pos + length - this.size) / this.stride);
    return Math.min(index, Math.floor(pos / this.stride)) * this.stride;
  }
}

// The most that an ArrayBuffer of Node 20 can hold: a device of up to this size is one large segment.
const LARGE = 4 * 1024 ** 3;
// V8 counts an ArrayBuffer as memory that it must collect, and a large one triggers a full garbage collection. A program that looks
// at a few places of a device gets small segments, which trigger none.
const SMALL = 8 * 1024 ** 2;
const MOST_SMALL = 4;

// EOPNOTSUPP from the addon: a runtime with a memory cage, such as Electron's.
const NO_EXTERNAL_BUFFERS = -95;

/** The longest view that can begin anywhere, in bytes. */
export const MAX_VIEW_LENGTH = LARGE / 2;

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
  readonly #large = new SizeClass(LARGE);
  readonly #small = new SizeClass(SMALL);
  // What short views are made of: small segments, until there are enough of them.
  #short = this.#small;
  // The segment of the last view, and its range: most views are where the last one was.
  #latest: ArrayBuffer | undefined;
  #latestStart = 0;
  #latestEnd = -1;
  // Segments that ended at the end of a file before it grew. Their views live on.
  #retired: Retired[] = [];
  #size: number;

  constructor(handle: NativeHandle, path: string, size: number) {
    this.#handle = handle;
    this.#path = path;
    this.#size = size;
  }

  /** Bytes from `pos` to the end of the segment that the longest view would be made of, if it has at least `length` bytes. */
  reach(pos: number, length: number): number {
    return this.#end(this.#large, this.#large.start(pos, length)) - pos;
  }

  /** The range must lie in the device and in one segment (`reach`). */
  view(pos: number, length: number): Uint8Array {
    const isWithin = pos >= this.#latestStart && pos + length <= this.#latestEnd;
    const buffer = isWithin ? (this.#latest as ArrayBuffer) : this.#segment(pos, length);
    if (buffer === undefined) return new Uint8Array(0);
    try {
      return new Uint8Array(buffer, pos - this.#latestStart, length);
    } catch (error) {
      // The user transferred the buffer, with its memory, by the prototype's method. A check beforehand would take a third of the
      // time.
      if (buffer.byteLength !== 0) throw error;
      for (const { current } of [this.#large, this.#small]) if (current.get(this.#latestStart) === buffer) current.delete(this.#latestStart);
      this.#latestEnd = -1;
      return this.view(pos, length);
    }
  }

  // The segment for a view, which becomes the latest; undefined for an empty file, which has no mapping to make one of.
  #segment(pos: number, length: number): ArrayBuffer | undefined {
    if (this.#size === 0) return undefined;
    let kind = length <= this.#short.stride ? this.#short : this.#large;
    let start = kind.start(pos, length);
    if (kind === this.#small && kind.current.size === MOST_SMALL && !kind.current.has(start)) {
      kind = this.#short = this.#large;
      start = kind.start(pos, length);
    }
    const buffer = kind.current.get(start) ?? this.#create(kind, start);
    this.#latest = buffer;
    this.#latestStart = start;
    this.#latestEnd = this.#end(kind, start);
    return buffer;
  }

  /** Detaches the segments that reach past the new end. Call before the device shrinks. */
  shrink(size: number): void {
    this.#latestEnd = -1;
    for (const kind of [this.#large, this.#small]) {
      for (const [start, buffer] of kind.current) {
        if (this.#end(kind, start) <= size) continue;
        kind.current.delete(start);
        addon().detach(buffer);
      }
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
    this.#latestEnd = -1;
    for (const kind of [this.#large, this.#small]) {
      for (const [start, buffer] of kind.current) {
        if (buffer.byteLength === kind.size) continue;
        kind.current.delete(start);
        this.#retired.push({ end: start + buffer.byteLength, buffer: new WeakRef(buffer) });
      }
    }
    this.#size = size;
  }

  #end(kind: SizeClass, start: number): number {
    return Math.min(this.#size, start + kind.size);
  }

  #create(kind: SizeClass, start: number): ArrayBuffer {
    const buffer = addon().segment(this.#handle, start, this.#end(kind, start) - start);
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
    kind.current.set(start, keepInPlace(buffer));
    return buffer;
  }
}

interface Source {
  readonly handle: NativeHandle;
  view(pos: number, length: number): Uint8Array;
}

/** The answer of an open device's direct access: its length is known at once, its window is made when the caller gets it. */
export class DeviceAccess implements DirectAccess {
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
