// Owns DaxDevice: an open device, and every operation on its bytes.

import { toSignal } from '../abort.js';
import { argumentError } from '../argument-error.js';
import { addon, type DeviceKind, type Granularity, type NativeFacts, type NativeHandle } from '../binding.js';
import {
  ABORTABLE,
  bdevDirectAccess,
  FLUSHING,
  PUBLISHING,
  READING,
  READING_LATER,
  WRITING,
  WRITING_LATER,
  type Abortable,
  type Backing,
  type BlockDevice,
  type BufferRange,
  type DeviceLock,
  type DeviceRun,
  type DirectAccess,
  type FlushOption,
  type LockMode,
  type PublisherOptions,
  type RecordPublisher,
  type WriteOptions,
} from './block-device.js';
import { factsOf, type DeviceFacts } from './device-facts.js';
import { FileLocks, toLockMode, type LockedFile } from './device-lock.js';
import { InFlight } from './in-flight.js';
import type { Persistence } from '../discovery/devices/region-persistence.js';
import { DaxError, type DaxErrorInit } from '../errors.js';
import { loopTurn } from '../locks/loop-turn.js';
import { bufferRange, checkAttached, toPlainBytes, toUint8Array } from './memory.js';
import { checkOptions } from '../options.js';
import { copyInPool, POOL_THRESHOLD, smallLength } from './pool-copy.js';
import { makeRecordPublisher } from './record-publisher.js'; // late
import { DeviceAccess, MAX_VIEW_LENGTH, Segments } from './segments.js';
import { moveEach, moveEachSync, totalLength, toVector } from './vector.js'; // late
import { SECTOR_SIZE, toBytes, toU64, type Bytes } from '../units.js';

/** The options of `open` that the device needs later. */
export type OpenedAs = Pick<LockedFile, 'readOnly' | 'isLocked' | 'isForced'> & { persistence: Persistence };

type Views = readonly NodeJS.ArrayBufferView[];

/**
 * An open device, made by `open`. Positions and lengths are bytes, as numbers or bigints. Arguments of a wrong type throw
 * `TypeError`, values out of range `RangeError`, and all other failures `DaxError`. An operation that fails after it has moved
 * bytes returns their number, and the next call throws the error. "Durable" means flushed as `granularity` asks; such bytes survive
 * a power cut if `persistent` is true.
 */
export class DaxDevice implements BlockDevice {
  /** The path by which it was opened. */
  readonly path: string;
  readonly kind: DeviceKind;
  /** Mappings begin and end at multiples of this many bytes. */
  readonly alignment: number;
  /**
   * What makes a store durable, if `facts.persistent`: `byte` (ordering alone, because the caches are in the persistence domain),
   * `cache_line` (flushing the cache lines) or `page` (msync). The kind of the device decides it.
   */
  readonly granularity: Granularity;
  /** The same as `facts.persistent`. */
  readonly persistent: boolean | undefined;
  /** Whether loads and stores reach the medium without a page cache: a devdax, or a file with DAX. */
  readonly isDax: boolean;
  /** Whether the kernel has accepted MAP_SYNC, so flushed stores survive without fsync. */
  readonly mapSync: boolean;
  readonly readOnly: boolean;
  /** The NUMA node of the device; undefined if the kernel names none. */
  readonly numaNode: number | undefined;
  readonly facts: DeviceFacts;

  readonly #addon = addon();
  readonly #handle: NativeHandle;
  // The handle; undefined once `close` is called.
  #open: NativeHandle | undefined;
  #size: number;
  readonly #segments: Segments;
  // Made once, because every copy to or from a device that lies on this one asks for direct access.
  readonly #op = (absolute: number, wanted: number): DirectAccess => {
    const pos = absolute * SECTOR_SIZE;
    return new DeviceAccess(this, pos, wanted, this.#segments.reach(pos, 1));
  };
  readonly #locks: FileLocks;
  readonly #inFlight = new InFlight();
  #closing: Promise<void> | undefined;

