// The handling of one fault, driven by hand: daxFault, daxMkwrite and daxPfnMkwrite with a vmf (FT-1 to FT-12, MK-1 to MK-7).

import '../helpers/assert-locks.js';
import t from 'tap';
import {
  asOperation,
  BH_DELAY,
  BH_UNWRITTEN,
  daxFault,
  daxMkwrite,
  daxPfnMkwrite,
  freezeSuper,
  thawSuper,
  VM_FAULT_FALLBACK,
  VM_FAULT_LOCKED,
  VM_FAULT_MAJOR,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
} from 'node-dax';
import { ON_HOST } from '../helpers/guest.js';
import { NotedArea, onEverySizeOfPage, type Ground } from '../helpers/mapped-file.js';
import { GARBAGE, MemoryDevice } from '../helpers/memory-device.js';
import { isFree, Tfs, type TfsInode, type TfsOptions } from '../helpers/tfs.js';

interface Case {
  fs: Tfs;
  inode: TfsInode;
  vma: NotedArea;
  load(pgoff?: number): VmFault;
  store(pgoff?: number): VmFault;
  fault(vmf: VmFault): number;
}

/** A file of `pages` pages, all holes, and a mapping of all of it. */
function makeCase(ground: Ground, pages: number, options: TfsOptions & { shared?: boolean } = {}): Case {
  const { shared, ...fsOptions } = options;
  const fs = ground.fs(fsOptions);
  const inode = fs.inode(pages * ground.page);
  const vma = new NotedArea(ground, fs, inode, pages, shared);
  return {
    fs,
    inode,
    vma,
    load: (pgoff = 0) => ({ vma, pgoff, write: false }),
    store: (pgoff = 0) => ({ vma, pgoff, write: true }),
    fault: (vmf) => daxFault(vmf, fs.operations.getBlock),
  };
}

function isZero({ device, page }: Ground, pos: number): boolean {
  return Buffer.compare(device.view(pos, page), Buffer.alloc(page)) === 0;
}

function createCalls({ fs }: Case): boolean[] {
  return fs.calls.map(([, , create]) => create);
}

t.test('the values of the codes', ON_HOST, (test) => {
  const codes = [VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_FAULT_MAJOR, VM_FAULT_NOPAGE, VM_FAULT_LOCKED, VM_FAULT_RETRY, VM_FAULT_FALLBACK];
  test.strictSame(codes, [0x1, 0x2, 0x4, 0x100, 0x200, 0x400, 0x800]);
  test.end();
});

onEverySizeOfPage('the handler installs a written page for loads and stores, and allocates nothing (FT-10)', (test, ground) => {
  const one = makeCase(ground, 3);
  const { fs, inode, vma } = one;
  fs.allocate(inode, 0, 3 * ground.blocksPerPage);
  const { pos } = fs.placeOf(inode, ground.blocksPerPage) ?? { pos: -1 };
  ground.device.zeroSync(pos, 16);
  test.equal(one.fault(one.load(1)), VM_FAULT_NOPAGE);
  test.equal(one.fault(one.store(1)), VM_FAULT_NOPAGE);
  test.strictSame(vma.log, [['insert', 1, 2, pos], ['insert', 1, 2, pos]], 'with what follows on it in the mapping');
  test.notOk(createCalls(one).includes(true));
  test.equal(ground.device.view(pos, 17)[16], GARBAGE, 'written data is not cleared');
  test.ok(isFree(inode));
});

onEverySizeOfPage('the handler gives a load of a hole zeros, and allocates nothing (FT-6)', (test, ground) => {
  const one = makeCase(ground, 4);
  const free = one.fs.freeBlocks;
  const code = one.fault(one.load(2));
  test.equal(code, VM_FAULT_LOCKED);
  test.strictSame(one.vma.log[0]?.slice(0, 2), ['zeros', 2]);
  test.strictSame([...new Set(createCalls(one))], [false]);
  test.equal(one.fs.freeBlocks, free);
});

