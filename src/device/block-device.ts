// Owns the contract of a block device and the kernel's rules of direct access to one (bdev_direct_access).

import { argumentError, checkMethods } from '../argument-error.js';
import type { DeviceKind, Granularity, NativeHandle } from '../binding.js';
import { DaxError, type DaxErrorReason } from '../errors.js';
import type { OptionNames } from '../options.js';
import { PAGE_SIZE, roundUp, SECTOR_SIZE, toBytes, toSafeInteger, type Bytes } from '../units.js';

/** The answer of direct access: memory of a device that can be loaded from and stored to in place. */
export interface DirectAccess {
  /** Bytes that lie contiguously in `window`. They may be fewer than were asked for, never more, so callers must loop. */
  readonly bytes: number;
  /**
   * The device's own memory, without a copy. The getter makes the view, and throws for a device that gives no views. The view
   * is valid until the device is closed or shrinks, and is detached then.
   */
  readonly window: Uint8Array;
  /** The page frame of the first byte; undefined if it cannot be known. */
  readonly pfn: number | undefined;
}

/** A part of the caller's buffer, in bytes from its start. */
export interface BufferRange {
  /** Default 0. */
  offset?: number | undefined;
  /** Default: to the end of the buffer. */
  length?: number | undefined;
}

/** Whether a write is durable when it returns, as `DaxDevice` uses the word: whether it is flushed. */
export interface FlushOption {
  /** `true` (default): the bytes are durable when the write returns. `false`: a later `persist` makes them durable. */
  flush?: boolean | undefined;
}

/** The options of a write. */
export interface WriteOptions extends BufferRange, FlushOption {}

/** A part of a device, in bytes. */
export interface DeviceRun {
  readonly pos: number;
  readonly length: number;
}

/** The option names of each way to move bytes. */
export const READING: OptionNames<BufferRange> = { offset: true, length: true };
export const WRITING: OptionNames<WriteOptions> = { ...READING, flush: true };
export const PUBLISHING: OptionNames<PublisherOptions> = { headSize: true, unit: true, seed: true };
export const FLUSHING: OptionNames<FlushOption> = { flush: true };
export const ABORTABLE: OptionNames<Abortable> = { signal: true };
export const READING_LATER: OptionNames<BufferRange & Abortable> = { ...READING, ...ABORTABLE };
export const WRITING_LATER: OptionNames<WriteOptions & Abortable> = { ...WRITING, ...ABORTABLE };

/**
 * A signal that ends an asynchronous operation early. The operation then rejects with an `AbortError` that tells how many bytes
 * were moved.
 */
export interface Abortable {
  signal?: AbortSignal | undefined;
}

/** `shared`: for reading, together with other readers. `exclusive`: for changing, with no other holder. */
export type LockMode = 'exclusive' | 'shared';

/** A lock on some bytes of a device, from `lockDevice` or a device's `lock`, until it is released. */
export interface DeviceLock {
  /** Releases the lock. May be called again. */
  readonly release: () => void;
  [Symbol.dispose](): void;
}

/** A device whose pages can be mapped: what `open` returns. */
export interface MappableDevice extends BlockDevice {
  /** The path by which it was opened. */
  readonly path: string;
  readonly kind: DeviceKind;
  /** The smallest unit that the device maps, in bytes. */
  readonly alignment: number;
  /** The kernel accepted MAP_SYNC: flushed stores survive without fsync. */
  readonly mapSync: boolean;
  readonly readOnly: boolean;
  /** Locks bytes of the device, as `BlockDevice.lock` does. */
  lock(mode: LockMode, pos?: Bytes, length?: Bytes): DeviceLock;
  /** @internal */
  readonly handle: NativeHandle;
}

/** The place of a block device's bytes on a device that `open` returned. */
export interface Backing {
  readonly device: MappableDevice;
  readonly pos: number;
  /** How many of the requested bytes, from the first on, are contiguous there. Default: all. */
  readonly length?: number | undefined;
}

/** The records that a `RecordPublisher` stores. */
export interface PublisherOptions {
  /** The bytes of a record before its content, from 4 to 64. */
  readonly headSize: number;
  /** Records that are published together begin at multiples of this many bytes from the first one. Default 1. */
  readonly unit?: number;
  /** The initial value of the checksum of each record. Default 0. */
  readonly seed?: number;
}

