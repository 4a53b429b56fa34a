// Real faults: threads that touch a file through mappings of their own, and what the filesystem is asked.

import '../helpers/assert-locks.js';
import { setTimeout as delay } from 'node:timers/promises';
import { daxMmap, DaxError, freezeSuper, MAP_PRIVATE, MAP_SHARED, MAP_SYNC, PROT_READ, thawSuper } from 'node-dax';
import { FaultWorker } from '../helpers/fault-worker.js';
import { withMapSync } from '../helpers/map-sync.js';
import { onEveryGround, onEveryKindOfGround, type MappedFile } from '../helpers/mapped-file.js';

function created({ fs }: MappedFile): number {
  return fs.calls.filter(([, , create]) => create).length;
}

onEveryGround('mappings, read(2), write(2) and the medium have the same bytes of a written page', async (test, ground) => {
  const mapped = ground.holes(3);
  const { page } = ground;
  ground.write(mapped, 1, 5);
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  test.equal(await worker.load(page + 10), 5, 'a load');
  await worker.store(page + 10, 6);
  test.equal(ground.media(mapped, 1)[10], 6, 'a store is on the medium');
  test.equal(ground.read(mapped, 1, 10), 6, 'and read(2) sees it');
  mapped.file.writeSync(Buffer.of(7), page + 11);
  test.equal(await worker.load(page + 11), 7, 'write(2) is seen through the mapping');
  const view = new Uint8Array(mapped.mapping.buffer);
  test.strictSame([view[page + 10], view[page + 11]], [6, 7], 'the owner sees the same');
  view[page + 12] = 8;
  test.equal(await worker.load(page + 12), 8);
  const info = await worker.call('info', 0);
  test.match(info, { minor: 1, major: 0, hole: 0, mkwrite: 0, refused: 0 }, 'one fault');
  test.strictSame(worker.losses, []);
});

onEveryKindOfGround('a load of a hole gives zeros and allocates nothing (FT-6)', async (test, ground) => {
  const mapped = ground.holes(4);
  const free = mapped.fs.freeBlocks;
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  test.equal(await worker.load(2 * ground.page + 5), 0);
  test.ok(mapped.fs.calls.length > 0, 'the filesystem was asked');
  test.equal(created(mapped), 0, 'for what is there');
  test.equal(mapped.fs.freeBlocks, free);
  test.equal(mapped.inode.mtimeMs, 0);
  test.match(await worker.call('info', 0), { major: 0, asked: 1, hole: 1, mkwrite: 0 });
});

onEveryKindOfGround('a store to a hole looks the page up, then allocates it (FT-7)', async (test, ground) => {
  const mapped = ground.holes(4);
  const { page } = ground;
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  test.equal(await worker.call('storeAndLoad', 0, 2 * page + 5, 9), 9);
  const asked = mapped.fs.calls.map(([iblock, , create]) => [iblock, create]);
  test.strictSame(asked, [[2 * ground.blocksPerPage, false], [2 * ground.blocksPerPage, true]]);
  test.equal(mapped.inode.blocks.size, ground.blocksPerPage, 'one page is allocated');
  const expected = Buffer.alloc(page);
  expected[5] = 9;
  test.ok(expected.equals(Buffer.from(await worker.call('bytes', 0, 2 * page, page))), 'the rest is zeros');
  test.ok(expected.equals(Buffer.from(ground.media(mapped, 2))), 'on the medium too');
  test.match(await worker.call('info', 0), { major: 1, asked: 1, hole: 0 });
  test.ok(mapped.inode.mtimeMs > 0, 'and the times change (FT-1)');
  mapped.inode.mtimeMs = 0;
  await worker.store(2 * page + 6, 1);
  test.equal(mapped.inode.mtimeMs, 0, 'once');
  test.match(await worker.call('info', 0), { major: 1, asked: 1 });
});

