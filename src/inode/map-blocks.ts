// Owns the lookup of blocks: in the cache first, then by getBlock, whose answers it checks.

import { inspect } from 'node:util';
import { BH_DELAY, BufferHead, type BlockPlace } from './buffer-head.js';
import { DaxError, type DaxErrorReason } from '../errors.js';
import { emptyExtent, hasData, type Extent, type ExtentState } from './extent-cache.js';
import { fillGoodBlocks } from './fill-blocks.js';
import type { GetBlock, Inode } from './inode.js';
import { PAGE_SIZE, roundUp } from '../units.js';

/** The `EIO` for a filesystem that broke the contract of getBlock. */
export function violation(inode: Inode, iblock: number, what: string, reason?: DaxErrorReason): DaxError {
  return new DaxError({
    errno: 'EIO',
    syscall: 'getBlock',
    reason,
    hint: `inode ${inode.ino}, block ${iblock}: getBlock ${what}`,
  });
}

/** Throws the errno that the callback `name` has returned as `answer`, if it is one. */
export function checkAnswer(answer: unknown, name: string, inode: Inode): void {
  if (answer === undefined || answer === 0) return;
  if (Number.isInteger(answer) && (answer as number) < 0) {
    throw new DaxError({ errno: answer as number, syscall: name, hint: `inode ${inode.ino}` });
  }
  throw new DaxError({
    errno: 'EIO',
    syscall: name,
    hint: `inode ${inode.ino}: ${name} must return nothing, 0 or a negative errno, not ${inspect(answer)}`,
  });
}

function stateOf(bh: BufferHead): ExtentState {
  if (bh.isHole) return 'hole';
  if (bh.isUnwritten) return 'unwritten';
  if (bh.isShared) return 'shared';
  return bh.isUninitialised ? 'new' : 'written';
}

// Whether a fault may find the block. Faults look at whole pages, up to the page that holds the end of the file.
function isInFile({ sb, size }: Inode, iblock: number): boolean {
  return iblock * sb.blockSize < roundUp(size, PAGE_SIZE);
}

function isPlace<T extends Pick<BufferHead, 'bdev' | 'blocknr'>>(place: T): place is T & BlockPlace {
  return place.bdev !== undefined && Number.isSafeInteger(place.blocknr) && place.blocknr >= 0;
}

function checkExtent(inode: Inode, iblock: number, bh: BufferHead, wanted: number, create: boolean): void {
  const { blockSize } = inode.sb;
  // The size counts only if some bit of the state is set (GB-5).
  if (bh.state === 0) bh.size = blockSize;
  if (!(bh.size > 0 && bh.size <= wanted && bh.size % blockSize === 0)) {
    throw violation(inode, iblock, `answered with ${bh.size} bytes when ${wanted} were asked for`);
  }
  // eslint-disable-next-line no-bitwise -- a flag
  if ((bh.state & BH_DELAY) !== 0) throw violation(inode, iblock, 'answered with a delayed allocation');
  if (bh.isHole) {
    if (create) throw violation(inode, iblock, 'left a hole where it was to create');
    return;
  }
  // New blocks hold garbage, which a read would take for the file's data.
  if (!create && stateOf(bh) === 'new') throw violation(inode, iblock, 'answered a lookup with new blocks');
  if (create && stateOf(bh) === 'shared') throw violation(inode, iblock, 'left blocks shared where it was to create');
  if (!isPlace(bh) || (bh.source !== undefined && !isPlace(bh.source))) {
    throw violation(inode, iblock, 'named no block of a device');
  }
  if (inode.sb.strictInit === true && create && bh.isUninitialised && isInFile(inode, iblock)) {
    const what = 'answered a write with blocks that it must zero first, because a fault may reach them meanwhile';
    throw refusal(inode, iblock, bh, what, 'UNINITIALISED_EXTENT');
  }
}

// The error for a refused answer. If its blocks are new, they belong to the file already, so they are filled first, to keep their
// old content out of the file.
function refusal(inode: Inode, iblock: number, bh: BufferHead, what: string, reason?: DaxErrorReason): DaxError {
  const extent = extentOf(inode, iblock, bh, emptyExtent());
  const { blockSize } = inode.sb;
  if (extent.state === 'new') fillGoodBlocks(extent, blockSize, iblock * blockSize, iblock * blockSize + bh.size);
  return violation(inode, iblock, what, reason);
}

