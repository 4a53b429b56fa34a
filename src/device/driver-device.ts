// Owns the block device made from a driver: everything follows from the one function that the driver's author gives.

import { AbortError, checkAborted } from '../abort.js';
import { argumentError, checkMethods } from '../argument-error.js';
import { addon, type Granularity } from '../binding.js';
import {
  ABORTABLE,
  backingOf,
  bdevDirectAccess,
  FLUSHING,
  READING,
  READING_LATER,
  WRITING,
  WRITING_LATER,
  type Abortable,
  type Backing,
  type BlockDevice,
  type BufferRange,
  type DeviceLock,
  type DirectAccess,
  type FlushOption,
  type LockMode,
  type WriteOptions,
} from './block-device.js';
import { toLockMode } from './device-lock.js';
import { askDriver, DRIVER, windowOf, type Driver, type DriverAnswer, type Place } from './driver.js';
import { DaxError } from '../errors.js';
import { InFlight } from './in-flight.js';
import { lockRanges, type DeviceRange } from './lock-ranges.js';
import { loopTurn } from '../locks/loop-turn.js';
import { bufferRange, checkAttached, toPlainBytes, toUint8Array } from './memory.js';
import { checkOptions } from '../options.js';
import { POOL_THRESHOLD } from './pool-copy.js';
import { PAGE_SIZE, roundUp, SECTOR_SIZE, toBytes, type Bytes } from '../units.js';
import { moveEach, moveEachSync, toVector } from './vector.js';

// Asynchronous copies up to this length are made on this thread, as those of a `DaxDevice` are; copies of a driver's own memory are
// made in steps of this length.
const STEP = POOL_THRESHOLD;

type View = NodeJS.ArrayBufferView;
type Views = readonly View[];

// A read into, or a write from, the user's bytes.
interface Copy {
  readonly syscall: string;
  readonly isWrite: boolean;
  readonly bytes: Uint8Array;
  readonly flush: boolean;
}

/**
 * A block device made from a driver, by `blockDevice`. It reads, writes and flushes by the rules of a `DaxDevice`: partial
 * progress, `AbortSignal`, durable writes.
 */
export class DriverDevice implements BlockDevice {
  /** Bytes. */
  readonly size: number;
  readonly granularity: Granularity;
  readonly persistent: boolean | undefined;
  readonly readOnly: boolean;
  readonly pageSize: number | undefined;
  readonly backing?: (pos: number, length: number) => Backing;
  readonly lock?: (mode: LockMode, pos?: Bytes, length?: Bytes) => DeviceLock;
  readonly #driver: Driver;
  readonly #flushes: boolean;
  #state: 'open' | 'closed' | 'removed' = 'open';
  #isReleased = false;
  // The devices that were flushed and not drained since.
  readonly #undrained = new Set<BlockDevice>();
  // The buffers of the driver's own memory on which callers were given windows.
  readonly #shown = new Set<WeakRef<ArrayBuffer>>();
  readonly #isShown = new WeakSet<ArrayBuffer>();
  readonly #inFlight = new InFlight();
  #closing: Promise<void> | undefined;

  /** As `blockDevice`, for subclasses that offer more than a block device. */
  constructor(driver: Driver) {
    checkDriver(driver);
    this.#driver = driver;
    this.size = toBytes(driver.sectors, 'sectors') * SECTOR_SIZE;
    // Asking `backing` may allocate memory, so it is not called if the driver states these properties itself.
    const isTold = driver.granularity !== undefined && 'persistent' in driver && driver.pageSize !== undefined;
    const below = isTold || this.size === 0 ? undefined : driver.backing?.(0, Math.min(PAGE_SIZE, this.size), false).device;
    this.granularity = driver.granularity ?? below?.granularity ?? 'byte';
    this.persistent = driver.persistent ?? below?.persistent;
    this.readOnly = driver.readOnly ?? false;
    this.pageSize = driver.pageSize ?? below?.pageSize;
    this.#flushes = driver.backing !== undefined && !(driver.granularity === 'byte' && driver.persistent === false);
    // The device lacks the optional methods that its driver lacks; callers that can do without them check.
    if (driver.backing !== undefined) this.backing = (pos, length) => this.#backing(pos, length);
    if (driver.lock !== undefined || driver.backing !== undefined) {
      this.lock = (mode, pos, length) => this.#lock(mode, pos, length);
    }
  }

