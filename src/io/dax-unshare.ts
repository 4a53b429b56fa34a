// Owns daxUnshare: it gives a file blocks of its own in place of blocks that it shares with others (CW-3).

import { BufferHead } from '../inode/buffer-head.js';
import { completeBlocks, fillBlocks, type Completion } from '../inode/fill-blocks.js';
import { type GetBlock, type Inode, wouldBlock } from '../inode/inode.js';
import { mapBlocks, piecesOf, violation } from '../inode/map-blocks.js';
import { PAGE_SIZE, roundDown, roundUp, toBytes, type Bytes } from '../units.js';

/**
 * Replaces the shared blocks (`BH_SHARED`) below `length` bytes at byte `pos` by blocks of the file's own with the same data, so
 * later stores there allocate nothing. It works on whole pages and not past the end of the file. Durable on return. The caller
 * holds `ilock` exclusively.
 *
 * Throws what getBlock and the devices throw, and `EAGAIN` if asynchronous I/O fills one of the pages. Blocks that were replaced
 * before the error stay so.
 */
export function daxUnshare(inode: Inode, pos: Bytes, length: Bytes, getBlock: GetBlock, operations: Completion = {}): void {
  const start = roundDown(toBytes(pos, 'pos'), PAGE_SIZE);
  const end = roundUp(Math.min(toBytes(pos, 'pos') + toBytes(length, 'length'), inode.size), PAGE_SIZE);
  for (const piece of piecesOf(inode, start, end, getBlock)) {
    if (piece.extent.state !== 'shared') continue;
    unshareBlocks(inode, piece.pos / inode.sb.blockSize, piece.end - piece.pos, getBlock, operations);
  }
}

/** Replaces `wanted` bytes of shared blocks from the file's block `iblock` on, as `daxUnshare` does. */
export function unshareBlocks(inode: Inode, iblock: number, wanted: number, getBlock: GetBlock, operations: Completion): void {
  const { blockSize } = inode.sb;
  const start = iblock * blockSize;
  const locked = inode.pages.tryLock(start, start + wanted);
  if (locked === undefined) throw wouldBlock(inode);
  try {
    for (let at = start; at < start + wanted; ) at = unshareRun(inode, at, start + wanted, getBlock, operations);
  } finally {
    inode.pages.unlock(locked);
    // Mappings show a page of several blocks only as a whole, and an answer about one block does not update them.
    if ((inode.mappings?.pageSize ?? 0) > blockSize) inode.mappings?.refresh(start, wanted);
  }
}

// Replaces as many blocks as the filesystem gives at once. Returns the byte where they end.
function unshareRun(inode: Inode, pos: number, end: number, getBlock: GetBlock, operations: Completion): number {
  const { blockSize } = inode.sb;
  const bh = new BufferHead();
  const extent = mapBlocks(inode, pos / blockSize, end - pos, getBlock, true, bh);
  const extentEnd = (extent.iblock + extent.count) * blockSize;
  if (extent.state === 'written') return extentEnd;
  if (extent.state === 'unwritten' && operations.completeUnwritten === undefined) {
    throw violation(inode, extent.iblock, 'gave unwritten blocks, and there is no completeUnwritten to tell that they are filled');
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