onEveryKindOfGround('zeros that were seen give way to the page, in every mapping (FT-9)', async (test, ground) => {
  const mapped = ground.holes(3);
  const { page } = ground;
  const second = ground.map(mapped, { prot: PROT_READ });
  const [one, two] = await Promise.all([
    FaultWorker.start(test, mapped.mapping.handle, second.handle),
    FaultWorker.start(test, mapped.mapping.handle),
  ]);
  for (const worker of [one, two]) test.equal(await worker.load(page), 0);
  test.equal(await one.load(page, 1), 0);
  test.equal(new Uint8Array(second.buffer)[page], 0, 'the owner looks too');
  await two.store(page + 7, 3);
  test.equal(await one.load(page + 7), 3, 'in another thread');
  test.equal(await one.load(page + 7, 1), 3, 'through another mapping');
  test.equal(new Uint8Array(second.buffer)[page + 7], 3, 'on the owner');
  test.equal(created(mapped), 1);
  test.match(await two.call('info', 0), { major: 1, mkwrite: 1 }, 'the first store to zeros is a mkwrite (MK-1)');
});

onEveryKindOfGround('touches past the end of the file are refused until it grows (FT-2)', async (test, ground) => {
  const mapped = ground.holes(4);
  const { page } = ground;
  mapped.file.truncateSync(page + 1);
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  test.equal(await worker.load(2 * page - 1), 0, 'the page of the end is there as a whole');
  test.equal(await worker.load(2 * page + 3), 0);
  await worker.store(3 * page + 3, 1);
  test.strictSame(await worker.lost(2), [
    { mapping: 0, code: 'ENXIO', reason: 'BEYOND_END', position: 2 * page },
    { mapping: 0, code: 'ENXIO', reason: 'BEYOND_END', position: 3 * page },
  ]);
  await test.rejects(worker.call('persist', 0), { code: 'EIO', reason: 'MEDIA_ERROR' }, 'what was lost cannot be made durable');
  await worker.call('persist', 0, 0, 2 * page);
  await test.rejects(worker.call('prefault', 0), { code: 'EIO', position: 2 * page });

  mapped.file.truncateSync(4 * page);
  test.equal(await worker.load(2 * page + 3), 0);
  test.equal(await worker.call('storeAndLoad', 0, 3 * page + 3, 4), 4);
  test.equal(ground.media(mapped, 3)[3], 4, 'it is the file again (U-4)');
  await worker.call('persist', 0);
  await worker.call('prefault', 0);
  await worker.settled();
  test.equal(worker.losses.length, 2);
});

onEveryKindOfGround('a store whose block cannot be had is refused, and a later one succeeds (FT-12)', async (test, ground) => {
  const mapped = ground.holes(2);
  const { page } = ground;
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  const codes = { ENOSPC: -28, EDQUOT: -122, ENOMEM: -12 };
  for (const [code, errno] of Object.entries(codes)) {
    mapped.fs.onGetBlock = (_inode, _iblock, _bh, create) => (create ? errno : undefined);
    await worker.store(page + 3, 9);
    const losses = await worker.lost(1);
    test.match(losses, [{ code, position: page }]);
    losses.length = 0;
    test.equal(await worker.load(page + 3), 9, 'the store stayed in this process');
    await test.rejects(worker.call('persist', 0), { code: 'EIO' }, 'which is not forgotten');
    mapped.fs.onGetBlock = undefined;
    test.ok(ground.isHole(mapped, 1));
    mapped.file.truncateSync(page);
    mapped.file.truncateSync(2 * page);
    mapped.fs.forget(mapped.file);
  }
  test.equal(await worker.call('storeAndLoad', 0, page + 3, 9), 9);
  test.equal(ground.media(mapped, 1)[3], 9);
});

onEveryKindOfGround('an answer about less than a page refuses the fault (FT-4)', async (test, ground) => {
  const mapped = ground.holes(1);
  mapped.fs.onGetBlock = (_inode, _iblock, bh) => {
    bh.map(ground.device, 0, 512);
    return 0;
  };
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  test.equal(await worker.load(0), 0);
  test.match(await worker.lost(1), [{ code: 'EIO', position: 0 }]);
});

