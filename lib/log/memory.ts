// Owns how a log gets at its bytes: through windows where the device gives some, else by copies; and its words, at once.

import { DaxError, PAGE_SIZE, readFullSync, SECTOR_SIZE, type BlockDevice } from 'node-dax';
import { isMediaError } from './error.js';

const WORD = 2 ** 32;

// Where nobody outside of this isolate sees the memory, a copy of 8 bytes is one store.
const scratch = new BigUint64Array(1);

/** Stores a word at once, durably. */
export function storeWord(device: BlockDevice, pos: number, value: number): void {
  if (device.storeU64 !== undefined) {
    device.storeU64(pos, value);
    return;
  }
  scratch[0] = BigInt(value);
  device.writeSync(scratch, pos);
}

/** The memory of one log. `at` says where in `data` and `bytes` a place of it is, until the next call. */
export class LogMemory {
  data: DataView = new DataView(new ArrayBuffer(0));
  bytes: Uint8Array = new Uint8Array(0);
  readonly #device: BlockDevice;
  // Of `bytes` on the device.
  #start = 0;
  #end = 0;
  // Of the first two pages.
  readonly #words: Uint32Array | undefined;

  constructor(device: BlockDevice) {
    this.#device = device;
    const first = this.#window(0, 2 * PAGE_SIZE);
    this.#words = first && new Uint32Array(first.buffer, first.byteOffset, (2 * PAGE_SIZE) / 4);
  }

  /** The device gives no windows: what is looked at is a copy. */
  get isCopied(): boolean {
    return this.#words === undefined;
  }

  /**
   * The word at `pos`, in the first two pages, by loads that see no half of it: it only grows, and its upper half was the same
   * before and after its lower half was loaded. No bigint is made.
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

  /** The offset in `bytes` of `length` bytes at `pos`. Throws `EIO` where they are copied and a page is bad. */
  at(pos: number, length: number): number {
    const offset = pos - this.#start;
    if (offset >= 0 && pos + length <= this.#end && this.bytes.byteLength > 0) return offset;
    return this.#look(pos, length);
  }

  /** The error of the medium that keeps `length` bytes at `pos` from being read; undefined if it can be read. */
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
    // A copy is looked at once, and may be another's by the next time.
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

  // As much as there is from there on, at least `length`; undefined where the device gives no windows.
  #window(pos: number, length: number): Uint8Array | undefined {
    try {
      const rest = this.#device.size - (this.#device.size % PAGE_SIZE) - pos;
      const { window } = this.#device.directAccess(pos / SECTOR_SIZE, Math.max(rest, length));
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
