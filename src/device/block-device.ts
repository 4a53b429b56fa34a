// Owns the contract of a block device and the kernel's rules of direct access to one (bdev_direct_access).

import type { DeviceKind, Granularity, NativeHandle } from '../binding.js';
import { DaxError, type DaxErrorReason } from '../errors.js';
import type { OptionNames } from '../options.js';
import { PAGE_SIZE, roundUp, SECTOR_SIZE, toBytes, toSafeInteger, type Bytes } from '../units.js';

/** Memory of a device that can be loaded from and stored to in place. */
export interface DirectAccess {
  /** Bytes that lie contiguously in `window`: at most what was asked for, maybe less, so callers loop. */
  readonly bytes: number;
  /**
   * The device's own memory, no copy. Made when it is looked at: throws then where the device gives no views. Valid until
   * the device is closed or shrinks, when it is detached.
   */
  readonly window: Uint8Array;
  /** The page frame of the first byte, where it can be known. */
  readonly pfn: number | undefined;
}

/** A part of the caller's buffer, in bytes from its start. */
export interface BufferRange {
  /** Default 0. */
  offset?: number | undefined;
  /** Default: to the end of the buffer. */
  length?: number | undefined;
}

/** How durable a write is. */
export interface FlushOption {
  /** `false` leaves the bytes to a later `persist`; by default they are durable when the write returns. */
  flush?: boolean | undefined;
}

/** How a write is made. */
export interface WriteOptions extends BufferRange, FlushOption {}

/** The names of these options, of each way to move bytes. */
export const READING: OptionNames<BufferRange> = { offset: true, length: true };
export const WRITING: OptionNames<WriteOptions> = { ...READING, flush: true };
export const FLUSHING: OptionNames<FlushOption> = { flush: true };
export const ABORTABLE: OptionNames<Abortable> = { signal: true };
export const READING_LATER: OptionNames<BufferRange & Abortable> = { ...READING, ...ABORTABLE };
export const WRITING_LATER: OptionNames<WriteOptions & Abortable> = { ...WRITING, ...ABORTABLE };

/** How an asynchronous operation may be ended early: it rejects, with an `AbortError` that tells what had moved. */
export interface Abortable {
  signal?: AbortSignal | undefined;
}

/** `shared` for those who read, with others that read; `exclusive` for who changes something, alone. */
export type LockMode = 'exclusive' | 'shared';

/** A lock on some bytes of a device, from `lockDevice` or a device's `lock`, until it is released. */
export interface DeviceLock {
  /** Idempotent. */
  readonly release: () => void;
  [Symbol.dispose](): void;
}

/** A device whose pages can be mapped: what `open` gives. */
export interface MappableDevice {
  /** The path it was opened by. */
  readonly path: string;
  readonly kind: DeviceKind;
  /** Bytes: what it maps at the least. */
  readonly alignment: number;
  /** The kernel accepted MAP_SYNC: flushed stores survive without fsync. */
  readonly mapSync: boolean;
  readonly readOnly: boolean;
  /** As `BlockDevice.lock`. */
  lock(mode: LockMode, pos?: Bytes, length?: Bytes): DeviceLock;
  /** @internal */
  readonly handle: NativeHandle;
}

/** Where a block device's bytes are on the device that `open` gave. */
export interface Backing {
  readonly device: MappableDevice;
  readonly pos: number;
}

/**
 * A device in 512-byte sectors with memory that can be accessed in place. A `DaxDevice`, a partition, or one's own.
 * Positions are bytes from the start of the device.
 */
export interface BlockDevice {
  /** Bytes. */
  readonly size: number;
  readonly granularity: Granularity;
  /**
   * Where in a page byte 0 lies: not at 0, as in a partition that begins at sector 63, direct access fails (DA-3), so that files
   * are read and written by copies alone, and cannot be mapped. Bytes; default 0.
   */
  readonly pageOffset?: number | undefined;
  /** Whether what was stored and flushed is there after the power was off; undefined where that is not known. */
  readonly persistent?: boolean | undefined;
  /** Direct access by the rules DA-1 to DA-8. `sector` is in 512-byte units, `size` in bytes. */
  directAccess(sector: Bytes, size: Bytes): DirectAccess;
  /** Bytes read: fewer at the end of the device or before a bad page, 0 at the end. */
  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange): number;
  /** Bytes written: fewer at the end of the device. `ENOSPC` at the end. */
  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number;
  /** As `readSync`, on another thread where that pays. */
  read?(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange & Abortable): Promise<number>;
  /** As `writeSync`, on another thread where that pays. */
  write?(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions & Abortable): Promise<number>;
  /** Writes zeros; bytes written. */
  zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number;
  /** Starts the write-back of stores to the range. */
  flush(pos: Bytes, length: Bytes): void;
  /** Waits for what was flushed. */
  drain(): void;
  /** `flush`, then `drain`. */
  persist(pos: Bytes, length: Bytes): void;
  /**
   * The open device, and the position on it, whose pages these bytes are, so that they can be mapped into a file's
   * mapping. Without it `daxMmap` of what lies here is `EOPNOTSUPP`.
   */
  backing?(pos: number, length: number): Backing;
  /**
   * Locks some bytes, all by default, against whoever else locks them. A device that others can open has it; `lockDevice`
   * asks for it. Throws `EBUSY` where another has one of them.
   */
  lock?(mode: LockMode, pos?: Bytes, length?: Bytes): DeviceLock;
}