onEveryKindOfGround('blocks that a filesystem places past the device', async (test, ground) => {
  const mapped = ground.holes(3);
  const { fs, inode, file } = mapped;
  const { page } = ground;
  const end = Math.ceil(ground.device.size / page);
  const isBad = (iblock: number) => Math.floor((iblock * 4096) / page) === 0;
  const misplace = () => {
    fs.forget(file);
    fs.onGetBlock = (_inode, iblock, bh) => {
      if (!isBad(iblock)) return undefined;
      bh.map(ground.device, (end * page) / 4096, page);
      return 0;
    };
  };
  const error = { code: 'ERANGE', reason: 'OFFSET_OUT_OF_RANGE' };
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  await worker.store(3, 1);
  await worker.store(page + 3, 1);
  await worker.store(2 * page + 3, 1);
  misplace();
  test.throws(() => { file.fsync(); }, error, 'what was stored before');
  await worker.store(3, 1);
  test.match(await worker.lost(1), [{ ...error, position: 0 }]);
  test.throws(() => ground.map({ fs, inode }), error);
  test.strictSame([ground.media(mapped, 1)[3], ground.media(mapped, 2)[3]], [1, 1]);
  fs.onGetBlock = undefined;
  fs.forget(file);
  file.fsync();
  test.equal(ground.media(mapped, 0)[3], 1, 'which is due until it can be had');
});

onEveryKindOfGround('a getBlock that breaks refuses whoever asked, and is told of', async (test, ground) => {
  const mapped = ground.holes(1);
  mapped.fs.onGetBlock = () => {
    throw new TypeError('a bug');
  };
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  const warnings = test.capture(process, 'emitWarning');
  await worker.store(0, 1);
  test.match(await worker.lost(1), [{ code: 'EIO', position: 0 }]);
  test.match(warnings(), [{ args: [{ name: 'TypeError', message: 'a bug' }] }]);
});

onEveryKindOfGround('private stores stay private and allocate nothing (FT-5)', async (test, ground) => {
  const mapped = ground.holes(4);
  const { page } = ground;
  if (!ground.hasPrivate) {
    test.throws(() => ground.map(mapped, { flags: MAP_PRIVATE }), { code: 'EINVAL', reason: 'DEVDAX_PRIVATE' }, 'a devdax is mapped shared (DD-1)');
    return;
  }
  ground.write(mapped, 0, 1);
  mapped.inode.mtimeMs = mapped.inode.ctimeMs = 0;
  const aside = ground.map(mapped, { flags: MAP_PRIVATE });
  const free = mapped.fs.freeBlocks;
  mapped.fs.calls = [];
  const worker = await FaultWorker.start(test, aside.handle);
  test.equal(await worker.call('storeAndLoad', 0, 5, 9), 9, 'a written page');
  test.equal(await worker.call('storeAndLoad', 0, page + 5, 9), 9, 'a hole');
  test.equal(await worker.load(2 * page + 5), 0);
  test.equal(await worker.call('storeAndLoad', 0, 2 * page + 5, 9), 9, 'a hole that was loaded from before');
  test.equal(await worker.load(4), 1, 'the rest of the page is the file');
  test.equal(ground.media(mapped, 0)[5], 1);
  test.strictSame([ground.read(mapped, 0, 5), ground.read(mapped, 1, 5), ground.read(mapped, 2, 5)], [1, 0, 0]);
  test.ok(ground.isHole(mapped, 1) && ground.isHole(mapped, 2));
  test.equal(created(mapped), 0);
  test.equal(mapped.fs.freeBlocks, free);
  test.strictSame([mapped.inode.mtimeMs, mapped.inode.ctimeMs], [0, 0]);
  const own = new Uint8Array(aside.buffer);
  own[5] = 8;
  own[page + 5] = 8;
  test.strictSame([await worker.load(5), await worker.load(page + 5)], [9, 9], 'each mapping has its own');
  test.strictSame([own[5], own[page + 5], own[4]], [8, 8, 1]);
  test.strictSame([ground.media(mapped, 0)[5], ground.isHole(mapped, 1)], [1, true]);
  mapped.file.writeSync(Buffer.of(2), 3 * page);
  test.equal(await worker.load(3 * page), 2, 'what was not stored to follows the file');
});

