// Files that change under their mappings: truncation, punching, growth and write(2) (TR-6 to TR-12, IO-13.6, U-4).

import '../helpers/assert-locks.js';
import { setTimeout as delay } from 'node:timers/promises';
import { daxMmap, MAP_PRIVATE, PROT_READ, type DaxDevice } from 'node-dax';
import { onDevices } from '../helpers/devices.js';
import { FaultWorker } from '../helpers/fault-worker.js';
import { Ground, onEveryKindOfGround, type MappedFile } from '../helpers/mapped-file.js';
import { Tfs } from '../helpers/tfs.js';
import { watch } from '../helpers/watchdog.js';

// What the filesystem leaves in blocks that it frees: nobody may see it through a mapping.
const FREED = 0xdd;

function poisonFreed({ fs, inode }: MappedFile, from: number, bytesAt: (iblock: number) => Uint8Array): void {
  fs.onTruncateBlocks = () => {
    for (const iblock of inode.blocks.keys()) if (iblock >= from) bytesAt(iblock).fill(FREED);
  };
}

onEveryKindOfGround('the size is lowered, pages are unmapped, blocks are freed, in this order (TR-6, TR-7)', async (test, ground) => {
  const mapped = ground.holes(2);
  const { page } = ground;
  ground.write(mapped, 1, 5);
  const workers = await Promise.all([1, 2, 3].map(() => FaultWorker.start(test, mapped.mapping.handle)));
  const control = new Int32Array(new SharedArrayBuffer(8));
  const watching = workers.map((worker) => worker.call('watchByte', 0, page + 9, control));
  // Until one of them looks; the others need not.
  while (Atomics.load(control, 1) === 0) await delay(1);
  let sizeAtFree = -1;
  poisonFreed(mapped, ground.blocksPerPage, (iblock) => mapped.fs.media(mapped.inode, iblock));
  const poison = mapped.fs.onTruncateBlocks;
  mapped.fs.onTruncateBlocks = (inode) => {
    sizeAtFree = inode.size;
    poison?.(inode);
  };
  await mapped.file.truncate(page);
  test.equal(sizeAtFree, page);
  Atomics.store(control, 0, 1);
  for (const seen of await Promise.all(watching)) {
    test.strictSame(seen.filter((value) => value !== 5 && value !== 0), [], 'no thread ever saw a block that was freed');
  }
});

onEveryKindOfGround('a shorter file: views of the owner go, other threads meet the end', async (test, ground) => {
  const mapped = ground.holes(4);
  const { page } = ground;
  for (const n of [0, 1, 2, 3]) ground.write(mapped, n, n + 1);
  const front = ground.map(mapped, { length: page });
  const whole = ground.map(mapped);
  const back = ground.map(mapped, { pos: 3 * page });
  const views = [front, whole, back].map(({ buffer }) => new Uint8Array(buffer));
  const worker = await FaultWorker.start(test, whole.handle);
  test.equal(await worker.call('touch', 0, 0, 4 * page, page), 10);
  mapped.file.truncateSync(2 * page + 100);
  test.strictSame(views.map(({ byteLength }) => byteLength), [page, 0, 0], 'those that show what went');
  test.equal(whole.buffer.byteLength, 3 * page);
  test.equal(back.buffer.byteLength, 0);
  test.equal(new Uint8Array(whole.buffer)[2 * page + 99], 3);
  test.equal(ground.media(mapped, 2)[100], 0, 'the tail is zeros on the medium (TR-9)');
  test.equal(await worker.load(2 * page + 100), 0, 'and in the mappings');
  test.equal(await worker.load(2 * page + 99), 3);
  test.equal(await worker.load(3 * page), 0);
  test.match(await worker.lost(1), [{ code: 'ENXIO', reason: 'BEYOND_END', position: 3 * page }]);
});

onEveryKindOfGround('every buffer that the owner ever took goes', (test, ground) => {
  const mapped = ground.holes(3);
  const { page } = ground;
  mapped.file.truncateSync(page);
  const first = new Uint8Array(mapped.mapping.buffer);
  mapped.file.truncateSync(3 * page);
  const second = new Uint8Array(mapped.mapping.buffer);
  second[5] = 4;
  test.strictSame([first.byteLength, first[5], second.byteLength], [page, 4, 3 * page], 'growth takes none away');
  mapped.file.truncateSync(0);
  test.strictSame([first.byteLength, second.byteLength], [0, 0]);
  mapped.file.truncateSync(page);
  const third = new Uint8Array(mapped.mapping.buffer);
  mapped.file.truncateSync(2 * page);
  const fourth = new Uint8Array(mapped.mapping.buffer);
  mapped.mapping.unmap();
  test.strictSame([third.byteLength, fourth.byteLength], [0, 0]);
});

