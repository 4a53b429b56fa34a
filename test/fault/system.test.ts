// System calls on mapped files, mappings that may only be read, and what daxMmap refuses.

import '../helpers/assert-locks.js';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { alignedBuffer, daxMmap, MAP_PRIVATE, MAP_SHARED, partition, PROT_READ, PROT_WRITE, type MmapOptions } from 'node-dax';
import { scratchPath } from '../helpers/devices.js';
import { FaultWorker } from '../helpers/fault-worker.js';
import { ON_HOST } from '../helpers/guest.js';
import { onEveryGround, onEveryKindOfGround } from '../helpers/mapped-file.js';
import { MemoryDevice } from '../helpers/memory-device.js';
import { Tfs } from '../helpers/tfs.js';
import { watch } from '../helpers/watchdog.js';

function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

// Distinct in every byte of a page and from page to page.
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(at * 2654435761 % 2 ** 32, at);
  return bytes;
}

const CALLS = ['writeFrom', 'stream', 'writeDirect'] as const;

onEveryGround('system calls take from pages that nobody touched before (U-5)', async (test, ground) => {
  const { page } = ground;
  const pages = 8;
  const bytes = pattern(pages * page);
  // The last two pages are a hole.
  bytes.fill(0, 6 * page);
  const mapped = ground.holes(pages);
  mapped.file.writeSync(bytes.subarray(0, 6 * page), 0);
  const target = scratchPath(test, ground.wanted.kind === 'fsdax' ? undefined : '/var/tmp');
  for (const name of CALLS) {
    // Mappings that are fresh: pages of the device, zeros, and what the filesystem is asked for.
    mapped.inode.extents.invalidate();
    const worker = await FaultWorker.start(test, mapped.mapping.handle);
    const done = await worker.call(name, 0, 0, pages * page, target).catch((error: unknown) => error);
    if (name === 'writeDirect' && (done as { code?: string } | undefined)?.code === 'EINVAL') {
      test.comment(`${target} takes no O_DIRECT`);
      continue;
    }
    if (done !== undefined) test.equal(done, pages * page, name);
    test.ok(readFileSync(target).equals(bytes), name);
    test.strictSame(worker.losses, []);
  }
  for (const name of ['http', 'socket'] as const) {
    mapped.inode.extents.invalidate();
    const worker = await FaultWorker.start(test, mapped.mapping.handle);
    test.equal(await worker.call(name, 0, 0, pages * page), sha(bytes), name);
    test.strictSame(worker.losses, []);
  }
});

onEveryKindOfGround('system calls store to pages that nobody touched before (U-5)', async (test, ground) => {
  const { page } = ground;
  const pages = 4;
  const bytes = pattern(pages * page);
  const source = scratchPath(test, '/var/tmp');
  writeFileSync(source, bytes);
  for (const name of ['readInto', 'readDirect'] as const) {
    const mapped = ground.holes(pages);
    ground.write(mapped, 1, 1);
    const worker = await FaultWorker.start(test, mapped.mapping.handle);
    // Zeros that were loaded from.
    await worker.load(2 * page);
    const read = await worker.call(name, 0, 0, pages * page, source).catch((error: unknown) => error);
    if (name === 'readDirect' && (read as { code?: string }).code === 'EINVAL') {
      test.comment(`${source} takes no O_DIRECT`);
      continue;
    }
    test.equal(read, pages * page, name);
    const back = Buffer.alloc(pages * page);
    mapped.file.readSync(back, 0);
    test.ok(back.equals(bytes), 'it is in the file');
    test.match(await worker.call('info', 0), { major: 3, refused: 0 }, 'whose holes were allocated');
    test.strictSame(worker.losses, []);
  }
});

onEveryKindOfGround('a file is copied through its own mapping, and another', (test, ground) => {
  const { page } = ground;
  const source = ground.holes(4);
  const target = ground.holes(4, {}, {});
  const bytes = pattern(4 * page);
  source.file.writeSync(bytes, 0);
  const view = new Uint8Array(source.mapping.buffer);
  source.file.writeSync(view.subarray(0, page), 3 * page);
  bytes.copy(bytes, 3 * page, 0, page);
  const back = Buffer.alloc(4 * page);
  source.file.readSync(back, 0);
  test.ok(back.equals(bytes), 'a write from the mapping of the same file (LK-2)');
  test.equal(source.file.readSync(view.subarray(page, 2 * page), 0), page);
  bytes.copy(bytes, page, 0, page);
  source.file.readSync(back, 0);
  test.ok(back.equals(bytes), 'a read into it');
  // Two filesystems share the blocks of the device here, and only one of them is looked at from now on.
  test.equal(target.inode.blocks.size, 0);
});