  /** False once `close` or `unplug` was called. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /**
   * Gives access to the memory at a sector, by the rules of the kernel's `bdev_direct_access`, which bind the driver too (see
   * `Driver`). Throws what `bdevDirectAccess` throws, and errors with reason `DRIVER_BROKEN` for an answer that breaks the rules. A
   * read-only device gives no window.
   */
  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    this.#usable('directAccess');
    const op = (absolute: number, wanted: number): DirectAccess =>
      new Given(this.#ask(absolute, wanted), absolute * SECTOR_SIZE, wanted, (window) => this.#show(window));
    return bdevDirectAccess(op, this.size / SECTOR_SIZE, sector, size);
  }

  readSync(target: View, pos: Bytes, options?: BufferRange): number {
    this.#usable('read');
    if (options !== undefined) checkOptions(options, READING);
    return this.#copySync(false, toPlainBytes(target, 'target'), false, toBytes(pos, 'pos'), options);
  }

  writeSync(source: View, pos: Bytes, options?: WriteOptions): number {
    this.#writable('write');
    if (options !== undefined) checkOptions(options, WRITING);
    const flush = this.#flushes && options?.flush !== false;
    return this.#copySync(true, toPlainBytes(source, 'source'), flush, toBytes(pos, 'pos'), options);
  }

  async read(target: View, pos: Bytes, options?: BufferRange & Abortable): Promise<number> {
    this.#usable('read');
    checkOptions(options, READING_LATER);
    return this.#copy({ syscall: 'read', isWrite: false, bytes: toUint8Array(target, 'target'), flush: false }, pos, options);
  }

  async write(source: View, pos: Bytes, options?: WriteOptions & Abortable): Promise<number> {
    this.#writable('write');
    checkOptions(options, WRITING_LATER);
    const flush = this.#flushes && options?.flush !== false;
    return this.#copy({ syscall: 'write', isWrite: true, bytes: toUint8Array(source, 'source'), flush }, pos, options);
  }

  /** Reads into several buffers, one after the other. Returns the bytes read in all. */
  readvSync(targets: Views, pos: Bytes): number {
    const start = toBytes(pos, 'pos');
    return moveEachSync(toVector(targets, 'targets'), (buffer, moved) => this.readSync(buffer, start + moved));
  }

  /** Writes several buffers, one after the other. Returns the bytes written in all. */
  writevSync(sources: Views, pos: Bytes, options?: FlushOption): number {
    checkOptions(options, FLUSHING);
    const start = toBytes(pos, 'pos');
    return moveEachSync(toVector(sources, 'sources'), (buffer, moved) => this.writeSync(buffer, start + moved, options));
  }

  /** As `readvSync`; see `read`. */
  async readv(targets: Views, pos: Bytes, options?: Abortable): Promise<number> {
    checkOptions(options, ABORTABLE);
    const start = toBytes(pos, 'pos');
    return moveEach(toVector(targets, 'targets'), (buffer, _length, moved) => this.read(buffer, start + moved, options));
  }

  /** As `writevSync`; see `write`. */
  async writev(sources: Views, pos: Bytes, options?: FlushOption & Abortable): Promise<number> {
    checkOptions(options, { ...FLUSHING, ...ABORTABLE });
    const start = toBytes(pos, 'pos');
    return moveEach(toVector(sources, 'sources'), (buffer, _length, moved) => this.write(buffer, start + moved, options));
  }

  zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number {
    this.#writable('zero');
    checkOptions(options, FLUSHING);
    const start = toBytes(pos, 'pos');
    const wanted = this.#clip('zero', true, start, toBytes(length, 'length'));
    let moved = 0;
    try {
      while (moved < wanted) {
        const { reach, backing, window, head } = this.#reach(start + moved, wanted - moved);
        window?.fill(0, head, head + reach);
        const more = backing?.device.zeroSync(backing.pos, reach, this.#flushes ? options : { flush: false }) ?? reach;
        if (more === 0) break;
        moved += more;
      }
    } catch (error) {
      if (moved === 0 || !(error instanceof DaxError)) throw this.#told('zero', error);
    }
    return moved;
  }

  flush(pos: Bytes, length: Bytes): void {
    this.#usable('flush');
    const start = toBytes(pos, 'pos');
    const bytes = toBytes(length, 'length');
    this.#checkInside(start, bytes);
    if (!this.#flushes) return;
    for (const { device, pos: at, length: reach } of this.#ranges('flush', start, bytes)) {
      this.#undrained.add(device);
      this.#telling('flush', () => { device.flush(at, reach); });
    }
  }

  drain(): void {
    this.#usable('drain');
    for (const device of this.#undrained) this.#telling('drain', () => { device.drain(); });
    this.#undrained.clear();
  }

  persist(pos: Bytes, length: Bytes): void {
    this.flush(pos, length);
    this.drain();
  }

  /**
   * Throws `EBADF` if the device is closed, and `ENODEV` if it is unplugged: for what a subclass offers beside.
   */
  protected checkOpen(syscall: string): void {
    this.#usable(syscall);
  }

  /**
   * Removes the device at once, whatever is under way (hot unplug): later calls, and copies on other threads, fail with `ENODEV`
   * and reason `DEVICE_REMOVED`, windows on the driver's own memory are detached, and the driver's `release` is called. `release`
   * must deal with the devices below: closing an open device there detaches its windows. Mappings of files keep the pages that they
   * have. Idempotent.
   */
  unplug(): void {
    this.#state = 'removed';
    this.#release();
  }

  /** Refuses new work, waits for work under way, detaches windows and has the driver release the memory. Idempotent. */
  close(): Promise<void> {
    if (this.#state === 'open') this.#state = 'closed';
    return (this.#closing ??= this.#closeWhenIdle());
  }

  /** As `close`, but without waiting. */
  closeSync(): void {
    if (this.#state === 'open') this.#state = 'closed';
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

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    for (const shown of this.#shown) {
      const buffer = shown.deref();
      if (buffer !== undefined) addon().detach(buffer);
    }
    this.#shown.clear();
    this.#driver.release?.();
  }

  // If the device was closed or unplugged while the driver answered, the answer must not be used.
  #ask(sector: number, size: number): Exclude<DriverAnswer, number> {
    const answer = askDriver(this.#driver, sector, size, this.size);
    if (this.#isReleased) this.#usable('directAccess');
    return answer;
  }

  #show(window: Uint8Array): Uint8Array {
    if (this.readOnly) {
      throw new DaxError({
        errno: 'EACCES',
        syscall: 'directAccess',
        reason: 'READ_ONLY',
        hint: 'a stray store through a window would reach the device, which is read-only: use readSync',
      });
    }
    const { buffer } = window;
    if (this.backing === undefined && buffer instanceof ArrayBuffer && !this.#isShown.has(buffer)) {
      this.#isShown.add(buffer);
      this.#shown.add(new WeakRef(buffer));
    }
    return window;
  }

  // Finds how many of the `length` bytes at `pos`, from the first on, lie together, and where: on which device, or from byte `head`
  // of which window.
  #reach(pos: number, length: number): { reach: number; backing: Place | undefined; window: Uint8Array | undefined; head: number } {
    const head = pos % PAGE_SIZE;
    const answer = this.#ask((pos - head) / SECTOR_SIZE, head + length);
    const reach = Math.min(answer.bytes - head, length);
    const backing = this.#driver.backing?.(pos, reach, false);
    if (backing === undefined) return { reach, backing, window: windowOf(answer, pos - head, head + reach), head };
    return { reach: Math.min(reach, backing.length ?? reach), backing, window: undefined, head };
  }

  // Copies the first bytes that lie together. Does what `#reach` does, but without a result object, which would cost a small copy
  // too much.
  #step(isWrite: boolean, bytes: Uint8Array, total: number, flush: boolean, offset: number, pos: number, length: number): number {
    const head = pos % PAGE_SIZE;
    const answer = this.#ask((pos - head) / SECTOR_SIZE, head + length);
    const reach = Math.min(answer.bytes - head, length);
    const backing = this.#driver.backing?.(pos, reach, false);
    if (backing === undefined) {
      const window = windowOf(answer, pos - head, head + reach);
      if (isWrite) window.set(bytes.subarray(offset, offset + reach), head);
      else bytes.set(window.subarray(head, head + reach), offset);
      return reach;
    }
    const { device, pos: at } = backing;
    const together = Math.min(reach, backing.length ?? reach);
    const isWhole = offset === 0 && together === total;
    if (!isWrite) return device.readSync(bytes, at, isWhole ? undefined : { offset, length: together });
    return device.writeSync(bytes, at, isWhole && flush ? undefined : { offset, length: together, flush });
  }

  #copySync(isWrite: boolean, bytes: Uint8Array, flush: boolean, pos: number, options: BufferRange | undefined): number {
    const syscall = isWrite ? 'write' : 'read';
    // Asked for once, because the length of a buffer is slow to get, and by `length`, because Node 20 does not compile `byteLength` in place.
    const total = bytes.length;
    if (total === 0) checkAttached(bytes, isWrite ? 'source' : 'target');
    let offset = 0;
    let wanted = total;
    if (options !== undefined) ({ offset, length: wanted } = bufferRange(bytes, options));
    wanted = this.#clip(syscall, isWrite, pos, wanted);
    let moved = 0;
    try {
      while (moved < wanted) {
        const more = this.#step(isWrite, bytes, total, flush, offset + moved, pos + moved, wanted - moved);
        if (more === 0) break;
        moved += more;
      }
    } catch (error) {
      // Partial progress wins: the error comes with the next call.
      if (moved === 0 || !(error instanceof DaxError)) throw this.#told(syscall, error);
    }
    return moved;
  }

  async #copy(copy: Copy, pos: Bytes, options: (BufferRange & Abortable) | undefined): Promise<number> {
    const start = toBytes(pos, 'pos');
    const { offset, length } = bufferRange(copy.bytes, options);
    const signal = toSignal(options);
    const wanted = this.#clip(copy.syscall, copy.isWrite, start, length);
    return this.#inFlight.run(async () => {
      const turn = loopTurn(Math.min(wanted, STEP));
      if (turn !== undefined) await turn;
      return this.#stepsLater(copy, offset, start, wanted, signal);
    });
  }

