import t from 'tap';
import { ExtentCache, type Extent } from 'node-dax';
import { seeded } from '../helpers/random.js';

function extent(iblock: number, count: number, blocknr: number): Extent {
  return { iblock, count, state: 'written', blocknr, bdev: undefined, reach: 0 };
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