onEverySizeOfPage('the handler looks a hole up, then allocates it for a store (FT-7)', (test, ground) => {
  const one = makeCase(ground, 4);
  const { fs, inode, vma } = one;
  let isClean = false;
  vma.onInsert = (_bdev, pos) => {
    isClean = isZero(ground, pos);
  };
  test.equal(one.fault(one.store(2)), VM_FAULT_MAJOR + VM_FAULT_NOPAGE);
  test.strictSame(createCalls(one), [false, true]);
  test.strictSame(vma.log, [['insert', 2, 1, fs.placeOf(inode, 2 * ground.blocksPerPage)?.pos]], 'this page and no other');
  test.equal(inode.blocks.size, ground.blocksPerPage);
  test.ok(isClean, 'cleared before anybody can see it (FT-10.3)');
  test.equal(one.fault(one.store(2)), VM_FAULT_NOPAGE, 'once');
});

onEverySizeOfPage('the handler refuses what lies past the end until the file has grown (FT-2)', (test, ground) => {
  const { page } = ground;
  const one = makeCase(ground, 4);
  one.inode.size = page + 1;
  test.equal(one.fault(one.load(1)), VM_FAULT_LOCKED, 'the page of the end is there as a whole');
  for (const vmf of [one.load(2), one.store(2)]) {
    test.equal(one.fault(vmf), VM_FAULT_SIGBUS);
    test.match(vmf.error, { code: 'ENXIO', reason: 'BEYOND_END', position: 2 * page });
  }
  test.equal(daxPfnMkwrite(one.store(2)), VM_FAULT_SIGBUS, 'a first store past the end (MK-4)');
  test.strictSame(createCalls(one).includes(true), false);
  one.inode.size = 3 * page;
  test.equal(one.fault(one.load(2)), VM_FAULT_LOCKED);
});

onEverySizeOfPage('the handler turns errors into the codes of a fault (FT-12)', (test, ground) => {
  const errors: [code: string, result: number][] = [
    ['ENOSPC', VM_FAULT_SIGBUS],
    ['EDQUOT', VM_FAULT_SIGBUS],
    ['EIO', VM_FAULT_SIGBUS],
    ['ENOMEM', VM_FAULT_OOM],
  ];
  for (const [code, result] of errors) {
    const one = makeCase(ground, 1);
    one.fs.failOn(0, code);
    const vmf = one.store();
    test.equal(one.fault(vmf), result, `${code} of the lookup`);
    test.match(vmf.error, { code });

    one.fs.failOn(0, undefined);
    one.fs.onGetBlock = (_inode, _iblock, _bh, create) => (create ? { ENOSPC: -28, EDQUOT: -122, EIO: -5, ENOMEM: -12 }[code] : undefined);
    test.equal(one.fault(one.store()), VM_FAULT_MAJOR + result, `${code} of the allocation: it counts as major all the same`);

    const inserting = makeCase(ground, 1);
    inserting.vma.failure = code;
    test.equal(inserting.fault(inserting.store()), VM_FAULT_MAJOR + result, `${code} of the insertion`);
    test.equal(inserting.fault(inserting.load()), result);
    test.ok(isFree(one.inode) && isFree(inserting.inode));
  }
  const busy = makeCase(ground, 1);
  busy.vma.failure = 'EBUSY';
  test.equal(busy.fault(busy.store()), VM_FAULT_MAJOR + VM_FAULT_NOPAGE, 'somebody else was first, and that is fine');
  test.equal(busy.fault(busy.load()), VM_FAULT_NOPAGE);
});

onEverySizeOfPage('the handler refuses an answer about less than a page, or against the contract (FT-4)', (test, ground) => {
  const { device } = ground;
  const answers: [name: string, answer: Tfs['onGetBlock'], hint: RegExp][] = [
    ['less than a page', (_inode, _iblock, bh) => { bh.map(device, 0, 512); return 0; }, /512 bytes/],
    ['nothing', (_inode, _iblock, bh) => { bh.map(device, 0, 0); return 0; }, /0 bytes/],
    ['more than was asked for', (_inode, _iblock, bh) => { bh.map(device, 0, bh.size + 4096); return 0; }, /asked for/],
    ['a count', () => 1, /must return nothing/],
    ['a delayed allocation', (_inode, _iblock, bh) => { bh.map(device, 0, bh.size, BH_DELAY); return 0; }, /delayed/],
    ['a hole, when it was to create', (_inode, _iblock, bh, create) => { bh.mapHole(bh.size); return create ? 0 : undefined; }, /hole/],
    ['no block', (_inode, _iblock, bh) => { bh.map(device, -1, bh.size); return 0; }, /no block/],
  ];
  for (const [name, answer, hint] of answers) {
    const one = makeCase(ground, 1);
    one.fs.onGetBlock = answer;
    const vmf = one.store();
    const code = one.fault(vmf);
    test.equal(code - (code >= VM_FAULT_MAJOR ? VM_FAULT_MAJOR : 0), VM_FAULT_SIGBUS, name);
    test.match(vmf.error, { code: 'EIO', message: hint }, name);
    test.strictSame(one.vma.log, [], name);
    test.ok(isFree(one.inode), name);
  }
});

