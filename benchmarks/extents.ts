// What it costs to find a file's blocks among many extents: `node dist/benchmarks/extents.js`, after `npm run build`.

import { daxDoIo, Inode, type BlockDevice, type ExtentCache } from 'node-dax';
import { filledBuffer } from './driver.js';

const BLOCK = 4096;
const LOOKUPS = 65_536;
const ROUNDS = 50;

// Nothing to copy: what is left is the way to the blocks.
const bdev: BlockDevice = {
  size: Number.MAX_SAFE_INTEGER,
  granularity: 'byte',
  directAccess: (_sector, size) => ({ bytes: Number(size), window: new Uint8Array(0), pfn: undefined }),
  readSync: (target) => target.byteLength,
  writeSync: (source) => source.byteLength,
  zeroSync: (_pos, length) => Number(length),
  flush: () => undefined,
  drain: () => undefined,
  persist: () => undefined,
};

// Every other block of a file is one, so that no two are one extent.
function fill(extents: ExtentCache, count: number): void {
  for (let n = 0; n < count; n++) {
    extents.insert({ iblock: n * 2, count: 1, state: 'written', blocknr: n, bdev, reach: BLOCK });
  }
}

// Spread over all of them, in no order that a processor would guess.
function order(count: number): Float64Array {
  return Float64Array.from({ length: LOOKUPS }, (_, n) => ((n * 2_654_435_761) % count) * 2);
}

/** Nanoseconds of one, in the fastest round. */
function time(blocks: Float64Array, run: (iblock: number) => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (const iblock of blocks) run(iblock);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / blocks.length);
  }
  return best;
}

const target = filledBuffer(BLOCK);
console.log('extents    find    daxDoIo of 4 KiB without its copy');
for (const count of [1, 100, 10_000, 100_000]) {
  const inode = new Inode({ blockSize: BLOCK, bdev }, 1, count * 2 * BLOCK);
  fill(inode.extents, count);
  const blocks = order(count);
  const find = time(blocks, (iblock) => inode.extents.find(iblock));
  const io = time(blocks, (iblock) => daxDoIo('read', inode, target, iblock * BLOCK, () => -5));
  console.log(`${String(count).padStart(7)} ${find.toFixed(0).padStart(4)} ns ${io.toFixed(0).padStart(7)} ns`);
}