onEveryKindOfGround('what was stored past the end is gone when the file grows (TR-8)', async (test, ground) => {
  const mapped = ground.holes(2);
  const { page } = ground;
  ground.write(mapped, 0, 1);
  mapped.file.truncateSync(100);
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  for (const grow of [() => { mapped.file.truncateSync(2 * page); }, () => mapped.file.writeSync(Buffer.of(1), page + 5)]) {
    await worker.store(200, 9);
    await worker.store(page - 1, 9);
    test.equal(new Uint8Array(mapped.mapping.buffer)[200], 9);
    grow();
    test.strictSame([await worker.load(99), await worker.load(200), await worker.load(page - 1)], [1, 0, 0]);
    test.strictSame([ground.read(mapped, 0, 200), ground.read(mapped, 0, page - 1), ground.read(mapped, 1, 0)], [0, 0, 0]);
    mapped.file.truncateSync(100);
  }
});

onEveryKindOfGround('what grows is there at once, and what was refused comes to life (U-4)', async (test, ground) => {
  const mapped = ground.holes(6);
  const { page } = ground;
  mapped.file.truncateSync(0);
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  test.equal(mapped.mapping.buffer.byteLength, 0, 'nothing on the owner');
  test.equal(await worker.load(4 * page), 0);
  await worker.lost(1);
  for (let pages = 1; pages <= 6; pages++) {
    ground.write(mapped, pages - 1, pages);
    test.equal(mapped.mapping.buffer.byteLength, pages * page);
    test.equal(new Uint8Array(mapped.mapping.buffer)[(pages - 1) * page + 7], pages);
    test.equal(await worker.load((pages - 1) * page + 7), pages);
  }
  test.equal(await worker.load(4 * page), 5, 'the page that was touched in vain');
  await worker.call('persist', 0);
  await worker.settled();
  test.equal(worker.losses.length, 1);
});

onEveryKindOfGround('private copies survive a punch, and not a truncation (TR-11)', async (test, ground) => {
  const mapped = ground.holes(3);
  const { page } = ground;
  if (!ground.hasPrivate) {
    test.pass('the device has no private mappings');
    return;
  }
  for (const n of [0, 1, 2]) ground.write(mapped, n, n + 1);
  const aside = ground.map(mapped, { flags: MAP_PRIVATE });
  const worker = await FaultWorker.start(test, aside.handle);
  await worker.store(page, 9);
  await worker.load(2 * page);
  mapped.file.punchHoleSync(0, 3 * page);
  test.equal(await worker.load(page), 9, 'the copy');
  test.equal(await worker.load(page + 1), 2, 'with the rest of its page');
  test.strictSame([await worker.load(0), await worker.load(2 * page)], [0, 0], 'what is no copy');
  await worker.store(2 * page, 8);
  mapped.file.punchHoleSync(0, 3 * page);
  test.strictSame([await worker.load(page), await worker.load(2 * page)], [9, 8], 'copies of zeros too');
  mapped.file.truncateSync(page);
  mapped.file.truncateSync(3 * page);
  test.strictSame([await worker.load(page), await worker.load(page + 1), await worker.load(2 * page)], [0, 0, 0]);
  test.strictSame(worker.losses, []);
});

onEveryKindOfGround('a hole that is punched shows as zeros in shared mappings (TR-12)', async (test, ground) => {
  const mapped = ground.holes(4);
  const { page } = ground;
  for (const n of [0, 1, 2, 3]) ground.write(mapped, n, n + 1);
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  await worker.call('touch', 0, 0, 4 * page, page);
  const view = new Uint8Array(mapped.mapping.buffer);
  const free = mapped.fs.freeBlocks;
  await mapped.file.punchHole(page - 10, 2 * page + 20);
  test.equal(mapped.fs.freeBlocks, free + 2 * ground.blocksPerPage);
  test.equal(view.byteLength, 0, 'the owner takes its buffer again');
  const expected = [[page - 11, 1], [page - 10, 0], [page, 0], [2 * page, 0], [3 * page + 9, 0], [3 * page + 10, 4]] as const;
  for (const [pos, value] of expected) test.equal(await worker.load(pos), value, `byte ${pos}`);
  test.ok(ground.isHole(mapped, 1), 'loads allocate nothing');
  await worker.store(page + 1, 7);
  test.equal(ground.media(mapped, 1)[1], 7);
  test.strictSame([ground.media(mapped, 1)[0], await worker.load(page)], [0, 0], 'nothing of old is there');
  test.ok(ground.isHole(mapped, 2));
});

onEveryKindOfGround('write(2) into a hole that is mapped is seen through every mapping (IO-13.6)', async (test, ground) => {
  const mapped = ground.holes(3);
  const { page } = ground;
  const reader = ground.map(mapped, { prot: PROT_READ });
  const handles = [mapped.mapping.handle, reader.handle];
  if (ground.hasPrivate) handles.push(ground.map(mapped, { flags: MAP_PRIVATE }).handle);
  const worker = await FaultWorker.start(test, ...handles);
  const view = new Uint8Array(reader.buffer);
  for (const index of handles.keys()) test.equal(await worker.load(page, index), 0);
  test.equal(view[page], 0);
  mapped.file.writeSync(Buffer.of(6), page);
  for (const index of handles.keys()) test.equal(await worker.load(page, index), 6, `mapping ${index}`);
  test.equal(view[page], 6, 'also one of the owner, in place');
  await mapped.file.write(Buffer.alloc(page + 1, 7), page);
  for (const index of handles.keys()) {
    test.strictSame([await worker.load(2 * page - 1, index), await worker.load(2 * page, index), await worker.load(2 * page + 1, index)], [7, 7, 0]);
  }
  mapped.file.zeroRangeSync(page, 10);
  for (const index of handles.keys()) test.strictSame([await worker.load(page + 9, index), await worker.load(page + 10, index)], [0, 7]);
});