onEverySizeOfPage('a callback that breaks is no SIGBUS, but comes out, with every lock free', (test, ground) => {
  const one = makeCase(ground, 1);
  one.fs.onGetBlock = () => {
    throw new TypeError('a bug');
  };
  test.throws(() => one.fault(one.store()), { name: 'TypeError', message: 'a bug' });
  test.ok(isFree(one.inode));
  one.fs.onGetBlock = undefined;
  test.equal(one.fault(one.store()), VM_FAULT_MAJOR + VM_FAULT_NOPAGE);
});

onEverySizeOfPage('the handler gives a private store a copy and allocates nothing (FT-5)', (test, ground) => {
  const one = makeCase(ground, 2, { shared: false });
  one.fs.allocate(one.inode, 0, ground.blocksPerPage);
  const free = one.fs.freeBlocks;
  const cowPage = new Uint8Array(ground.page).fill(7);
  const { pos } = one.fs.placeOf(one.inode, 0) ?? { pos: -1 };
  ground.device.writeSync(Buffer.from('content'), pos + 100);
  test.equal(one.fault({ ...one.store(0), cowPage }), VM_FAULT_LOCKED);
  test.ok(Buffer.from(cowPage).equals(Buffer.from(ground.device.view(pos, ground.page))), 'of what is there');
  test.equal(one.fault({ ...one.store(1), cowPage }), VM_FAULT_LOCKED);
  test.ok(cowPage.every((byte) => byte === 0), 'or of a hole');
  test.notOk(createCalls(one).includes(true));
  test.equal(one.fs.freeBlocks, free);
  test.strictSame(one.vma.log, [], 'the page is for the caller to install');
  test.strictSame([one.inode.mtimeMs, one.inode.ctimeMs], [0, 0]);
  one.inode.size = ground.page;
  test.equal(one.fault({ ...one.store(1), cowPage }), VM_FAULT_SIGBUS);
});

onEverySizeOfPage('the handler refuses a private copy of a page that the file loses meanwhile (FT-5)', (test, ground) => {
  const one = makeCase(ground, 2, { shared: false });
  one.fs.onGetBlock = () => {
    one.inode.size = ground.page;
    return undefined;
  };
  test.equal(one.fault({ ...one.store(1), cowPage: new Uint8Array(ground.page) }), VM_FAULT_SIGBUS);
});

onEverySizeOfPage('the handler clears an unwritten page, then installs it, then converts it (FT-8, FT-11)', (test, ground) => {
  const one = makeCase(ground, 2, { unwritten: true });
  const { fs, inode, vma } = one;
  fs.allocate(inode, 0, 2 * ground.blocksPerPage, true);
  const states: unknown[] = [];
  vma.onInsert = (bdev, pos) => {
    states.push(['insert', fs.completions.length, bdev === ground.device && isZero(ground, pos)]);
  };
  test.equal(one.fault(one.store(0)), VM_FAULT_MAJOR + VM_FAULT_NOPAGE);
  test.strictSame(states, [['insert', 0, true]]);
  test.strictSame(fs.completions, [{ iblock: 0, count: ground.blocksPerPage, ok: true }]);
  test.equal(fs.placeOf(inode, 0)?.unwritten, false);
  test.equal(fs.placeOf(inode, ground.blocksPerPage)?.unwritten, true);
  test.equal(one.fault(one.load(0)), VM_FAULT_NOPAGE, 'it is data now');
});

onEverySizeOfPage('the handler leaves a page unwritten that could not be installed (FT-11)', (test, ground) => {
  for (const [failure, ok] of [['EIO', false], ['ENOMEM', false], ['EBUSY', true]] as const) {
    const one = makeCase(ground, 1, { unwritten: true });
    one.fs.allocate(one.inode, 0, ground.blocksPerPage, true);
    one.vma.failure = failure;
    one.fault(one.store());
    test.strictSame(one.fs.completions, [{ iblock: 0, count: ground.blocksPerPage, ok }], failure);
    test.equal(one.fs.placeOf(one.inode, 0)?.unwritten, !ok, failure);
    one.vma.failure = undefined;
    test.equal(one.fault(one.load()), ok ? VM_FAULT_NOPAGE : VM_FAULT_LOCKED, `${failure}: and is seen so`);
  }
});