onEveryKindOfGround('a mapping that may only be read refuses stores, and read(2) into it', async (test, ground) => {
  const { page } = ground;
  const mapped = ground.holes(3);
  ground.write(mapped, 0, 1);
  const reader = ground.map(mapped, { prot: PROT_READ });
  const worker = await FaultWorker.start(test, reader.handle);
  const other = scratchPath(test, '/var/tmp');
  writeFileSync(other, Buffer.alloc(page, 9));
  await test.rejects(worker.call('readInto', 0, 0, page, other), { code: 'EFAULT' }, 'read(2) into it');
  await test.rejects(worker.call('readInto', 0, page, page, other), { code: 'EFAULT' }, 'into a hole of it');
  test.equal(await worker.load(0), 1);
  await worker.store(5, 9);
  await worker.store(page + 5, 9);
  test.match(await worker.lost(2), [
    { code: 'EROFS', reason: 'READ_ONLY', position: 0 },
    { code: 'EROFS', reason: 'READ_ONLY', position: page },
  ], 'a store is told of, and ends nothing');
  test.strictSame([ground.read(mapped, 0, 5), ground.read(mapped, 1, 5), ground.isHole(mapped, 1)], [1, 0, true]);
  test.equal(ground.media(mapped, 0)[5], 1, 'the file is as it was');
  test.equal(await worker.load(4), 1);
  await test.rejects(worker.call('persist', 0, 0, 1), { code: 'EIO' });

  const told: unknown[] = [];
  reader.on('error', (error) => told.push(error));
  new Uint8Array(reader.buffer)[2 * page] = 1;
  while (told.length === 0) await worker.settled();
  test.match(told, [{ code: 'EROFS', reason: 'READ_ONLY', position: 2 * page }], 'on the owner as well');
  test.ok(ground.isHole(mapped, 2));
});

onEveryKindOfGround('a read-only filesystem serves loads and private stores, and no time changes (FT-1)', async (test, ground) => {
  const { page } = ground;
  const fs = ground.fs({ readOnly: true });
  const inode = fs.inode(2 * page);
  fs.allocate(inode, 0, ground.blocksPerPage);
  const media = ground.media({ fs, inode }, 0);
  media.fill(1);
  inode.atimeMs = inode.mtimeMs = inode.ctimeMs = 0;
  const map = (options: MmapOptions) => ground.map({ fs, inode }, options);
  test.throws(() => map({}), { code: 'EACCES', reason: 'READ_ONLY' });
  const handles = [map({ prot: PROT_READ }).handle];
  if (ground.hasPrivate) handles.push(map({ flags: MAP_PRIVATE }).handle);
  const worker = await FaultWorker.start(test, ...handles);
  test.strictSame([await worker.load(0), await worker.load(page)], [1, 0]);
  if (ground.hasPrivate) {
    await worker.store(3, 9, 1);
    await worker.store(page, 9, 1);
    test.strictSame([await worker.load(3, 1), await worker.load(4, 1), await worker.load(page, 1)], [9, 1, 9]);
    const own = new Uint8Array(map({ flags: MAP_PRIVATE }).buffer);
    own[page] = 5;
    test.strictSame([own[0], own[page]], [1, 5]);
  }
  test.equal(media[3], 1);
  test.strictSame([inode.atimeMs, inode.mtimeMs, inode.ctimeMs], [0, 0, 0], 'no time changes');
  test.strictSame(worker.losses, []);
});

onEveryKindOfGround('a read-only device serves loads and private stores', async (test, ground) => {
  if (ground.wanted.kind === 'devdax' || ground.wanted.kind === 'block') {
    test.pass('it is opened for others as well');
    return;
  }
  const device = ground.wanted.open({ readOnly: true });
  const fs = new Tfs({ devices: [device], blocksPerDevice: 16 });
  ground.device.writeSync(Buffer.of(0xa5), 0);
  const inode = fs.inode(2 * ground.page);
  fs.allocate(inode, 0, 1);
  const map = (options: MmapOptions) => ground.map({ fs, inode }, options);
  test.throws(() => map({}), { code: 'EACCES', reason: 'READ_ONLY' });
  const worker = await FaultWorker.start(test, map({ prot: PROT_READ }).handle, map({ flags: MAP_PRIVATE }).handle);
  test.equal(await worker.load(0), 0xa5);
  test.equal(await worker.call('storeAndLoad', 1, 0, 1), 1);
  test.equal(ground.device.view(0, 1)[0], 0xa5);
  await worker.store(0, 1);
  test.match(await worker.lost(1), [{ code: 'EROFS', reason: 'READ_ONLY' }]);
});

