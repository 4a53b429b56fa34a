// Owns `Log`: the operations on an open log.

import { argumentError, checkOptions, type BlockDevice, type Bytes, type OptionNames } from 'node-dax';
import { fail } from './error.js';
import { UNIT, VERSION, type Superblock } from './format.js';
import { Reading, type LogEntry, type LogRecord, type OnLoss } from './reading.js';
import { findEnd, newestCheckpoint } from './recover.js';
import type { Ring } from './ring.js';
import type { Writer } from './writer.js';

/** How records are read. */
export interface ReadOptions {
  /** Return copies of the records. Default false: views of the memory, valid until the records are truncated. */
  readonly copy?: boolean;
  /** Called with what cannot be read; reading then continues after it. Default: reading ends there with an error. */
  readonly onLoss?: OnLoss;
}

/** The options of `follow`. */
export interface FollowOptions {
  /** The position of the first record. Default: the tail, for records that are appended from now on. */
  readonly from?: Bytes;
  readonly onLoss?: OnLoss;
}

/** The properties of a log, and how full it is. Positions as in `LogRecord`, sizes in bytes. */
export interface LogInfo {
  readonly version: number;
  /** The id of the log, in hexadecimal digits. */
  readonly id: string;
  /** How much of the device the log occupies. */
  readonly size: number;
  /** The room for records and their headers. */
  readonly capacity: number;
  readonly used: number;
  readonly free: number;
  /** The position of the first record; `tail` is the position after the last. */
  readonly head: number;
  readonly tail: number;
  /** The sequence of the next record. */
  readonly nextSequence: number;
  readonly readOnly: boolean;
  /** Whether appended records survive a power cut; undefined if the kernel does not know. */
  readonly persistent: boolean | undefined;
}

const READING: OptionNames<ReadOptions> = { copy: true, onLoss: true };
const FOLLOWING: OptionNames<FollowOptions> = { from: true, onLoss: true };

// Milliseconds between looks at the log: a record of another isolate or process is found after at most `LAST_WAIT`.
const FIRST_WAIT = 1;
const LAST_WAIT = 16;

function toPosition(value: unknown): number {
  const position = typeof value === 'bigint' ? Number(value) : value;
  if (typeof position !== 'number') throw argumentError('ERR_INVALID_ARG_TYPE', 'a position must be a number or a bigint');
  if (Number.isSafeInteger(position) && position >= 0) return position;
  throw argumentError('ERR_OUT_OF_RANGE', `a position is a safe integer of at least 0, got ${String(value)}`);
}

/** An open log, made by `openLog`. */
export class Log {
  readonly device: BlockDevice;
  readonly #superblock: Superblock;
  readonly #ring: Ring;
  readonly #writer: Writer | undefined;
  #end: (() => void) | undefined;
  // Wakes the `follow` iterations that wait.
  readonly #waiting = new Set<() => void>();

  /** @internal Use `openLog`. */
  constructor(device: BlockDevice, superblock: Superblock, ring: Ring, writer: Writer | undefined, end: () => void) {
    this.device = device;
    this.#superblock = superblock;
    this.#ring = ring;
    this.#writer = writer;
    this.#end = end;
  }

  /** False once `close` was called. */
  get isOpen(): boolean {
    return this.#end !== undefined;
  }

  /** The position of the first record, or the tail of an empty log. */
  get head(): number {
    this.#usable('head');
    return this.#ring.head;
  }

  /** The position after the last record. */
  get tail(): number {
    this.#usable('tail');
    return this.#ring.tail;
  }

  /**
   * Appends a record and returns its position. If the memory is persistent, the record is durable on return, flushed as
   * `device.granularity` requires. Throws `ENOSPC` with reason `DEVICE_FULL` if it does not fit into the free room, `EMSGSIZE` if
   * it is larger than the log or 2 GiB, and `EROFS` if the log is open for reading.
   */
  append(record: NodeJS.ArrayBufferView): number {
    const position = this.#appending().append(record);
    this.#wake();
    return position;
  }

  /** Appends one record that is the concatenation of `parts`, as `append` does. */
  appendv(parts: readonly NodeJS.ArrayBufferView[]): number {
    const position = this.#appending().appendv(toArray(parts));
    this.#wake();
    return position;
  }

  /**
   * Appends records, all durable on return as with `append`, but with one wait per 64 KiB or 256 of them. Returns their positions.
   * Appends none if they do not all fit. After a power cut during the call, the log may contain some of them, always the first ones.
   */
  appendMany(records: readonly NodeJS.ArrayBufferView[]): number[] {
    // A copy, so what is checked is what is appended.
    const positions = this.#appending().appendMany([...toArray(records)]);
    this.#wake();
    return positions;
  }

  /**
   * Iterates over the records from `from` on, by default all, up to the last that exists when the iteration reaches the end. Throws
   * `ESTALE` with reason `LOG_OVERTAKEN` if the writer has truncated the record to be read next, or the one whose view was returned
   * last, and, without `onLoss`, `EIO` or `EUCLEAN` with the byte as `position` if records are lost.
   */
  records(from?: Bytes, options: ReadOptions = {}): Generator<LogRecord, void, undefined> {
    this.#usable('records');
    checkOptions(options, READING);
    const { copy = false, onLoss } = options;
    return this.#records(this.#reading(from, onLoss), copy || this.#ring.memory.isCopied);
  }

