// Drivers of this package.

import { openSync } from '../../src/index.js';
import { filledBuffer, type Driver } from '../driver.js';

const CACHE_LINE = { NODE_DAX_FORCE_GRANULARITY: 'cache_line' };

export const daxReadSync: Driver = {
  done: 'the bytes are in the buffer',
  open({ path, blockSize }) {
    const device = openSync(path);
    const buffer = filledBuffer(blockSize);
    return { run: (pos) => device.readSync(buffer, pos) };
  },
};

export const daxRead: Driver = {
  done: 'the promise is fulfilled, the bytes are in the buffer',
  open({ path, blockSize }) {
    const device = openSync(path);
    const buffer = filledBuffer(blockSize);
    return { run: (pos) => device.read(buffer, pos), awaited: true };
  },
};

export const daxWriteSync: Driver = {
  done: 'the bytes are in the page cache and msync has returned',
  open({ path, blockSize }) {
    const device = openSync(path);
    const buffer = filledBuffer(blockSize);
    return { run: (pos) => device.writeSync(buffer, pos) };
  },
};

export const daxWriteSyncPersist: Driver = {
  ...daxWriteSync,
  done: 'the bytes have left the CPU caches: flushed or streamed, then sfence',
  environment: CACHE_LINE,
};

export const daxView: Driver = {
  done: 'a Uint8Array of the block in place exists; its garbage collection is counted',
  leavesGarbage: true,
  open({ path, blockSize }) {
    const device = openSync(path);
    return { run: (pos) => device.view(pos, blockSize) };
  },
};