/**
 * Stores records of one device, and after them the word that publishes them, made by `recordPublisher` of the device. A record is a
 * head and its content. The head begins with a CRC32C (4 bytes, little-endian) of its other bytes and of the content, which the
 * publisher computes. The caller fills the rest of the head.
 *
 * Each call is one call of the addon, with two fences, and allocates nothing. A reader that finds the word finds the records, even
 * after a power cut. The calls return the bytes stored: if a page is bad, fewer than the records have, and then no word was stored.
 * They throw `EIO` if the first page is bad, `EBADF` once the device is closed, `TypeError` for content that is no Buffer,
 * TypedArray or DataView, or has been detached, and `RangeError` for records outside the device.
 *
 * `pos` (of the record, in bytes of the device), `end` and `word` are safe integers of at least 0. The bytes between the records
 * and `end` must be free: those in the records' last cache line may become zeros. During a call, nobody else may store to the cache
 * line of `pos` or to the bytes from there to `end`.
 */
export interface RecordPublisher {
  /** The heads of the records of the next call, one after the other. The caller fills them before it, without the checksums. */
  readonly heads: Uint8Array;
  /** Publishes one record. */
  publish(content: NodeJS.ArrayBufferView, pos: number, end: number, word: number): number;
  /** Publishes some of `contents` together, with one word for all of them. */
  publishMany(contents: readonly NodeJS.ArrayBufferView[], batch: RecordBatch): number;
  /** To be called if, since the last record, anything but this publisher has stored to the cache line of the next one. */
  stored(): void;
}

/** Records that are published together. Each one is followed by zeros up to a multiple of `unit`. */
export interface RecordBatch {
  /** The index of the first one, and the one after the last: at most 256 records. */
  readonly from: number;
  readonly to: number;
  /** The bytes that they take, at most 64 KiB. */
  readonly size: number;
  /** Where the first one begins. */
  readonly pos: number;
  readonly end: number;
  readonly word: number;
}

/**
 * A device in 512-byte sectors whose memory can be accessed in place: a `DaxDevice`, a partition, or a device of your own.
 * Positions are bytes from the start of the device.
 */
export interface BlockDevice {
  /** Bytes. */
  readonly size: number;
  readonly granularity: Granularity;
  /**
   * The offset of byte 0 in its page, in bytes. Default 0. If it is not 0, as in a partition that begins at sector 63, direct
   * access fails (DA-3): files are read and written by copies only, and cannot be mapped.
   */
  readonly pageOffset?: number | undefined;
  /** Whether bytes that were stored and flushed survive a power cut; undefined if that is not known. */
  readonly persistent?: boolean | undefined;
  /** Whether the device refuses stores. Files on it then cannot be mapped for stores. Default false. */
  readonly readOnly?: boolean | undefined;
  /**
   * The smallest unit that is mapped, in bytes, if the bytes lie on several devices. Default: the alignment of the device that
   * `backing` names.
   */
  readonly pageSize?: number | undefined;
  /** Direct access by the rules DA-1 to DA-8. `sector` is in 512-byte units, `size` in bytes. */
  directAccess(sector: Bytes, size: Bytes): DirectAccess;
  /** Reads, and returns the bytes read: fewer at the end of the device or before a bad page, 0 at the end. */
  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange): number;
  /** Writes, and returns the bytes written: fewer if the device ends. Throws `ENOSPC` at the end. */
  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number;
  /** Reads as `readSync` does, on another thread if that is faster. */
  read?(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange & Abortable): Promise<number>;
  /** Writes as `writeSync` does, on another thread if that is faster. */
  write?(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions & Abortable): Promise<number>;
  /** Writes zeros, and returns the bytes written. */
  zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number;
  /**
   * The first run of bytes of the range that may be other than zeros; undefined if there is none. The bytes before the run, or all
   * of the range if there is none, are a hole of the file below, which reads as zeros and has no memory yet. `dataRuns` lists all
   * runs.
   */
  seekData?(pos: number, length: number): DeviceRun | undefined;
  /** Starts to make stores to the range durable, if the device is `persistent`. */
  flush(pos: Bytes, length: Bytes): void;
  /** Waits until everything that was flushed is durable. */
  drain(): void;
  /** Makes stores to the range durable: `flush`, then `drain`. */
  persist(pos: Bytes, length: Bytes): void;
  /**
   * Makes later reads see what memory shared by several hosts holds: see `DaxDevice.invalidate`. A device without this method is
   * not shared with other hosts.
   */
  invalidate?(pos: Bytes, length: Bytes): void;
  /**
   * Stores 64 bits, as little-endian, with one store, as `DaxDevice.storeU64` does. A device without this method is memory that
   * only this isolate sees, and a power cut does not split its `writeSync` of 8 bytes at a multiple of 8.
   */
  storeU64?(pos: Bytes, value: Bytes, options?: FlushOption): void;
  /** Loads what `storeU64` stored, with one load. */
  loadU64?(pos: Bytes): bigint;
  /** Makes a publisher, which stores records and then the word at `wordPos`, as `DaxDevice.recordPublisher` does. */
  recordPublisher?(wordPos: Bytes, options: PublisherOptions): RecordPublisher;
  /**
   * Finds the open device, and the position on it, where these bytes lie, in order to map its pages. The answer is for all of the
   * bytes, or for the first of them that are contiguous. On a device without this method, `daxMmap` of files throws `EOPNOTSUPP`.
   */
  backing?(pos: number, length: number): Backing;
  /**
   * Locks some bytes, by default all, against every other lock on them. `lockDevice` calls it. Devices that others can open need
   * it. Throws `EBUSY` if another lock has one of the bytes.
   */
  lock?(mode: LockMode, pos?: Bytes, length?: Bytes): DeviceLock;
}

