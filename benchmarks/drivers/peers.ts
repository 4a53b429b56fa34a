// Drivers of other packages, which take part where `npm install --prefix benchmarks/peers` could build them.

import { openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { filledBuffer, type Driver, type Job } from '../driver.js';

/** What is used of @riaskov/mmap-io. */
interface MmapIo {
  PROT_READ: number;
  PROT_WRITE: number;
  MAP_SHARED: number;
  map(size: number, protection: number, flags: number, fd: number): Buffer;
  sync(buffer: Buffer, offset: number, length: number, blocking: boolean): void;
}

const peers = createRequire(join(__dirname, '..', '..', '..', 'benchmarks', 'peers', 'package.json'));

function missing(): string | undefined {
  try {
    peers.resolve('@riaskov/mmap-io');
    return undefined;
  } catch {
    return 'not installed: npm install --prefix benchmarks/peers';
  }
}

function map({ path, span }: Job): { mmap: MmapIo; mapping: Buffer } {
  const mmap = peers('@riaskov/mmap-io') as MmapIo;
  return { mmap, mapping: mmap.map(span, mmap.PROT_READ + mmap.PROT_WRITE, mmap.MAP_SHARED, openSync(path, 'r+')) };
}

export const mmapIoRead: Driver = {
  done: 'the bytes are in the buffer',
  missing,
  open(job) {
    const { blockSize } = job;
    const { mapping } = map(job);
    const buffer = filledBuffer(blockSize);
    return { run: (pos) => mapping.copy(buffer, 0, pos, pos + blockSize) };
  },
};

export const mmapIoWrite: Driver = {
  done: 'the bytes are in the page cache and msync has returned',
  missing,
  open(job) {
    const { blockSize } = job;
    const { mmap, mapping } = map(job);
    const buffer = filledBuffer(blockSize);
    return {
      run: (pos) => {
        buffer.copy(mapping, pos);
        mmap.sync(mapping, pos, blockSize, true);
      },
    };
  },
};
