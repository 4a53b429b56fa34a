// Owns partitions: a run of sectors of a block device that is a block device itself.

import { argumentError, checkMethods } from '../argument-error.js';
import {
  A_DEVICE,
  backingOf,
  FLUSHING,
  READING,
  READING_LATER,
  WRITING,
  WRITING_LATER,
  checkSectors,
  type Abortable,
  type Backing,
  type BlockDevice,
  type BufferRange,
  type DeviceLock,
  type DeviceRun,
  type DirectAccess,
  type FlushOption,
  type LockMode,
  type WriteOptions,
} from './block-device.js';
import type { Granularity } from '../binding.js';
import { lockDevice } from './device-lock.js';
import { DaxError } from '../errors.js';
import { bufferRange } from './memory.js';
import { checkOptions } from '../options.js';
import { publisherInside } from './record-publisher.js'; // late
import { PAGE_SIZE, SECTOR_SIZE, toBytes, type Bytes } from '../units.js';

class Partition implements BlockDevice {
  readonly size: number;
  readonly granularity: Granularity;
  readonly pageOffset: number;
  readonly persistent: boolean | undefined;
  readonly readOnly: boolean | undefined;
  readonly pageSize: number | undefined;
  readonly invalidate?: (pos: Bytes, length: Bytes) => void;
  readonly storeU64?: (pos: Bytes, value: Bytes, options?: FlushOption) => void;
  readonly loadU64?: (pos: Bytes) => bigint;
  readonly recordPublisher?: NonNullable<BlockDevice['recordPublisher']>;
  readonly #device: BlockDevice;
  readonly #startSector: number;
  readonly #start: number;

