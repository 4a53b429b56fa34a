// The races of faults with each other, with truncation and with private copies, round after round (GB-11, FT-10, FT-5).

import '../helpers/assert-locks.js';
import { MAP_PRIVATE } from 'node-dax';
import { FaultWorker } from '../helpers/fault-worker.js';
import { IN_GUEST } from '../helpers/guest.js';
import { onEveryKindOfGround, type Ground } from '../helpers/mapped-file.js';

const ROUNDS = Number(process.env['NODE_DAX_TEST_ROUNDS'] ?? (IN_GUEST ? 20 : 50));
// Beside other suites on two processors a round may take ten times as long.
const PATIENCE = 180 + ROUNDS / 50;
// A round with a page of 2 MiB takes as long as hundreds of small ones.
const roundsOn = ({ page }: Ground) => (page === 4096 ? ROUNDS : Math.ceil(ROUNDS / 100));

const turn = () => new Promise(setImmediate);

for (const unwritten of [false, true]) {
  const answers = unwritten ? 'unwritten, or new once it is written' : 'new, then plain';
  onEveryKindOfGround(`eight threads store to the same holes, which getBlock answers as ${answers} (GB-11)`, async (test, ground) => {
    const { page } = ground;
    const pages = page === 4096 ? Math.min(256, Math.max(32, ROUNDS)) : 4;
    const mapped = ground.holes(pages, {}, { unwritten: unwritten && page === 4096 });
    const { fs, inode, file, mapping } = mapped;
    const workers = await Promise.all(Array.from({ length: 8 }, () => FaultWorker.start(test, mapping.handle)));
    const free = fs.freeBlocks;
    const expected = Buffer.alloc(page);
    for (const n of workers.keys()) expected[n * 8] = n + 1;
    const wrong: string[] = [];
    for (let done = 0; done < roundsOn(ground) && wrong.length === 0; done += pages) {
      await Promise.all(workers.map((worker, n) => worker.call('stride', 0, n * 8, page, pages, n + 1)));
      const created = fs.calls.filter(([, , create]) => create).length;
      if (created !== pages) wrong.push(`${created} pages were created`);
      if (free - fs.freeBlocks !== pages * ground.blocksPerPage) wrong.push(`${free - fs.freeBlocks} blocks were allocated`);
      for (let n = 0; n < pages; n++) {
        const media = ground.media(mapped, n);
        if (!expected.equals(media)) wrong.push(`round ${done + n}: ${workers.map((_, lane) => media[lane * 8]).join()}`);
      }
      file.punchHoleSync(0, pages * page);
      fs.forget(file);
    }
    test.strictSame(wrong, []);
    test.equal(fs.freeBlocks, free);
    fs.check([inode]);
    for (const { losses } of workers) test.strictSame(losses, []);
  }, PATIENCE);
}

onEveryKindOfGround('a file that is truncated whenever a fault waits for a block loses no block (FT-10)', async (test, ground) => {
  const { page } = ground;
  const mapped = ground.holes(2);
  const { fs, inode, file, mapping } = mapped;
  const workers = await Promise.all([0, 1].map(() => FaultWorker.start(test, mapping.handle)));
  const free = fs.freeBlocks;
  const control = new Int32Array(new SharedArrayBuffer(4));
  let meet: (cut: Promise<void>) => void = () => undefined;
  let isCut = false;
  fs.onGetBlock = (_inode, _iblock, _bh, create) => {
    // It waits for the fault, which then maps a page that goes at once.
    if (create && !isCut) {
      isCut = true;
      meet(file.truncate(0));
    }
    return undefined;
  };
  const wrong: string[] = [];
  const running = workers.map((worker, n) => worker.call('churn', 0, n * page + 8, control));
  for (let round = 0; round < roundsOn(ground) && wrong.length === 0; round++) {
    const cut = new Promise<void>((resolve) => { meet = resolve; });
    isCut = false;
    file.truncateSync(2 * page);
    await cut;
    if (inode.size !== 0 || inode.blocks.size !== 0) wrong.push(`round ${round}: ${inode.size} bytes, ${inode.blocks.size} blocks`);
    if (fs.freeBlocks !== free) wrong.push(`round ${round}: ${free - fs.freeBlocks} blocks are lost`);
    fs.calls.length = 0;
  }
  Atomics.store(control, 0, 1);
  await Promise.all(running);
  test.strictSame(wrong, []);
  for (const worker of workers) {
    await worker.settled();
    test.strictSame(worker.losses.filter(({ code }) => code !== 'ENXIO').slice(0, 5), [], 'each loss is past the end');
  }
}, PATIENCE);

const LATER = {
  'are seen at once': { command: 'cow', pages: 8 },
  'are still there later': { command: 'claim', pages: IN_GUEST ? 16 : 64 },
} as const;

for (const [what, { command, pages }] of Object.entries(LATER)) {
  onEveryKindOfGround(`private copies that are made while the file is looked up again ${what} (FT-5)`, async (test, ground) => {
    if (!ground.hasPrivate) {
      test.pass('the device has no private mappings');
      return;
    }
    const value = 251;
    const mapped = ground.holes(pages);
    for (let n = 0; n < pages; n++) ground.write(mapped, n, value);
    const aside = ground.map(mapped, { flags: MAP_PRIVATE });
    const workers = await Promise.all([0, 1].map(() => FaultWorker.start(test)));
    let running = workers.length;
    const results = workers.map(async (worker) => {
      try {
        // A round is so many faults as it has pages.
        return await worker.call(command, aside.handle, pages, Math.ceil((roundsOn(ground) * 4) / pages), value);
      } finally {
        running--;
      }
    });
    while (running > 0) {
      mapped.inode.extents.invalidate();
      await turn();
    }
    for (const wrong of await Promise.all(results)) test.strictSame(wrong.slice(0, 5), []);
    const expected = Buffer.alloc(ground.page, value);
    for (let n = 0; n < pages; n++) test.ok(expected.equals(ground.media(mapped, n)), 'the file is as it was');
  }, PATIENCE);
}

onEveryKindOfGround('a system call stores to a private mapping while blocks are forgotten (FT-5)', async (test, ground) => {
  if (!ground.hasPrivate) {
    test.pass('the device has no private mappings');
    return;
  }
  const pages = 32;
  const mapped = ground.holes(2 * pages);
  for (let n = 0; n < 2 * pages; n++) ground.write(mapped, n, 1);
  const aside = ground.map(mapped, { flags: MAP_PRIVATE });
  const worker = await FaultWorker.start(test);
  const perPage = ground.page / mapped.inode.sb.blockSize;
  let running = 1;
  const result = worker.call('readZeros', aside.handle, pages, Math.ceil(roundsOn(ground) / 4)).finally(() => running--);
  while (running > 0) {
    mapped.inode.extents.invalidate(pages * perPage, pages * perPage);
    await turn();
  }
  test.equal(await result, 0, 'calls that failed');
}, PATIENCE);
