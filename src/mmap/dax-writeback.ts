// Owns the writeback of mapped files: stores through mappings become durable, whichever pages they went to (PS-2).

import { checkPlaced, type BlockDevice } from '../device/block-device.js';
import { hasData } from '../inode/extent-cache.js';
import { freezeGate, mappedFiles, type Mapped } from '../inode/freeze.js';
import type { GetBlock, Inode, SuperBlock } from '../inode/inode.js';
import { piecesOf } from '../inode/map-blocks.js';
import { roundUp, toBytes, type Bytes } from '../units.js';

/**
 * Makes durable the stores through mappings to `length` bytes at byte `pos` of the file, by default to the whole file
 * (dax_writeback_mapping_range). Stores through mappings that were unmapped since count too. It removes from all mappings the pages
 * that may have been stored to since the last call, so it notices later stores, and then flushes these pages, up to 2 MiB at once.
 * `DaxFile.fsync` calls it before the filesystem's own fsync.
 *
 * Throws what the device throws. The next call flushes the pages that could not be flushed.
 */
export function daxWriteback(inode: Inode, pos: Bytes = 0, length: Bytes = Number.MAX_SAFE_INTEGER): void {
  const start = toBytes(pos, 'pos');
  const end = Math.min(start + toBytes(length, 'length'), Number.MAX_SAFE_INTEGER);
  // A later address space of the file also knows of the stores through earlier ones.
  (inode.mappings ?? inode.unmapped)?.writeBack(start, end);
}

/** Does `daxWriteback` for every file of a filesystem that is or was mapped. Throws the first error, after all files. */
export function daxWritebackAll(sb: SuperBlock): void {
  writeBackAll(mappedFiles(freezeGate(sb)), 0, Number.MAX_SAFE_INTEGER);
}

// A file that fails does not keep the others from being written back.
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
 * Flushes pages of the file. `runs` is a flat list of the first page and the number of pages of each run. Returns false if the file
 * has no data in any of them now.
 */
export function persistPages(inode: Inode, pageSize: number, runs: readonly number[], getBlock: GetBlock): boolean {
  // Bytes past the end of the file are not flushed.
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
