// Owns daxDoIo: reading and writing a file whose blocks a filesystem's getBlock places (dax_do_io, rules IO-1 to IO-19).

import type { BlockDevice } from './block-device.js';
import { BufferHead } from './buffer-head.js';
import { DaxError } from './errors.js';
import type { Extent } from './extent-cache.js';
import type { EndIo, GetBlock, Inode } from './inode.js';
import { asOperation } from './lock-order.js';
import { checkAnswer, mapBlocks } from './map-blocks.js';
import { checkAttached, toPlainBytes, toUint8Array } from './memory.js';
import { PAGE_SIZE, roundDown, roundUp, SECTOR_SIZE, toBytes, type Bytes } from './units.js';

/** A read takes the inode's lock, shared, by itself; a writer holds it already. Without it the filesystem locks. */
export const DIO_LOCKING = 0x1;
/** The caller has counted the I/O (`dioBegin`) by itself. */
export const DIO_SKIP_DIO_COUNT = 0x8;

/** One buffer or several, in order; empty ones are allowed. */
export type Iter = NodeJS.ArrayBufferView | readonly NodeJS.ArrayBufferView[];

// The kernel's limit of one transfer (MAX_RW_COUNT).
const MAX_TRANSFER = 0x7ffff000;

// Above this a piece is worth a visit to another thread.
const POOL_THRESHOLD = 256 * 1024;

const NO_BUFFERS: readonly Uint8Array[] = [];

// One I/O: where it is, and the piece that comes next. Used again and again, so that a small read allocates nothing.
class Walk {
  readonly bh = new BufferHead();
  moved = 0;
  #inode: Inode | undefined;
  #getBlock: GetBlock = () => 0;
  #write = false;
  #buffers: readonly Uint8Array[] = NO_BUFFERS;
  #single: [Uint8Array] = [new Uint8Array(0)];
  // The buffer in use, and how much of it is done.
  #index = 0;
  #offset = 0;
  #start = 0;
  #pos = 0;
  #end = 0;
  #extent: Extent | undefined;
  // Where the extent, and the part of it that the device gave access to, end in the file.
  #extentEnd = 0;
  #windowEnd = 0;
  // The extent is New or Unwritten, and what this write leaves of it is not zeroed yet.
  #edgesDue = false;
  readonly #range = { offset: 0, length: 0 };

  begin(inode: Inode, write: boolean, iter: Iter, pos: number, getBlock: GetBlock): void {
    this.#inode = inode;
    this.#write = write;
    this.#getBlock = getBlock;
    let total;
    if (Array.isArray(iter)) {
      this.#buffers = iter.map((view: unknown, index) => toUint8Array(view, `iter[${index}]`));
      total = this.#buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
    } else {
      const bytes = toPlainBytes(iter, 'iter');
      this.#single[0] = bytes;
      this.#buffers = this.#single;
      total = bytes.byteLength;
      if (total === 0) checkAttached(bytes, 'iter');
    }
    this.#index = this.#offset = this.moved = 0;
    this.#start = this.#pos = this.#extentEnd = this.#windowEnd = pos;
    // i_size is looked at once: a read that began before a truncation is clipped by the old size (IO-3).
    const limit = write ? Number.MAX_SAFE_INTEGER : inode.size;
    this.#end = Math.min(pos + Math.min(total, MAX_TRANSFER), limit);
    this.#extent = undefined;
    this.bh.private = undefined;
  }

  /** Forgets the user's memory. */
  release(): void {
    this.#inode = this.#extent = undefined;
    this.#buffers = NO_BUFFERS;
    this.#single[0] = NOTHING;
    this.bh.bdev = this.bh.private = undefined;
  }

  get start(): number {
    return this.#start;
  }