onEveryKindOfGround('a store to an unwritten page clears and converts that page alone (FT-8, FT-11)', async (test, ground) => {
  const mapped = ground.holes(2, {}, { unwritten: true });
  mapped.fs.allocate(mapped.inode, 0, 2 * ground.blocksPerPage, true);
  mapped.inode.extents.invalidate();
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  await worker.store(5, 9);
  const expected = Buffer.alloc(ground.page);
  expected[5] = 9;
  test.ok(expected.equals(Buffer.from(ground.media(mapped, 0))));
  test.strictSame(mapped.fs.completions, [{ iblock: 0, count: ground.blocksPerPage, ok: true }]);
  test.equal(ground.read(mapped, 0, 5), 9);
  test.equal(mapped.fs.placeOf(mapped.inode, ground.blocksPerPage)?.unwritten, true, 'the next page stays as it is');
  await worker.store(6, 9);
  test.equal(mapped.fs.completions.length, 1);
});

onEveryKindOfGround('a load of an unwritten page gives zeros and converts nothing (FT-8)', async (test, ground) => {
  const mapped = ground.holes(1, {}, { unwritten: true });
  mapped.fs.allocate(mapped.inode, 0, ground.blocksPerPage, true);
  mapped.inode.extents.invalidate();
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  test.equal(await worker.load(7), 0);
  test.equal(created(mapped), 0);
  test.strictSame(mapped.fs.completions, []);
  test.equal(mapped.fs.placeOf(mapped.inode, 0)?.unwritten, true);
  test.equal(ground.media(mapped, 0)[7], 0xa5, 'what the medium holds is seen by nobody and changed by nobody');
  await worker.store(8, 1);
  test.strictSame([await worker.load(7), ground.media(mapped, 0)[7]], [0, 0], 'until it is stored to');
});

onEveryKindOfGround('a page whose file is truncated while a fault waits for it goes again (FT-10)', async (test, ground) => {
  const mapped = ground.holes(2);
  const { page } = ground;
  const free = mapped.fs.freeBlocks;
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  let cutting: Promise<void> | undefined;
  mapped.fs.onGetBlock = (_inode, _iblock, _bh, create) => {
    // It waits for the fault, which then maps a page that goes at once.
    if (create) cutting ??= mapped.file.truncate(0);
    return undefined;
  };
  await worker.store(page, 1);
  await cutting;
  mapped.fs.onGetBlock = undefined;
  test.equal(mapped.inode.blocks.size, 0);
  test.equal(mapped.fs.freeBlocks, free);
  test.equal(await worker.load(page + 1), 0);
  test.match((await worker.lost(1))[0], { code: 'ENXIO', reason: 'BEYOND_END', position: page });
});

onEveryKindOfGround('a file whose filesystem shortens it inside getBlock refuses the fault (FT-10)', async (test, ground) => {
  const { page } = ground;
  for (const zeroOnAlloc of [false, true]) {
    const mapped = ground.holes(2, {}, { zeroOnAlloc });
    const free = mapped.fs.freeBlocks;
    const worker = await FaultWorker.start(test, mapped.mapping.handle);
    mapped.fs.onGetBlock = (inode, _iblock, _bh, create) => {
      if (create) inode.size = 0;
      return undefined;
    };
    await worker.store(page, 0xee);
    mapped.fs.onGetBlock = undefined;
    test.match(await worker.lost(1), [{ code: 'ENXIO', reason: 'BEYOND_END', position: page }]);
    // A block that needs no zeroing is told of before the end is looked at.
    const other = await FaultWorker.start(test, mapped.mapping.handle);
    await other.store(page, 0xee);
    test.match(await other.lost(1), [{ code: 'ENXIO', reason: 'BEYOND_END', position: page }]);
    test.not(ground.media(mapped, 1)[0], 0xee);
    mapped.fs.unlink(mapped.inode);
    test.equal(mapped.fs.freeBlocks, free);
  }
});