function extentOf({ sb }: Inode, iblock: number, bh: BufferHead, extent: Extent): Extent {
  extent.iblock = iblock;
  extent.count = bh.size / sb.blockSize;
  extent.state = stateOf(bh);
  extent.blocknr = bh.blocknr;
  extent.bdev = bh.bdev;
  extent.source = bh.source;
  extent.isAccessible = false;
  return extent;
}

/**
 * Finds the extent of `inode` that holds `iblock`, and writes it over `extent`. It has up to `wanted` bytes, or more if it comes
 * from the cache; with `create` it is neither a hole nor shared. The cache remembers data and holes, but not blocks that must first
 * be initialised. Throws what getBlock throws or returns, and `EIO` for an answer that breaks the contract (GB-3, GB-4, GB-6, GB-7,
 * GB-8, GB-11).
 */
export function mapBlocks(
  inode: Inode,
  iblock: number,
  wanted: number,
  getBlock: GetBlock,
  create: boolean,
  bh: BufferHead,
  extent: Extent = emptyExtent(),
): Extent {
  const isKnown = inode.extents.findInto(iblock, extent);
  if (isKnown && !(create && extent.state !== 'written')) return extent;
  const wasShared = isKnown && extent.state === 'shared';
  bh.ask(wanted);
  checkAnswer(getBlock(inode, iblock, bh, create), 'getBlock', inode);
  checkExtent(inode, iblock, bh, wanted, create);
  if (create && wasShared && bh.isUninitialised && bh.source === undefined) {
    throw refusal(inode, iblock, bh, 'gave new blocks in place of shared ones, and did not say where the data is');
  }
  extentOf(inode, iblock, bh, extent);
  if (extent.state !== 'hole' && !hasData(extent)) inode.extents.forget(iblock, extent.count);
  else if (endBeforeFilling(inode, extent)) inode.extents.insert(extent);
  return extent;
}

// Ends an extent before blocks that a write is filling, because their old content must not be seen. Once the filesystem has
// answered that they are new, its next answer says that they are data (GB-12). Returns false if nothing of the extent is left.
function endBeforeFilling({ sb, pages }: Inode, extent: Extent): boolean {
  const start = extent.iblock * sb.blockSize;
  const end = pages.firstFilling(start, start + extent.count * sb.blockSize);
  if (end === start) return false;
  extent.count = (end - start) / sb.blockSize;
  return true;
}

/**
 * Looks up the page that begins with `iblock`, as `mapBlocks` does. If the filesystem answers with less than the page, asks for the
 * rest and joins answers that are contiguous on the device. The extent is shorter than the page if some answers are not contiguous.
 */
export function mapPage(inode: Inode, iblock: number, wanted: number, pageSize: number, getBlock: GetBlock, bh: BufferHead): Extent {
  const pageEnd = iblock + pageSize / inode.sb.blockSize;
  const extent = mapBlocks(inode, iblock, wanted, getBlock, false, bh);
  while (extent.iblock + extent.count < pageEnd) {
    const next = mapBlocks(inode, extent.iblock + extent.count, wanted, getBlock, false, bh);
    if (!continues(extent, next)) break;
    extent.count += next.count;
    extent.isAccessible &&= next.isAccessible;
  }
  return extent;
}

/** A run of bytes of a file that lie in one extent. */
export interface Piece {
  readonly extent: Extent;
  /** Bytes of the file, from `pos` to before `end`. */
  readonly pos: number;
  readonly end: number;
  /** The byte of `extent.bdev` where the piece begins; meaningless for a hole. */
  readonly devicePos: number;
}

/** Looks up the bytes [start, end) of a file, piece by piece. `start` must begin a block. */
export function* piecesOf(inode: Inode, start: number, end: number, getBlock: GetBlock): Generator<Piece> {
  const { blockSize } = inode.sb;
  const bh = new BufferHead();
  for (let pos = start; pos < end; ) {
    const wanted = roundUp(end - pos, blockSize);
    const extent = mapBlocks(inode, pos / blockSize, wanted, getBlock, false, bh);
    const pieceEnd = Math.min(end, (extent.iblock + extent.count) * blockSize);
    yield { extent, pos, end: pieceEnd, devicePos: (extent.blocknr - extent.iblock) * blockSize + pos };
    pos = pieceEnd;
  }
}

function continues({ count, state, blocknr, bdev }: Extent, next: Extent): boolean {
  if (state !== next.state) return false;
  return state === 'hole' || (bdev === next.bdev && blocknr + count === next.blocknr);
}