/** What a device must be, as messages say it. */
export const A_DEVICE = 'a block device, such as open() gives';
const METHODS: readonly (keyof BlockDevice)[] = ['directAccess', 'readSync', 'writeSync', 'zeroSync', 'flush', 'drain', 'persist'];

/** Throws `TypeError` if `device`, the argument called `name`, is not a block device: it may be a promise or a path. */
export function checkDevice(device: BlockDevice, name = 'device'): void {
  checkMethods(device, METHODS, name, A_DEVICE);
  if (!(device.size >= 0)) throw argumentError('ERR_INVALID_ARG_TYPE', `${name}.size must be a number of bytes, it is ${String(device.size)}`);
}

/** Throws `TypeError` unless `devices` is an array of at least one block device. */
export function checkDevices(devices: readonly BlockDevice[]): void {
  const isArray: boolean = Array.isArray(devices);
  if (!isArray) throw argumentError('ERR_INVALID_ARG_TYPE', 'devices must be an array of block devices');
  if (devices.length === 0) throw argumentError('ERR_INVALID_ARG_VALUE', 'devices must not be empty');
  for (const [index, device] of devices.entries()) checkDevice(device, `devices[${index}]`);
}

/**
 * A driver's direct access to an absolute sector. It returns the number of bytes that lie contiguously from there to the end of the
 * device or to a gap, a multiple of the page size, and a window on at least as many of them as were asked for. It throws `DaxError`
 * if it cannot.
 */
export type DirectAccessOp = (sector: number, size: number) => DirectAccess;

const SECTORS_PER_PAGE = PAGE_SIZE / SECTOR_SIZE;

function refuse(errno: number | string, hint: string, reason?: DaxErrorReason): never {
  throw new DaxError({ errno, syscall: 'directAccess', reason, hint });
}

function checkSize(size: Bytes): number {
  const wanted = toSafeInteger(size, 'size');
  return wanted < 0 ? refuse(wanted, 'the size was this errno') : wanted;
}

/**
 * Makes the first checks of direct access (DA-1.1, DA-1.3) to a device or partition of `sectors` sectors. Returns `sector` and
 * `size` as numbers. Throws `ERANGE` past the end. A negative `size` is an errno, and is thrown.
 */
export function checkSectors(sectors: number, sector: Bytes, size: Bytes): { sector: number; size: number } {
  const relative = toBytes(sector, 'sector');
  const wanted = checkSize(size);
  checkInside(sectors, relative, wanted);
  return { sector: relative, size: wanted };
}

function checkInside(sectors: number, sector: number, size: number): void {
  if (sector + Math.ceil(size / SECTOR_SIZE) <= sectors) return;
  refuse('ERANGE', `${size} bytes at sector ${sector} reach past the ${sectors} sectors of the device`, 'OFFSET_OUT_OF_RANGE');
}

