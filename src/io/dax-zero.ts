// Owns zeroing: part of a page of a file, the tail of its last page, and blocks that no file has yet.

import { argumentError } from '../argument-error.js';
import { reachOf, type BlockDevice } from '../device/block-device.js';
import { BufferHead } from '../inode/buffer-head.js';
import { unshareBlocks } from './dax-unshare.js';
import type { Completion } from '../inode/fill-blocks.js';
import type { GetBlock, Inode } from '../inode/inode.js';
import { mapBlocks } from '../inode/map-blocks.js';
import { PAGE_SIZE, roundUp, SECTOR_SIZE, toBytes, type Bytes } from '../units.js';

/**
 * Zeroes `length` bytes at byte `from` of a file, all in one page of it (dax_zero_page_range, TR-1 to TR-3). What is a
 * hole or unwritten is zeros already and is left alone; shared blocks become the file's own first (CW-1). Durable on return.
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
 * Zeroes from byte `from` to the end of its page (dax_truncate_page, TR-4): `from` is the new end of the file, and the
 * rest of the page may be mapped. Nothing to do where `from` ends a page.
 */
export function daxTruncatePage(inode: Inode, from: Bytes, getBlock: GetBlock, operations: Completion = {}): void {
  const start = toBytes(from, 'from');
  daxZeroPageRange(inode, start, roundUp(start, PAGE_SIZE) - start, getBlock, operations);
}

/**
 * Zeroes `size` bytes (a multiple of 512) of the filesystem's device from block `block` on, which no file may reach yet
 * (dax_clear_blocks, TR-5). Durable on return. Throws what the device throws; what was zeroed by then stays so.
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
