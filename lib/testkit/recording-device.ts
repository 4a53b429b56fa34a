// Owns the device that the kit runs filesystems on: memory that starts as garbage, records what is done to it, can hold
// an asynchronous copy back, and loses with the power what was not flushed and fenced.

import {
  bdevDirectAccess,
  PAGE_SIZE,
  SECTOR_SIZE,
  type BlockDevice,
  type BufferRange,
  type Bytes,
  type DirectAccess,
  type FlushOption,
  type Granularity,
  type WriteOptions,
} from 'node-dax';
import { forEachWord, LINE, type MarkEvent, type Trace, type TraceEvent } from './trace.js';

/** What the medium is filled with before a filesystem gets it: no byte of it may ever be read from a file. */
export const GARBAGE = 0xa5;

interface Flushed {
  readonly pos: number;
  readonly bytes: Uint8Array;
}

/**
 * A device in memory. Loads see every store at once. A cache line is dirty from a store on, and durable at the fence that
 * follows its flush, as it was when it was flushed; it may become durable at any time before.
 *
 * A window of `directAccess` is memory that JavaScript stores to without a call. The device finds such stores at the
 * next call that stores, flushes, fences or marks, by comparing the pages that windows were given on.
 */
export class RecordingDevice implements BlockDevice {
  readonly size: number;
  readonly granularity: Granularity = 'cache_line';
  /** Called by an asynchronous copy before it moves anything; the copy waits for what it returns. */
  park: (() => Promise<void> | undefined) | undefined;
  /** Bytes stored so far, by copies and by zeroing. */
  stored = 0;

  readonly #memory: Uint8Array;
  // What a power cut leaves.
  readonly #durable: Uint8Array;
  #flushed: Flushed[] = [];
  #trace: { content: Uint8Array; events: TraceEvent[] } | undefined;
  // The memory as it is in the trace, from the first window on, and the pages that windows were given on.
  #seen: Uint8Array | undefined;
  readonly #exposed = new Set<number>();

  /** `size` in bytes, a multiple of 4096. `content` is the memory of the device from now on; garbage by default. */
  constructor(size: number, content?: Uint8Array) {
    this.size = size;
    this.#memory = content === undefined ? new Uint8Array(size).fill(GARBAGE) : part(content, {});
    this.#durable = this.#memory.slice();
  }

  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    const op = (first: number) => {
      const pos = first * SECTOR_SIZE;
      return { bytes: this.size - pos, window: this.#memory.subarray(pos), pfn: undefined };
    };
    const { bytes, window, pfn } = bdevDirectAccess(op, this.size / SECTOR_SIZE, sector, size);
    const expose = () => {
      this.#expose(Number(sector) * SECTOR_SIZE, bytes);
      return window;
    };
    return {
      bytes,
      pfn,
      // Most ask how much lies there, and never look.
      get window() {
        return expose();
      },
    };
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
    this.#store(Number(pos), bytes, options);
    return bytes.byteLength;
  }

  async write(source: NodeJS.ArrayBufferView, pos: Bytes, options: WriteOptions = {}): Promise<number> {
    await this.park?.();
    return this.writeSync(source, pos, options);
  }

  zeroSync(pos: Bytes, length: Bytes, options: FlushOption = {}): number {
    const bytes = new Uint8Array(Math.min(Number(length), this.size - Number(pos)));
    this.#store(Number(pos), bytes, options);
    return bytes.byteLength;
  }

  flush(pos: Bytes, length: Bytes): void {
    this.#look();
    this.#flush(Number(pos), Number(length));
  }

  drain(): void {
    this.#look();
    this.#fence();
  }

  persist(pos: Bytes, length: Bytes): void {
    this.flush(pos, length);
    this.#fence();
  }

