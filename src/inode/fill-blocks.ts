// Owns the filling of blocks that hold garbage: with a copy of the file's data, or with zeros.

import type { BlockDevice } from '../device/block-device.js';
import type { BlockPlace, BufferHead } from './buffer-head.js';
import { DaxError } from '../errors.js';
import type { Extent } from './extent-cache.js';
import type { Inode, InodeOperations } from './inode.js';
import { roundDown } from '../units.js';

/** The operation by which a filesystem is told that unwritten blocks are filled. */
export type Completion = Pick<InodeOperations, 'completeUnwritten'>;

const CHUNK = 64 * 1024;

/**
 * Fills the bytes [from, to) of the file, all in `extent`, which holds garbage. Durable on return. Throws what the devices
 * throw.
 */
export function fillBlocks(extent: Extent, blockSize: number, from: number, to: number): void {
  const bdev = extent.bdev as BlockDevice;
  const start = from - extent.iblock * blockSize;
  const pos = extent.blocknr * blockSize + start;
  if (extent.source === undefined) bdev.zeroSync(pos, to - from);
  else copyBlocks(extent.source, extent.source.blocknr * blockSize + start, bdev, pos, to - from);
}

/**
 * Fills blocks as `fillBlocks` does, after a failure that has left the blocks with the file. A bad page does not keep the others
 * from being filled, and data that cannot be copied is lost and becomes zeros.
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
    // A read ends early before a bad page, and returns nothing if it begins in one.
    const read = from.readSync(chunk, fromPos + done, { length: Math.min(chunk.byteLength, length - done) });
    const written = read > 0 ? to.writeSync(chunk, toPos + done, { length: read }) : 0;
    if (!(written > 0)) throw new DaxError({ errno: 'EIO', syscall: 'copy', position: fromPos + done });
    done += written;
  }
}

/**
 * Ends the filling of blocks: tells the filesystem whether its unwritten blocks are filled (`ok`), and remembers the extent if it
 * is data now. New blocks are the file's in any case, and hold no old content of the medium after this.
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