/**
 * What a driver answers for an absolute sector: how much lies contiguously from there to its end or to a gap, a multiple
 * of the page size, and a window on at least as much of it as was asked for. It throws `DaxError` for anything else.
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
 * The first checks of direct access (DA-1.1, DA-1.3), for a device or partition of `sectors` sectors: throws the
 * errno given as a negative `size`, or `ERANGE` beyond the end. Returns both as numbers.
 */
export function checkSectors(sectors: number, sector: Bytes, size: Bytes): { sector: number; size: number } {
  const relative = toBytes(sector, 'sector');
  const wanted = checkSize(size);
  if (relative + Math.ceil(wanted / SECTOR_SIZE) > sectors) {
    const hint = `${wanted} bytes at sector ${relative} reach past the ${sectors} sectors of the device`;
    refuse('ERANGE', hint, 'OFFSET_OUT_OF_RANGE');
  }
  return { sector: relative, size: wanted };
}

/**
 * Direct access by the kernel's rules, in their order (DA-1), to a whole device of `sectors` sectors. `op` is its
 * driver's, undefined where it has none.
 *
 * Throws `DaxError`: the errno given as a negative `size`; `EOPNOTSUPP` without an op; `ERANGE` beyond the end;
 * `EINVAL` where the sector does not begin a page; `ENXIO` where the driver's answer is no multiple of a page.
 */
export function bdevDirectAccess(
  op: DirectAccessOp | undefined,
  sectors: number,
  sector: Bytes,
  size: Bytes,
): DirectAccess {
  checkSize(size);
  if (op === undefined) return refuse('EOPNOTSUPP', 'the device has no direct access');
  const wanted = checkSectors(sectors, sector, size);
  if (wanted.sector % SECTORS_PER_PAGE !== 0) {
    const hint = `sector ${wanted.sector} of the device must be a multiple of ${SECTORS_PER_PAGE}`;
    refuse('EINVAL', hint, 'OFFSET_UNALIGNED');
  }
  const answer = op(wanted.sector, wanted.size);
  if (answer.bytes === 0) refuse('ERANGE', `nothing is accessible at sector ${wanted.sector}`);
  if (answer.bytes % PAGE_SIZE !== 0) refuse('ENXIO', `the driver gave ${answer.bytes} bytes, not whole pages`);
  return new Clipped(answer, Math.min(answer.bytes, wanted.size));
}

// A driver's answer, cut to what was asked for. What costs something is asked of it by those who want it: most ask how
// much lies there, and never look. A class, because an object literal with getters takes a hundred times as long.
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
 * How many of the `length` bytes at `pos` lie together on a device: as much as a copy may go over at once. Blocks smaller than
 * a page may begin within one, where direct access does not (DA-9).
 */
export function reachOf(bdev: BlockDevice, pos: number, length: number): number {
  // Nobody looks at the memory of what begins within a page: there is no more to ask.
  if (!beginsPage(bdev)) return Math.max(0, Math.min(length, bdev.size - pos));
  const head = pos % PAGE_SIZE;
  return bdev.directAccess((pos - head) / SECTOR_SIZE, head + length).bytes - head;
}

/** Throws `ERANGE` for blocks of a file that its filesystem placed past the device: nothing lies there. */
export function checkPlaced(bdev: BlockDevice, pos: number, length: number, syscall: string): void {
  // The last page of a file is mapped whole.
  if (pos >= 0 && pos + length <= roundUp(bdev.size, PAGE_SIZE)) return;
  throw new DaxError({
    errno: 'ERANGE',
    syscall,
    reason: 'OFFSET_OUT_OF_RANGE',
    position: pos,
    hint: `getBlock placed ${length} bytes there, and the device has ${bdev.size}: the filesystem, or its image, is broken`,
  });
}

/** The device whose pages a block device's bytes are. Throws `ERANGE` past its end. */
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