  /** @internal Use `open` or `openSync`. */
  constructor(path: string, found: NativeFacts, { readOnly, isLocked, isForced, persistence }: OpenedAs) {
    this.path = path;
    this.kind = found.kind;
    this.alignment = found.alignment;
    this.granularity = found.granularity;
    this.persistent = persistence.persistent;
    this.isDax = found.kind === 'devdax' || found.statxDax || found.mapSync;
    this.mapSync = found.mapSync;
    this.readOnly = readOnly;
    this.numaNode = found.numaNode < 0 ? undefined : found.numaNode;
    this.facts = factsOf(found, persistence, this.#addon.cpu());
    this.#handle = found.handle;
    this.#open = found.handle;
    this.#size = found.size;
    this.#segments = new Segments(found.handle, path, found.size);
    this.#locks = new FileLocks({ handle: found.handle, path, isBlock: found.kind === 'block', readOnly, isLocked, isForced });
  }

  /** @internal For code that maps the pages of the device. */
  get handle(): NativeHandle {
    this.#usable('mmap');
    return this.#handle;
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** False once `close` was called. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /**
   * Gives access to the memory at a sector (512 bytes), by the rules of the kernel's `bdev_direct_access`. Gives fewer bytes than
   * were asked for if a window ends earlier, so callers must loop. The window of a read-only device is a private view, as from
   * `view`; a read-only devdax has no window. Throws what `bdevDirectAccess` throws.
   */
  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    this.#usable('directAccess');
    return bdevDirectAccess(this.#op, Math.floor(this.#size / SECTOR_SIZE), sector, size);
  }

  /**
   * The device's own memory as a Uint8Array, without a copy. Stores reach the device, and are durable after `persist`. Views of a
   * read-only device are private: a stray store stays in this process. A view is detached (length 0) when the device is closed, or
   * when it shrinks so that the view's segment reaches past the end. A view may have up to 2 GiB from any position, or 4 GiB from
   * position 0; use `windows` for larger ranges.
   *
   * The view's `buffer` is a segment of up to 4 GiB that all views there share. `structuredClone` and `postMessage` of a view copy
   * the whole segment: give them `view.slice()`. The buffer cannot be transferred: its `transfer` methods (Node 22) throw a
   * `TypeError`, and a transfer by `structuredClone` throws a `DataCloneError`, or copies on Node 20.
   */
  view(pos: Bytes = 0, length?: Bytes): Uint8Array {
    this.#usable('view');
    const start = toBytes(pos, 'pos');
    const bytes = length === undefined ? Math.max(0, this.#size - start) : toBytes(length, 'length');
    this.#checkInside(start, bytes);
    if (this.readOnly && this.kind === 'devdax') {
      this.#fail('view', 'EACCES', {
        reason: 'DEVDAX_PRIVATE',
        hint: 'a stray store through it would end the process: open the device writable, or use readSync',
      });
    }
    if (bytes > MAX_VIEW_LENGTH && bytes > this.#segments.reach(start, bytes)) {
      throw argumentError('ERR_OUT_OF_RANGE', `a view of ${bytes} bytes is too long: make several of up to 2 GiB`);
    }
    return this.#segments.view(start, bytes);
  }

  /**
   * Iterates over the memory of a range of any length, one view at a time. Each view comes with the position at which it begins,
   * and all but the last have `size` bytes (at most 2 GiB, the default). Throws as `view` does; wrong arguments throw at the call,
   * not at the first iteration.
   */
  windows(pos: Bytes = 0, length?: Bytes, size: Bytes = MAX_VIEW_LENGTH): Generator<{ pos: number; window: Uint8Array }> {
    this.#usable('windows');
    const start = toBytes(pos, 'pos');
    const end = start + (length === undefined ? Math.max(0, this.#size - start) : toBytes(length, 'length'));
    this.#checkInside(start, end - start);
    const step = toBytes(size, 'size');
    if (step === 0 || step > MAX_VIEW_LENGTH) throw argumentError('ERR_OUT_OF_RANGE', `size must be from 1 to ${MAX_VIEW_LENGTH}, got ${step}`);
    return this.#windows(start, end, step);
  }

  *#windows(start: number, end: number, step: number): Generator<{ pos: number; window: Uint8Array }> {
    for (let at = start; at < end; at += step) yield { pos: at, window: this.view(at, Math.min(step, end - at)) };
  }

  /**
   * Reads into `target`. Returns the bytes read: fewer at the end of the device or before a bad page, 0 at the end. Throws
   * `EIO` with `position` if the first page is poisoned or gone.
   */
  readSync(target: NodeJS.ArrayBufferView, pos: Bytes = 0, options?: BufferRange): number {
    this.#usable('read');
    if (options !== undefined) checkOptions(options, READING);
    return this.#read(target, pos, options);
  }

  // Does not check that the device is open: a read that was begun before `close` also ends here.
  #read(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange): number {
    const buffer = toPlainBytes(target, 'target');
    const start = toBytes(pos, 'pos');
    let read;
    if (options === undefined) {
      read = this.#addon.read(this.#handle, buffer, start);
    } else {
      const { offset, length } = bufferRange(buffer, options);
      read = this.#addon.read(this.#handle, buffer, start, offset, length);
    }
    if (read > 0) return read;
    checkAttached(buffer, 'target');
    return read < 0 ? this.#failAt('read', read, start) : 0;
  }

  /**
   * Writes from `source`. Returns the bytes written: fewer if the device ends. They are durable, flushed as the device's
   * granularity asks, unless `flush` is false. Throws `ENOSPC` at the end of the device, and `EIO` with `position` if the first
   * page is gone.
   */
  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes = 0, options?: WriteOptions): number {
    this.#writable('write');
    if (options !== undefined) checkOptions(options, WRITING);
    return this.#write(source, pos, options);
  }

