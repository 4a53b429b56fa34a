// Owns zeroing: of a part of a page of a file, of the tail of its last page, and of blocks that no file has yet.

import { argumentError } from '../argument-error.js';
import { reachOf, type BlockDevice } from '../device/block-device.js';
import { BufferHead } from '../inode/buffer-head.js';
import { unshareBlocks } from './dax-unshare.js'; // late
import type { Completion } from '../inode/fill-blocks.js';
import type { GetBlock, Inode } from '../inode/inode.js';
import { mapBlocks } from '../inode/map-blocks.js';
import { PAGE_SIZE, roundUp, SECTOR_SIZE, toBytes, type Bytes } from '../units.js';

/**
 * Zeroes `length` bytes at byte `from` of a file, all in one page of it (dax_zero_page_range, TR-1 to TR-3). Holes and
 * unwritten blocks read as zeros already and stay as they are; shared blocks are first replaced by blocks of the file's own
 * (CW-1). Durable on return.
 *
 * Throws `RangeError` for a range that leaves the page, and what getBlock or the device throws.
 */
export function daxZeroPageRange(
  inode: Inode,
  from: Bytes,
  length: Bytes,
  getBlock: GetBlock,
  operations: Completion = {},
): void {
  const start = toBytes(from, 'from');
  const bytes = toBytes(length, 'length');
  if ((start % PAGE_SIZE) + bytes > PAGE_SIZE) {
    throw argumentError('ERR_OUT_OF_RANGE', `${bytes} bytes at ${start} leave the page: zero each page by itself`);
  }
  const { blockSize } = inode.sb;
  const pageEnd = roundUp(start + 1, PAGE_SIZE);
  const bh = new BufferHead();
  const end = start + bytes;
  for (let pos = start; pos < end; ) {
    const iblock = Math.floor(pos / blockSize);
    const extent = mapBlocks(inode, iblock, pageEnd - iblock * blockSize, getBlock, false, bh);
    const pieceEnd = Math.min(end, (extent.iblock + extent.count) * blockSize);
    if (extent.state === 'shared') {
      unshareBlocks(inode, iblock, roundUp(pieceEnd, blockSize) - iblock * blockSize, getBlock, operations);
      continue;
    }
    if (extent.state === 'written') {
      const devicePos = (extent.blocknr - extent.iblock) * blockSize + pos;
      (extent.bdev as BlockDevice).zeroSync(devicePos, pieceEnd - pos);
    }
    pos = pieceEnd;
  }
}

/**
 * Zeroes from byte `from`, the new end of a file, to the end of its page (dax_truncate_page, TR-4), because the rest of the
 * page may be mapped. Does nothing if `from` is a multiple of the page size. Durable on return.
 */
export function daxTruncatePage(inode: Inode, from: Bytes, getBlock: GetBlock, operations: Completion = {}): void {
  const start = toBytes(from, 'from');
  daxZeroPageRange(inode, start, roundUp(start, PAGE_SIZE) - start, getBlock, operations);
}

/**
 * Zeroes `size` bytes (a multiple of 512) of the filesystem's device from block `block` on. No file may reach these blocks yet
 * (dax_clear_blocks, TR-5). Durable on return. Throws what the device throws; bytes that were zeroed before stay so.
 */
export function daxClearBlocks(inode: Inode, block: Bytes, size: Bytes): void {
  const { bdev, blockSize } = inode.sb;
  let pos = toBytes(block, 'block') * blockSize;
  let left = toBytes(size, 'size');
  if (left % SECTOR_SIZE !== 0) throw argumentError('ERR_OUT_OF_RANGE', `size must be a multiple of ${SECTOR_SIZE}, it is ${left}`);
  while (left > 0) {
    const zeroed = bdev.zeroSync(pos, Math.min(left, reachOf(bdev, pos, left)));
    pos += zeroed;
    left -= zeroed;
  }
}
