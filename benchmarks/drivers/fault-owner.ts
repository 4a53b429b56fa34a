// Owns a file on a device and maps it, in a worker. A thread that attaches to the mapping has real faults, which the service
// answers from what this thread has told it. `backwards`: no two pages of the file are contiguous on the device.

import { parentPort, workerData } from 'node:worker_threads';
import { daxMmap, Inode, openSync } from '../../src/index.js';

export interface Layout {
  path: string;
  backwards: boolean;
}

const BLOCK = 4096;
const { path, backwards } = workerData as Layout;
const device = openSync(path);
const blocks = Math.floor(device.size / BLOCK);
const inode = new Inode({ blockSize: BLOCK, bdev: device }, 1, blocks * BLOCK);
const mapping = daxMmap(inode, { length: BLOCK }, (_inode, iblock, bh) => {
  if (backwards) bh.map(device, blocks - 1 - iblock, BLOCK);
  else bh.map(device, iblock, bh.size);
});
// Everything is known beforehand, as extents.
for (let iblock = 0; iblock < blocks; ) {
  const blocknr = backwards ? blocks - 1 - iblock : iblock;
  const count = backwards ? 1 : blocks;
  inode.extents.insert({ iblock, count, state: 'written', bdev: device, blocknr, isAccessible: false });
  iblock += count;
}
parentPort?.postMessage({ ...mapping.handle, length: blocks * BLOCK });
// Kept for the faults.
setInterval(() => mapping.length, 1e6);