  #write(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number {
    const buffer = toPlainBytes(source, 'source');
    const start = toBytes(pos, 'pos');
    const flush = toFlush(options);
    let written;
    if (options === undefined) {
      written = this.#addon.write(this.#handle, buffer, start, flush);
    } else {
      const { offset, length } = bufferRange(buffer, options);
      written = this.#addon.write(this.#handle, buffer, start, flush, offset, length);
    }
    if (written > 0) return written;
    checkAttached(buffer, 'source');
    return written < 0
      ? this.#failAt('write', written, start)
      : this.#clipWrite('write', start, bufferRange(buffer, options).length);
  }

  /**
   * Reads as `readSync` does. Small reads are made on this thread, at once or after the event loop's turn; large reads are made on
   * another thread, so `target` must not be transferred until the promise settles. Rejects with an `AbortError` once `signal` is
   * aborted.
   */
  async read(target: NodeJS.ArrayBufferView, pos: Bytes = 0, options?: BufferRange & Abortable): Promise<number> {
    this.#usable('read');
    checkOptions(options, READING_LATER);
    const signal = toSignal(options);
    const small = smallLength(target, options);
    if (small !== undefined) {
      const turn = loopTurn(small);
      if (turn === undefined) return this.#read(target, pos, options);
      return this.#inFlight.runAfter(turn, signal, () => this.#read(target, pos, options));
    }
    const buffer = toUint8Array(target, 'target');
    const start = toBytes(pos, 'pos');
    const { offset, length } = bufferRange(buffer, options);
    return this.#inPool('read', false, buffer, offset, this.#clip(start, length), start, signal);
  }

  /**
   * Writes as `writeSync` does; see `read` for the threads. Writes that wait for msync are made on another thread too. Once
   * `signal` is aborted it rejects with an `AbortError`, and the first `bytesMoved` bytes were written.
   */
  async write(source: NodeJS.ArrayBufferView, pos: Bytes = 0, options?: WriteOptions & Abortable): Promise<number> {
    this.#writable('write');
    checkOptions(options, WRITING_LATER);
    const signal = toSignal(options);
    const flush = toFlush(options);
    const waits = flush && this.granularity === 'page';
    const small = waits ? undefined : smallLength(source, options);
    if (small !== undefined) {
      const turn = loopTurn(small);
      if (turn === undefined) return this.#write(source, pos, options);
      return this.#inFlight.runAfter(turn, signal, () => this.#write(source, pos, options));
    }
    const buffer = toUint8Array(source, 'source');
    const start = toBytes(pos, 'pos');
    const { offset, length } = bufferRange(buffer, options);
    const clipped = this.#clipWrite('write', start, length);
    return this.#inPool('write', flush, buffer, offset, clipped, start, signal);
  }

  /** Reads into several buffers, one after the other. Returns the sum of the bytes read. */
  readvSync(targets: Views, pos: Bytes = 0): number {
    this.#usable('readv');
    const buffers = toVector(targets, 'targets');
    const start = toBytes(pos, 'pos');
    return this.#readEach(buffers, start);
  }

  #readEach(buffers: readonly Uint8Array[], start: number): number {
    return moveEachSync(buffers, (buffer, moved) => this.#read(buffer, start + moved));
  }

  /** Writes several buffers, one after the other. Returns the sum of the bytes written. */
  writevSync(sources: Views, pos: Bytes = 0, options?: FlushOption): number {
    this.#writable('writev');
    checkOptions(options, FLUSHING);
    const buffers = toVector(sources, 'sources');
    const start = toBytes(pos, 'pos');
    return this.#writeEach(buffers, start, toFlush(options));
  }

  #writeEach(buffers: readonly Uint8Array[], start: number, flush: boolean): number {
    // One msync at the end serves all buffers, while cache lines are best flushed by each copy.
    const flushEach = flush && this.granularity !== 'page';
    const moved = moveEachSync(buffers, (buffer, before) => this.#write(buffer, start + before, { flush: flushEach }));
    if (flush && !flushEach && moved > 0) this.persist(start, moved);
    return moved;
  }

  /** Reads as `readvSync` does; see `read` for the threads. */
  async readv(targets: Views, pos: Bytes = 0, options?: Abortable): Promise<number> {
    this.#usable('readv');
    checkOptions(options, ABORTABLE);
    const buffers = toVector(targets, 'targets');
    const start = toBytes(pos, 'pos');
    const signal = toSignal(options);
    const total = totalLength(buffers);
    if (total <= POOL_THRESHOLD) {
      const turn = loopTurn(total);
      if (turn === undefined) return this.#readEach(buffers, start);
      return this.#inFlight.runAfter(turn, signal, () => this.#readEach(buffers, start));
    }
    return this.#inFlight.run(() =>
      moveEach(buffers, (buffer, length, moved) =>
        this.#inPool('readv', false, buffer, 0, this.#clip(start + moved, length), start + moved, signal),
      ),
    );
  }

  /** Writes as `writevSync` does; see `write` for the threads. */
  async writev(sources: Views, pos: Bytes = 0, options?: FlushOption & Abortable): Promise<number> {
    this.#writable('writev');
    checkOptions(options, { ...FLUSHING, ...ABORTABLE });
    const buffers = toVector(sources, 'sources');
    const start = toBytes(pos, 'pos');
    const flush = toFlush(options);
    const signal = toSignal(options);
    const waits = flush && this.granularity === 'page';
    const total = totalLength(buffers);
    if (!waits && total <= POOL_THRESHOLD) {
      const turn = loopTurn(total);
      if (turn === undefined) return this.#writeEach(buffers, start, flush);
      return this.#inFlight.runAfter(turn, signal, () => this.#writeEach(buffers, start, flush));
    }
    return this.#inFlight.run(() =>
      moveEach(buffers, async (buffer, length, moved) => {
        const clipped = this.#clipWrite('writev', start + moved, length);
        return this.#inPool('writev', flush, buffer, 0, clipped, start + moved, signal);
      }),
    );
  }

  /** Writes zeros. Returns the bytes written: fewer if the device ends. They are durable unless `flush` is false. */
  zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number {
    this.#writable('zero');
    checkOptions(options, FLUSHING);
    const start = toBytes(pos, 'pos');
    const flush = toFlush(options);
    const clipped = this.#clipWrite('zero', start, toBytes(length, 'length'));
    const zeroed = this.#addon.zero(this.#handle, start, clipped, flush);
    return zeroed < 0 ? this.#failAt('zero', zeroed, start) : zeroed;
  }

  /**
   * Stores 64 bits at `pos`, a multiple of 8, as little-endian and with one store: other threads, other processes that map the
   * device, and a program that starts after a power cut find either the old word or `value`. A reader that gets `value` from
   * `loadU64`, or from another atomic load, also finds everything that this thread stored before it. The word is durable on return
   * unless `flush` is false.
   *
   * `value`: a bigint below 2^64, or a safe integer. Throws `EINVAL` with reason `OFFSET_UNALIGNED` for another `pos`.
   */
  storeU64(pos: Bytes, value: Bytes, options?: FlushOption): void {
    this.#writable('storeU64');
    if (options !== undefined) checkOptions(options, FLUSHING);
    const start = this.#word('storeU64', pos);
    const error = this.#addon.storeU64(this.#handle, start, toU64(value), toFlush(options));
    if (error < 0) this.#failAt('storeU64', error, start);
  }

  /**
   * Loads the 64 bits at `pos`, a multiple of 8, with one load, which never sees half of a `storeU64`. Throws as `storeU64` does.
   */
  loadU64(pos: Bytes): bigint {
    this.#usable('loadU64');
    const start = this.#word('loadU64', pos);
    const word = this.#addon.loadU64(this.#handle, start);
    return typeof word === 'number' ? this.#failAt('loadU64', word, start) : word;
  }

  /**
   * Makes a publisher, which stores records and, once they are durable, the word at `wordPos`, a multiple of 8. A publisher is for
   * the size that the device has now. Throws `RangeError` for options out of their range.
   */
  recordPublisher(wordPos: Bytes, options: PublisherOptions): RecordPublisher {
    this.#writable('publish');
    checkOptions(options, PUBLISHING);
    const at = this.#word('publish', wordPos);
    return makeRecordPublisher(this.#addon, this.#handle, at, options, (errno, pos) => this.#failAt('publish', errno, pos));
  }

  /**
   * The first run of bytes of a range that may be other than zeros, by SEEK_DATA and SEEK_HOLE of lseek(2); undefined if the whole
   * range is a hole of the file. A device, or a file on a filesystem that does not report holes, has none.
   */
  seekData(pos: Bytes, length: Bytes): DeviceRun | undefined {
    this.#usable('seekData');
    const start = toBytes(pos, 'pos');
    const bytes = toBytes(length, 'length');
    this.#checkInside(start, bytes);
    const data = this.#addon.seek(this.#handle, start, true);
    // If the kernel does not tell, there may be data everywhere.
    if (data < 0) return bytes === 0 ? undefined : { pos: start, length: bytes };
    const end = start + bytes;
    if (data >= end) return undefined;
    const hole = this.#addon.seek(this.#handle, data, false);
    return { pos: data, length: (hole < 0 ? end : Math.min(hole, end)) - data };
  }

  /**
   * Starts to make stores to a range durable (libpmem2's flush): by cache lines, or by msync if the granularity is `page`. They
   * are durable after `drain`. Throws `EIO` if a page of the range was lost, with a `position` in the first lost page.
   */
  flush(pos: Bytes, length: Bytes): void {
    this.#usable('flush');
    const start = toBytes(pos, 'pos');
    const bytes = toBytes(length, 'length');
    this.#checkInside(start, bytes);
    const error = this.#addon.flush(this.#handle, start, bytes);
    if (error >= 0) return;
    // If no page was lost, the device failed to write, and perhaps no byte of the range is durable.
    const intact = this.#addon.intact(this.#handle, start, bytes);
    this.#failAt('flush', error, intact > 0 && intact < bytes ? start + intact : start);
  }

  /** Waits until everything flushed before is durable. */
  drain(): void {
    this.#usable('drain');
    this.#addon.drain(this.#handle);
  }

  /** `flush`, then `drain`: makes the stores to a range durable. */
  persist(pos: Bytes, length: Bytes): void {
    this.flush(pos, length);
    this.drain();
  }

  /**
   * Writes back the lines of a range that this machine's CPU caches hold, and drops them: later loads and reads see what the memory
   * holds, including what other hosts have written back. It is for memory that several hosts share without coherent caches (CXL).
   * Memory that no other host shares never needs it, nor do processes of one host among themselves.
   *
   * It costs one instruction for each 64 bytes, in every granularity, and the next load of each line goes to memory. It destroys
   * data if this host has stored to a line after another host did: the whole line of this host overwrites the other's. So a host
   * must not store to a line that another host writes, not even equal bytes: each line has one writer at a time.
   *
   * Throws `EIO` if a page of the range was lost, `EOPNOTSUPP` if the processor has no instruction for it.
   */
  invalidate(pos: Bytes, length: Bytes): void {
    this.#usable('invalidate');
    const start = toBytes(pos, 'pos');
    const bytes = toBytes(length, 'length');
    this.#checkInside(start, bytes);
    const error = this.#addon.invalidate(this.#handle, start, bytes);
    if (error < 0) this.#failAt('invalidate', error, start + Math.max(0, this.#addon.intact(this.#handle, start, bytes)));
  }

  /**
   * Writes out even those bytes that the persistence domain would save at a power cut, by the region's `deep_flush` or by
   * fsync. With `page` granularity, flush the range first.
   */
  deepFlush(): void {
    this.#usable('deepFlush');
    const error = this.#addon.deepFlush(this.#handle);
    if (error < 0) this.#fail('deepFlush', error);
  }

  /**
   * Sets the size of a file. Growing adds zeros; shrinking detaches the views of the segments that it cuts. Throws `EINVAL` for
   * devices, whose size is fixed, and `EBUSY` while asynchronous work is under way, for which `truncate` waits.
   */
  truncateSync(size: Bytes): void {
    const bytes = this.#checkTruncation(size);
    if (!this.#inFlight.isIdle) this.#fail('truncate', 'EBUSY', { hint: 'reads or writes are under way: await truncate()' });
    if (bytes < this.#size) this.#segments.shrink(bytes);
    const error = this.#addon.resize(this.#handle, bytes);
    if (error < 0) {
      this.#segments.grow(this.#size);
      this.#failAt('truncate', error, undefined);
    }
    this.#size = bytes;
    this.#segments.grow(bytes);
  }

  /** Sets the size as `truncateSync` does, once no work is under way. */
  async truncate(size: Bytes): Promise<void> {
    this.#checkTruncation(size);
    const turn = loopTurn();
    if (turn !== undefined) await turn;
    while (!this.#inFlight.isIdle) await this.#inFlight.lastEnded();
    this.truncateSync(size);
  }

  backing(pos: number): Backing {
    this.#usable('mmap');
    return { device: this, pos };
  }

  /**
   * Locks `length` bytes from `pos` on, by default all, against every other lock on one of them: through this device or another
   * object, in another thread or another process. Mounts lock their devices themselves; see `lockDevice` for the rules. The lock
   * ends when it is released or the device is closed. A device that was opened with `lock: true` keeps others out already, so its
   * locks have an effect only within this thread.
   *
   * Throws `EBUSY` with reason `DEVICE_IN_USE`, and `EROFS` for `'exclusive'` on a device that was opened read-only.
   */
  lock(mode: LockMode, pos: Bytes = 0, length?: Bytes): DeviceLock {
    this.#usable('lock');
    const wanted = toLockMode(mode);
    const start = toBytes(pos, 'pos');
    const bytes = length === undefined ? Math.max(0, this.#size - start) : toBytes(length, 'length');
    this.#checkInside(start, bytes);
    return this.#locks.lock(wanted, start, bytes, this.#size);
  }

  /** Refuses new work, waits for work under way, detaches every view and unmaps. May be called again. Flushes nothing. */
  close(): Promise<void> {
    this.#open = undefined;
    return (this.#closing ??= this.#closeWhenIdle());
  }

  /** Closes as `close` does, without waiting: copies under way on other threads end early. */
  closeSync(): void {
    this.#open = undefined;
    this.#closing ??= Promise.resolve();
    this.#release();
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #closeWhenIdle(): Promise<void> {
    while (!this.#inFlight.isIdle) await this.#inFlight.lastEnded();
    this.#release();
  }

  // Views are detached first, because no view may outlive the mapping that it shows.
  #release(): void {
    this.#segments.shrink(-1);
    this.#addon.close(this.#handle);
  }

  #inPool(
    syscall: string,
    flush: boolean,
    buffer: Uint8Array,
    offset: number,
    length: number,
    pos: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const write = syscall.startsWith('write');
    return this.#inFlight.run(async () => {
      const moved = await copyInPool({ handle: this.#handle, write, flush, buffer, offset, length, pos, signal });
      return moved < 0 ? this.#failAt(syscall, moved, pos) : moved;
    });
  }

  #clip(pos: number, length: number): number {
    return Math.max(0, Math.min(length, this.#size - pos));
  }

  #clipWrite(syscall: string, pos: number, length: number): number {
    const clipped = this.#clip(pos, length);
    if (clipped === 0 && length > 0) {
      this.#fail(syscall, 'ENOSPC', { reason: 'DEVICE_FULL', position: pos, hint: `the device has ${this.#size} bytes` });
    }
    return clipped;
  }

  #checkInside(pos: number, length: number): void {
    if (pos + length > this.#size) {
      throw argumentError('ERR_OUT_OF_RANGE', `${length} bytes at ${pos} reach past the ${this.#size} bytes of the device`);
    }
  }

  #word(syscall: string, pos: Bytes): number {
    const start = toBytes(pos, 'pos');
    this.#checkInside(start, 8);
    if (start % 8 !== 0) {
      this.#fail(syscall, 'EINVAL', { reason: 'OFFSET_UNALIGNED', position: start, hint: 'a word can be loaded and stored in one step only at a multiple of 8' });
    }
    return start;
  }

  #usable(syscall: string): void {
    if (this.#open === undefined) {
      this.#fail(syscall, 'EBADF', { reason: 'DEVICE_CLOSED', hint: 'the device is closed' });
    }
  }

  #writable(syscall: string): void {
    this.#usable(syscall);
    if (this.readOnly) {
      this.#fail(syscall, 'EROFS', { reason: 'READ_ONLY', hint: 'it was opened with readOnly: true' });
    }
  }

  #checkTruncation(size: Bytes): number {
    this.#writable('truncate');
    const bytes = toBytes(size, 'size');
    if (this.kind === 'devdax' || this.kind === 'block') {
      this.#fail('truncate', 'EINVAL', {
        reason: 'FIXED_SIZE',
        hint: 'only files can be truncated: the size of a device is set where it is made (ndctl, daxctl, modprobe)',
      });
    }
    return bytes;
  }

  #fail(syscall: string, errno: number | string, more?: Omit<DaxErrorInit, 'errno' | 'syscall' | 'path'>): never {
    throw new DaxError({ errno, syscall, path: this.path, ...more });
  }

  #failAt(syscall: string, errno: number, position: number | undefined): never {
    const { reason, hint } = COPY_FAILURES.get(errno) ?? {};
    this.#fail(syscall, errno, { position, reason, hint });
  }
}

const COPY_FAILURES: ReadonlyMap<number, Pick<DaxErrorInit, 'reason' | 'hint'>> = new Map([
  [-5, { reason: 'MEDIA_ERROR', hint: 'a page is poisoned, beyond the end that someone else gave the file, or had no room on a full filesystem; opening it again forgets' }],
  [-9, { reason: 'DEVICE_CLOSED', hint: 'the device was closed' }],
  [-14, { reason: 'USER_MEMORY', hint: 'the buffer is memory of a mapping that is itself poisoned, truncated or closed' }],
]);

function toFlush(options: FlushOption | undefined): boolean {
  if (options === undefined) return true;
  if (typeof options !== 'object' || (options as unknown) === null) throw argumentError('ERR_INVALID_ARG_TYPE', 'options must be an object');
  const flush: unknown = options.flush;
  if (flush === undefined) return true;
  if (typeof flush !== 'boolean') throw argumentError('ERR_INVALID_ARG_TYPE', 'flush must be a boolean');
  return flush;
}
