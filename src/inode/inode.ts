// Owns the contracts of a filesystem: Inode, SuperBlock, and what a filesystem does when it is told to.

import { argumentError } from '../argument-error.js';
import type { BlockDevice } from '../device/block-device.js';
import type { BufferHead } from './buffer-head.js';
import { ExtentCache } from './extent-cache.js';
import { PageLocks } from '../locks/page-locks.js';
import { RwLock } from '../locks/rw-lock.js';
import { PAGE_SIZE } from '../units.js';

const BLOCK_SIZES: readonly number[] = [512, 1024, 2048, PAGE_SIZE];

/** What all files of a mounted filesystem have in common. */
export interface SuperBlock {
  /** Bytes in a block: a power of two from 512 to 4096. */
  readonly blockSize: number;
  /** The device that `daxClearBlocks` counts its blocks on. */
  readonly bdev: BlockDevice;
  /** The most bytes that a file can have (s_maxbytes). Default: 2^53 - 1. */
  readonly maxBytes?: number;
  /** Nothing may be stored. */
  readonly readOnly?: boolean;
  /** Every write is followed by fsync (mount -o sync). */
  readonly synchronous?: boolean;
  /**
   * The filesystem zeroes blocks before its getBlock answers with them, as the kernel asks since 4.7: new or unwritten
   * ones in a page that the file has already are refused with `EIO`. Without it they are zeroed for the filesystem.
   */
  readonly strictInit?: boolean;
}

/**
 * A filesystem's answer to where the file's blocks from `iblock` on are. `create`: allocate them if they are absent;
 * otherwise look only and change nothing. A hole is no error: leave `bh` as it is, or call `mapHole`. Shared blocks
 * (`BH_SHARED`) are an answer to a look only: `create` gives the file others, and says where the data is (`copyFrom`).
 *
 * Returns nothing or 0; fails by throwing a `DaxError` or by returning a negative errno. It is called at any time, also
 * from within itself's other calls, and must make exactly one caller allocate (GB-12).
 */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most have nothing to return
export type GetBlock = (inode: Inode, iblock: number, bh: BufferHead, create: boolean) => number | void;

/**
 * Called once at the end of an I/O, before the inode's lock is free, as the kernel does since 4.7: with the bytes moved or
 * a negative errno, and with what the last getBlock left in `private`. It converts unwritten extents. What it throws, or
 * a negative errno that it returns, becomes the result.
 */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most have nothing to return
export type EndIo = (inode: Inode, pos: number, result: number, cookie: unknown) => number | void;

/** What a filesystem does for its files. */
export interface InodeOperations {
  readonly getBlock: GetBlock;
  readonly endIo?: EndIo | undefined;
  /** Frees every block that lies wholly at or past `size` bytes, also those that only a failed write allocated. */
  truncateBlocks(inode: Inode, size: number): void;
  /** Frees `count` blocks from `iblock` on, which become a hole. Without it punching is `EOPNOTSUPP`. */
  punchBlocks?(inode: Inode, iblock: number, count: number): void;
  /**
   * Makes what is known of the inode durable; the data already is, or will be: that is `daxWriteback`'s. `pos` and `end` tell
   * which bytes were asked for.
   */
  fsync(inode: Inode, pos: number, end: number): void;
  /**
   * A fault or `daxUnshare` has filled the blocks that `bh` describes, from the file's block `iblock` on, which were
   * unwritten: with `ok` they are data from now on, without the file stays as it was. For filesystems that answer
   * `BH_UNWRITTEN`. What it throws refuses the store; the blocks are unwritten then, and are asked for again.
   */
  completeUnwritten?(inode: Inode, iblock: number, bh: BufferHead, ok: boolean): void;
  /** Size, times or mode changed, and must reach the medium at the next fsync. */
  dirty?(inode: Inode): void;
}

/** What the mappings of a file must be told, beside what its extent cache tells them. */
export interface FileMappings {
  /** Bytes that are mapped at the least. */
  readonly pageSize: number;
  /** i_size changed. */
  resized(): void;
  /** A write has filled blocks from byte `pos` on that were no data before. */
  refresh(pos: number, length: number): void;
  /** Makes durable what was stored to the bytes from `pos` to before `end`. Throws what the device throws. */
  writeBack(pos: number, end: number): void;
}

