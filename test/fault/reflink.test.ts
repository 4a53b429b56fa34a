// Mappings of files that share blocks (CW-2): a load shows the shared content; a store gives the file a page of its own, which
// every mapping of the file shows from then on; and the other file keeps its content.

import '../helpers/assert-locks.js';
import type { Test } from 'tap';
import {
  daxFault,
  daxMkwrite,
  daxMmap,
  DaxError,
  daxUnshare,
  freezeSuper,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SYNC,
  PROT_READ,
  thawSuper,
  VM_FAULT_MAJOR,
  VM_FAULT_NOPAGE,
  VM_FAULT_SIGBUS,
  type DaxFile,
  type VmArea,
  type VmFault,
} from 'node-dax';
import { COW_WAYS, CowFs, type CowWay } from '../helpers/cow-fs.js';
import { FaultWorker } from '../helpers/fault-worker.js';
import { withMapSync } from '../helpers/map-sync.js';
import { onEveryKindOfGround, type Ground } from '../helpers/mapped-file.js';

const PAGES = 4;
const A = 97;
const B = 98;

interface Pair {
  way: CowWay;
  fs: CowFs;
  a: DaxFile;
  b: DaxFile;
  page: number;
}

function onEveryWay(title: string, run: (test: Test, pair: Pair, ground: Ground) => Promise<void> | void): void {
  onEveryKindOfGround(title, async (test, ground) => {
    const { device, page, pages, blocksPerPage: cluster } = ground;
    // A device that maps more than a block at once needs them given together.
    for (const way of COW_WAYS.filter((one) => cluster === 1 || one === 'copied')) {
      const fs = new CowFs(device, { way, cluster, blocks: pages * cluster });
      const a = fs.file(Buffer.alloc(PAGES * page, A));
      const b = fs.clone(a);
      fs.created = [];
      await test.test(way, async (child) => {
        await run(child, { way, fs, a, b, page }, ground);
      });
      fs.check([a, b]);
    }
  });
}

function map(test: Test, file: DaxFile, options: Parameters<DaxFile['mmap']>[0]) {
  const mapping = file.mmap(options);
  test.teardown(() => {
    mapping.unmap();
  });
  return mapping;
}

function contents(file: DaxFile, pos = 0, length = file.size - pos): Buffer {
  const bytes = Buffer.alloc(length);
  file.readSync(bytes, pos);
  return bytes;
}

const unresolved = { populate: false };
const readOnly = { populate: false, prot: PROT_READ };

onEveryWay('a store to a page that two files share changes one of them (CW-2)', async (test, { fs, a, b, page }) => {
  const workers = await Promise.all([
    FaultWorker.start(test, map(test, a, unresolved).handle, map(test, a, readOnly).handle),
    FaultWorker.start(test, map(test, b, unresolved).handle),
  ]);
  const [storing, other] = workers;
  for (const pos of [0, 100, page - 1, page]) {
    test.strictSame([await storing.load(pos), await storing.load(pos, 1), await other.load(pos)], [A, A, A]);
  }
  test.strictSame(fs.created, [], 'loads give nothing');
  const shared = fs.placeOf(a, 0);
  await storing.call('fill', 0, 100, 10, B);
  test.equal(fs.created.length, 1);
  const expected = Buffer.alloc(page, A).fill(B, 100, 110);
  test.ok(contents(a, 0, page).equals(expected), 'the other bytes are what they were');
  test.not(fs.placeOf(a, 0), shared);
  test.equal(fs.placeOf(b, 0), shared);
  test.strictSame([await storing.load(100), await storing.load(110)], [B, A]);
  test.strictSame([await storing.load(100, 1), await storing.load(110, 1)], [B, A], 'mapped readers see the new page');
  test.ok(contents(b).equals(Buffer.alloc(PAGES * page, A)), 'the other file is what it was');
  test.equal(await other.load(100), A);
  await storing.store(page + 5, B);
  test.strictSame([await storing.load(page + 5, 1), await other.load(page + 5), contents(b, page + 5, 1)[0]], [B, A, A]);
  await other.store(7, B);
  test.equal(fs.created.length, 2, 'what only one file has is its own');
  test.strictSame([contents(b, 7, 1)[0], contents(a, 7, 1)[0]], [B, A]);
  await storing.call('persist', 0);
  for (const worker of workers) test.strictSame(worker.losses, []);
});

onEveryWay('a write to a shared page that is mapped is seen through the mapping (CW-1)', async (test, { fs, a, b, page }) => {
  const worker = await FaultWorker.start(
    test,
    map(test, a, unresolved).handle,
    map(test, a, readOnly).handle,
    map(test, b, readOnly).handle,
  );
  const look = async (pos: number) => [await worker.load(pos), await worker.load(pos, 1), await worker.load(pos, 2)];
  test.strictSame(await look(100), [A, A, A]);
  a.writeSync(Buffer.alloc(10, B), 100);
  test.strictSame([await look(99), await look(100), await look(109), await look(110)], [[A, A, A], [B, B, A], [B, B, A], [A, A, A]]);
  test.strictSame(await look(page), [A, A, A]);
  await a.write(Buffer.alloc(2 * page, B), page + 1);
  test.strictSame([await look(page), await look(page + 1), await look(3 * page), await look(3 * page + 1)], [[A, A, A], [B, B, A], [B, B, A], [A, A, A]]);
  a.zeroRangeSync(3 * page + 5, 10);
  test.strictSame([await look(3 * page + 4), await look(3 * page + 5)], [[A, A, A], [0, 0, A]]);
  test.ok(contents(b).equals(Buffer.alloc(PAGES * page, A)));
  test.ok(fs.created.length > 0);
});