onEveryKindOfGround('the first store to a page changes the times, and a load does not (FT-1, MK-3, MK-5)', async (test, ground) => {
  const mapped = ground.holes(3);
  ground.write(mapped, 0, 1);
  const { inode } = mapped;
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  inode.mtimeMs = inode.ctimeMs = 0;
  await worker.load(0);
  await worker.load(ground.page);
  test.strictSame([inode.mtimeMs, inode.ctimeMs], [0, 0], 'loads change none');
  await worker.store(ground.page, 1);
  test.ok(inode.mtimeMs > 0 && inode.ctimeMs === inode.mtimeMs, 'the first store to what was zeros does');
  const own = new Uint8Array(mapped.mapping.buffer);
  inode.mtimeMs = inode.ctimeMs = 0;
  own[0] = 2;
  mapped.mapping.persist(0, 1);
  test.ok(inode.mtimeMs > 0, 'and making stores durable, as with msync');
});

onEveryKindOfGround('stores to a frozen filesystem wait, loads and private stores do not (MK-6)', async (test, ground) => {
  const mapped = ground.holes(4);
  const { page } = ground;
  ground.write(mapped, 0, 1);
  ground.write(mapped, 1, 1);
  const reader = ground.map(mapped, { prot: PROT_READ });
  const handles = [mapped.mapping.handle, reader.handle];
  if (ground.hasPrivate) handles.push(ground.map(mapped, { flags: MAP_PRIVATE }).handle);
  const storing = await FaultWorker.start(test, mapped.mapping.handle);
  const other = await FaultWorker.start(test, ...handles);
  await storing.store(0, 2);
  const view = new Uint8Array(ground.map(mapped, { length: 2 * page }).buffer);
  await freezeSuper(mapped.fs.sb);
  test.equal(view.byteLength, 0, 'the owner, who must not wait for itself, cannot store');
  let stored = 0;
  const stores = [0, 1, 2].map(async (n) => {
    await (n === 2 ? storing : other).store(n * page + 8, 9);
    stored++;
  });
  // The thread of `other` waits in its first store, so loads are made by a third.
  const loading = await FaultWorker.start(test, ...handles);
  test.equal(await loading.load(0), 2, 'loads go on: written pages');
  test.equal(await loading.load(2 * page), 0, 'holes');
  test.equal(await loading.load(page, 1), 1, 'through other mappings');
  if (ground.hasPrivate) test.equal(await loading.call('storeAndLoad', 2, page, 7), 7, 'private stores too');
  await delay(50);
  test.equal(stored, 0, 'shared stores wait');
  test.strictSame([ground.media(mapped, 0)[8], ground.media(mapped, 1)[8], ground.isHole(mapped, 2)], [1, 1, true]);
  thawSuper(mapped.fs.sb);
  await Promise.all(stores);
  test.strictSame([ground.media(mapped, 0)[8], ground.media(mapped, 1)[8], ground.media(mapped, 2)[8]], [9, 9, 9]);
  test.equal(new Uint8Array(mapped.mapping.buffer)[8], 9, 'the owner has its buffer back');
  test.strictSame([...storing.losses, ...other.losses, ...loading.losses], []);
});

onEveryKindOfGround('loads of a frozen file go on where the places of its blocks are known (MK-6)', async (test, ground) => {
  const fs = ground.fs();
  const inode = fs.inode();
  const file = fs.file(inode);
  ground.write({ file }, 0, 5);
  // Known to I/O, not yet to the mappings that are made now.
  const kinds = [{}, { prot: PROT_READ }, ...(ground.hasPrivate ? [{ flags: MAP_PRIVATE }] : [])];
  const handles = kinds.map((options) => ground.map({ fs, inode }, { ...options, populate: false }).handle);
  await freezeSuper(fs.sb);
  for (const handle of handles) {
    const worker = await FaultWorker.start(test, handle);
    test.equal(await worker.load(0), 5);
  }
  thawSuper(fs.sb);
});