  /** Finds the next piece. False when all is done. */
  next(): boolean {
    if (this.#pos >= this.#end) return false;
    if (this.#pos >= this.#windowEnd) this.#openWindow();
    let buffer = this.#buffers[this.#index] as Uint8Array;
    while (this.#offset === buffer.byteLength) {
      buffer = this.#buffers[++this.#index] as Uint8Array;
      this.#offset = 0;
    }
    this.#range.offset = this.#offset;
    this.#range.length = Math.min(this.#windowEnd, this.#end) - this.#pos;
    if (this.#range.length > buffer.byteLength - this.#offset) this.#range.length = buffer.byteLength - this.#offset;
    return true;
  }

  /** Moves the piece. Returns the bytes moved. */
  copySync(): number {
    const buffer = this.#buffers[this.#index] as Uint8Array;
    const bdev = this.#source();
    if (bdev === undefined) return this.#clear(buffer);
    const pos = this.#devicePos(this.#pos);
    // A device has less to look at without options.
    const range = this.#range.length === buffer.byteLength ? undefined : this.#range;
    return this.#write ? bdev.writeSync(buffer, pos, range) : bdev.readSync(buffer, pos, range);
  }

  /** As `copySync`, but a large piece of a device that can is moved on another thread. */
  async copy(signal: AbortSignal | undefined): Promise<number> {
    const bdev = this.#source();
    if (bdev === undefined || this.#range.length < POOL_THRESHOLD) return this.copySync();
    const buffer = this.#buffers[this.#index] as Uint8Array;
    const pos = this.#devicePos(this.#pos);
    const options = { ...this.#range, signal };
    const moving = this.#write ? bdev.write?.(buffer, pos, options) : bdev.read?.(buffer, pos, options);
    return moving ?? this.copySync();
  }

  advance(moved: number): void {
    // A device that moves nothing and does not say why.
    if (!(moved > 0)) throw new DaxError({ errno: 'EFAULT', syscall: 'daxDoIo', position: this.#pos });
    this.#pos += moved;
    this.#offset += moved;
    this.moved += moved;
    // What was New is filled by now, head and tail included: next time it is written data.
    const { iblock, count, state, bdev, blocknr, reach } = this.#extent as Extent;
    if (state === 'new' && this.#pos >= Math.min(this.#extentEnd, this.#end)) {
      (this.#inode as Inode).extents.insert({ iblock, count, state: 'written', bdev, blocknr, reach });
    }
  }

  /**
   * After a write that stopped within blocks that were New or Unwritten: what was not reached is zeroed, so that no old
   * content of the medium becomes the file's (IO-9).
   */
  zeroRest(): void {
    const extent = this.#extent;
    if (!this.#write || extent?.bdev === undefined || !isUninitialised(extent) || this.#pos >= this.#end) return;
    const from = this.#edgesDue ? this.#blockStart(extent) : this.#pos;
    if (from < this.#extentEnd) this.#zeroGood(extent.bdev, this.#devicePos(from), this.#devicePos(this.#extentEnd));
  }

  // A bad page, which cannot be read either, keeps no other from being zeroed.
  #zeroGood(bdev: BlockDevice, pos: number, end: number): void {
    const { blockSize } = (this.#inode as Inode).sb;
    try {
      bdev.zeroSync(pos, end - pos);
    } catch (error) {
      if (!(error instanceof DaxError)) throw error;
      if (error.code !== 'EIO' || end - pos <= blockSize) return;
      const middle = roundDown((pos + end) / 2, blockSize);
      this.#zeroGood(bdev, pos, middle);
      this.#zeroGood(bdev, middle, end);
    }
  }

  #blockStart({ iblock }: Extent): number {
    return iblock * (this.#inode as Inode).sb.blockSize;
  }

  #devicePos(pos: number): number {
    const extent = this.#extent as Extent;
    return extent.blocknr * (this.#inode as Inode).sb.blockSize + (pos - this.#blockStart(extent));
  }

  // The device to copy from or to; none for what reads as zeros.
  #source(): BlockDevice | undefined {
    const { state, bdev } = this.#extent as Extent;
    return !this.#write && (state === 'hole' || state === 'unwritten') ? undefined : bdev;
  }

  #clear(buffer: Uint8Array): number {
    const { offset, length } = this.#range;
    buffer.fill(0, offset, offset + length);
    return length;
  }

  // IO-4.1: the next extent if the last one is used up, and the part of it that the device gives access to.
  #openWindow(): void {
    const inode = this.#inode as Inode;
    const { blockSize } = inode.sb;
    if (this.#pos >= this.#extentEnd) {
      const wanted = roundUp(this.#end - this.#pos, blockSize);
      const iblock = Math.floor(this.#pos / blockSize);
      this.#extent = undefined;
      const found = mapBlocks(inode, iblock, wanted, this.#getBlock, this.#write, this.bh);
      this.#extent = found;
      this.#edgesDue = this.#write && isUninitialised(found);
      this.#extentEnd = (found.iblock + found.count) * blockSize;
    }
    const extent = this.#extent as Extent;
    this.#windowEnd = this.#extentEnd;
    if (this.#source() === undefined) return;
    const within = this.#pos - this.#blockStart(extent);
    if (within >= extent.reach) this.#reach(extent, roundDown(within, blockSize));
    this.#windowEnd = this.#blockStart(extent) + extent.reach;
    if (this.#edgesDue) this.#zeroEdges(extent);
  }

  // Asks the device how much lies contiguously from `within` bytes into the extent. Blocks smaller than a page may begin
  // within one, where direct access does not (DA-9).
  #reach(extent: Extent, within: number): void {
    const { blockSize } = (this.#inode as Inode).sb;
    const bdev = extent.bdev as BlockDevice;
    const pos = extent.blocknr * blockSize + within;
    const page = roundDown(pos, PAGE_SIZE);
    const rest = extent.count * blockSize - within;
    const { bytes } = bdev.directAccess(page / SECTOR_SIZE, pos - page + rest);
    const gained = bytes - (pos - page);
    if (gained <= 0) throw new DaxError({ errno: 'EIO', syscall: 'directAccess', position: pos });
    extent.reach = within + gained;
  }

  // IO-8: what this write leaves of its first and its last block. Everything between is written over.
  #zeroEdges(extent: Extent): void {
    const bdev = extent.bdev as BlockDevice;
    const start = this.#blockStart(extent);
    if (this.#pos > start) bdev.zeroSync(this.#devicePos(start), this.#pos - start);
    if (this.#end < this.#extentEnd) bdev.zeroSync(this.#devicePos(this.#end), this.#extentEnd - this.#end);
    this.#edgesDue = false;
  }
}

const NOTHING = new Uint8Array(0);

function isUninitialised({ state }: Extent): boolean {
  return state === 'new' || state === 'unwritten';
}

// Walks at rest. There is more than one when a getBlock does I/O of its own, or I/O is asynchronous.
const walks: Walk[] = [];

function isSet(flags: number, flag: number): boolean {
  // eslint-disable-next-line no-bitwise -- a flag
  return (flags & flag) !== 0;
}

// What the I/O came to: bytes if any moved, else the error. An error after progress comes with the next call (IO-6), but
// one that is no DaxError is a bug in a callback and always comes out.
function finish(walk: Walk, inode: Inode, error: unknown, endIo: EndIo | undefined): number {
  if (endIo !== undefined) {
    const result = walk.moved > 0 || error === undefined ? walk.moved : errnoIn(error);
    checkAnswer(endIo(inode, walk.start, result, walk.bh.private), 'endIo', inode);
  }
  if (error !== undefined && (walk.moved === 0 || !(error instanceof DaxError))) throw error as Error;
  return walk.moved;
}

const EIO = -5;
const EINTR = -4;

function errnoIn(error: unknown): number {
  if (error instanceof DaxError) return error.errno;
  return (error as { name?: unknown } | null)?.name === 'AbortError' ? EINTR : EIO;
}

/**
 * Reads or writes `iter` at byte `pos` of a file, whose blocks `getBlock` names. Returns the bytes moved: a read ends at
 * i_size, and holes and unwritten extents read as zeros. A write does not change i_size: `DaxFile` does, after it. What
 * was stored is durable on return.
 *
 * Throws `DaxError` if nothing moved: what getBlock or the device said, `EIO` for an answer against the contract,
 * `EAGAIN` where asynchronous work holds the lock that `DIO_LOCKING` asks for. `endIo` may replace the result.
 */
export function daxDoIo(
  rw: 'read' | 'write',
  inode: Inode,
  iter: Iter,
  pos: Bytes,
  getBlock: GetBlock,
  endIo?: EndIo,
  flags = 0,
): number {
  const write = isWrite(rw);
  const start = toBytes(pos, 'pos');
  const walk = walks.pop() ?? new Walk();
  walk.begin(inode, write, iter, start, getBlock);
  const locks = !write && isSet(flags, DIO_LOCKING);
  if (locks && !inode.ilock.tryShared()) throw wouldBlock(inode);
  const counts = !isSet(flags, DIO_SKIP_DIO_COUNT);
  if (counts) inode.dioBegin();
  let error: unknown;
  try {
    try {
      while (walk.next()) walk.advance(walk.copySync());
    } catch (caught) {
      error = caught;
      walk.zeroRest();
    } finally {
      if (locks) inode.ilock.releaseShared();
    }
    return finish(walk, inode, error, endIo);
  } finally {
    if (counts) inode.dioEnd();
    walk.release();
    walks.push(walk);
  }
}

/**
 * As `daxDoIo`, but it waits for the lock, and copies large pieces on another thread. `signal` ends it between pieces:
 * what moved is returned; if nothing had, it rejects with the signal's reason (IO-19).
 */
export async function daxDoIoAsync(
  rw: 'read' | 'write',
  inode: Inode,
  iter: Iter,
  pos: Bytes,
  getBlock: GetBlock,
  endIo?: EndIo,
  flags = 0,
  signal?: AbortSignal,
): Promise<number> {
  const write = isWrite(rw);
  const start = toBytes(pos, 'pos');
  const locks = !write && isSet(flags, DIO_LOCKING);
  const run = () => walkAsync(inode, write, iter, start, getBlock, endIo, locks, flags, signal);
  // A write is a part of what took the lock for it.
  return locks ? asOperation(run) : run();
}

async function walkAsync(
  inode: Inode,
  write: boolean,
  iter: Iter,
  start: number,
  getBlock: GetBlock,
  endIo: EndIo | undefined,
  locks: boolean,
  flags: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (locks) await inode.ilock.shared(signal);
  const counts = !isSet(flags, DIO_SKIP_DIO_COUNT);
  if (counts) inode.dioBegin();
  const walk = walks.pop() ?? new Walk();
  let locked = locks;
  try {
    // Not before the lock is held: the end of a read is the size of now.
    walk.begin(inode, write, iter, start, getBlock);
    let error: unknown;
    try {
      for (;;) {
        if (signal?.aborted === true) {
          if (walk.moved === 0) signal.throwIfAborted();
          break;
        }
        if (!walk.next()) break;
        walk.advance(await walk.copy(signal));
      }
      if (signal?.aborted === true) walk.zeroRest();
    } catch (caught) {
      // A device rejects a copy that was aborted before it moved anything; what was moved before it counts.
      const isAbort = signal?.aborted === true && caught === signal.reason;
      error = isAbort && walk.moved > 0 ? undefined : caught;
      walk.zeroRest();
    }
    if (locked) inode.ilock.releaseShared();
    locked = false;
    return finish(walk, inode, error, endIo);
  } finally {
    if (locked) inode.ilock.releaseShared();
    if (counts) inode.dioEnd();
    walk.release();
    walks.push(walk);
  }
}

function isWrite(rw: unknown): boolean {
  if (rw !== 'read' && rw !== 'write') throw new TypeError("rw must be 'read' or 'write'");
  return rw === 'write';
}

/** The `EAGAIN` of a synchronous call that cannot wait for asynchronous work. */
export function wouldBlock(inode: Inode): DaxError {
  return new DaxError({
    errno: 'EAGAIN',
    syscall: 'lock',
    hint: `asynchronous work holds a lock of inode ${inode.ino}: use the asynchronous form, which waits`,
  });
}