onEveryKindOfGround('daxMmap refuses what it cannot map, and allocates nothing', (test, ground) => {
  const { page } = ground;
  const mapped = ground.holes(4);
  const { fs, inode } = mapped;
  const { getBlock } = fs.operations;
  const map = (options: unknown) => daxMmap(inode, options as MmapOptions, getBlock);
  for (const pos of [1, 512, page - 1, page + 1]) test.throws(() => map({ pos }), { code: 'EINVAL', reason: 'OFFSET_UNALIGNED' });
  test.throws(() => map({ length: 0 }), { code: 'EINVAL' });
  test.throws(() => map({ pos: 4 * page }), { code: 'EINVAL' }, 'nothing is there');
  const wrong: unknown[] = [
    { pos: -1 }, { length: -1 }, { pos: 0.5 }, { pos: '0' }, { prot: PROT_WRITE }, { prot: 8 }, { flags: 3 }, { flags: 'shared' }, { onSigbus: 'die' },
  ];
  for (const options of wrong) test.throws(() => map(options), { name: /^(Type|Range)Error$/ }, JSON.stringify(options));
  test.throws(() => map({ allocate: false }), { code: 'EOPNOTSUPP', reason: 'HOLE_NOT_ALLOCATED', position: 0 });
  test.equal(inode.blocks.size, 0, 'and nothing is allocated');
  map({ allocate: false, prot: PROT_READ }).unmap();
  if (ground.hasPrivate) map({ allocate: false, flags: MAP_PRIVATE }).unmap();
  ground.write(mapped, 0, 1);
  test.throws(() => map({ allocate: false }), { code: 'EOPNOTSUPP', reason: 'HOLE_NOT_ALLOCATED', position: page });
  map({ allocate: false, length: page }).unmap();
  test.throws(() => map({ length: Number.MAX_SAFE_INTEGER - page }), { code: 'ENOMEM' }, 'more than there are addresses');

  fs.failOn(ground.blocksPerPage, 'EDQUOT');
  test.throws(() => map({}), { code: 'EDQUOT' }, 'what getBlock says');
  fs.failOn(ground.blocksPerPage, undefined);

  const small = new Tfs({ devices: [ground.device], blocksPerDevice: 64, blockSize: 1024 });
  test.throws(() => daxMmap(small.inode(4096), {}, small.operations.getBlock), { code: 'EINVAL', reason: 'BLOCK_SIZE' });
});

onEveryKindOfGround("daxMmap refuses a file in pieces smaller than the device's pages (DD-5)", async (test, ground) => {
  if (ground.page === 4096) {
    test.pass('the device maps every block');
    return;
  }
  const { page, blocksPerPage } = ground;
  const fs = ground.fs({ cluster: 1 });
  const inode = fs.inode(2 * page);
  fs.seek(2 * blocksPerPage + 1);
  fs.allocate(inode, 0, 2 * blocksPerPage);
  const refusal = { reason: 'UNALIGNED_EXTENT', message: /ndctl create-namespace -f -e namespace\d+\.\d+ -m devdax -a 4096`, which erases/ };
  test.throws(() => ground.map({ fs, inode }), refusal, 'it begins between two pages');
  const aligned = fs.inode(2 * page);
  fs.seek(6 * blocksPerPage);
  fs.allocate(aligned, 0, blocksPerPage / 2);
  fs.seek(8 * blocksPerPage);
  fs.allocate(aligned, blocksPerPage / 2, blocksPerPage);
  test.throws(() => ground.map({ fs, inode: aligned }), refusal, 'or is in pieces');
  const fitting = fs.inode(2 * page);
  fs.seek(12 * blocksPerPage);
  fs.allocate(fitting, 0, 2 * blocksPerPage);
  const mapping = ground.map({ fs, inode: fitting });
  const worker = await FaultWorker.start(test, mapping.handle);
  await worker.store(page + 1, 4);
  test.equal(new Uint8Array(mapping.buffer)[page + 1], 4, 'one of whole pages works');
  test.match(await worker.call('info', 0), { pageSizes: { small: 0 } });
});

onEveryKindOfGround('a file on several devices, and on a partition', async (test, ground) => {
  const { page, blocksPerPage } = ground;
  const start = (ground.pages / 2) * page;
  const part = partition(ground.device, start / 512, start / 512);
  const cluster = blocksPerPage > 1 ? { cluster: blocksPerPage, holeLen: true } : {};
  const half = (ground.pages / 2) * blocksPerPage;
  const fs = new Tfs({ devices: [ground.device, part], blocksPerDevice: half, ...cluster });
  const inode = fs.inode(4 * page);
  fs.seek(half - 2 * blocksPerPage);
  for (const n of [0, 1, 2, 3]) fs.allocate(inode, n * blocksPerPage, blocksPerPage);
  const mapped = { fs, inode, file: fs.file(inode) };
  for (const n of [0, 1, 2, 3]) ground.write(mapped, n, n + 1);
  const worker = await FaultWorker.start(test, ground.map(mapped).handle);
  test.equal(await worker.call('touch', 0, 0, 4 * page, page), 10);
  await worker.store(3 * page, 9);
  test.equal(ground.device.view(start + page, 1)[0], 9, 'on the partition');
  test.equal(ground.read(mapped, 3), 9);
});

t.test('blocks on a device that cannot be mapped', ON_HOST, (test) => {
  watch(test);
  const fs = new Tfs({ devices: [new MemoryDevice()] });
  const inode = fs.inode(8192);
  test.throws(() => daxMmap(inode, {}, fs.operations.getBlock), { code: 'EOPNOTSUPP', reason: 'NOT_MAPPABLE' });
  test.end();
});

t.test('memory for O_DIRECT is no mapping', ON_HOST, (test) => {
  test.equal(alignedBuffer(4096).byteLength, 4096);
  test.strictSame([PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE], [1, 2, 1, 2], 'the values of the kernel');
  test.end();
});
