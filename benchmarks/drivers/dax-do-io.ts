// Drivers of daxDoIo, over the same file as a device. Its extents are cached before a trial begins.

import { daxDoIo, Inode, openSync, type GetBlock } from '../../src/index.js';
import { filledBuffer, type Driver } from '../driver.js';

const BLOCK = 4096;

export const daxDoIoRead: Driver = {
  done: 'the bytes are in the buffer',
  open({ path, blockSize, span }) {
    const bdev = openSync(path);
    const inode = new Inode({ blockSize: BLOCK, bdev }, 1, span);
    // The file is the device, in one extent.
    const getBlock: GetBlock = (_inode, iblock, bh) => {
      bh.map(bdev, iblock, bh.size);
    };
    const buffer = filledBuffer(blockSize);
    for (let pos = 0; pos < span; pos += blockSize) daxDoIo('read', inode, buffer, pos, getBlock);
    return { run: (pos) => daxDoIo('read', inode, buffer, pos, getBlock) };
  },
};
