// Owns daxMmap: which files may be mapped, and how their owner's thread sees a mapping without waiting for itself.

import { argumentError } from '../argument-error.js';
import { AddressSpace } from './address-space.js';
import { faultMode } from './fault-service.js';
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

/** Which part of a file is mapped, and how. */
export interface MmapOptions {
  /** Bytes from the start of the file, a multiple of the page size. Default 0. */
  pos?: Bytes | undefined;
  /** Bytes. Default: to the end of the file. It may reach past the end; touches there are refused until the file grows. */
  length?: Bytes | undefined;
  /** `PROT_READ`, or `PROT_READ | PROT_WRITE`, which is the default. */
  prot?: number | undefined;
  /**
   * `MAP_SHARED` (default): stores reach the file. `MAP_PRIVATE`: stores stay in this mapping. `MAP_SHARED | MAP_SYNC`: a block is
   * mapped only once the filesystem's fsync has made its place in the file durable, so a store for which `persist` has returned
   * survives a power cut without another fsync.
   */
  flags?: number | undefined;
  /**
   * Whether holes and shared blocks below a writable shared mapping get blocks of their own. `false` refuses them with reason
   * `HOLE_NOT_ALLOCATED`. Default true.
   */
  allocate?: boolean | undefined;
  /**
   * Whether every page is installed now. With `false` they are installed when this thread first takes `buffer`. Give `false` for
   * mappings that only other isolates attach to: their stores then allocate page by page. Default true.
   */
  populate?: boolean | undefined;
  /**
   * What becomes of a touch that is refused. `survive` (default): it gets zeros, and the mapping emits `'error'`. `kill`: the
   * process gets the signal that the kernel would send, and ends.
   */
  onSigbus?: 'survive' | 'kill' | undefined;
}

const OPTIONS: OptionNames<MmapOptions> = {
  ...{ pos: true, length: true, prot: true, flags: true, allocate: true, populate: true, onSigbus: true },
};

/** Throws `TypeError` for unknown options. */
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
  return bdev.pageSize ?? Math.max(PAGE_SIZE, backingOf(bdev, 0, PAGE_SIZE).device.alignment);
}

// The position of the first page on its device, modulo 2 MiB. A mapping at an address with the same remainder can have huge pages.
function phaseOf(inode: Inode, pos: number, pageSize: number, getBlock: GetBlock): number {
  const { blockSize } = inode.sb;
  const extent = mapBlocks(inode, pos / blockSize, blockSize, getBlock, false, new BufferHead());
  if (extent.bdev === undefined) return 0;
  const start = (extent.blocknr + pos / blockSize - extent.iblock) * blockSize;
  const phase = backingOf(extent.bdev, start, blockSize).pos % HUGE_PAGE;
  // A block that is not aligned is refused when it is installed.
  return phase % pageSize === 0 ? phase : 0;
}

/**
 * Maps a part of a file whose blocks `getBlock` places. The mapping shows the device's own pages, without a copy. The filesystem's
 * blocks must be 4096 bytes.
 *
 * This thread owns the file and cannot answer its own faults, so every page is installed now, and holes below a writable shared
 * mapping are allocated (or refused, with `allocate: false`). In other isolates `DaxMapping.attach` makes mappings with real
 * faults, which call `getBlock` on this thread.
 *
 * Throws `EINVAL` for a position that is not a multiple of the page, blocks that are not 4096 bytes (`BLOCK_SIZE`), or a private
 * mapping of a devdax (`DEVDAX_PRIVATE`); `EOPNOTSUPP` if `MAP_SYNC` cannot be promised (`NO_MAP_SYNC`) or the device has no pages
 * to map (`NOT_MAPPABLE`); `EACCES` for stores to a read-only filesystem or device; `ENOMEM` if the file lies in too many pieces
 * (`TOO_MANY_MAPPINGS`); `EAGAIN` while the filesystem is frozen or an asynchronous write fills blocks there; and what getBlock
 * throws.
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
  if (stores && (inode.sb.bdev.readOnly === true || device.readOnly)) {
    fail(inode, 'EACCES', { reason: 'READ_ONLY', hint: 'the device is read-only, or was opened so: map with prot PROT_READ' });
  }
  if (flags === MAP_PRIVATE && device.kind === 'devdax') {
    fail(inode, 'EINVAL', { reason: 'DEVDAX_PRIVATE', hint: 'a devdax can only be mapped shared' });
  }
  // The promise of MAP_SYNC cannot be kept without all of these (MS-1).
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
    // Errors of the first touch are thrown here instead.
    if (options.populate ?? true) mapping.prepare();
    return mapping;
  } catch (error) {
    mapping?.unmap();
    space.release();
    throw error;
  }
}
