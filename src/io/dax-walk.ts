// Owns a read or write under way: its place in the file, in the user's buffers and on the device, and its next piece.

import { argumentError } from '../argument-error.js';
import { reachOf, type BlockDevice } from '../device/block-device.js';
import { BufferHead } from '../inode/buffer-head.js';
import { DaxError } from '../errors.js';
import { emptyExtent, hasData, isUninitialised, type Extent } from '../inode/extent-cache.js';
import { fillBlocks, fillGoodBlocks } from '../inode/fill-blocks.js';
import { type EndIo, type FileMappings, type GetBlock, type Inode, wouldBlock } from '../inode/inode.js';
import { checkAnswer, mapBlocks } from '../inode/map-blocks.js';
import { checkAttached, toPlainBytes, toUint8Array } from '../device/memory.js';
import { POOL_THRESHOLD } from '../device/pool-copy.js';
import { loopTurn } from '../locks/loop-turn.js';
import type { LockedPages } from '../locks/page-locks.js';
import { PAGE_SIZE, roundDown, roundUp, toBytes, type Bytes } from '../units.js';

/** One buffer or several, in order; empty ones are allowed. */
export type Iter = NodeJS.ArrayBufferView | readonly NodeJS.ArrayBufferView[];

/** The kernel's limit of one transfer (MAX_RW_COUNT), in bytes. */
export const MAX_TRANSFER = 0x7ffff000;

const EIO = -5;
const EINTR = -4;

const NO_BYTES = new Uint8Array(0);
const NO_BUFFERS: readonly Uint8Array[] = [];

/**
 * The steps of one I/O. Call `prepare`, `enter`, then `next`, a copy and `advance` until `next` returns false, then `finish`; call
 * `fail` if anything threw, and `leave` in any case. Walks are reused, so a small read allocates nothing.
 */
export class Walk {
  /** Bytes moved so far. */
  moved = 0;
  readonly #bh = new BufferHead();
  #inode: Inode | undefined;
  #blockSize = PAGE_SIZE;
  #getBlock: GetBlock = () => 0;
  #endIo: EndIo | undefined;
  #write = false;
  // Which locks and counts the I/O must take, and which it has taken.
  #locks = false;
  #counts = false;
  #locked = false;
  #counted = false;
  // The buffer in use, its length (which is expensive to ask for), the bytes of it that are done, and the buffers that follow.
  #buffer: Uint8Array = NO_BYTES;
  #length = 0;
  #offset = 0;
  #buffers = NO_BUFFERS;
  #index = 0;
  #start = 0;
  #pos = 0;
  #end = 0;
  readonly #found = emptyExtent();
  // The extent in use.
  #extent: Extent | undefined;
  // The device to copy from or to, undefined for an extent that reads as zeros, and the byte on it where byte 0 of the file
  // would be.
  #bdev: BlockDevice | undefined;
  #origin = 0;
  // The positions in the file where the extent ends, and where the window ends that the device gave access to.
  #extentEnd = 0;
  #windowEnd = 0;
  // The pages that this write fills. No fault may look at them until they are filled and `endIo` has converted them.
  readonly #filling: LockedPages[] = [];
  #hasUnwritten = false;
  // The extent is New or Unwritten, and the write has not yet filled the parts that it does not write to.
  #edgesDue = false;
  readonly #range = { offset: 0, length: 0 };

