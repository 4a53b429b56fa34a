// Owns daxMmap: what may be mapped, and how the owner of a file sees it without ever having to wait for itself.

import { argumentError } from '../argument-error.js';
import { AddressSpace, faultMode } from './address-space.js';
import { backingOf, type BlockDevice } from '../device/block-device.js';
import { BufferHead } from '../inode/buffer-head.js';
import { daxPopulate, type FaultOperations } from './dax-fault.js';
import { DaxMapping, MAP_PRIVATE, MAP_SHARED, MAP_SYNC, PROT_READ, PROT_WRITE } from './dax-mapping.js';
import { DaxError, type DaxErrorInit } from '../errors.js';
import type { GetBlock, Inode } from '../inode/inode.js';
import { mapBlocks } from '../inode/map-blocks.js';
import { checkOptions, type OptionNames } from '../options.js';
import { PAGE_SIZE, toBytes, type Bytes } from '../units.js';

const HUGE_PAGE = 2 * 1024 * 1024;

/** What of a file is mapped, and how. */
export interface MmapOptions {
  /** Bytes from the start of the file, a multiple of the page size. Default 0. */
  pos?: Bytes | undefined;
  /** Bytes. Default: to the end of the file. More than the file has is allowed; there is nothing there until it grows. */
  length?: Bytes | undefined;
  /** `PROT_READ`, or with `PROT_WRITE`. Default both. */
  prot?: number | undefined;
  /**
   * `MAP_SHARED`: stores reach the file. `MAP_PRIVATE`: they stay in this mapping. `MAP_SHARED | MAP_SYNC`: a block is
   * mapped once the filesystem's fsync has made it the file's for good, so that what `persist` returned for is there after
   * a power cut without another fsync. Default shared.
   */
  flags?: number | undefined;
  /** `false`: holes and shared blocks below a writable shared mapping are refused, with reason `HOLE_NOT_ALLOCATED`, instead of allocated. Default true. */
  allocate?: boolean | undefined;
  /**
   * `false`: nothing is resolved before this thread takes `buffer`, for mappings that are only for others to attach to,
   * whose stores then allocate page by page. Default true.
   */
  populate?: boolean | undefined;
  /**
   * What a touch comes to that cannot be served. `survive` (default): zeros, and an `'error'` event. `kill`: the signal
   * that the kernel would send, which ends the process.
   */
  onSigbus?: 'survive' | 'kill' | undefined;
}

const OPTIONS: OptionNames<MmapOptions> = {
  ...{ pos: true, length: true, prot: true, flags: true, allocate: true, populate: true, onSigbus: true },
};

/** Throws `TypeError` for what are no options of a mapping. */
export function checkMmapOptions(options: MmapOptions): void {
  checkOptions(options, OPTIONS);
}

function fail(inode: Inode, errno: string, more: Partial<DaxErrorInit>): never {
  throw new DaxError({ errno, syscall: 'mmap', ...more, hint: `inode ${inode.ino}: ${more.hint ?? ''}` });
}

function oneOf<T>(value: T | undefined, name: string, fallback: T, other: T): T {
  const chosen = value ?? fallback;
  if (chosen === fallback || chosen === other) return chosen;
  throw argumentError('ERR_INVALID_ARG_VALUE', `${name} must be ${String(fallback)} or ${String(other)}, got ${String(chosen)}`);
}

function checkedFlags(flags: number): { flags: number; isSynchronous: boolean } {
  // eslint-disable-next-line no-bitwise -- a flag
  const synchronous = MAP_SHARED | MAP_SYNC;
  if (flags === synchronous) return { flags: MAP_SHARED, isSynchronous: true };
  if (flags === MAP_SHARED || flags === MAP_PRIVATE) return { flags, isSynchronous: false };
  throw argumentError('ERR_INVALID_ARG_VALUE', `flags must be MAP_SHARED, MAP_PRIVATE or MAP_SHARED | MAP_SYNC, got ${String(flags)}`);
}

/** Bytes in a page of mappings of files on `bdev`. */
function pageSizeOf(bdev: BlockDevice): number {
  return Math.max(PAGE_SIZE, backingOf(bdev, 0, PAGE_SIZE).device.alignment);
}

// Where the first page lies modulo 2 MiB: addresses that follow it can have huge pages.
function phaseOf(inode: Inode, pos: number, pageSize: number, getBlock: GetBlock): number {
  const { blockSize } = inode.sb;
  const extent = mapBlocks(inode, pos / blockSize, blockSize, getBlock, false, new BufferHead());
  if (extent.bdev === undefined) return 0;
  const start = (extent.blocknr + pos / blockSize - extent.iblock) * blockSize;
  const phase = backingOf(extent.bdev, start, blockSize).pos % HUGE_PAGE;
  // What is not aligned is refused when it is resolved.
  return phase % pageSize === 0 ? phase : 0;
}