onEveryKindOfGround('blocks that the filesystem moves are seen where they are', async (test, ground) => {
  const mapped = ground.holes(2);
  const { page, blocksPerPage } = ground;
  ground.write(mapped, 0, 1);
  const worker = await FaultWorker.start(test, mapped.mapping.handle);
  test.equal(await worker.load(0), 1);
  const old = ground.media(mapped, 0);
  mapped.inode.extents.invalidate(0, blocksPerPage);
  mapped.fs.operations.punchBlocks?.(mapped.inode, 0, blocksPerPage);
  mapped.fs.seek(8 * blocksPerPage);
  mapped.fs.allocate(mapped.inode, 0, blocksPerPage);
  ground.media(mapped, 0).fill(2);
  old.fill(FREED);
  test.equal(await worker.load(0), 2);
  await worker.store(1, 3);
  test.strictSame([ground.media(mapped, 0)[1], old[1]], [3, FREED]);
  test.equal(await worker.load(page), 0);
});

onEveryKindOfGround('a truncation meets questions that nobody has answered yet', async (test, ground) => {
  const mapped = ground.holes(8);
  const { page } = ground;
  const workers = await Promise.all([0, 1, 2, 3].map(() => FaultWorker.start(test, mapped.mapping.handle)));
  const stores = workers.map((worker, n) => worker.store((2 * n + 1) * page, 9));
  // On the same thread as the answers: they come after it.
  const begun = Date.now();
  while (Date.now() < begun + 30);
  mapped.file.truncateSync(4 * page);
  await Promise.all(stores);
  test.strictSame([ground.read(mapped, 1), ground.read(mapped, 3)], [9, 9], 'before the end');
  for (const worker of workers.slice(2)) test.match(await worker.lost(1), [{ code: 'ENXIO', reason: 'BEYOND_END' }]);
  mapped.file.truncateSync(8 * page);
  test.strictSame([ground.read(mapped, 5), ground.read(mapped, 7)], [0, 0], 'past it');
});

// Of which an asynchronous write takes until the promise resolves.
function slow(device: DaxDevice, until: Promise<void>): DaxDevice {
  const write = async (...[source, pos, options]: Parameters<DaxDevice['write']>) => {
    await until;
    return device.writeSync(source, pos, { flush: options?.flush ?? true });
  };
  return new Proxy(device, {
    get: (target, name) => {
      if (name === 'write') return write;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

// A device that maps more than a block at a time has its blocks zeroed before they are told of.
const DEVICES = ['an ordinary file', 'a tmpfs file', 'a file on ext4 -o dax', 'a file on virtio-pmem', 'devdax of 4 KiB'];

onDevices('nobody sees blocks that an asynchronous write is still filling (GB-11, TR-10)', DEVICES, async (test, wanted) => {
  watch(test);
  const ground = new Ground(test, wanted);
  const { page } = ground;
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => { open = resolve; });
  const fs = new Tfs({ devices: [slow(ground.device, gate)], blocksPerDevice: ground.pages, holeLen: true });
  const inode = fs.inode();
  const file = fs.file(inode);
  // Large enough for another thread.
  const pages = 512;
  file.truncateSync(pages * page);
  ground.write({ file }, 0, 1);
  const mapped = { fs, inode };
  const reader = ground.map(mapped, { prot: PROT_READ });
  const own = new Uint8Array(reader.buffer);
  const mapping = daxMmap(inode, { populate: false }, fs.operations.getBlock, fs.operations);
  test.teardown(() => { mapping.unmap(); });
  const [near, within] = [await FaultWorker.start(test, mapping.handle), await FaultWorker.start(test, mapping.handle)];
  inode.extents.invalidate(0, 1);
  fs.calls = [];
  const writing = file.write(Buffer.alloc((pages - 1) * page, 2), page);
  while (!fs.calls.some(([, , create]) => create)) await delay(1);
  test.equal(await near.load(0), 1, 'what lies before it is');
  test.throws(() => ground.map(mapped, { pos: 8 * page, prot: PROT_READ }), { code: 'EAGAIN' }, 'the owner would have to wait');
  file.fsync();
  test.equal(await within.load(5 * page), 0, 'a hole until then');
  test.ok(own.byteLength === 0 || own[8 * page] === 0, 'the owner sees nothing else');
  open();
  await writing;
  test.equal(await within.load(5 * page), 2);
  test.equal(new Uint8Array(reader.buffer)[8 * page], 2);
});