  /**
   * Iterates over the records as `records` does, but reads only their headers: their positions and lengths, not their contents.
   */
  entries(from?: Bytes, options: Pick<ReadOptions, 'onLoss'> = {}): Generator<LogEntry, void, undefined> {
    this.#usable('entries');
    checkOptions(options, { onLoss: true });
    return this.#entries(this.#reading(from, options.onLoss));
  }

  /**
   * Yields records as they are appended, from now on or from a position, as copies. Ends without an error when `signal` is aborted
   * or the log is closed. The writer may be in this isolate, another thread or another process. Throws as `records` does.
   */
  follow(signal?: AbortSignal, options: FollowOptions = {}): AsyncGenerator<LogRecord, void, undefined> {
    this.#usable('follow');
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw argumentError('ERR_INVALID_ARG_TYPE', 'signal must be an AbortSignal');
    checkOptions(options, FOLLOWING);
    return this.#follow(this.#reading(options.from ?? this.#ring.tail, options.onLoss), signal);
  }

  /**
   * Removes the records before `position`, which must be the position of a record or the tail. Their room becomes free. Durable on
   * return. Views of the removed records are no longer valid.
   */
  truncateBefore(position: Bytes): void {
    const writer = this.#appending('truncateBefore');
    const to = toPosition(position);
    const { head, tail } = this.#ring;
    const isRecord = () => this.#ring.look(to, tail) && this.#ring.isIntact(to);
    if (to < head || to > tail || (to !== head && to !== tail && !isRecord())) {
      const hint = `no record begins at position ${to}: records lie from ${head} on, and end at ${tail}`;
      fail('EINVAL', 'truncateBefore', hint, { reason: 'OFFSET_OUT_OF_RANGE' });
    }
    writer.truncateBefore(to);
  }

  /** The properties of the log, and how full it is. */
  info(): LogInfo {
    this.#usable('info');
    const { id, size } = this.#superblock;
    const ring = this.#ring;
    const { head, tail, capacity } = ring;
    const { checkpoint } = newestCheckpoint(this.device, ring);
    return {
      version: VERSION,
      id: Buffer.from(id).toString('hex'),
      size,
      capacity: capacity * UNIT,
      used: (tail - head) * UNIT,
      free: (capacity - (tail - head)) * UNIT,
      head,
      tail,
      nextSequence: findEnd(ring, checkpoint).sequence,
      readOnly: this.#writer === undefined,
      persistent: this.device.persistent,
    };
  }

  /**
   * Closes the log, ends the `follow` iterations of this object, and closes the device if `openLog` opened it. May be called again.
   */
  close(): void {
    const end = this.#end;
    if (end === undefined) return;
    this.#end = undefined;
    this.#wake();
    try {
      this.#writer?.checkpoint();
    } finally {
      end();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #reading(from: Bytes | undefined, onLoss: OnLoss | undefined): Reading {
    if (onLoss !== undefined && typeof onLoss !== 'function') throw argumentError('ERR_INVALID_ARG_TYPE', 'onLoss must be a function');
    return new Reading(this.#ring, from === undefined ? this.#ring.head : toPosition(from), onLoss);
  }

  *#records(reading: Reading, isCopy: boolean): Generator<LogRecord, void, undefined> {
    while (this.isOpen && reading.find(true)) {
      const { position } = reading;
      const { sequence } = this.#ring.header;
      const bytes = reading.content(isCopy);
      // If the writer reused the room while the copy was made, the copy is not the record's.
      if (isCopy) reading.checkKept(position);
      reading.pass();
      yield { position, sequence, bytes };
      // The writer may have reused the room while the view was in use.
      if (!isCopy) reading.checkKept(position);
    }
  }

  *#entries(reading: Reading): Generator<LogEntry, void, undefined> {
    const { header } = this.#ring;
    while (this.isOpen && reading.find(false)) {
      const entry = { position: reading.position, sequence: header.sequence, length: header.length };
      reading.pass();
      yield entry;
    }
  }

  async *#follow(reading: Reading, signal: AbortSignal | undefined): AsyncGenerator<LogRecord, void, undefined> {
    const isOver = (): boolean => !this.isOpen || signal?.aborted === true;
    let wait = FIRST_WAIT;
    while (!isOver()) {
      for (const record of this.#records(reading, true)) {
        wait = FIRST_WAIT;
        yield record;
        if (isOver()) return;
      }
      if (isOver()) return;
      await this.#change(wait, signal);
      wait = Math.min(2 * wait, LAST_WAIT);
    }
  }

  // Waits until a record is appended through this object, at most `milliseconds`.
  #change(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      signal?.addEventListener('abort', wake);
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    // Fast path for every append: usually no `follow` waits.
    if (this.#waiting.size === 0) return;
    for (const wake of this.#waiting) wake();
  }

  #usable(syscall: string): void {
    if (this.#end === undefined) fail('EBADF', syscall, 'the log is closed', { reason: 'DEVICE_CLOSED' });
  }

  #appending(syscall = 'append'): Writer {
    this.#usable(syscall);
    return this.#writer ?? fail('EROFS', syscall, 'the log was opened with readOnly: true', { reason: 'READ_ONLY' });
  }
}

function toArray(value: readonly NodeJS.ArrayBufferView[]): readonly NodeJS.ArrayBufferView[] {
  if (Array.isArray(value)) return value as readonly NodeJS.ArrayBufferView[];
  throw argumentError('ERR_INVALID_ARG_TYPE', 'what is appended must be an array of Buffers, TypedArrays or DataViews');
}
