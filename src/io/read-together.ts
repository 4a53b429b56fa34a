// Owns the read of bytes that are contiguous in one known extent, as in most small reads. It takes half the time of a walk.

import { toPlainBytes } from '../device/memory.js';
import { concluded, MAX_TRANSFER, type Iter } from './dax-walk.js';
import { emptyExtent, hasData } from '../inode/extent-cache.js';
import type { EndIo, Inode } from '../inode/inode.js';
import { toBytes, type Bytes } from '../units.js';

// The device may call this function again, so nothing here is used after a call of the device.
const extent = emptyExtent();

/**
 * Reads as `daxDoIo` does, if the cache knows the extent that holds all the bytes, and the device has given access to it.
 * Otherwise, or if the lock is not free or the device moved fewer bytes, it returns 0 without a call of `endIo`, and the caller
 * makes the read by a walk.
 */
export function readTogether(inode: Inode, iter: Iter, pos: Bytes, endIo: EndIo | undefined, locks: boolean, counts: boolean): number {
  const start = toBytes(pos, 'pos');
  if (Array.isArray(iter)) return 0;
  const buffer = toPlainBytes(iter, 'iter');
  const { length } = buffer;
  const end = start + length;
  const { blockSize } = inode.sb;
  if (length === 0 || length > MAX_TRANSFER || end > inode.size || !inode.extents.findInto(Math.floor(start / blockSize), extent)) return 0;
  const { bdev, iblock } = extent;
  extent.bdev = undefined;
  if (bdev === undefined || !extent.isAccessible || !hasData(extent) || end > (iblock + extent.count) * blockSize) return 0;
  if (locks && !inode.ilock.tryShared()) return 0;
  if (counts) inode.dioBegin();
  try {
    let moved = 0;
    let error: unknown;
    try {
      moved = bdev.readSync(buffer, start + (extent.blocknr - iblock) * blockSize);
    } catch (caught) {
      error = caught;
    }
    if (locks) inode.ilock.releaseShared();
    if (error === undefined && !(moved >= length)) return 0;
    return concluded(inode, start, moved, error, endIo, undefined);
  } finally {
    if (counts) inode.dioEnd();
  }
}
