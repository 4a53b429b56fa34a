// Owns the contracts between DAX and a filesystem: Inode, SuperBlock, and the filesystem's operations.

import { argumentError } from '../argument-error.js';
import type { BlockDevice } from '../device/block-device.js';
import type { BufferHead } from './buffer-head.js';
import { DaxError } from '../errors.js';
import { ExtentCache } from './extent-cache.js';
import { PageLocks } from '../locks/page-locks.js';
import { RwLock } from '../locks/rw-lock.js';
import { PAGE_SIZE } from '../units.js';

const BLOCK_SIZES: readonly number[] = [512, 1024, 2048, PAGE_SIZE];

/** The properties of a mounted filesystem. */
export interface SuperBlock {
  /** Bytes in a block: a power of two from 512 to 4096. */
  readonly blockSize: number;
  /** The filesystem's device, whose blocks `daxClearBlocks` zeroes. */
  readonly bdev: BlockDevice;
  /** The maximum size of a file, in bytes (s_maxbytes). Default: 2^53 - 1. */
  readonly maxBytes?: number;
  /** Whether writes and stores are refused. Default false. */
  readonly readOnly?: boolean;
  /** Whether an fsync follows every write (mount -o sync). Default false. */
  readonly synchronous?: boolean;
  /**
   * Whether the filesystem itself zeroes blocks before getBlock answers with them, as the kernel asks since 4.7. An answer with
   * new or unwritten blocks in a page that the file has already is then `EIO`. Default false: DAX zeroes such blocks.
   */
  readonly strictInit?: boolean;
}

/**
 * Tells where the file's blocks from `iblock` on are, by filling `bh`. With `create` it allocates them if they are absent;
 * without it, it only looks up and changes nothing. A hole is no error: leave `bh` as it is, or call `mapHole`. Shared blocks
 * (`BH_SHARED`) answer lookups only: with `create` the file gets other blocks, and `copyFrom` says where its data is.
 *
 * Returns nothing or 0. Fails by throwing a `DaxError` or by returning a negative errno. It may be called at any time, even while
 * another call of it is under way, and only one of the callers may allocate a block (GB-12).
 */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most have nothing to return
export type GetBlock = (inode: Inode, iblock: number, bh: BufferHead, create: boolean) => number | void;

/**
 * Converts the unwritten extents that an I/O has filled. It is called once at the end of each I/O, before the inode's lock is
 * free, as in the kernel since 4.7. `result` is the bytes moved or a negative errno, `cookie` what the last getBlock left in
 * `private`. An error that it throws, or a negative errno that it returns, becomes the result of the I/O.
 */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most have nothing to return
export type EndIo = (inode: Inode, pos: number, result: number, cookie: unknown) => number | void;

/** The operations of a filesystem on its files. */
export interface InodeOperations {
  readonly getBlock: GetBlock;
  readonly endIo?: EndIo | undefined;
  /** Frees every block that lies wholly at or past `size` bytes, also those that only a failed write allocated. */
  truncateBlocks(inode: Inode, size: number): void;
  /** Frees `count` blocks from `iblock` on, which become a hole. A filesystem without it refuses punching with `EOPNOTSUPP`. */
  punchBlocks?(inode: Inode, iblock: number, count: number): void;
  /**
   * Makes the inode durable: its size, times and blocks. It need not flush data, because writes are durable on return and
   * `daxWriteback` flushes mapped pages. The sync was requested for the bytes from `pos` to before `end`.
   */
  fsync(inode: Inode, pos: number, end: number): void;
  /**
   * Converts the unwritten blocks that `bh` describes, from the file's block `iblock` on, after a fault or `daxUnshare` has
   * filled them. If `ok`, they are data from now on; otherwise the file stays as it was. Filesystems that answer `BH_UNWRITTEN`
   * need it. An error that it throws refuses the store: the blocks stay unwritten, and getBlock is asked for them again.
   */
  completeUnwritten?(inode: Inode, iblock: number, bh: BufferHead, ok: boolean): void;
  /** Notes that size, times or mode have changed and must reach the medium at the next fsync. */
  dirty?(inode: Inode): void;
}

/** The mappings of a file, as I/O sees them: I/O tells them what the extent cache does not. */
export interface FileMappings {
  /** The size of a page in bytes: the smallest unit that the device maps. */
  readonly pageSize: number;
  /** Follows a change of i_size. */
  resized(): void;
  /** Shows blocks from byte `pos` on that a write has filled. */
  refresh(pos: number, length: number): void;
  /** Makes stores to the bytes [pos, end) durable. Throws what the device throws. */
  writeBack(pos: number, end: number): void;
}

