// Owns making durable what was stored through mappings, for those who do not say what that was (PS-2).

import type { BlockDevice } from './block-device.js';
import { BufferHead } from './buffer-head.js';
import { hasData } from './extent-cache.js';
import { freezeGate, mappedFiles, type Mapped } from './freeze.js';
import type { GetBlock, Inode, SuperBlock } from './inode.js';
import { mapBlocks } from './map-blocks.js';
import { roundUp, toBytes, type Bytes } from './units.js';

/**
 * Makes durable what was stored to `length` bytes at byte `pos` of the file through its mappings, unmapped ones included
 * (dax_writeback_mapping_range): the default is all of it. The pages that may have been stored to since the last time are
 * taken out of the mappings first, so that what is stored later is noticed, and flushed as they were mapped, up to 2 MiB
 * at once. `DaxFile.fsync` does this before the filesystem's own fsync.
 *
 * Throws what the device throws. What could not be made durable is due the next time.
 */
export function daxWriteback(inode: Inode, pos: Bytes = 0, length: Bytes = Number.MAX_SAFE_INTEGER): void {
  const start = toBytes(pos, 'pos');
  const end = Math.min(start + toBytes(length, 'length'), Number.MAX_SAFE_INTEGER);
  writeBackAll(inode.mappings === undefined ? [...inode.unmapped] : [inode.mappings, ...inode.unmapped], start, end);
}

/** As `daxWriteback`, for every file of a filesystem that is there and is or was mapped. */
export function daxWritebackAll(sb: SuperBlock): void {
  writeBackAll(mappedFiles(freezeGate(sb)), 0, Number.MAX_SAFE_INTEGER);
}

// One that fails keeps no other from it.
function writeBackAll(files: readonly Pick<Mapped, 'writeBack'>[], pos: number, end: number): void {
  const errors: unknown[] = [];
  for (const file of files) {
    try {
      file.writeBack(pos, end);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/**
 * Makes what the device holds of pages of the file durable: `runs` has the first page and the count of each run. False where
 * there is nothing of them any more.
 */
export function persistPages(inode: Inode, pageSize: number, runs: readonly number[], getBlock: GetBlock): boolean {
  const { blockSize } = inode.sb;
  // What lies past the end is no file's.
  const fileEnd = roundUp(inode.size, pageSize);
  const devices = new Set<BlockDevice>();
  const bh = new BufferHead();
  for (let run = 0; run < runs.length; run += 2) {
    const [first, count] = runs.slice(run, run + 2) as [number, number];
    const end = Math.min((first + count) * pageSize, fileEnd);
    for (let at = first * pageSize; at < end; ) {
      const extent = mapBlocks(inode, at / blockSize, end - at, getBlock, false, bh);
      const next = Math.min(end, (extent.iblock + extent.count) * blockSize);
      if (hasData(extent)) {
        const bdev = extent.bdev as BlockDevice;
        bdev.flush((extent.blocknr - extent.iblock) * blockSize + at, next - at);
        devices.add(bdev);
      }
      at = next;
    }
  }
  for (const device of devices) device.drain();
  return devices.size > 0;
}