/**
 * A file of a filesystem, as the DAX layer sees it. Extend it with what the filesystem needs. A filesystem that forgets
 * inodes may hand out objects that stand for one, with the same members (`implements Inode`): the DAX layer keeps nothing
 * by an object's identity. All of them must have the same locks and extents until the inode is idle.
 */
export class Inode {
  readonly sb: SuperBlock;
  readonly ino: number;
  /** Bytes (i_size). Set it only when the inode is made: afterwards writes and truncation do. */
  size: number;
  /** Type and permissions, as in `fs.Stats`. */
  mode = 0o100644;
  /** Milliseconds since 1970. */
  atimeMs = 0;
  mtimeMs = 0;
  ctimeMs = 0;

  /** The locks and extents, which the first use makes: most inodes in memory are never read or written. */
  activity: InodeActivity | undefined;
  /** @internal There may be blocks past i_size that could not be freed: they go before the file grows. */
  isFreeingDue = false;
  /** Once it was mapped (i_mapping). */
  mappings: FileMappings | undefined;
  /** @internal Those that are gone, if what was stored through them is not known to be durable. */
  unmapped: FileMappings | undefined;

  /** Throws `RangeError` for a block size that is no power of two from 512 to 4096. */
  constructor(sb: SuperBlock, ino: number, size = 0) {
    if (!BLOCK_SIZES.includes(sb.blockSize)) {
      throw argumentError('ERR_OUT_OF_RANGE', `the block size must be 512, 1024, 2048 or 4096, it is ${sb.blockSize}`);
    }
    this.sb = sb;
    this.ino = ino;
    this.size = size;
  }

  /** i_mutex: reads share it, writes and truncation do not. Outermost. */
  get ilock(): RwLock {
    return activityOf(this).ilock;
  }

  /** invalidate_lock: faults share it; truncating and punching hold it alone while blocks go. */
  get inval(): RwLock {
    return activityOf(this).inval;
  }

  /** Extents that getBlock told. A filesystem that moves or frees blocks by itself must invalidate them. */
  get extents(): ExtentCache {
    return activityOf(this).extents;
  }

  /** Pages of garbage that a write fills, or of which a fault is served. */
  get pages(): PageLocks {
    return activityOf(this).pages;
  }

  /** No lock is held or awaited, no I/O is under way, and nothing is mapped: the filesystem may forget this object. */
  get isIdle(): boolean {
    return this.mappings === undefined && this.unmapped === undefined && (this.activity?.isIdle ?? true);
  }

  /** I/O under way (i_dio_count), which truncation waits for. */
  get dioCount(): number {
    return this.activity?.dioCount ?? 0;
  }

  dioBegin(): void {
    activityOf(this).dioCount++;
  }

  dioEnd(): void {
    activityOf(this).dioEnd();
  }

  /** Resolves when no I/O is under way (inode_dio_wait). */
  async dioWait(): Promise<void> {
    await this.activity?.dioWait();
  }
}

function activityOf(inode: Inode): InodeActivity {
  return (inode.activity ??= new InodeActivity());
}

/** The locks, extents and counts of one inode. */
class InodeActivity {
  readonly ilock = new RwLock('ilock');
  readonly inval = new RwLock('inval');
  readonly extents = new ExtentCache();
  readonly pages = new PageLocks();
  dioCount = 0;
  readonly #whenNoDio: (() => void)[] = [];

  /** Nobody holds or awaits any of them. */
  get isIdle(): boolean {
    return this.dioCount === 0 && this.ilock.isFree && this.inval.isFree && this.pages.isEmpty;
  }

  dioEnd(): void {
    this.dioCount--;
    if (this.dioCount === 0 && this.#whenNoDio.length > 0) for (const wake of this.#whenNoDio.splice(0)) wake();
  }

  async dioWait(): Promise<void> {
    while (this.dioCount > 0) await new Promise<void>((resolve) => this.#whenNoDio.push(resolve));
  }
}

export type { InodeActivity };