onEveryWay('mappings of the other file do not see zeroing and unsharing (CW-1, CW-3)', async (test, { fs, a, b, page }) => {
  const worker = await FaultWorker.start(test, map(test, a, unresolved).handle, map(test, a, readOnly).handle, map(test, b, readOnly).handle);
  const look = async (pos: number) => [await worker.load(pos), await worker.load(pos, 1), await worker.load(pos, 2)];
  for (const n of [0, 1, 2, 3]) test.strictSame(await look(n * page), [A, A, A]);
  a.zeroRangeSync(0, 10);
  daxUnshare(a.inode, page, 4096, fs.operations.getBlock, fs.operations);
  a.punchHoleSync(2 * page + 1, 5);
  a.truncateSync(3 * page + 7);
  // The other file has the blocks for itself now.
  b.writeSync(Buffer.alloc(PAGES * page, B), 0);
  test.strictSame([await look(0), await look(10)], [[0, 0, B], [A, A, B]]);
  test.strictSame(await look(page), [A, A, B]);
  test.strictSame([await look(2 * page), await look(2 * page + 1)], [[A, A, B], [0, 0, B]]);
  test.strictSame([await look(3 * page + 6), await look(3 * page + 7)], [[A, A, B], [0, 0, B]]);
  test.equal(contents(a, page, 1)[0], A);
});

onEveryWay('a page of its own that cannot be made durable for MAP_SYNC is seen by nobody', async (test, { way, page }, ground) => {
  const fs = new CowFs(withMapSync(ground.device, true), { way, cluster: ground.blocksPerPage, blocks: ground.pages * ground.blocksPerPage });
  let isFailing = false;
  const operations = {
    ...fs.operations,
    fsync: () => {
      if (isFailing) throw new DaxError({ errno: 'EIO', syscall: 'fsync' });
    },
  };
  const a = fs.file(Buffer.alloc(PAGES * page, A));
  const b = fs.clone(a);
  const mapping = daxMmap(a.inode, { ...unresolved, flags: MAP_SHARED | MAP_SYNC }, operations.getBlock, operations);
  test.teardown(() => {
    mapping.unmap();
  });
  const reading = daxMmap(a.inode, readOnly, operations.getBlock, operations);
  test.teardown(() => {
    reading.unmap();
  });
  const worker = await FaultWorker.start(test, mapping.handle, reading.handle);
  test.strictSame([await worker.load(100), await worker.load(100, 1)], [A, A]);
  isFailing = true;
  await worker.store(5, 1);
  test.match(await worker.lost(1), [{ code: 'EIO', position: 0 }]);
  isFailing = false;
  a.writeSync(Buffer.alloc(10, 7), 100);
  b.writeSync(Buffer.alloc(10, 8), 100);
  test.strictSame([contents(a, 100, 1)[0], await worker.load(100, 1)], [7, 7], 'what read(2) gives');
});

onEveryWay('the owner: what it may store to is its own file\'s when it is mapped', (test, { fs, a, b, page }) => {
  const reading = map(test, a, { prot: PROT_READ });
  test.equal(new Uint8Array(reading.buffer)[5], A);
  test.throws(() => a.mmap({ allocate: false }), { code: 'EOPNOTSUPP', reason: 'HOLE_NOT_ALLOCATED', position: 0 });
  test.strictSame(fs.created, []);
  const mapping = map(test, a, { length: page });
  test.equal(fs.isShared(b, 0), false);
  const bytes = new Uint8Array(mapping.buffer);
  bytes[100] = B;
  test.strictSame([bytes[99], bytes[100], new Uint8Array(reading.buffer)[100]], [A, B, B]);
  test.strictSame([contents(a, 100, 1)[0], contents(b, 100, 1)[0]], [B, A]);
  test.ok(fs.isShared(b, PAGES * (page / 4096) - 1), 'no more than is mapped');

  const c = fs.clone(a);
  test.equal(bytes.byteLength, 0, 'whoever could store to what is shared now has to take it again');
  const again = new Uint8Array(mapping.buffer);
  again[101] = B;
  test.strictSame([again[100], contents(a, 101, 1)[0], contents(c, 101, 1)[0]], [B, B, A]);
  c.truncateSync(0);
});

