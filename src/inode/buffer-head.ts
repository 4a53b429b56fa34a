// Owns BufferHead: the question to a filesystem's getBlock, and its answer.

import type { BlockDevice } from '../device/block-device.js';

/** The content is known to be zeros. On a hole this bit makes `size` count (GB-5). */
export const BH_UPTODATE = 0x1;
/** `blocknr` and `bdev` say where the data is. */
export const BH_MAPPED = 0x20;
/** The blocks were just allocated and hold garbage: the caller of getBlock must zero what it does not write. */
export const BH_NEW = 0x40;
/** Delayed allocation. An answer with it is refused with `EIO`. */
export const BH_DELAY = 0x200;
/** A hint that a discontinuity follows. */
export const BH_BOUNDARY = 0x400;
/** The blocks are reserved and were never written: they read as zeros, and `blocknr` says where they are. */
export const BH_UNWRITTEN = 0x1000;
/**
 * Another file has the same blocks too (iomap's `IOMAP_F_SHARED`). They may be read and mapped. Before the first store,
 * getBlock with `create` gives the file blocks of its own.
 */
export const BH_SHARED = 0x20000;

/** A block of a device. */
export interface BlockPlace {
  readonly bdev: BlockDevice;
  readonly blocknr: number;
}

/**
 * One run of blocks of a file: the kernel's buffer_head, reduced to the fields that DAX uses. Sizes are in bytes, blocks in
 * units of the filesystem's block size. A buffer head belongs to one call, and a filesystem must not keep it (GB-13).
 */
export class BufferHead {
  /** In: 0. Out: `BH_*` flags. No flag means a hole of one block, whatever `size` is. */
  state = 0;
  /** In: bytes wanted. Out: bytes described, a multiple of the block size and never more than the bytes wanted. */
  size = 0;
  /** The block on `bdev` where the run begins. */
  blocknr = 0;
  bdev: BlockDevice | undefined;
  /** The blocks that hold the file's data until new or unwritten blocks are filled: see `copyFrom`. */
  source: BlockPlace | undefined;
  /** A value of the filesystem's own, which `endIo` gets. */
  private: unknown;

  /** Whether the run is written data: mapped and not unwritten. Reads and zeroing ask this (GB-6). */
  get isWritten(): boolean {
    return (this.state & (BH_MAPPED | BH_UNWRITTEN)) === BH_MAPPED;
  }

  /** Whether the run is a hole: neither mapped nor unwritten. */
  get isHole(): boolean {
    return (this.state & (BH_MAPPED | BH_UNWRITTEN)) === 0;
  }

  /** Whether the run is new or unwritten, so whatever is not overwritten must be zeroed. */
  get isUninitialised(): boolean {
    return (this.state & (BH_NEW | BH_UNWRITTEN)) !== 0;
  }

  get isUnwritten(): boolean {
    return (this.state & BH_UNWRITTEN) !== 0;
  }

  get isShared(): boolean {
    return (this.state & BH_SHARED) !== 0;
  }

  /** Begins a question about `size` bytes. */
  ask(size: number): void {
    this.state = 0;
    this.size = size;
    this.bdev = this.source = undefined;
  }

  /** Answers with data at `blocknr` of `bdev`; `flags` may add `BH_NEW`, `BH_UNWRITTEN`, `BH_SHARED`, `BH_BOUNDARY`. */
  map(bdev: BlockDevice, blocknr: number, size: number, flags = 0): void {
    this.state = BH_MAPPED | flags;
    this.bdev = bdev;
    this.blocknr = blocknr;
    this.size = size;
  }

  /**
   * Says that new or unwritten blocks take the place of shared blocks, which begin at `blocknr` of `bdev` (iomap's srcmap):
   * whatever is not overwritten becomes a copy of them, not zeros. The shared blocks must stay as they are until `endIo`, or, in
   * faults and zeroing, which call no `endIo`, until the call that asked is done.
   *
   * Unwritten blocks become the file's with `endIo` or `completeUnwritten`, so a copy that fails changes nothing. New blocks are
   * the file's at once: if the copy fails, the file's data there is lost.
   */
  copyFrom(bdev: BlockDevice, blocknr: number): void {
    this.source = { bdev, blocknr };
  }

  /** Answers with a hole of `size` bytes. Without this call, an unanswered `BufferHead` is a hole of one block. */
  mapHole(size: number): void {
    this.state = BH_UPTODATE;
    this.size = size;
  }
}
