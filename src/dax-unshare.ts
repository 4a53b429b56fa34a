// Owns giving a file blocks of its own where it shares them with others (rule CW-3).

import { BufferHead } from './buffer-head.js';
import { DaxError } from './errors.js';
import { completeBlocks, fillBlocks } from './fill-blocks.js';
import type { GetBlock, Inode, InodeOperations } from './inode.js';
import { mapBlocks } from './map-blocks.js';
import { PAGE_SIZE, roundDown, roundUp, toBytes, type Bytes } from './units.js';
import { wouldBlock } from './would-block.js';

/** What a filesystem that answers with unwritten blocks must have to be told that they are filled. */
export type Completion = Pick<InodeOperations, 'completeUnwritten'>;

/**
 * Gives the file blocks of its own, with the same data, for each of the `length` bytes at byte `pos` that lies in shared ones
 * (`BH_SHARED`), to whole pages and not past the end of the file: what is stored there later allocates nothing. Durable on
 * return. The caller holds `ilock` alone.
 *
 * Throws what getBlock and the devices throw, and `EAGAIN` where asynchronous I/O fills one of the pages; what was unshared by
 * then stays so.
 */
export function daxUnshare(inode: Inode, pos: Bytes, length: Bytes, getBlock: GetBlock, operations: Completion = {}): void {
  const start = roundDown(toBytes(pos, 'pos'), PAGE_SIZE);
  const end = roundUp(Math.min(toBytes(pos, 'pos') + toBytes(length, 'length'), inode.size), PAGE_SIZE);
  const { blockSize } = inode.sb;
  const bh = new BufferHead();
  for (let at = start; at < end; ) {
    const extent = mapBlocks(inode, at / blockSize, end - at, getBlock, false, bh);
    const extentEnd = Math.min(end, (extent.iblock + extent.count) * blockSize);
    if (extent.state === 'shared') unshareBlocks(inode, at / blockSize, extentEnd - at, getBlock, operations);
    at = extentEnd;
  }
}

/** As `daxUnshare`, for `wanted` bytes from the file's block `iblock` on, all of which are shared. */
export function unshareBlocks(inode: Inode, iblock: number, wanted: number, getBlock: GetBlock, operations: Completion): void {
  const { blockSize } = inode.sb;
  const start = iblock * blockSize;
  const locked = inode.pages.tryLock(start, start + wanted);
  if (locked === undefined) throw wouldBlock(inode);
  try {
    for (let at = start; at < start + wanted; ) at = unshareRun(inode, at, start + wanted, getBlock, operations);
  } finally {
    inode.pages.unlock(locked);
    // A page of more than a block is seen as a whole, which no answer about one of its blocks makes it.
    if ((inode.mappings?.pageSize ?? 0) > blockSize) inode.mappings?.refresh(start, wanted);
  }
}

// As much as the filesystem gives at once. Returns where it ends.
function unshareRun(inode: Inode, pos: number, end: number, getBlock: GetBlock, operations: Completion): number {
  const { blockSize } = inode.sb;
  const bh = new BufferHead();
  const extent = mapBlocks(inode, pos / blockSize, end - pos, getBlock, true, bh);
  const extentEnd = (extent.iblock + extent.count) * blockSize;
  if (extent.state === 'written') return extentEnd;
  if (extent.state === 'unwritten' && operations.completeUnwritten === undefined) {
    const hint = `inode ${inode.ino}, block ${extent.iblock}: unwritten blocks, and no completeUnwritten to tell that they are filled`;
    throw new DaxError({ errno: 'EIO', syscall: 'getBlock', hint });
  }
  let isFilled = false;
  try {
    fillBlocks(extent, blockSize, pos, extentEnd);
    isFilled = true;
  } finally {
    completeBlocks(inode, extent, bh, isFilled, operations);
  }
  return extentEnd;
}
