// Owns access to a log's bytes: through windows where the device provides them, else by copies. Words are loaded and stored
// atomically.

import { DaxError, PAGE_SIZE, readFullSync, SECTOR_SIZE, type BlockDevice } from 'node-dax';
import { isMediaError } from './error.js';

const WORD = 2 ** 32;
// Bytes of the window that is asked for, unless a record is longer. A larger one would cost garbage-collection work.
const WINDOW = 4 * 1024 ** 2;

// For devices without `loadU64` and `storeU64`, whose memory only this isolate sees: a copy of 8 bytes acts as one store.
const scratch = new BigUint64Array(1);

/** The bytes of a view of any kind. */
export function asBytes({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Stores a word atomically and durably. */
export function storeWord(device: BlockDevice, pos: number, value: number): void {
  if (device.storeU64 !== undefined) {
    device.storeU64(pos, value);
    return;
  }
  scratch[0] = BigInt(value);
  device.writeSync(scratch, pos);
}

/** The memory of one log. `at` returns where in `data` and `bytes` a position of the device is; valid until the next call. */
export class LogMemory {
  data: DataView = new DataView(new ArrayBuffer(0));
  bytes: Uint8Array = new Uint8Array(0);
  readonly #device: BlockDevice;
  // The range of the device that `bytes` covers.
  #start = 0;
  #end = 0;
  // The first two pages; undefined if the device provides no windows.
  readonly #words: Uint32Array | undefined;

  constructor(device: BlockDevice) {
    this.#device = device;
    const first = this.#window(0, 2 * PAGE_SIZE);
    this.#words = first && new Uint32Array(first.buffer, first.byteOffset, (2 * PAGE_SIZE) / 4);
  }

  /** Whether the device provides no windows, so `bytes` is a copy. */
  get isCopied(): boolean {
    return this.#words === undefined;
  }

  /**
   * The word at `pos` in the first two pages, never torn: it only grows, so it is whole if the upper half is the same before and
   * after the lower half is loaded. Creates no bigint.
   */
  word(pos: number): number {
    const words = this.#words;
    if (words === undefined) return this.#loadWord(pos);
    const index = pos / 4;
    for (;;) {
      const high = Atomics.load(words, index + 1);
      const low = Atomics.load(words, index);
      if (Atomics.load(words, index + 1) === high) return high * WORD + low;
    }
  }

  /** The offset in `bytes` of `length` bytes at `pos`. Throws `EIO` if they are copied and a page is bad. */
  at(pos: number, length: number): number {
    const offset = pos - this.#start;
    if (offset >= 0 && pos + length <= this.#end && this.bytes.byteLength > 0) return offset;
    return this.#look(pos, length);
  }

  /** The medium error that prevents reading `length` bytes at `pos`; undefined if they can be read. */
  mediaError(pos: number, length: number): DaxError | undefined {
    const step = Buffer.allocUnsafe(Math.min(length, 64 * 1024));
    try {
      for (let done = 0; done < length; done += step.length) readFullSync(this.#device, step.subarray(0, length - done), pos + done);
      return undefined;
    } catch (error) {
      if (isMediaError(error)) return error;
      throw error;
    }
  }

  #look(pos: number, length: number): number {
    const head = pos % PAGE_SIZE;
    const window = this.isCopied ? undefined : this.#window(pos - head, head + length);
    if (window !== undefined && window.byteLength >= head + length) {
      this.#set(window, pos - head);
      return head;
    }
    // A copy is used only once, because the memory may have changed by the next call.
    const copy = new Uint8Array(length);
    readFullSync(this.#device, copy, pos);
    this.#set(copy, pos);
    this.#end = 0;
    return 0;
  }

  #set(bytes: Uint8Array, start: number): void {
    this.bytes = bytes;
    this.data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#start = start;
    this.#end = start + bytes.byteLength;
  }

  // A part of the device from `pos` on, of at least `length` bytes; undefined if the device provides no windows.
  #window(pos: number, length: number): Uint8Array | undefined {
    try {
      const rest = this.#device.size - (this.#device.size % PAGE_SIZE) - pos;
      const { window } = this.#device.directAccess(pos / SECTOR_SIZE, Math.max(Math.min(rest, WINDOW), length));
      return window;
    } catch (error) {
      if (!(error instanceof DaxError) || error.code === 'EBADF') throw error;
      return undefined;
    }
  }

  #loadWord(pos: number): number {
    if (this.#device.loadU64 !== undefined) return Number(this.#device.loadU64(pos));
    this.#device.readSync(scratch, pos);
    return Number(scratch[0]);
  }
}