onEveryKindOfGround('a conversion that fails refuses the store, and leaves nothing that a later one is lost in', async (test, ground) => {
  const unwritten = ground.page === 4096;
  const fs = ground.fs({ unwritten });
  const inode = fs.inode();
  const file = fs.file(inode);
  file.truncateSync(ground.page);
  let failures = unwritten ? 1 : 0;
  const operations = { ...fs.operations, completeUnwritten: (...[owner, iblock, bh, ok]: Parameters<NonNullable<typeof fs.operations.completeUnwritten>>) => {
    if (ok && failures-- > 0) throw new DaxError({ errno: 'ENOSPC', syscall: 'convert' });
    return fs.operations.completeUnwritten?.(owner, iblock, bh, ok);
  } };
  const mapping = daxMmap(inode, { populate: false }, fs.operations.getBlock, operations);
  test.teardown(() => { mapping.unmap(); });
  const worker = await FaultWorker.start(test, mapping.handle);
  if (unwritten) test.throws(() => mapping.buffer, { code: 'ENOSPC' });
  await worker.store(1, 8);
  const found = Buffer.alloc(2);
  file.readSync(found, 0);
  test.strictSame([...found], [0, 8]);
});

onEveryKindOfGround('pages that were loaded from a frozen file follow the file after the thaw (MK-6)', async (test, ground) => {
  const mapped = ground.holes(2);
  const { page } = ground;
  ground.write(mapped, 0, 1);
  ground.write(mapped, 1, 1);
  const kinds = { 'read and write': {}, 'read only': { prot: PROT_READ }, ...(ground.hasPrivate && { 'private': { flags: MAP_PRIVATE } }) };
  const handles = Object.values(kinds).map((options) => ground.map(mapped, options).handle);
  const worker = await FaultWorker.start(test, ...handles);
  // Nobody knows any more where the blocks are.
  mapped.inode.extents.invalidate();
  await freezeSuper(mapped.fs.sb);
  for (const n of handles.keys()) test.equal(await worker.load(5, n), 1);
  if (ground.hasPrivate) {
    test.equal(await worker.call('storeAndLoad', 2, page + 5, 9), 9, 'a private store does not wait');
    test.equal(await worker.load(page + 4, 2), 1, 'and has the rest of the page');
    test.ok((await worker.call('info', 2)).asked <= 2, 'nor does it ask again and again');
  }
  thawSuper(mapped.fs.sb);
  ground.write(mapped, 0, 2);
  ground.write(mapped, 1, 2);
  for (const [n, kind] of Object.keys(kinds).entries()) test.equal(await worker.load(5, n), 2, kind);
  if (ground.hasPrivate) test.strictSame([await worker.load(page + 4, 2), await worker.load(page + 5, 2)], [1, 9], 'but what was stored stays');
  test.strictSame(worker.losses, []);
});

onEveryGround('a MAP_SYNC mapping makes metadata durable before a store can land (MS-1, MS-2)', async (test, ground) => {
  const { page } = ground;
  const options = { flags: MAP_SHARED | MAP_SYNC, populate: false };
  if (!ground.device.mapSync) {
    test.throws(() => ground.map(ground.holes(4), options), { code: 'EOPNOTSUPP', reason: 'NO_MAP_SYNC' });
  }
  // Whatever the kernel promises, the order is the same.
  const mapped = ground.holes(4, {}, { devices: [withMapSync(ground.device, true)] });
  const { fs } = mapped;
  test.throws(() => daxMmap(mapped.inode, options, fs.operations.getBlock), { message: /a filesystem with fsync/ });
  const { handle } = ground.map(mapped, options);
  test.strictSame(fs.syncs, [{ pos: 0, end: 4 * page }], 'what there is');
  // Mappings of one file see the same pages: what holds for one holds for all.
  const worker = await FaultWorker.start(test, handle, mapped.mapping.handle);
  const before: unknown[] = [];
  fs.onFsync = () => before.push(ground.media(mapped, before.length + 1)[3]);
  fs.syncs = [];
  await worker.store(page + 3, 9, 0);
  await worker.store(2 * page + 3, 9, 1);
  test.strictSame(fs.syncs, [{ pos: page, end: 2 * page }, { pos: 2 * page, end: 3 * page }], 'exactly the page');
  test.strictSame(before, [0, 0], 'before the store');
  await worker.store(page + 4, 9, 1);
  await worker.store(2 * page + 4, 9, 0);
  test.equal(fs.syncs.length, 2, 'once');
  fs.onFsync = () => { throw new DaxError({ errno: 'EIO', syscall: 'fsync' }); };
  await worker.store(3 * page, 9, 0);
  test.match(await worker.lost(1), [{ code: 'EIO', position: 3 * page }], 'a failure of fsync is SIGBUS');
  test.equal(ground.media(mapped, 3)[0], 0);
  fs.onFsync = undefined;
  const reader = ground.map(mapped, { prot: PROT_READ });
  test.strictSame([await worker.load(5, 0), new Uint8Array(reader.buffer)[5]], [0, 0]);
  ground.write(mapped, 0, 5);
  fs.syncs = [];
  test.strictSame([await worker.load(5, 0), new Uint8Array(reader.buffer)[5]], [5, 5], 'what is written to a hole that was looked at is seen');
  test.equal(fs.syncs[0]?.pos, 0, 'and durable before');
  test.equal(worker.losses.length, 1);

  // A filesystem that moves what it has just given, and has not been shown yet.
  const devices = [withMapSync(ground.device, true)];
  const moving = ground.holes(2, {}, { devices, maxRun: ground.blocksPerPage });
  moving.fs.onGetBlock = (inode, iblock, _bh, create) => {
    if (create && iblock > 0) inode.extents.invalidate(0, ground.blocksPerPage);
    return undefined;
  };
  test.throws(() => ground.map(moving, { flags: MAP_SHARED | MAP_SYNC }), { message: /moved blocks/ });
  moving.fs.onGetBlock = undefined;
  const { buffer } = ground.map(moving, { flags: MAP_SHARED | MAP_SYNC });
  new Uint8Array(buffer)[1] = 4;
  test.equal(ground.media(moving, 0)[1], 4);
});