onEverySizeOfPage('the handler gives a load of an unwritten page zeros and converts nothing (FT-8)', (test, ground) => {
  const one = makeCase(ground, 1, { unwritten: true });
  one.fs.allocate(one.inode, 0, ground.blocksPerPage, true);
  test.equal(one.fault(one.load()), VM_FAULT_LOCKED);
  test.strictSame(one.vma.log, [['zeros', 0, 1]]);
  test.strictSame(one.fs.completions, []);
  test.notOk(createCalls(one).includes(true));
  test.equal(one.fs.placeOf(one.inode, 0)?.unwritten, true);
});

onEverySizeOfPage('the handler refuses a page that the file loses while its block is allocated (FT-10)', (test, ground) => {
  const one = makeCase(ground, 1);
  const free = one.fs.freeBlocks;
  one.fs.onGetBlock = (inode, _iblock, _bh, create) => {
    if (create) inode.size = 0;
    return undefined;
  };
  const vmf = one.store();
  test.equal(one.fault(vmf), VM_FAULT_MAJOR + VM_FAULT_SIGBUS);
  test.match(vmf.error, { code: 'ENXIO', reason: 'BEYOND_END' });
  test.strictSame(one.vma.log, [], 'nothing is mapped');
  one.fs.unlink(one.inode);
  test.equal(one.fs.freeBlocks, free);
});

onEverySizeOfPage('the handler changes the times at the first store, not at a load (FT-1, MK-2, MK-3)', (test, ground) => {
  const one = makeCase(ground, 2);
  const { inode } = one;
  const untouched = () => inode.mtimeMs === 0 && inode.ctimeMs === 0;
  one.fs.allocate(inode, 0, ground.blocksPerPage);
  one.fault(one.load(0));
  one.fault(one.load(1));
  test.ok(untouched(), 'a load');
  one.fs.calls = [];
  test.equal(daxPfnMkwrite(one.store(0)), VM_FAULT_NOPAGE);
  test.strictSame(one.fs.calls, [], 'getBlock is not asked: the block is there');
  test.notOk(untouched(), 'the first store to a page of the device');
  inode.mtimeMs = inode.ctimeMs = 0;
  test.equal(daxMkwrite(one.load(1), one.fs.operations.getBlock), VM_FAULT_MAJOR + VM_FAULT_NOPAGE, 'it is a store (MK-1)');
  test.notOk(untouched(), 'the first store to zeros');
  inode.mtimeMs = inode.ctimeMs = 0;
  one.fs.failOn(1, 'EIO');
  one.inode.extents.invalidate();
  one.inode.size = 0;
  one.fault(one.store(1));
  test.notOk(untouched(), 'also a store that is then refused');
});

onEverySizeOfPage('the handler makes stores wait for a thaw, but not loads and private stores (MK-6)', async (test, ground) => {
  const one = makeCase(ground, 1);
  const aside = new NotedArea(ground, one.fs, one.inode, 1, false);
  const cowPage = new Uint8Array(ground.page);
  await freezeSuper(one.fs.sb);
  test.equal(one.fault(one.store()), VM_FAULT_RETRY);
  test.equal(daxMkwrite(one.load(), one.fs.operations.getBlock), VM_FAULT_RETRY);
  test.equal(daxPfnMkwrite(one.store()), VM_FAULT_RETRY);
  test.strictSame(one.fs.calls, []);
  test.strictSame([one.inode.mtimeMs, one.inode.ctimeMs], [0, 0]);
  test.equal(one.fault(one.load()), VM_FAULT_LOCKED);
  test.equal(one.fault({ vma: aside, pgoff: 0, write: true, cowPage }), VM_FAULT_LOCKED);
  await test.rejects(freezeSuper(one.fs.sb), { code: 'EBUSY' });
  thawSuper(one.fs.sb);
  test.throws(() => { thawSuper(one.fs.sb); }, { code: 'EINVAL' });
  test.equal(one.fault(one.store()), VM_FAULT_MAJOR + VM_FAULT_NOPAGE);
});