  constructor(device: BlockDevice, startSector: number, sectors: number) {
    this.#device = device;
    this.#startSector = startSector;
    this.#start = startSector * SECTOR_SIZE;
    this.size = sectors * SECTOR_SIZE;
    this.granularity = device.granularity;
    this.pageOffset = (this.#start + (device.pageOffset ?? 0)) % PAGE_SIZE;
    this.persistent = device.persistent;
    this.readOnly = device.readOnly;
    this.pageSize = device.pageSize;
    // The partition lacks the optional methods that its device lacks; callers that can do without them check.
    const invalidate = device.invalidate?.bind(device);
    if (invalidate !== undefined) this.invalidate = (pos, length) => { invalidate(this.#inside(pos, length), length); };
    const store = device.storeU64?.bind(device);
    if (store !== undefined) this.storeU64 = (pos, value, options) => { store(this.#inside(pos, 8), value, options); };
    const load = device.loadU64?.bind(device);
    if (load !== undefined) this.loadU64 = (pos) => load(this.#inside(pos, 8));
    const publisher = device.recordPublisher?.bind(device);
    if (publisher !== undefined) {
      this.recordPublisher = (wordPos, options) =>
        publisherInside(publisher(this.#inside(wordPos, 8), options), options.headSize, (pos, length) => this.#inside(pos, length));
    }
  }

  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    const wanted = checkSectors(this.size / SECTOR_SIZE, sector, size);
    // The device checks the alignment, which is that of the absolute sector (DA-3).
    return this.#device.directAccess(this.#startSector + wanted.sector, wanted.size);
  }

  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange): number {
    checkOptions(options, READING);
    const { offset, length } = bufferRange(target, options);
    const from = toBytes(pos, 'pos');
    const clipped = this.#clip(from, length);
    return clipped === 0 ? 0 : this.#device.readSync(target, this.#start + from, { offset, length: clipped });
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number {
    checkOptions(options, WRITING);
    const { offset, length } = bufferRange(source, options);
    const from = toBytes(pos, 'pos');
    const clipped = this.#clip(from, length);
    if (clipped === 0 && length > 0) this.#full('write', from);
    return this.#device.writeSync(source, this.#start + from, { offset, length: clipped, flush: options?.flush });
  }

  async read(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange & Abortable): Promise<number> {
    checkOptions(options, READING_LATER);
    if (this.#device.read === undefined) return this.readSync(target, pos, options);
    const { offset, length } = bufferRange(target, options);
    const from = toBytes(pos, 'pos');
    const clipped = this.#clip(from, length);
    if (clipped === 0) return 0;
    return this.#device.read(target, this.#start + from, { offset, length: clipped, signal: options?.signal });
  }

  async write(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions & Abortable): Promise<number> {
    checkOptions(options, WRITING_LATER);
    if (this.#device.write === undefined) return this.writeSync(source, pos, options);
    const { offset, length } = bufferRange(source, options);
    const from = toBytes(pos, 'pos');
    const clipped = this.#clip(from, length);
    if (clipped === 0 && length > 0) this.#full('write', from);
    const range = { offset, length: clipped, flush: options?.flush, signal: options?.signal };
    return this.#device.write(source, this.#start + from, range);
  }

  zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number {
    checkOptions(options, FLUSHING);
    const from = toBytes(pos, 'pos');
    const wanted = toBytes(length, 'length');
    const clipped = this.#clip(from, wanted);
    if (clipped === 0 && wanted > 0) this.#full('zero', from);
    return this.#device.zeroSync(this.#start + from, clipped, options);
  }

  seekData(pos: Bytes, length: Bytes): DeviceRun | undefined {
    const from = this.#inside(pos, length);
    const bytes = toBytes(length, 'length');
    if (this.#device.seekData === undefined) return bytes === 0 ? undefined : { pos: from - this.#start, length: bytes };
    const found = this.#device.seekData(from, bytes);
    return found && { pos: found.pos - this.#start, length: found.length };
  }

  flush(pos: Bytes, length: Bytes): void {
    this.#device.flush(this.#inside(pos, length), length);
  }

  drain(): void {
    this.#device.drain();
  }

  persist(pos: Bytes, length: Bytes): void {
    this.#device.persist(this.#inside(pos, length), length);
  }

  backing(pos: number, length: number): Backing {
    return backingOf(this.#device, this.#start + pos, length);
  }

  lock(mode: LockMode, pos: Bytes = 0, length?: Bytes): DeviceLock {
    const from = toBytes(pos, 'pos');
    const bytes = length === undefined ? Math.max(0, this.size - from) : toBytes(length, 'length');
    return lockDevice(this.#device, mode, this.#inside(from, bytes), bytes);
  }

  #clip(pos: number, length: number): number {
    return Math.max(0, Math.min(length, this.size - pos));
  }

  #inside(pos: Bytes, length: Bytes): number {
    const from = toBytes(pos, 'pos');
    if (from + toBytes(length, 'length') > this.size) {
      throw argumentError('ERR_OUT_OF_RANGE', `${length} bytes at ${pos} reach past the ${this.size} bytes of the partition`);
    }
    return this.#start + from;
  }

  #full(syscall: string, position: number): never {
    throw new DaxError({ errno: 'ENOSPC', syscall, reason: 'DEVICE_FULL', position, hint: 'this is the end of the partition' });
  }
}

/**
 * Makes a block device of the `sectors` sectors of `device` that begin at `startSector`, both in units of 512 bytes. Its positions
 * and sectors count from there. Any start is allowed, as in the kernel, but direct access works only if the absolute sector is a
 * multiple of 8 (DA-3). If `startSector` is not, `pageOffset` is not 0: files can be read and written, but not mapped.
 *
 * Throws `RangeError` if the partition would reach past the end of the device.
 */
export function partition(device: BlockDevice, startSector: Bytes, sectors: Bytes): BlockDevice {
  checkMethods(device, ['directAccess'], 'device', A_DEVICE);
  const start = toBytes(startSector, 'startSector');
  const length = toBytes(sectors, 'sectors');
  const available = Math.floor(device.size / SECTOR_SIZE);
  if (start + length > available) {
    throw argumentError('ERR_OUT_OF_RANGE', `sectors ${start} to ${start + length} reach past the ${available} sectors of the device`);
  }
  return new Partition(device, start, length);
}
