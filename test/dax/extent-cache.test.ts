import t from 'tap';
import { ExtentCache, type Extent } from 'node-dax';
import { MemoryDevice } from '../helpers/memory-device.js';
import { seeded } from '../helpers/random.js';
import { Tfs } from '../helpers/tfs.js';

function extent(iblock: number, count: number, blocknr: number): Extent {
  return { iblock, count, state: 'written', blocknr, bdev: undefined, isAccessible: false };
}

t.test('random inserts and invalidations against one entry a block', (test) => {
  const random = seeded(test);
  for (let round = 0; round < 40; round++) {
    const span = random.pick([10, 100, 1000]);
    const cache = new ExtentCache();
    const model = new Map<number, number>();
    for (let step = 0; step < 300; step++) {
      const iblock = random.below(span);
      const count = 1 + random.below(random.pick([2, 10, span]));
      switch (random.below(4)) {
        case 0:
        case 1: {
          const blocknr = random.below(100_000);
          cache.insert(extent(iblock, count, blocknr));
          for (let n = 0; n < count; n++) model.set(iblock + n, blocknr + n);
          break;
        }
        case 2:
          cache.invalidate(iblock, count);
          for (let n = 0; n < count; n++) model.delete(iblock + n);
          break;
        default:
          if (random.below(20) > 0) break;
          cache.invalidate(iblock);
          for (const key of model.keys()) if (key >= iblock) model.delete(key);
      }
      for (let tried = 0; tried < 10; tried++) {
        const at = random.below(2 * span);
        const found = cache.find(at);
        const block = found && found.blocknr + at - found.iblock;
        if (block !== model.get(at)) test.fail(`block ${at} is at ${block}, not ${model.get(at)}`);
        if (found !== undefined && (at < found.iblock || at >= found.iblock + found.count)) test.fail('not its extent');
      }
    }
    cache.invalidate();
    test.equal(cache.find(random.below(span)), undefined);
  }
  test.end();
});

t.test('the extent of the last lookup is found first, unless it is gone', (test) => {
  const cache = new ExtentCache();
  cache.insert(extent(10, 10, 100));
  test.equal(cache.find(15)?.blocknr, 100);
  cache.insert(extent(12, 2, 500));
  test.equal(cache.find(15)?.iblock, 14);
  test.equal(cache.find(13)?.blocknr, 500);
  cache.invalidate(13, 1);
  test.equal(cache.find(13), undefined);
  test.equal(cache.find(12)?.count, 1);
  cache.invalidate(0, 0);
  cache.invalidate(15, 0);
  test.equal(cache.find(15)?.blocknr, 104);
  test.end();
});

t.test('thousands of extents, put in and taken out in every order', (test) => {
  const random = seeded(test);
  const COUNT = 3000;
  for (const even of [true, false]) {
    // Every other block, or with gaps that grow: no two of them are one.
    const blocks = Array.from({ length: COUNT }, (_, n) => (even ? n * 2 : n * n + n));
    const shuffled = [...blocks].sort(() => random.below(2) - 0.5);
    for (const order of [blocks, [...blocks].reverse(), shuffled]) {
      const cache = new ExtentCache();
      for (const block of order) cache.insert(extent(block, 1, 7 * block));
      const wrong = blocks.filter((block) => cache.find(block)?.blocknr !== 7 * block || cache.find(block + 1));
      test.strictSame(wrong, [], 'all are found, and nothing between them');
      const gone = new Set(shuffled.slice(0, COUNT / 2));
      for (const block of gone) cache.invalidate(block, 1);
      const still = blocks.filter((block) => gone.has(block) !== (cache.find(block) === undefined));
      test.strictSame(still, [], 'those that are gone are, the others are not');
      for (const block of gone) cache.insert(extent(block, 1, 5 * block));
      const back = blocks.filter((block) => cache.find(block)?.blocknr !== (gone.has(block) ? 5 : 7) * block);
      test.strictSame(back, [], 'and come back');
      cache.invalidate(blocks[10], blocks[COUNT - 10]);
      test.ok(cache.find(blocks[9] ?? 0) !== undefined && cache.find(blocks[10] ?? 0) === undefined);
    }
  }
  test.end();
});

t.test('the largest file, in the smallest blocks', (test) => {
  const BLOCKS = 2 ** 44;
  const cache = new ExtentCache();
  cache.insert({ ...extent(0, BLOCKS, 2 ** 43), state: 'hole' });
  test.equal(cache.find(BLOCKS - 1)?.count, BLOCKS);
  cache.insert(extent(BLOCKS - 5, 3, 2 ** 43));
  test.match(cache.find(BLOCKS - 3), { iblock: BLOCKS - 5, count: 3, blocknr: 2 ** 43, state: 'written' });
  test.match(cache.find(BLOCKS - 1), { iblock: BLOCKS - 2, count: 2, state: 'hole' });
  test.match(cache.find(0), { iblock: 0, count: BLOCKS - 5, state: 'hole' });
  test.equal(cache.find(BLOCKS), undefined);
  test.end();
});

t.test('extents on so many devices that not all are remembered', (test) => {
  const cache = new ExtentCache();
  const devices = Array.from({ length: 300 }, () => new MemoryDevice(4096));
  for (const [n, bdev] of devices.entries()) cache.insert({ ...extent(n, 1, n), bdev });
  const found = devices.filter((bdev, n) => cache.find(n)?.bdev === bdev);
  test.equal(found.length, 256);
  test.ok(devices.every((bdev, n) => (cache.find(n)?.bdev ?? bdev) === bdev), 'what is found is right');
  cache.insert({ ...extent(0, 1, 5), bdev: devices[299] });
  test.equal(cache.find(0), undefined, 'and nothing old is left in its place');
  test.end();
});

t.test('what the device gave access to is asked for once', (test) => {
  for (const driver of ['pmem', 'brd'] as const) {
    const tfs = new Tfs({ devices: [new MemoryDevice(undefined, driver)] });
    const file = tfs.fileOf(Buffer.alloc(5 * 4096, 'a'));
    file.inode.extents.insert({ ...extent(0, 5, 0), bdev: tfs.device });
    file.readSync(Buffer.alloc(4096), 2 * 4096);
    file.readSync(Buffer.alloc(2 * 4096), 4096 + 100);
    file.readSync(Buffer.alloc(5 * 4096), 0);
    const asked = tfs.device.directAccesses.length;
    test.equal(asked, driver === 'pmem' ? 3 : 5);
    for (let pos = 0; pos < 5 * 4096; pos += 1000) test.ok(file.readSync(Buffer.alloc(10), pos) > 0);
    test.equal(file.readSync(Buffer.alloc(5 * 4096), 0), 5 * 4096);
    test.equal(tfs.device.directAccesses.length, asked);
    test.strictSame(tfs.calls, []);
  }
  test.end();
});
