// Owns what garbage in blocks becomes before it is the file's: what the file has there until now, or zeros.

import type { BlockDevice } from './block-device.js';
import type { BlockPlace, BufferHead } from './buffer-head.js';
import { DaxError } from './errors.js';
import type { Extent } from './extent-cache.js';
import type { Inode, InodeOperations } from './inode.js';

const CHUNK = 64 * 1024;

/** Fills the bytes [from, to) of the file, all in `extent`, which holds garbage. Durable on return. Throws what the devices throw. */
export function fillBlocks(extent: Extent, blockSize: number, from: number, to: number): void {
  const bdev = extent.bdev as BlockDevice;
  const start = from - extent.iblock * blockSize;
  const pos = extent.blocknr * blockSize + start;
  if (extent.source === undefined) bdev.zeroSync(pos, to - from);
  else copyBlocks(extent.source, extent.source.blocknr * blockSize + start, bdev, pos, to - from);
}

function copyBlocks({ bdev: from }: BlockPlace, fromPos: number, to: BlockDevice, toPos: number, length: number): void {
  const chunk = Buffer.allocUnsafe(Math.min(length, CHUNK));
  for (let done = 0; done < length; ) {
    const bytes = Math.min(chunk.byteLength, length - done);
    const read = from.readSync(chunk, fromPos + done, { length: bytes });
    // Before a bad page it is short; there is none of it to be had then.
    if (!(read > 0)) throw new DaxError({ errno: 'EIO', syscall: 'read', position: fromPos + done });
    done += to.writeSync(chunk, toPos + done, { length: read });
  }
}

/**
 * What was allocated is filled, or could not be: tells the filesystem, whose unwritten blocks are data from now on if `ok`, and
 * remembers it.
 */
export function completeBlocks(
  inode: Inode,
  extent: Extent,
  bh: BufferHead,
  ok: boolean,
  operations: Pick<InodeOperations, 'completeUnwritten'>,
): void {
  if (extent.state === 'unwritten') operations.completeUnwritten?.(inode, extent.iblock, bh, ok);
  if (!ok || (extent.state === 'unwritten' && operations.completeUnwritten === undefined)) return;
  inode.extents.insert({ ...extent, state: 'written', source: undefined });
}
