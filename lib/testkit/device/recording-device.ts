// Owns the device on which the kit runs filesystems: memory that starts as garbage, records every access, can hold back an
// asynchronous copy, and in a power cut loses every store that was not flushed and fenced.

import {
  checkOptions,
  PAGE_SIZE,
  SECTOR_SIZE,
  type Abortable,
  type Backing,
  type BufferRange,
  type Bytes,
  type DaxDevice,
  type DirectAccess,
  type FlushOption,
  type WriteOptions,
} from 'node-dax';
import { MemoryDevice, RANGE, WRITING } from './memory-device.js';
import { forEachWord, LINE, type MarkEvent, type Trace, type TraceEvent } from './trace.js';

/** The byte that fills the medium before a filesystem gets it. It must never be read from a file. */
export const GARBAGE = 0xa5;

interface Flushed {
  readonly pos: number;
  readonly bytes: Uint8Array;
}

/**
 * A device in memory. Loads see every store at once. A store makes its cache line dirty; the fence after a flush makes the line
 * durable as it was when flushed. The line may become durable at any time before that.
 *
 * JavaScript stores to a window of `directAccess` without a call. The device finds such stores at the next call that stores,
 * flushes, fences or marks, by comparing the pages of which it has given windows.
 */
export class RecordingDevice extends MemoryDevice {
  /** Called by an asynchronous copy before it moves anything; the copy waits for what it returns. */
  park: (() => Promise<void> | undefined) | undefined;
  /** Bytes stored so far, by copies and by zeroing. */
  stored = 0;
  /**
   * Present if files on the device can be mapped. Call `persist` for ranges that a mapping has made durable, because this device
   * does not see that.
   */
  readonly backing?: (pos: number, length: number) => Backing;

  // The content that a power cut leaves.
  readonly #durable: Uint8Array;
  #flushed: Flushed[] = [];
  #trace: { content: Uint8Array; events: TraceEvent[] } | undefined;
  // The memory as the trace has it, kept from the first window on, and the pages of which windows were given.
  #seen: Uint8Array | undefined;
  readonly #exposed = new Set<number>();

  /**
   * `size` in bytes, a multiple of 4096. `content` becomes the memory of the device; garbage by default. If it is the memory of
   * `opened`, from byte 0 on, files on the device can be mapped.
   */
  constructor(size: number, content: Uint8Array = new Uint8Array(size).fill(GARBAGE), opened?: DaxDevice) {
    super(content);
    this.#durable = this.memory.slice();
    if (opened === undefined) return;
    this.backing = (pos, length) => {
      this.#expose(pos, length);
      return opened.backing(pos);
    };
  }

  override directAccess(sector: Bytes, size: Bytes): DirectAccess {
    const { bytes, window, pfn } = super.directAccess(sector, size);
    const expose = () => {
      this.#expose(Number(sector) * SECTOR_SIZE, bytes);
      return window;
    };
    return {
      bytes,
      pfn,
      // Made when it is asked for, because most callers only ask for `bytes`.
      get window() {
        return expose();
      },
    };
  }

  // The signal is ignored: the copy takes no longer than a look at the signal.
  async read(target: NodeJS.ArrayBufferView, pos: Bytes, options: BufferRange & Abortable = {}): Promise<number> {
    checkOptions(options, { ...RANGE, signal: true });
    const range = { ...options };
    delete range.signal;
    await this.park?.();
    return this.readSync(target, pos, range);
  }

  async write(source: NodeJS.ArrayBufferView, pos: Bytes, options: WriteOptions & Abortable = {}): Promise<number> {
    checkOptions(options, { ...WRITING, signal: true });
    const how = { ...options };
    delete how.signal;
    await this.park?.();
    return this.writeSync(source, pos, how);
  }

  override flush(pos: Bytes, length: Bytes): void {
    this.#look();
    this.#flush(Number(pos), Number(length));
  }

  override drain(): void {
    this.#look();
    this.#fence();
  }

  /** Starts recording, or starts over. Stores in flight now are in flight at the start of the trace. */
  startTrace(): void {
    this.#trace = { content: this.#durable.slice(), events: [] };
    const before = this.#durable.slice();
    for (const { pos, bytes } of this.#flushed) {
      this.#recordChanges(before, bytes, pos);
      this.#record({ kind: 'flush', pos, length: bytes.byteLength });
    }
    this.#recordChanges(before, this.memory, 0);
    this.#seen?.set(this.memory);
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

  /**
   * The device after a power cut now: stores that were not flushed and fenced are lost. With `opened`, of the same size, the new
   * device uses its memory, and files on it can be mapped.
   */
  afterPowerCut(opened?: DaxDevice): RecordingDevice {
    const content = opened?.view(0, this.size) ?? new Uint8Array(this.size);
    content.set(this.#durable);
    return new RecordingDevice(this.size, content, opened);
  }


  protected override store(pos: number, bytes: Uint8Array, options: FlushOption): void {
    this.#look();
    if (this.#trace !== undefined) this.#record({ kind: 'store', pos, bytes: bytes.slice(), isOrdered: true });
    this.stored += bytes.byteLength;
    this.#seen?.set(bytes, pos);
    super.store(pos, bytes, options);
  }

  #record(event: TraceEvent): void {
    this.#trace?.events.push(event);
  }

  // Flushes whole lines with their present content: later stores to them are not part of this flush.
  #flush(pos: number, length: number): void {
    if (length <= 0) return;
    const start = pos - (pos % LINE);
    const end = Math.min(Math.ceil((pos + length) / LINE) * LINE, this.size);
    this.#flushed.push({ pos: start, bytes: this.memory.slice(start, end) });
    this.#record({ kind: 'flush', pos: start, length: end - start });
  }

  #fence(): void {
    for (const { pos, bytes } of this.#flushed) this.#durable.set(bytes, pos);
    this.#flushed = [];
    this.#record({ kind: 'fence' });
  }

  #expose(pos: number, length: number): void {
    this.#look();
    this.#seen ??= this.memory.slice();
    for (let page = Math.floor(pos / PAGE_SIZE); page * PAGE_SIZE < pos + length; page++) this.#exposed.add(page);
  }

  // Finds and records stores through windows.
  #look(): void {
    const seen = this.#seen;
    if (seen === undefined || this.#trace === undefined) return;
    for (const page of this.#exposed) {
      const pos = page * PAGE_SIZE;
      this.#recordChanges(seen, this.memory.subarray(pos, pos + PAGE_SIZE), pos);
    }
  }

  // Records the differences of `now`, which lies at `start`, from `before`, and updates `before`.
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