/**
 * Gives direct access to a whole device of `sectors` sectors, by the kernel's rules and in their order (DA-1). `op` is the
 * operation of the device's driver; undefined if it has none.
 *
 * Throws `DaxError`: a negative `size` as its errno; `EOPNOTSUPP` without `op`; `ERANGE` past the end; `EINVAL` for a sector that
 * does not begin a page; `ENXIO` if the driver's answer is not a multiple of a page.
 */
export function bdevDirectAccess(
  op: DirectAccessOp | undefined,
  sectors: number,
  sector: Bytes,
  size: Bytes,
): DirectAccess {
  const bytes = checkSize(size);
  if (op === undefined) return refuse('EOPNOTSUPP', 'the device has no direct access');
  const first = toBytes(sector, 'sector');
  checkInside(sectors, first, bytes);
  if (first % SECTORS_PER_PAGE !== 0) {
    const hint = `sector ${first} of the device must be a multiple of ${SECTORS_PER_PAGE}`;
    refuse('EINVAL', hint, 'OFFSET_UNALIGNED');
  }
  const answer = op(first, bytes);
  if (answer.bytes === 0) refuse('ERANGE', `nothing is accessible at sector ${first}`);
  if (answer.bytes % PAGE_SIZE !== 0) refuse('ENXIO', `DA-1: the driver gave ${answer.bytes} bytes, not whole pages`, 'DRIVER_BROKEN');
  return new Clipped(answer, Math.min(answer.bytes, bytes));
}

// A driver's answer, cut to what was asked for. Its window is made only for callers that get it, because most need only the length.
// A class, because an object literal with getters takes a hundred times as long.
class Clipped implements DirectAccess {
  readonly bytes: number;
  readonly #answer: DirectAccess;

  constructor(answer: DirectAccess, bytes: number) {
    this.bytes = bytes;
    this.#answer = answer;
  }

  get window(): Uint8Array {
    const { window } = this.#answer;
    return window.byteLength === this.bytes ? window : window.subarray(0, this.bytes);
  }

  get pfn(): number | undefined {
    return this.#answer.pfn;
  }
}

function beginsPage({ pageOffset = 0 }: BlockDevice): boolean {
  return pageOffset === 0;
}

/**
 * How many of the `length` bytes at `pos` are contiguous on a device, so one copy can move them. Blocks smaller than a page may
 * begin within a page, where direct access cannot begin (DA-9).
 */
export function reachOf(bdev: BlockDevice, pos: number, length: number): number {
  // A device whose byte 0 lies within a page gives no direct access, so its bytes count as contiguous.
  if (!beginsPage(bdev)) return Math.max(0, Math.min(length, bdev.size - pos));
  const head = pos % PAGE_SIZE;
  return bdev.directAccess((pos - head) / SECTOR_SIZE, head + length).bytes - head;
}

/** Throws `ERANGE` for blocks of a file that its filesystem has placed past the end of the device. */
export function checkPlaced(bdev: BlockDevice, pos: number, length: number, syscall: string): void {
  // A device that is a file may end within its last page, which is mapped whole.
  if (pos >= 0 && pos + length <= roundUp(bdev.size, PAGE_SIZE)) return;
  throw new DaxError({
    errno: 'ERANGE',
    syscall,
    reason: 'OFFSET_OUT_OF_RANGE',
    position: pos,
    hint: `getBlock placed ${length} bytes there, and the device has ${bdev.size}: the filesystem, or its image, is broken`,
  });
}

/** The open device, and the position on it, where a block device's bytes lie. Throws `ERANGE` past its end. */
export function backingOf(bdev: BlockDevice, pos: number, length: number): Backing {
  if (!beginsPage(bdev)) {
    throw new DaxError({
      errno: 'EOPNOTSUPP',
      syscall: 'mmap',
      reason: 'OFFSET_UNALIGNED',
      hint: `it lies on a partition that does not begin at a multiple of ${PAGE_SIZE} bytes: read and write instead, or move the partition`,
    });
  }
  checkPlaced(bdev, pos, length, 'mmap');
  const backing = bdev.backing?.(pos, length);
  if (backing !== undefined) return backing;
  throw new DaxError({
    errno: 'EOPNOTSUPP',
    syscall: 'mmap',
    reason: 'NOT_MAPPABLE',
    hint: 'the blocks lie on a device that no page can be mapped of: it must have `backing`, as what `open` gives has',
  });
}
