// Owns BufferHead: what a filesystem's getBlock is asked, and what it answers.

import type { BlockDevice } from '../device/block-device.js';

/** The content is known to be zeros: on a hole, that its `size` is meant (GB-5). */
export const BH_UPTODATE = 0x1;
/** `blocknr` and `bdev` say where the data is. */
export const BH_MAPPED = 0x20;
/** Just allocated: what is there is garbage, and whoever asked must zero what it does not write. */
export const BH_NEW = 0x40;
/** Delayed allocation, which must never reach this layer: it becomes `EIO`. */
export const BH_DELAY = 0x200;
/** A discontinuity follows. */
export const BH_BOUNDARY = 0x400;
/** Reserved and never written: reads as zeros, and `blocknr` says where. */
export const BH_UNWRITTEN = 0x1000;
/**
 * Data that another file has too (iomap's `IOMAP_F_SHARED`): it may be read and mapped, and before the first store the file
 * is given blocks of its own, by `create`.
 */
export const BH_SHARED = 0x20000;

/** A block of a device. */
export interface BlockPlace {
  readonly bdev: BlockDevice;
  readonly blocknr: number;
}

/**
 * One run of blocks of a file: the kernel's buffer_head, reduced to what DAX uses. Sizes in bytes, blocks in units of
 * the filesystem's block size. It belongs to one call: a filesystem must not keep it (GB-13).
 */
export class BufferHead {
  /** In: 0. Out: `BH_*` flags. None of them set means a hole of one block, whatever `size` says. */
  state = 0;
  /** In: bytes wanted. Out: bytes described, a multiple of the block size, never more than was asked for. */
  size = 0;
  /** The block on `bdev` where the run begins. */
  blocknr = 0;
  bdev: BlockDevice | undefined;
  /** Where the data of new or unwritten blocks is until now: see `copyFrom`. */
  source: BlockPlace | undefined;
  /** The filesystem's own, handed on to `endIo`. */
  private: unknown;

  /** Written data: mapped and not unwritten. The predicate for reads and zeroing (GB-6). */
  get isWritten(): boolean {
    return (this.state & (BH_MAPPED | BH_UNWRITTEN)) === BH_MAPPED;
  }

  /** Neither mapped nor unwritten. */
  get isHole(): boolean {
    return (this.state & (BH_MAPPED | BH_UNWRITTEN)) === 0;
  }

  /** New or unwritten: whatever is not written over must be zeroed. */
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
   * Adds to an answer with new or unwritten blocks that the file has data there, in blocks that it shares (iomap's srcmap):
   * whatever is not written over becomes a copy of as many blocks from `blocknr` of `bdev` on, not zeros. They must stay as
   * they are until `endIo`; where none comes, in faults and zeroing, until the call is done that asked.
   *
   * Unwritten blocks stay apart from the file until `endIo` or `completeUnwritten`, so that what fails changes nothing. New ones
   * are the file's at once: where the copy fails, its data is lost there.
   */
  copyFrom(bdev: BlockDevice, blocknr: number): void {
    this.source = { bdev, blocknr };
  }

  /** Answers with a hole of `size` bytes, whose length is meant. */
  mapHole(size: number): void {
    this.state = BH_UPTODATE;
    this.size = size;
  }
}