  /** Begins to record, anew if it did already. What is in flight now is in flight at the start of the trace. */
  startTrace(): void {
    const flushed = this.#flushed;
    const memory = this.#memory.slice();
    const trace = { content: this.#durable.slice(), events: [] };
    this.#trace = trace;
    const before = trace.content.slice();
    for (const { pos, bytes } of flushed) {
      this.#recordChanges(before, bytes, pos);
      this.#record({ kind: 'flush', pos, length: bytes.byteLength });
    }
    this.#recordChanges(before, memory, 0);
    this.#seen?.set(memory);
  }

  /** Ends the record, and returns it. `startTrace` must have been called. */
  endTrace(): Trace {
    this.#look();
    const trace = this.#trace;
    if (trace === undefined) throw new Error('nothing was recorded: call startTrace first');
    this.#trace = undefined;
    return trace;
  }

  /** Records a mark. */
  mark(name: string, edge: MarkEvent['edge']): void {
    this.#look();
    this.#record({ kind: 'mark', name, edge });
  }

  /** The device as it is found after the power was cut now: what was not flushed and fenced is lost. */
  afterPowerCut(): RecordingDevice {
    return new RecordingDevice(this.size, this.#durable.slice());
  }

  #record(event: TraceEvent): void {
    this.#trace?.events.push(event);
  }

  #store(pos: number, bytes: Uint8Array, { flush }: FlushOption): void {
    this.#look();
    this.#memory.set(bytes, pos);
    this.#seen?.set(bytes, pos);
    this.stored += bytes.byteLength;
    if (this.#trace !== undefined) this.#record({ kind: 'store', pos, bytes: bytes.slice(), isOrdered: true });
    if (flush === false) return;
    this.#flush(pos, bytes.byteLength);
    this.#fence();
  }

  // Whole lines, as they are now: what is stored to them later is not in this flush.
  #flush(pos: number, length: number): void {
    if (length <= 0) return;
    const start = pos - (pos % LINE);
    const end = Math.min(Math.ceil((pos + length) / LINE) * LINE, this.size);
    this.#flushed.push({ pos: start, bytes: this.#memory.slice(start, end) });
    this.#record({ kind: 'flush', pos: start, length: end - start });
  }

  #fence(): void {
    for (const { pos, bytes } of this.#flushed) this.#durable.set(bytes, pos);
    this.#flushed = [];
    this.#record({ kind: 'fence' });
  }

  #expose(pos: number, length: number): void {
    this.#look();
    this.#seen ??= this.#memory.slice();
    for (let page = Math.floor(pos / PAGE_SIZE); page * PAGE_SIZE < pos + length; page++) this.#exposed.add(page);
  }

  // Finds the stores through windows.
  #look(): void {
    const seen = this.#seen;
    if (seen === undefined || this.#trace === undefined) return;
    for (const page of this.#exposed) {
      const pos = page * PAGE_SIZE;
      this.#recordChanges(seen, this.#memory.subarray(pos, pos + PAGE_SIZE), pos);
    }
  }

  // Records what `now`, which lies at `start`, differs by from `before`, and brings `before` up to it.
  #recordChanges(before: Uint8Array, now: Uint8Array, start: number): void {
    for (let from = 0; from < now.byteLength; from += PAGE_SIZE) {
      const chunk = now.subarray(from, from + PAGE_SIZE);
      const old = before.subarray(start + from, start + from + chunk.byteLength);
      if (Buffer.compare(old, chunk) === 0) continue;
      forEachWord(start + from, chunk.byteLength, (pos, length) => {
        const bytes = chunk.slice(pos - start - from, pos - start - from + length);
        if (bytes.every((byte, index) => before[pos + index] === byte)) return;
        this.#record({ kind: 'store', pos, bytes, isOrdered: false });
      });
      old.set(chunk);
    }
  }
}

function part({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView, range: BufferRange): Uint8Array {
  const offset = range.offset ?? 0;
  return new Uint8Array(buffer, byteOffset + offset, range.length ?? byteLength - offset);
}