  /** Takes the arguments of an I/O. Throws `TypeError` or `RangeError` for wrong ones. */
  prepare(
    rw: 'read' | 'write',
    inode: Inode,
    iter: Iter,
    pos: Bytes,
    getBlock: GetBlock,
    endIo: EndIo | undefined,
    locks: boolean,
    counts: boolean,
  ): void {
    this.#write = isWrite(rw);
    const start = toBytes(pos, 'pos');
    let total;
    if (Array.isArray(iter)) {
      this.#buffers = iter.map((view: unknown, index) => toUint8Array(view, `iter[${index}]`));
      total = this.#buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
      this.#length = 0;
    } else {
      this.#buffer = toPlainBytes(iter, 'iter');
      // Not `byteLength`, which Node 20 does not compile in place.
      total = this.#length = this.#buffer.length;
      if (total === 0) checkAttached(this.#buffer, 'iter');
    }
    this.#inode = inode;
    this.#blockSize = inode.sb.blockSize;
    this.#getBlock = getBlock;
    this.#endIo = endIo;
    this.#locks = locks && !this.#write;
    this.#counts = counts;
    this.#index = this.#offset = this.moved = 0;
    this.#start = this.#pos = this.#extentEnd = this.#windowEnd = start;
    this.#end = start + Math.min(total, MAX_TRANSFER);
  }

  /** Takes the lock that the I/O asks for. Returns false if it is not free. */
  enterSync(): boolean {
    const inode = this.#inode as Inode;
    if (this.#locks && !inode.ilock.tryShared()) return false;
    this.#begin(inode);
    return true;
  }

  /** Waits for the lock that the I/O asks for, and takes it. */
  async enter(signal: AbortSignal | undefined): Promise<void> {
    const inode = this.#inode as Inode;
    if (this.#locks) await inode.ilock.shared(signal);
    this.#begin(inode);
    // Taking the lock has already given way to the event loop: here for a read, in the caller for a write.
    const turn = this.#locks || this.#write ? undefined : loopTurn();
    if (turn !== undefined) await turn;
  }

  #begin(inode: Inode): void {
    this.#locked = this.#locks;
    this.#counted = this.#counts;
    if (this.#counts) inode.dioBegin();
    // A read looks at i_size once, under the lock, so a later truncation does not clip it (IO-3).
    const limit = this.#write ? Number.MAX_SAFE_INTEGER : inode.size;
    if (this.#end > limit) this.#end = limit;
  }

  /** Whether everything was moved. */
  get isDone(): boolean {
    return this.#pos >= this.#end;
  }

  /** Finds the next piece. Returns false if everything was moved. */
  next(): boolean {
    const pos = this.#pos;
    if (pos >= this.#end) return false;
    if (pos >= this.#windowEnd) this.#openWindow();
    while (this.#offset === this.#length) {
      this.#buffer = this.#buffers[this.#index++] as Uint8Array;
      this.#length = this.#buffer.length;
      this.#offset = 0;
    }
    this.#range.offset = this.#offset;
    this.#range.length = Math.min(this.#windowEnd - pos, this.#end - pos, this.#length - this.#offset);
    return true;
  }

  /** Moves the piece. Returns the bytes moved. */
  copySync(): number {
    const buffer = this.#buffer;
    const bdev = this.#bdev;
    if (bdev === undefined) return this.#clear();
    const pos = this.#origin + this.#pos;
    // Devices are faster without options.
    const range = this.#range.length === this.#length ? undefined : this.#range;
    return this.#write ? bdev.writeSync(buffer, pos, range) : bdev.readSync(buffer, pos, range);
  }

  /** Moves the piece, on another thread if it is large and the device can. Resolves with the bytes moved. */
  async copy(signal: AbortSignal | undefined): Promise<number> {
    const bdev = this.#bdev;
    if (bdev === undefined || this.#range.length <= POOL_THRESHOLD) return this.copySync();
    const pos = this.#origin + this.#pos;
    const options = { ...this.#range, signal };
    const moving = this.#write ? bdev.write?.(this.#buffer, pos, options) : bdev.read?.(this.#buffer, pos, options);
    return moving ?? this.copySync();
  }

  advance(moved: number): void {
    // The device moved nothing and threw nothing.
    if (!(moved > 0)) throw new DaxError({ errno: 'EFAULT', syscall: 'daxDoIo', position: this.#pos });
    this.#pos += moved;
    this.#offset += moved;
    this.moved += moved;
    // New blocks are filled by now, head and tail too, and are written data from now on.
    const extent = this.#extent as Extent;
    if (extent.state === 'new' && this.#pos >= Math.min(this.#extentEnd, this.#end)) {
      extent.state = 'written';
      extent.source = undefined;
      extent.isAccessible = this.#windowEnd >= this.#extentEnd;
      (this.#inode as Inode).extents.insert(extent);
    }
  }

  /**
   * Fills the part of New or Unwritten blocks that a failed write has not reached, so no old content of the medium becomes the
   * file's (IO-9).
   */
  fail(): void {
    const extent = this.#extent;
    if (!this.#write || extent === undefined || !isUninitialised(extent) || this.#pos >= this.#end) return;
    const from = this.#edgesDue ? extent.iblock * this.#blockSize : this.#pos;
    if (from < this.#extentEnd) fillGoodBlocks(extent, this.#blockSize, from, this.#extentEnd);
  }

  /** Releases the lock of a read, calls `endIo`, and returns the bytes moved, or throws `error` if none were. */
  finish(error: unknown): number {
    const inode = this.#inode as Inode;
    this.#unlock(inode);
    return concluded(inode, this.#start, this.moved, error, this.#endIo, this.#bh.private);
  }

  /** Releases what is still held, forgets the user's buffers, and shows mappings what was written. */
  leave(): void {
    const inode = this.#inode;
    this.#inode = this.#extent = this.#bdev = this.#endIo = undefined;
    this.#buffer = NO_BYTES;
    this.#buffers = NO_BUFFERS;
    this.#found.bdev = this.#bh.bdev = this.#bh.private = undefined;
    if (inode === undefined) return;
    this.#unlock(inode);
    if (this.#counted) inode.dioEnd();
    this.#counted = false;
    if (this.#filling.length > 0) this.#filled(inode);
    if (inode.mappings !== undefined && this.#write) this.#showPages(inode.mappings);
  }

  #unlock({ ilock }: Inode): void {
    if (this.#locked) ilock.releaseShared();
    this.#locked = false;
  }

  #filled(inode: Inode): void {
    const filled = this.#filling.splice(0);
    const blockSize = this.#blockSize;
    for (const pages of filled) {
      inode.pages.unlock(pages);
      // Meanwhile, the cache may have learnt the state of these blocks from before `endIo`.
      if (this.#hasUnwritten) inode.extents.forget(pages.start / blockSize, (pages.end - pages.start) / blockSize);
    }
    this.#hasUnwritten = false;
    for (const { start, end } of filled) inode.mappings?.refresh(start, end - start);
  }

  // Mappings show a page of several blocks only as a whole, and an answer about one block does not update them.
  #showPages(mappings: FileMappings): void {
    if (mappings.pageSize > this.#blockSize && this.moved > 0) mappings.refresh(this.#start, this.moved);
  }

  #clear(): number {
    // A buffer that was transferred in the meantime would take the zeros without an error.
    checkAttached(this.#buffer, 'iter');
    const { offset, length } = this.#range;
    this.#buffer.fill(0, offset, offset + length);
    return length;
  }

  // Opens the next part of the extent that the device gives access to, or of the next extent if this one is used up (IO-4.1).
  #openWindow(): void {
    if (this.#pos >= this.#extentEnd) this.#openExtent();
    const extent = this.#extent as Extent;
    this.#windowEnd = this.#extentEnd;
    if (this.#bdev === undefined) return;
    if (!extent.isAccessible) this.#access(extent, this.#bdev);
    if (this.#edgesDue) this.#fillEdges(extent);
  }

  #openExtent(): void {
    const inode = this.#inode as Inode;
    const blockSize = this.#blockSize;
    const wanted = roundUp(this.#end - this.#pos, blockSize);
    this.#extent = undefined;
    const iblock = Math.floor(this.#pos / blockSize);
    const extent = mapBlocks(inode, iblock, wanted, this.#getBlock, this.#write, this.#bh, this.#found);
    this.#extent = extent;
    this.#edgesDue = this.#write && isUninitialised(extent);
    this.#extentEnd = (extent.iblock + extent.count) * blockSize;
    if (this.#edgesDue) {
      const pages = inode.pages.tryLock(extent.iblock * blockSize, this.#extentEnd, true);
      if (pages === undefined) throw wouldBlock(inode);
      this.#filling.push(pages);
      if (extent.state === 'unwritten') this.#hasUnwritten = true;
    }
    this.#origin = (extent.blocknr - extent.iblock) * blockSize;
    this.#bdev = this.#write || hasData(extent) ? extent.bdev : undefined;
  }

  // Asks the device how many bytes of the extent are contiguous from this position on.
  #access(extent: Extent, bdev: BlockDevice): void {
    const blockSize = this.#blockSize;
    const start = roundDown(this.#pos, blockSize);
    const pos = this.#origin + start;
    const reach = reachOf(bdev, pos, this.#extentEnd - start);
    if (reach <= 0) throw new DaxError({ errno: 'EIO', syscall: 'directAccess', position: pos });
    this.#windowEnd = Math.min(start + reach, this.#extentEnd);
    if (isUninitialised(extent)) return;
    const { state, iblock, blocknr } = extent;
    const first = start / blockSize;
    const count = Math.floor((this.#windowEnd - start) / blockSize);
    const part = { iblock: first, count, state, blocknr: blocknr + (first - iblock), bdev, isAccessible: true };
    if (count > 0) (this.#inode as Inode).extents.confirm(part);
  }

  // Fills the parts of the first and the last block that this write does not write to (IO-8, CW-1). Everything between is
  // overwritten.
  #fillEdges(extent: Extent): void {
    const blockSize = this.#blockSize;
    const start = extent.iblock * blockSize;
    if (this.#pos > start) fillBlocks(extent, blockSize, start, this.#pos);
    if (this.#end < this.#extentEnd) fillBlocks(extent, blockSize, this.#end, this.#extentEnd);
    this.#edgesDue = false;
  }
}

/**
 * Calls `endIo`, and returns the bytes moved, or throws `error` if none were. An error after progress comes with the next call
 * (IO-6); but an error that is not a `DaxError` is a bug in a callback and is always thrown.
 */
export function concluded(inode: Inode, pos: number, moved: number, error: unknown, endIo: EndIo | undefined, cookie: unknown): number {
  if (endIo !== undefined) {
    const result = moved > 0 || error === undefined ? moved : errnoIn(error);
    checkAnswer(endIo(inode, pos, result, cookie), 'endIo', inode);
  }
  if (error !== undefined && (moved === 0 || !(error instanceof DaxError))) throw error as Error;
  return moved;
}

function errnoIn(error: unknown): number {
  if (error instanceof DaxError) return error.errno;
  return (error as { name?: unknown } | null)?.name === 'AbortError' ? EINTR : EIO;
}

function isWrite(rw: unknown): boolean {
  if (rw !== 'read' && rw !== 'write') throw argumentError('ERR_INVALID_ARG_VALUE', "rw must be 'read' or 'write'");
  return rw === 'write';
}