onEveryKindOfGround('one fault installs all pages that lie together', async (test, ground) => {
  const huge = 2 * 1024 * 1024;
  const { page } = ground;
  const pages = huge / page;
  const fs = ground.fs();
  const inode = fs.inode();
  const file = fs.file(inode);
  const first = Math.max(huge, page) / 4096;
  fs.seek(first);
  fs.allocate(inode, 0, (pages * page) / 4096);
  file.truncateSync(huge);
  file.writeSync(Buffer.alloc(huge, 3), 0);
  const mapped = { fs, file, inode };
  const worker = await FaultWorker.start(test, ground.map(mapped).handle, ground.map(mapped, { length: huge / 2 < page ? huge : huge / 2 }).handle);
  await worker.store(0, 4);
  test.equal(await worker.call('touch', 0, 0, huge, page), 4 + 3 * (pages - 1));
  test.match(await worker.call('info', 0), { minor: 1, asked: 0 }, '2 MiB, aligned on the device');
  const { pageSizes } = await worker.call('info', 0);
  if (page === huge) test.strictSame(pageSizes, { small: 0, huge }, 'by one page');
  else test.equal(pageSizes.small + pageSizes.huge, huge);
  test.comment(`pages of 4 KiB: ${pageSizes.small}, larger: ${pageSizes.huge}`);
  if (page < huge) {
    await worker.call('touch', 1, 0, huge / 2, page);
    test.match(await worker.call('info', 1), { minor: 1, pageSizes: { huge: 0 } }, 'a mapping of 1 MiB');
  }
  file.truncateSync(huge - page);
  test.equal(await worker.call('touch', 0, 0, huge - page, page), pages === 1 ? 0 : 4 + 3 * (pages - 2), 'less than 2 MiB of file');
});

onEveryKindOfGround('truncation takes private copies past the new end (TR-11)', async (test, ground) => {
  if (!ground.hasPrivate) {
    test.pass('the device has no private mappings');
    return;
  }
  const mapped = ground.holes(2);
  const { page } = ground;
  ground.write(mapped, 0, 1);
  ground.write(mapped, 1, 1);
  const worker = await FaultWorker.start(test, ground.map(mapped, { flags: MAP_PRIVATE }).handle);
  await worker.store(0, 7);
  await worker.store(page, 7);
  mapped.file.truncateSync(page);
  test.equal(await worker.load(page), 0, 'the copy is gone');
  test.match(await worker.lost(1), [{ code: 'ENXIO', reason: 'BEYOND_END', position: page }]);
  test.equal(await worker.load(0), 7, 'the one before the end is not');
});