onEveryWay('a private mapping gives nothing and changes nothing', async (test, { fs, a, b }, ground) => {
  if (!ground.hasPrivate) {
    test.pass('the device has no private mappings');
    return;
  }
  const aside = map(test, a, { flags: MAP_PRIVATE });
  const worker = await FaultWorker.start(test, aside.handle);
  const bytes = new Uint8Array(aside.buffer);
  bytes[100] = B;
  await worker.store(101, B);
  test.strictSame([bytes[100], bytes[101], await worker.load(100), await worker.load(101)], [B, A, A, B]);
  test.strictSame(fs.created, []);
  test.strictSame([contents(a, 100, 2), contents(b, 100, 2)], [Buffer.alloc(2, A), Buffer.alloc(2, A)]);
  a.writeSync(Buffer.alloc(10, 7), 100);
  test.strictSame([bytes[100], await worker.load(101)], [B, B], 'copies stay');
});

onEveryWay('many threads store to one page at once', async (test, { fs, a, b, page }) => {
  const { handle } = map(test, a, unresolved);
  const workers = await Promise.all(Array.from({ length: 4 }, () => FaultWorker.start(test, handle)));
  await Promise.all(workers.slice(2).map((worker) => worker.load(0)));
  for (let n = 0; n < PAGES; n++) {
    await Promise.all(workers.map((worker, which) => worker.store(n * page + which, which + 1)));
    test.strictSame([...contents(a, n * page, 5)], [1, 2, 3, 4, A]);
  }
  test.equal(fs.created.length, PAGES, 'one block each');
  test.ok(contents(b).equals(Buffer.alloc(PAGES * page, A)));
});

onEveryWay('a frozen filesystem shows what is shared, and gives pages when it thaws', async (test, { fs, a, b }) => {
  const worker = await FaultWorker.start(test, map(test, a, unresolved).handle);
  await freezeSuper(fs.sb);
  test.equal(await worker.load(100), A);
  let isStored = false;
  const stored = worker.store(100, B).then(() => {
    isStored = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  test.strictSame([isStored, fs.created.length], [false, 0]);
  thawSuper(fs.sb);
  await stored;
  test.strictSame([await worker.load(100), contents(a, 100, 1)[0], contents(b, 100, 1)[0]], [B, B, A]);
});

onEveryWay('no room for a page of its own', async (test, { way, a, page }, ground) => {
  // Only what both have, and the rest is taken.
  const full = new CowFs(ground.device, { way, cluster: ground.blocksPerPage, blocks: PAGES * ground.blocksPerPage });
  const first = full.file(Buffer.alloc(PAGES * page, A));
  const second = full.clone(first);
  const worker = await FaultWorker.start(test, map(test, first, unresolved).handle);
  test.equal(await worker.load(100), A);
  await worker.store(100, B);
  test.match(await worker.lost(1), [{ code: 'ENOSPC', position: 0 }]);
  test.ok(contents(first).equals(Buffer.alloc(PAGES * page, A)) && contents(second).equals(contents(first)), 'neither has it');
  test.throws(() => first.mmap(), { code: 'ENOSPC' });
  full.check([first, second]);
  test.equal(a.size, PAGES * page);
});

onEveryWay('the handlers by themselves', (test, { way, fs, a, b, page }) => {
  const log: unknown[] = [];
  const { inode } = a;
  let failure: string | undefined;
  const vma: VmArea = {
    inode,
    pgoff: 0,
    pages: PAGES,
    pageSize: page,
    shared: true,
    operations: fs.operations,
    insert: (pgoff, count, _bdev, pos, isReadOnly) => {
      if (failure !== undefined) throw new DaxError({ errno: failure, syscall: 'insert' });
      log.push([pgoff, count, pos, isReadOnly]);
    },
    insertZeros: () => {
      throw new Error('there is no hole');
    },
  };
  const { getBlock } = fs.operations;
  const before = fs.placeOf(a, 0);
  test.equal(daxFault({ vma, pgoff: 0, write: false }, getBlock), VM_FAULT_NOPAGE);
  test.strictSame(log.splice(0), [[0, PAGES, before, true]]);
  const cowPage = new Uint8Array(page);
  daxFault({ vma: { ...vma, shared: false }, pgoff: 0, write: true, cowPage }, getBlock);
  test.strictSame([cowPage[0], fs.created.length], [A, 0]);
  if (way === 'unwritten') {
    failure = 'EIO';
    const vmf: VmFault = { vma, pgoff: 0, write: true };
    test.equal(daxMkwrite(vmf, getBlock), VM_FAULT_MAJOR + VM_FAULT_SIGBUS);
    test.equal(fs.placeOf(a, 0), before, 'the file keeps what it had (FT-11)');
    failure = undefined;
  }
  test.equal(daxMkwrite({ vma, pgoff: 0, write: true }, getBlock), VM_FAULT_MAJOR + VM_FAULT_NOPAGE);
  test.strictSame(log.splice(0), [[0, 1, fs.placeOf(a, 0), false]]);
  test.not(fs.placeOf(a, 0), before);
  test.ok(contents(a).equals(Buffer.alloc(PAGES * page, A)), 'a copy');
  test.ok(contents(b).equals(contents(a)));
  test.equal(daxFault({ vma, pgoff: 0, write: true }, getBlock), VM_FAULT_NOPAGE, 'the second time it is there');
});