  async #stepsLater(copy: Copy, offset: number, pos: number, length: number, signal: AbortSignal | undefined): Promise<number> {
    let moved = 0;
    while (moved < length) {
      if (signal?.aborted === true) throw new AbortError(signal, moved);
      if (copy.bytes.byteLength === 0) {
        if (moved > 0) break;
        throw argumentError('ERR_INVALID_ARG_VALUE', 'the buffer was transferred while a copy was under way');
      }
      try {
        if (this.#isReleased) this.#usable(copy.syscall);
        const more = await this.#stepLater(copy, offset + moved, pos + moved, length - moved, signal);
        if (more === 0) break;
        moved += more;
      } catch (error) {
        if (error instanceof AbortError) error.bytesMoved += moved;
        if (moved > 0 && error instanceof DaxError) break;
        throw this.#told(copy.syscall, error);
      }
    }
    return moved;
  }

  // A large copy goes to another thread if an open device backs it; if none does, it lets the event loop have its turns.
  async #stepLater(copy: Copy, offset: number, pos: number, length: number, signal: AbortSignal | undefined): Promise<number> {
    if (this.backing === undefined) {
      const moved = this.#step(copy.isWrite, copy.bytes, copy.bytes.byteLength, copy.flush, offset, pos, Math.min(length, STEP));
      const turn = moved < length ? loopTurn(moved) : undefined;
      if (turn !== undefined) await turn;
      return moved;
    }
    const { isWrite, bytes, flush } = copy;
    const { reach, backing } = this.#reach(pos, length);
    const { device, pos: at } = backing as Place;
    const range = { offset, length: reach };
    if (isWrite) return device.write === undefined ? device.writeSync(bytes, at, { ...range, flush }) : device.write(bytes, at, { ...range, flush, signal });
    return device.read === undefined ? device.readSync(bytes, at, range) : device.read(bytes, at, { ...range, signal });
  }

  #place(pos: number, length: number, isMapped: boolean): Place {
    return (this.#driver.backing as NonNullable<Driver['backing']>)(pos, length, isMapped);
  }

  #backing(pos: number, length: number): Backing {
    this.#usable('mmap');
    const { device, pos: at, length: together = length } = this.#place(pos, length, true);
    const { length: reach = together, ...backing } = backingOf(device, at, together);
    return { ...backing, length: Math.min(reach, together) };
  }

  #lock(mode: LockMode, pos: Bytes = 0, length?: Bytes): DeviceLock {
    this.#usable('lock');
    const wanted = toLockMode(mode);
    const start = toBytes(pos, 'pos');
    const bytes = length === undefined ? Math.max(0, this.size - start) : toBytes(length, 'length');
    this.#checkInside(start, bytes);
    return this.#driver.lock?.(wanted, start, bytes) ?? lockRanges(wanted, this.#ranges('lock', start, bytes));
  }

  // The ranges of the backing devices on which the bytes lie. Ranges that adjoin on one device are joined.
  *#ranges(syscall: string, pos: number, length: number): Generator<DeviceRange> {
    let range: DeviceRange | undefined;
    for (let done = 0; done < length; ) {
      const left = length - done;
      const { device, pos: at, length: reach = left } = this.#telling(syscall, () => this.#place(pos + done, left, false));
      if (range?.device === device && range.pos + range.length === at) {
        range = { ...range, length: range.length + reach };
      } else {
        if (range !== undefined) yield range;
        range = { device, pos: at, length: reach };
      }
      done += reach;
    }
    if (range !== undefined) yield range;
  }

  #telling<T>(syscall: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#told(syscall, error);
    }
  }

  // After an unplug, the error says that this device was removed, not that a device below was closed.
  #told(syscall: string, error: unknown): unknown {
    return this.#state === 'removed' && error instanceof DaxError ? removed(syscall, error) : error;
  }

  #clip(syscall: string, isWrite: boolean, pos: number, length: number): number {
    const clipped = Math.max(0, Math.min(length, this.size - pos));
    if (!isWrite || clipped > 0 || length === 0) return clipped;
    const hint = `the device has ${this.size} bytes`;
    throw new DaxError({ errno: 'ENOSPC', syscall, reason: 'DEVICE_FULL', position: pos, hint });
  }

  #checkInside(pos: number, length: number): void {
    if (pos + length <= this.size) return;
    throw argumentError('ERR_OUT_OF_RANGE', `${length} bytes at ${pos} reach past the ${this.size} bytes of the device`);
  }

  #usable(syscall: string): void {
    if (this.#state === 'open') return;
    if (this.#state === 'removed') throw removed(syscall);
    throw new DaxError({ errno: 'EBADF', syscall, reason: 'DEVICE_CLOSED', hint: 'the device is closed' });
  }

  #writable(syscall: string): void {
    this.#usable(syscall);
    if (this.readOnly) throw new DaxError({ errno: 'EROFS', syscall, reason: 'READ_ONLY', hint: 'the device is read-only' });
  }
}

