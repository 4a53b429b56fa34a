// Owns the block device made from a driver: everything follows from the one function that the driver's author gives.

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
} from '../device/block-device.js';
import { toLockMode } from '../device/device-lock.js';
import { DriverCopies } from './driver-copies.js';
import { DRIVER, windowOf, type Driver, type DriverAnswer } from './driver.js';
import { DaxError } from '../errors.js';
import { InFlight } from '../device/in-flight.js';
import { lockRanges, type DeviceRange } from '../device/lock-ranges.js';
import { LiveDriver } from './live-driver.js';
import { toPlainBytes, toUint8Array } from '../device/memory.js';
import { checkOptions } from '../options.js';
import { PAGE_SIZE, roundUp, SECTOR_SIZE, toBytes, type Bytes } from '../units.js';
import { moveEach, moveEachSync, toVector } from '../device/vector.js';

type View = NodeJS.ArrayBufferView;
type Views = readonly View[];

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
  readonly #driver: LiveDriver;
  readonly #copies: DriverCopies;
  readonly #flushes: boolean;
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
    this.size = toBytes(driver.sectors, 'sectors') * SECTOR_SIZE;
    this.#driver = new LiveDriver(driver, this.size);
    this.#copies = new DriverCopies(this.#driver, this.#inFlight);
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
    return this.#driver.isOpen;
  }

  /**
   * Gives access to the memory at a sector, by the rules of the kernel's `bdev_direct_access`, which bind the driver too (see
   * `Driver`). Throws what `bdevDirectAccess` throws, and errors with reason `DRIVER_BROKEN` for an answer that breaks the rules. A
   * read-only device gives no window.
   */
  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    this.#driver.check('directAccess');
    const op = (absolute: number, wanted: number): DirectAccess =>
      new Given(this.#driver.ask(absolute, wanted), absolute * SECTOR_SIZE, wanted, (window) => this.#show(window));
    return bdevDirectAccess(op, this.size / SECTOR_SIZE, sector, size);
  }

  readSync(target: View, pos: Bytes, options?: BufferRange): number {
    this.#driver.check('read');
    if (options !== undefined) checkOptions(options, READING);
    return this.#copies.copySync(false, toPlainBytes(target, 'target'), false, toBytes(pos, 'pos'), options);
  }

  writeSync(source: View, pos: Bytes, options?: WriteOptions): number {
    this.#writable('write');
    if (options !== undefined) checkOptions(options, WRITING);
    const flush = this.#flushes && options?.flush !== false;
    return this.#copies.copySync(true, toPlainBytes(source, 'source'), flush, toBytes(pos, 'pos'), options);
  }

  async read(target: View, pos: Bytes, options?: BufferRange & Abortable): Promise<number> {
    this.#driver.check('read');
    checkOptions(options, READING_LATER);
    return this.#copies.copy({ isWrite: false, bytes: toUint8Array(target, 'target'), flush: false }, toBytes(pos, 'pos'), options);
  }

  async write(source: View, pos: Bytes, options?: WriteOptions & Abortable): Promise<number> {
    this.#writable('write');
    checkOptions(options, WRITING_LATER);
    const flush = this.#flushes && options?.flush !== false;
    return this.#copies.copy({ isWrite: true, bytes: toUint8Array(source, 'source'), flush }, toBytes(pos, 'pos'), options);
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
    return this.#copies.zeroSync(toBytes(pos, 'pos'), toBytes(length, 'length'), this.#flushes ? options : { flush: false });
  }

  flush(pos: Bytes, length: Bytes): void {
    this.#driver.check('flush');
    const start = toBytes(pos, 'pos');
    const bytes = toBytes(length, 'length');
    this.#checkInside(start, bytes);
    if (!this.#flushes) return;
    for (const { device, pos: at, length: reach } of this.#ranges('flush', start, bytes)) {
      this.#undrained.add(device);
      this.#driver.telling('flush', () => { device.flush(at, reach); });
    }
  }

  drain(): void {
    this.#driver.check('drain');
    for (const device of this.#undrained) this.#driver.telling('drain', () => { device.drain(); });
    this.#undrained.clear();
  }

  persist(pos: Bytes, length: Bytes): void {
    this.flush(pos, length);
    this.drain();
  }

  /**
   * Throws `EBADF` if the device is closed, and `ENODEV` if it is unplugged. It is for methods that a subclass adds.
   */
  protected checkOpen(syscall: string): void {
    this.#driver.check(syscall);
  }

  /**
   * Removes the device at once, whatever is under way (hot unplug): later calls, and copies on other threads, fail with `ENODEV`
   * and reason `DEVICE_REMOVED`, windows on the driver's own memory are detached, and the driver's `release` is called. `release`
   * must deal with the devices below: closing an open device there detaches its windows. Mappings of files keep the pages that they
   * have. Idempotent.
   */
  unplug(): void {
    this.#driver.unplug();
    this.#release();
  }

  /** Refuses new work, waits for work under way, detaches windows and has the driver release the memory. Idempotent. */
  close(): Promise<void> {
    this.#driver.close();
    return (this.#closing ??= this.#closeWhenIdle());
  }

  /** As `close`, but without waiting. */
  closeSync(): void {
    this.#driver.close();
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
    this.#driver.release(() => {
      for (const shown of this.#shown) {
        const buffer = shown.deref();
        if (buffer !== undefined) addon().detach(buffer);
      }
      this.#shown.clear();
    });
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

  #backing(pos: number, length: number): Backing {
    this.#driver.check('mmap');
    const { device, pos: at, length: together = length } = this.#driver.place(pos, length, true);
    const { length: reach = together, ...backing } = backingOf(device, at, together);
    return { ...backing, length: Math.min(reach, together) };
  }

  #lock(mode: LockMode, pos: Bytes = 0, length?: Bytes): DeviceLock {
    this.#driver.check('lock');
    const wanted = toLockMode(mode);
    const start = toBytes(pos, 'pos');
    const bytes = length === undefined ? Math.max(0, this.size - start) : toBytes(length, 'length');
    this.#checkInside(start, bytes);
    return this.#driver.lock(wanted, start, bytes) ?? lockRanges(wanted, this.#ranges('lock', start, bytes));
  }

  // The ranges of the backing devices on which the bytes lie. Ranges that adjoin on one device are joined.
  *#ranges(syscall: string, pos: number, length: number): Generator<DeviceRange> {
    let range: DeviceRange | undefined;
    for (let done = 0; done < length; ) {
      const left = length - done;
      const { device, pos: at, length: reach = left } = this.#driver.telling(syscall, () => this.#driver.place(pos + done, left, false));
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

  #checkInside(pos: number, length: number): void {
    if (pos + length <= this.size) return;
    throw argumentError('ERR_OUT_OF_RANGE', `${length} bytes at ${pos} reach past the ${this.size} bytes of the device`);
  }

  #writable(syscall: string): void {
    this.#driver.check(syscall);
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