/**
 * A file of a filesystem, as the DAX layer sees it. Filesystems extend the class with what they need. A filesystem that forgets
 * inodes may hand out several objects for one inode, with the same members (`implements Inode`), because the DAX layer keeps
 * nothing by an object's identity. These objects must share their locks and extents until the inode is idle.
 */
export class Inode {
  readonly sb: SuperBlock;
  readonly ino: number;
  /** Bytes (i_size). Set it only when the inode is made: afterwards writes and truncation set it. */
  size: number;
  /** Type and permissions, as in `fs.Stats`. */
  mode = 0o100644;
  /** Milliseconds since 1970. */
  atimeMs = 0;
  mtimeMs = 0;
  ctimeMs = 0;

  /** The locks and extents. The first use makes them, because most inodes in memory are never read or written. */
  activity: InodeActivity | undefined;
  /** @internal Blocks past i_size could not be freed, and must be freed before the file grows. */
  isFreeingDue = false;
  /** The mappings of the file (i_mapping); undefined while it is not mapped. */
  mappings: FileMappings | undefined;
  /** @internal Mappings that were unmapped, if stores through them may not be durable yet. */
  unmapped: FileMappings | undefined;

  /** Throws `TypeError` without a superblock, and `RangeError` for a block size that is not a power of two from 512 to 4096. */
  constructor(sb: SuperBlock, ino: number, size = 0) {
    if (typeof (sb as Partial<SuperBlock> | undefined)?.bdev?.directAccess !== 'function') {
      throw argumentError('ERR_INVALID_ARG_TYPE', 'sb must be a superblock, with a block device as bdev and its blockSize');
    }
    if (!BLOCK_SIZES.includes(sb.blockSize)) {
      throw argumentError('ERR_OUT_OF_RANGE', `the block size must be 512, 1024, 2048 or 4096, it is ${sb.blockSize}`);
    }
    this.sb = sb;
    this.ino = ino;
    this.size = size;
  }

  /** i_mutex, the outermost lock: reads share it, writes and truncation hold it exclusively. */
  get ilock(): RwLock {
    return (this.activity ??= new InodeActivity()).ilock;
  }

  /** invalidate_lock: faults share it; truncation and punching hold it exclusively while they free blocks. */
  get inval(): RwLock {
    return (this.activity ??= new InodeActivity()).inval;
  }

  /** The extents that getBlock has answered. A filesystem that moves or frees blocks by itself must invalidate them. */
  get extents(): ExtentCache {
    return (this.activity ??= new InodeActivity()).extents;
  }

  /** The locks of pages that a write fills or a fault is served for. */
  get pages(): PageLocks {
    return (this.activity ??= new InodeActivity()).pages;
  }

  /** Whether the filesystem may forget this object: no lock is held or awaited, no I/O is under way, and nothing is mapped. */
  get isIdle(): boolean {
    return this.mappings === undefined && this.unmapped === undefined && (this.activity?.isIdle ?? true);
  }

  /** The number of reads and writes under way (i_dio_count). Truncation waits for them. */
  get dioCount(): number {
    return this.activity?.dioCount ?? 0;
  }

  dioBegin(): void {
    (this.activity ??= new InodeActivity()).dioCount++;
  }

  dioEnd(): void {
    this.activity?.dioEnd();
  }

  /** Resolves when no I/O is under way (inode_dio_wait). */
  async dioWait(): Promise<void> {
    await this.activity?.dioWait();
  }
}

/** The locks, extents and counts of one inode. */
class InodeActivity {
  readonly ilock = new RwLock('ilock');
  readonly inval = new RwLock('inval');
  readonly extents = new ExtentCache();
  readonly pages = new PageLocks();
  dioCount = 0;
  readonly #whenNoDio: (() => void)[] = [];

  /** Whether no I/O is under way, and none of the locks is held or awaited. */
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

/** Sets i_size and tells every mapping: none shows anything past the end when this returns. */
export function setSize(inode: Inode, size: number): void {
  inode.size = size;
  inode.mappings?.resized();
}

/** The `EAGAIN` of a synchronous call that cannot wait for the asynchronous work that holds `inode`. */
export function wouldBlock(inode: Inode): DaxError {
  return new DaxError({
    errno: 'EAGAIN',
    syscall: 'lock',
    hint: `asynchronous work has inode ${inode.ino}: await it, or use the asynchronous form, which waits`,
  });
}