// The driver's answer to a request for `size` bytes. Its window is checked, and recorded as given out, when it is first needed.
class Given implements DirectAccess {
  readonly bytes: number;
  readonly #answer: Exclude<DriverAnswer, number>;
  readonly #pos: number;
  readonly #size: number;
  readonly #show: (window: Uint8Array) => Uint8Array;

  constructor(answer: Exclude<DriverAnswer, number>, pos: number, size: number, show: (window: Uint8Array) => Uint8Array) {
    // Whole pages, even if fewer bytes were asked for: what lies there does not depend on the request.
    this.bytes = Math.max(PAGE_SIZE, roundUp(answer.bytes, PAGE_SIZE));
    this.#answer = answer;
    this.#pos = pos;
    this.#size = size;
    this.#show = show;
  }

  get window(): Uint8Array {
    return this.#show(windowOf(this.#answer, this.#pos, this.#size));
  }

  get pfn(): number | undefined {
    return this.#answer.pfn;
  }
}

function removed(syscall: string, cause?: unknown): DaxError {
  return new DaxError({ errno: 'ENODEV', syscall, reason: 'DEVICE_REMOVED', hint: 'the device was unplugged', cause });
}

function toSignal(options: Abortable | undefined): AbortSignal | undefined {
  const signal: unknown = options?.signal;
  if (signal === undefined) return undefined;
  if (!(signal instanceof AbortSignal)) throw argumentError('ERR_INVALID_ARG_TYPE', 'signal must be an AbortSignal');
  checkAborted(signal);
  return signal;
}

function checkDriver(driver: Driver): void {
  checkMethods(driver, ['directAccess'], 'driver', 'an object');
  checkOptions(driver, DRIVER, 'the driver');
  const { pageSize = PAGE_SIZE } = driver;
  if (pageSize !== 0 && toBytes(pageSize, 'pageSize') % PAGE_SIZE === 0) return;
  throw argumentError('ERR_OUT_OF_RANGE', `pageSize must be a multiple of ${PAGE_SIZE}, got ${pageSize}`);
}

/**
 * Makes a block device from a driver: `directAccess`, and the other members of `Driver` that the memory needs. The device has
 * reads, writes, vectors, zeroing, their asynchronous forms, flushing, partitions, locks, mappings and faults. Every answer of the
 * driver is checked by the rules of the kernel's `bdev_direct_access`, and one that breaks them is an error with reason
 * `DRIVER_BROKEN`.
 *
 * Throws `TypeError` or `RangeError` for an invalid driver, and what its `backing` throws.
 */
export function blockDevice(driver: Driver): DriverDevice {
  return new DriverDevice(driver);
}
