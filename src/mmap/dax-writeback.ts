// Owns making durable what was stored through mappings, for those who do not say what that was (PS-2).

import { checkPlaced, type BlockDevice } from '../device/block-device.js';
import { hasData } from '../inode/extent-cache.js';
import { freezeGate, mappedFiles, type Mapped } from '../inode/freeze.js';
import type { GetBlock, Inode, SuperBlock } from '../inode/inode.js';
import { piecesOf } from '../inode/map-blocks.js';
import { roundUp, toBytes, type Bytes } from '../units.js';

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
  // What was stored through those that are gone is known to those that came after them.
  (inode.mappings ?? inode.unmapped)?.writeBack(start, end);
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
  // What lies past the end is no file's.
  const fileEnd = roundUp(inode.size, pageSize);
  const devices = new Set<BlockDevice>();
  for (let run = 0; run < runs.length; run += 2) {
    const [first, count] = runs.slice(run, run + 2) as [number, number];
    const runEnd = Math.min((first + count) * pageSize, fileEnd);
    for (const { extent, pos, end, devicePos } of piecesOf(inode, first * pageSize, runEnd, getBlock)) {
      if (!hasData(extent)) continue;
      const bdev = extent.bdev as BlockDevice;
      checkPlaced(bdev, devicePos, end - pos, 'fsync');
      bdev.flush(devicePos, end - pos);
      devices.add(bdev);
    }
  }
  for (const device of devices) device.drain();
  return devices.size > 0;
}