/**
 * Maps a part of a file whose blocks `getBlock` places: the device's own pages, without a copy. The file's blocks must be
 * 4096 bytes.
 *
 * On this thread, which owns the file, everything is resolved ahead, because it could not answer its own faults: holes
 * below a writable shared mapping are allocated (or refused, `allocate: false`). In other isolates `DaxMapping.attach`
 * has real faults, which call `getBlock` here.
 *
 * Throws `EINVAL` for a position that is no multiple of the page, blocks that are no page (`BLOCK_SIZE`), or a private
 * mapping of a devdax (`DEVDAX_PRIVATE`); `EOPNOTSUPP` for `MAP_SYNC` where it cannot be promised (`NO_MAP_SYNC`);
 * `EACCES` for stores to a read-only filesystem or device; `EOPNOTSUPP` for blocks on a device without pages
 * (`NOT_MAPPABLE`); `ENOMEM` where the file lies in too many pieces (`TOO_MANY_MAPPINGS`); `EAGAIN` while the filesystem
 * is frozen, or an asynchronous write fills blocks there; and what getBlock throws.
 */
export function daxMmap(
  inode: Inode,
  options: MmapOptions,
  getBlock: GetBlock,
  operations: FaultOperations = {},
): DaxMapping {
  checkMmapOptions(options);
  const prot = oneOf(options.prot, 'prot', PROT_READ + PROT_WRITE, PROT_READ);
  const { flags, isSynchronous } = checkedFlags(options.flags ?? MAP_SHARED);
  const onSigbus = oneOf<'survive' | 'kill'>(options.onSigbus, 'onSigbus', 'survive', 'kill');
  const pos = toBytes(options.pos ?? 0, 'pos');
  const length = options.length === undefined ? Math.max(0, inode.size - pos) : toBytes(options.length, 'length');
  if (length === 0) fail(inode, 'EINVAL', { hint: 'nothing to map: the file ends there' });
  if (inode.sb.blockSize !== PAGE_SIZE) {
    fail(inode, 'EINVAL', { reason: 'BLOCK_SIZE', hint: `blocks of ${inode.sb.blockSize} bytes cannot be mapped, only of 4096` });
  }
  const stores = prot !== PROT_READ && flags === MAP_SHARED;
  if (stores && inode.sb.readOnly === true) {
    fail(inode, 'EACCES', { reason: 'READ_ONLY', hint: 'the filesystem is read-only: map with prot PROT_READ' });
  }
  const { device } = backingOf(inode.sb.bdev, 0, PAGE_SIZE);
  if (stores && device.readOnly) {
    fail(inode, 'EACCES', { reason: 'READ_ONLY', hint: 'the device was opened read-only: map with prot PROT_READ' });
  }
  if (flags === MAP_PRIVATE && device.kind === 'devdax') {
    fail(inode, 'EINVAL', { reason: 'DEVDAX_PRIVATE', hint: 'a devdax can only be mapped shared' });
  }
  // Nothing else can keep the promise of MAP_SYNC (MS-1).
  if (isSynchronous && (!device.mapSync || operations.fsync === undefined || faultMode() === 'none')) {
    const hint = 'MAP_SYNC needs a device with `mapSync`, a filesystem with fsync, and page faults: map without it, and fsync after `persist`';
    fail(inode, 'EOPNOTSUPP', { reason: 'NO_MAP_SYNC', hint });
  }
  const pageSize = pageSizeOf(inode.sb.bdev);
  if (pos % pageSize !== 0) {
    fail(inode, 'EINVAL', { reason: 'OFFSET_UNALIGNED', hint: `pos must be a multiple of ${pageSize}, it is ${pos}` });
  }
  const allocate = options.allocate ?? true;
  const space = AddressSpace.of(inode, pageSize, getBlock, operations);
  let mapping: DaxMapping | undefined;
  try {
    if (isSynchronous) space.synchronise(operations);
    const phase = phaseOf(inode, pos, pageSize, getBlock);
    const handle = { pid: process.pid, file: space.id, pos, length, pageSize, prot, flags, onSigbus, phase };
    mapping = new DaxMapping(handle, {
      space,
      resolve: () => {
        space.handle(pos / pageSize, Math.ceil(length / pageSize), flags === MAP_SHARED, (vma) => {
          daxPopulate(vma, stores, allocate, getBlock);
        });
      },
      stored: () => {
        inode.mtimeMs = inode.ctimeMs = Date.now();
        operations.dirty?.(inode);
      },
    });
    // Throws now what it would throw later.
    if (options.populate ?? true) mapping.prepare();
    return mapping;
  } catch (error) {
    mapping?.unmap();
    space.release();
    throw error;
  }
}
