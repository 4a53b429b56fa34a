// Owns what garbage in blocks becomes before it is the file's: what the file has there until now, or zeros.

import type { BlockDevice } from '../device/block-device.js';
import type { BlockPlace, BufferHead } from './buffer-head.js';
import { DaxError } from '../errors.js';
import type { Extent } from './extent-cache.js';
import type { Inode, InodeOperations } from './inode.js';
import { roundDown } from '../units.js';

/** What a filesystem that answers with unwritten blocks must have to be told that they are filled. */
export type Completion = Pick<InodeOperations, 'completeUnwritten'>;

const CHUNK = 64 * 1024;

/** Fills the bytes [from, to) of the file, all in `extent`, which holds garbage. Durable on return. Throws what the devices throw. */
export function fillBlocks(extent: Extent, blockSize: number, from: number, to: number): void {
  const bdev = extent.bdev as BlockDevice;
  const start = from - extent.iblock * blockSize;
  const pos = extent.blocknr * blockSize + start;
  if (extent.source === undefined) bdev.zeroSync(pos, to - from);
  else copyBlocks(extent.source, extent.source.blocknr * blockSize + start, bdev, pos, to - from);
}

/**
 * As `fillBlocks`, where something has failed and the blocks are the file's all the same: a bad page, which cannot be read
 * either, keeps no other from being filled, and what cannot be copied is lost, and zeros.
 */
export function fillGoodBlocks(extent: Extent, blockSize: number, from: number, to: number): void {
  try {
    fillBlocks(extent, blockSize, from, to);
  } catch (error) {
    if (!(error instanceof DaxError)) throw error;
    const mayCopy = extent.source !== undefined;
    if (error.code !== 'EIO' && !mayCopy) return;
    if (to - from > blockSize) {
      const middle = roundDown((from + to) / 2, blockSize);
      fillGoodBlocks(extent, blockSize, from, middle);
      fillGoodBlocks(extent, blockSize, middle, to);
    } else if (mayCopy) {
      fillGoodBlocks({ ...extent, source: undefined }, blockSize, from, to);
    }
  }
}

function copyBlocks({ bdev: from }: BlockPlace, fromPos: number, to: BlockDevice, toPos: number, length: number): void {
  const chunk = Buffer.allocUnsafe(Math.min(length, CHUNK));
  for (let done = 0; done < length; ) {
    // Before a bad page it is short; there is none of it to be had then.
    const read = from.readSync(chunk, fromPos + done, { length: Math.min(chunk.byteLength, length - done) });
    const written = read > 0 ? to.writeSync(chunk, toPos + done, { length: read }) : 0;
    if (!(written > 0)) throw new DaxError({ errno: 'EIO', syscall: 'copy', position: fromPos + done });
    done += written;
  }
}

/**
 * What was allocated is filled, or could not be: tells the filesystem, whose unwritten blocks are data from now on if `ok`, and
 * remembers it. New ones are the file's in any case, and hold nothing foreign after this.
 */
export function completeBlocks(
  inode: Inode,
  extent: Extent,
  bh: BufferHead,
  ok: boolean,
  operations: Completion,
): void {
  const { iblock, count, state } = extent;
  const { blockSize } = inode.sb;
  if (state === 'unwritten') operations.completeUnwritten?.(inode, iblock, bh, ok);
  else if (!ok && state === 'new') fillGoodBlocks(extent, blockSize, iblock * blockSize, (iblock + count) * blockSize);
  if (!ok || (state === 'unwritten' && operations.completeUnwritten === undefined)) return;
  inode.extents.insert({ ...extent, state: 'written', source: undefined });
}