onEverySizeOfPage('who cannot have a lock tries again later', (test, ground) => {
  const one = makeCase(ground, 2);
  const { inode } = one;
  // As others, which hold them over their awaits.
  asOperation(() => inode.inval.tryExclusive());
  test.equal(one.fault(one.load()), VM_FAULT_RETRY, 'blocks are going');
  test.equal(daxPfnMkwrite(one.store()), VM_FAULT_RETRY);
  inode.inval.releaseExclusive();
  const locked = asOperation(() => inode.pages.tryLock(ground.page, 2 * ground.page));
  test.equal(one.fault(one.store(1)), VM_FAULT_RETRY, 'the page is being filled');
  test.equal(one.fault(one.store(0)), VM_FAULT_MAJOR + VM_FAULT_NOPAGE, 'another page is another matter');
  if (locked !== undefined) inode.pages.unlock(locked);
  test.equal(one.fault(one.store(1)), VM_FAULT_MAJOR + VM_FAULT_NOPAGE);
  test.ok(isFree(inode));
});

onEverySizeOfPage('the handler refuses pages larger than what lies together, and says what helps (DD-5)', (test, ground) => {
  if (ground.page === 4096) {
    test.pass('the device maps every block');
    return;
  }
  const one = makeCase(ground, 1, { cluster: 1 });
  const half = ground.blocksPerPage / 2;
  one.fs.allocate(one.inode, 0, half);
  one.fs.seek(half + 1);
  one.fs.allocate(one.inode, half, half);
  const vmf = one.load();
  test.equal(one.fault(vmf), VM_FAULT_SIGBUS);
  test.match(vmf.error, { code: 'EIO', reason: 'UNALIGNED_EXTENT', message: /ndctl create-namespace -f -e namespace\d+\.\d+ -m devdax -a 4096`, which erases/ });
});

onEverySizeOfPage('holes that are told block by block', (test, ground) => {
  const one = makeCase(ground, 2, { holeLen: false });
  test.equal(one.fault(one.load(1)), VM_FAULT_LOCKED);
});

t.test('a page that the device does not have refuses the fault (FT-10)', ON_HOST, (test) => {
  const device = new MemoryDevice();
  const fs = new Tfs({ devices: [device] });
  const inode = fs.inode(8192);
  fs.allocate(inode, 0, 2);
  const vma = new NotedArea({ page: 4096 }, fs, inode, 2);
  for (const [code, result] of [['ENXIO', VM_FAULT_SIGBUS], ['EIO', VM_FAULT_SIGBUS], ['ENOMEM', VM_FAULT_OOM]] as const) {
    device.failDirectAccessAt = { pos: fs.placeOf(inode, 1)?.pos ?? -1, code };
    const vmf: VmFault = { vma, pgoff: 1, write: true };
    test.equal(daxFault(vmf, fs.operations.getBlock), result, code);
    test.match(vmf.error, { code });
  }
  test.strictSame(vma.log, []);
  device.heal();
  test.equal(daxFault({ vma, pgoff: 1, write: true }, fs.operations.getBlock), VM_FAULT_NOPAGE);
  test.end();
});

t.test('a page that a filesystem answers as unwritten to one and as written to the next is cleared once (GB-11)', ON_HOST, (test) => {
  const fs = new Tfs({ unwritten: true });
  const inode = fs.inode(4096);
  fs.allocate(inode, 0, 1, true);
  const { device } = fs;
  const vma = new NotedArea({ page: 4096 }, fs, inode, 1);
  const vmf: VmFault = { vma, pgoff: 0, write: true };
  daxFault(vmf, fs.operations.getBlock);
  fs.media(inode, 0)[9] = 9;
  inode.extents.invalidate();
  daxFault(vmf, fs.operations.getBlock);
  test.equal(fs.media(inode, 0)[9], 9);
  test.equal(device.stores.filter(({ kind }) => kind === 'zero').length, 1);

  const stubborn = new Tfs();
  const bare = stubborn.inode(4096);
  stubborn.onGetBlock = (_inode, _iblock, bh, create) => {
    bh.map(stubborn.device, 3, 4096, create ? BH_UNWRITTEN : 0);
    if (!create) bh.mapHole(4096);
    return 0;
  };
  const area = new NotedArea({ page: 4096 }, stubborn, bare, 1);
  test.equal(daxFault({ vma: area, pgoff: 0, write: true }, stubborn.operations.getBlock), VM_FAULT_MAJOR + VM_FAULT_NOPAGE);
  test.equal(stubborn.device.memory[3 * 4096], 0);
  test.end();
});
