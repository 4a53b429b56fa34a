// Drivers of other packages, which take part where `npm install --prefix benchmarks/peers` could build them.

import { openSync, rmSync } from 'node:fs';
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

/** What is used of lmdb. */
interface Lmdb {
  open(options: { path: string; keyEncoding: 'uint32'; encoding: 'binary'; overlappingSync: boolean }): { putSync(key: number, value: Buffer): boolean };
}

function missingUnless(name: string): () => string | undefined {
  return () => {
    try {
      peers.resolve(name);
      return undefined;
    } catch {
      return 'not installed: npm install --prefix benchmarks/peers';
    }
  };
}

const missing = missingUnless('@riaskov/mmap-io');

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

// Its sync belongs to the commit, as that of the other side to the append. Records have numbers, which come again after those of a span.
export const lmdbPutSync: Driver = {
  done: 'the transaction is committed and synced: putSync has returned',
  missing: missingUnless('lmdb'),
  open({ path, blockSize }) {
    const lmdb = peers('lmdb') as Lmdb;
    const folder = `${path}.lmdb`;
    rmSync(folder, { recursive: true, force: true });
    const store = lmdb.open({ path: folder, keyEncoding: 'uint32', encoding: 'binary', overlappingSync: false });
    const record = filledBuffer(blockSize);
    return { run: (pos) => store.putSync(pos / blockSize, record) };
  },
};
