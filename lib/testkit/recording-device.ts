// Owns the device that the kit runs filesystems on: memory that starts as garbage, records what is done to it, can hold
// an asynchronous copy back, and can lose what was not flushed.

import {
  bdevDirectAccess,
  SECTOR_SIZE,
  type BlockDevice,
  type BufferRange,
  type Bytes,
  type DirectAccess,
  type FlushOption,
  type Granularity,
  type WriteOptions,
} from 'node-dax';

/** What the medium is filled with before a filesystem gets it: no byte of it may ever be read from a file. */
export const GARBAGE = 0xa5;

/** Something that a filesystem, or the I/O of its files, did to the device. Stores through a window are not seen. */
export interface DeviceEvent {
  readonly kind: 'store' | 'flush' | 'fence';
  /** Bytes; 0 and 0 for a fence. */
  readonly pos: number;
  readonly length: number;
}

export class RecordingDevice implements BlockDevice {
  readonly size: number;
  readonly granularity: Granularity = 'cache_line';
  /** In order, since the start or the last `forget`. */
  readonly events: DeviceEvent[] = [];
  /** Called by an asynchronous copy before it moves anything; the copy waits for what it returns. */
  park: (() => Promise<void> | undefined) | undefined;

  readonly #memory: Uint8Array;
  // What a power cut leaves.
  readonly #durable: Uint8Array;
  #flushed: { pos: number; length: number }[] = [];

  /** `size` in bytes, a multiple of 4096. `content` is what is on the medium; garbage by default. */
  constructor(size: number, content?: Uint8Array) {
    this.size = size;
    this.#memory = content ?? new Uint8Array(size).fill(GARBAGE);
    this.#durable = this.#memory.slice();
  }

  /** Bytes stored so far, by copies and by zeroing. */
  stored = 0;

  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    const op = (first: number) => {
      const pos = first * SECTOR_SIZE;
      return { bytes: this.size - pos, window: this.#memory.subarray(pos), pfn: undefined };
    };
    return bdevDirectAccess(op, this.size / SECTOR_SIZE, sector, size);
  }

  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, range: BufferRange = {}): number {
    const bytes = part(target, range);
    const from = this.#memory.subarray(Number(pos), Number(pos) + bytes.byteLength);
    bytes.set(from);
    return from.byteLength;
  }

  async read(target: NodeJS.ArrayBufferView, pos: Bytes, range: BufferRange = {}): Promise<number> {
    await this.park?.();
    return this.readSync(target, pos, range);
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options: WriteOptions = {}): number {
    const bytes = part(source, options).subarray(0, this.size - Number(pos));
    this.#memory.set(bytes, Number(pos));
    this.#stored(Number(pos), bytes.byteLength, options);
    return bytes.byteLength;
  }

  async write(source: NodeJS.ArrayBufferView, pos: Bytes, options: WriteOptions = {}): Promise<number> {
    await this.park?.();
    return this.writeSync(source, pos, options);
  }

  zeroSync(pos: Bytes, length: Bytes, options: FlushOption = {}): number {
    const start = Number(pos);
    const end = Math.min(start + Number(length), this.size);
    this.#memory.fill(0, start, end);
    this.#stored(start, end - start, options);
    return end - start;
  }

  flush(pos: Bytes, length: Bytes): void {
    const range = { pos: Number(pos), length: Number(length) };
    this.events.push({ kind: 'flush', ...range });
    this.#flushed.push(range);
  }

  drain(): void {
    this.events.push({ kind: 'fence', pos: 0, length: 0 });
    for (const { pos, length } of this.#flushed) this.#durable.set(this.#memory.subarray(pos, pos + length), pos);
    this.#flushed = [];
  }

  persist(pos: Bytes, length: Bytes): void {
    this.flush(pos, length);
    this.drain();
  }

  /** Empties `events`. */
  forget(): void {
    this.events.length = 0;
  }

  /** The device as it is found after the power was cut now: what was not flushed and fenced is lost. */
  afterPowerCut(): RecordingDevice {
    return new RecordingDevice(this.size, this.#durable.slice());
  }

  #stored(pos: number, length: number, { flush }: FlushOption): void {
    this.stored += length;
    this.events.push({ kind: 'store', pos, length });
    if (flush !== false) this.persist(pos, length);
  }
}

function part({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView, range: BufferRange): Uint8Array {
  const offset = range.offset ?? 0;
  return new Uint8Array(buffer, byteOffset + offset, range.length ?? byteLength - offset);
}
