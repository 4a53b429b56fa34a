// Which pages fsync makes durable (PS-2, PS-3): those that were stored to through mappings since the last fsync, and no others.
// They are taken out of the mappings before they are flushed.

import '../helpers/assert-locks.js';
import type { Test } from 'tap';
import { DaxError, DaxMapping, daxWriteback, daxWritebackAll, freezeSuper, MAP_PRIVATE, partition, PROT_READ, thawSuper, type DaxFile, type Inode } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { onDevices } from '../helpers/devices.js';
import { FaultWorker } from '../helpers/fault-worker.js';
import { logFlushes, type FlushLog } from '../helpers/flush-log.js';
import { onEveryGround, onEveryKindOfGround, type Ground } from '../helpers/mapped-file.js';
import type { Tfs, TfsInode, TfsOptions } from '../helpers/tfs.js';
import { watch } from '../helpers/watchdog.js';

const PAGES = 8;
const unresolved = { populate: false };

interface Logged {
  fs: Tfs;
  file: DaxFile;
  inode: TfsInode;
  log: FlushLog;
  page: number;
  /** The pages of the file that were flushed since the last time, each as often as it was. */
  taken: () => number[];
}

/** A file of which no two pages are contiguous, so none is mapped with another. */
function scattered(ground: Ground, granularity?: 'byte', options: TfsOptions = {}): Logged {
  const { page, blocksPerPage } = ground;
  const log = logFlushes(ground.device, granularity);
  const fs = ground.fs({ devices: [log.device], ...options });
  const inode = fs.inode();
  const file = fs.file(inode);
  for (let n = 0; n < PAGES; n++) {
    fs.seek((PAGES - n) * 2 * blocksPerPage);
    file.writeSync(Buffer.alloc(page, n), n * page);
  }
  fs.forget(file);
  return { fs, file, inode, log, page, taken: () => taken(log, fs, inode, ground) };
}

function taken(log: FlushLog, fs: Tfs, inode: Inode, { page, blocksPerPage }: Ground): number[] {
  const places = new Map<number | undefined, number>();
  for (let n = 0; n < inode.size / page; n++) places.set(fs.placeOf(inode, n * blocksPerPage)?.pos, n);
  const pages = log.flushed.flatMap(({ pos, length }) =>
    Array.from({ length: length / page }, (_, n) => places.get(pos + n * page) ?? -1),
  );
  log.flushed = [];
  return pages.sort((a, b) => a - b);
}

function map(test: Test, file: DaxFile, options: Parameters<DaxFile['mmap']>[0] = {}) {
  const mapping = file.mmap(options);
  test.teardown(() => {
    mapping.unmap();
  });
  return mapping;
}

/** Stores through a mapping that is gone then. */
function store(file: DaxFile, pos: number, length: number): void {
  const mapping = file.mmap({ pos, length });
  new Uint8Array(mapping.buffer)[0] = 9;
  mapping.unmap();
}

onEveryGround('fsync flushes each page that was stored to, once, and no other (PS-2)', async (test, ground) => {
  const { fs, file, log, page, taken } = scattered(ground);
  const worker = await FaultWorker.start(test, map(test, file, unresolved).handle, map(test, file, unresolved).handle);
  file.fsync();
  test.strictSame([taken(), log.drained], [[], 0], 'nothing was stored');
  for (const n of [1, 4, 6]) await worker.store(n * page + 5, 9);
  const order: string[] = [];
  log.onFlush = () => order.push('flush');
  fs.onFsync = () => order.push(`drained ${log.drained}, fsync`);
  file.fsync();
  test.strictSame(order, ['flush', 'flush', 'flush', 'drained 1, fsync'], 'the data before the filesystem\'s own');
  test.strictSame(taken(), [1, 4, 6]);
  file.fsync();
  test.strictSame([taken(), log.drained], [[], 1], 'the second time there is nothing');
  await worker.store(4 * page, 9, 1);
  await worker.store(4 * page, 9);
  await worker.store(7 * page, 9);
  file.fsync();
  test.strictSame(taken(), [4, 7], 'stored again, through another mapping too');
  await worker.store(2 * page, 9);
  await worker.store(3 * page, 9);
  daxWriteback(file.inode, 3 * page + 1, 1);
  test.strictSame(taken(), [3], 'a part of the file');
  file.fsync();
  test.strictSame(taken(), [2]);
  test.strictSame(worker.losses, []);
  for (const n of [1, 4, 6]) test.equal(await worker.load(n * page + 5), 9);
});

onEveryKindOfGround('fsync takes a page out of every mapping before it flushes the page (PS-2)', async (test, ground) => {
  const { fs, file, log, page, taken, inode } = scattered(ground);
  const worker = await FaultWorker.start(test, map(test, file, unresolved).handle);
  await worker.store(2 * page, 1);
  const control = new Int32Array(new SharedArrayBuffer(4));
  let storing: Promise<void> | undefined;
  log.onFlush = () => {
    log.onFlush = undefined;
    // In the middle of the fsync, which this thread is in: nobody is there to be asked.
    storing = worker.call('storeAndTell', 0, 2 * page, 2, control);
    test.not(Atomics.wait(control, 0, 0, 30_000), 'timed-out', 'the store does not wait for the flush');
  };
  file.fsync();
  await storing;
  test.strictSame(taken(), [2]);
  file.fsync();
  test.strictSame(taken(), [2], 'a store that came meanwhile is not forgotten');
  test.equal(log.durable[fs.placeOf(inode, 2 * ground.blocksPerPage)?.pos ?? 0], 2);
});

onEveryKindOfGround('what lies together is flushed as it was mapped', async (test, ground) => {
  const log = logFlushes(ground.device);
  const fs = ground.fs({ devices: [log.device] });
  const { page } = ground;
  const file = fs.file();
  file.writeSync(Buffer.alloc(PAGES * page, 1), 0);
  fs.forget(file);
  const worker = await FaultWorker.start(test, map(test, file, unresolved).handle);
  await worker.store(2 * page, 9);
  file.fsync();
  const pages = taken(log, fs, file.inode, ground);
  test.ok(pages.includes(2));
  if (page > 4096) test.strictSame(pages, [2], 'no more is mapped at once');
  else test.strictSame(pages, [2, 3, 4, 5, 6, 7], 'what getBlock told of, up to 2 MiB');
  file.fsync();
  test.strictSame(log.flushed, []);
});

onEveryKindOfGround('the owner\'s buffer stays, and its stores are noticed again', (test, ground) => {
  const { file, page, taken } = scattered(ground);
  const mapping = map(test, file);
  const bytes = new Uint8Array(mapping.buffer);
  file.fsync();
  test.strictSame(taken(), [...Array.from({ length: PAGES }).keys()], 'all of it was mapped ahead');
  file.fsync();
  test.strictSame(taken(), []);
  bytes[3 * page] = 9;
  test.equal(bytes[5 * page], 5);
  file.inode.mtimeMs = 0;
  file.fsync();
  test.ok(taken().includes(3));
  test.not(file.inode.mtimeMs, 0, 'the times change');
  test.equal(bytes.byteLength, PAGES * page);
  bytes[3 * page + 1] = 9;
  mapping.persist();
  file.fsync();
  test.ok(taken().includes(3), 'persist does not keep fsync from it');
});

onEveryKindOfGround('a mapping is flushed and drained by ranges, as a device is', (test, ground) => {
  const { file, page } = scattered(ground);
  const mapping = map(test, file);
  const bytes = new Uint8Array(mapping.buffer);
  for (const make of ['flush', 'persist'] as const) {
    bytes[3 * page] = 9;
    file.inode.mtimeMs = 0;
    mapping[make](3 * page, 1);
    mapping.drain();
    test.not(file.inode.mtimeMs, 0, `${make} changes the times, as msync does`);
    for (const range of [[0], [0n, BigInt(mapping.length)], [mapping.length, 0], [mapping.length - 1, 1]] as const) {
      test.doesNotThrow(() => { mapping[make](...range); }, `${make} of ${range.join(', ')}`);
    }
    for (const range of [[0, mapping.length + 1], [mapping.length, 1], [mapping.length + 1], [-1], [0.5]] as const) {
      test.throws(() => { mapping[make](...range); }, RangeError, `${make} of ${range.join(', ')}`);
    }
  }
});

onEveryKindOfGround('what was stored through a mapping that is gone is flushed', async (test, ground) => {
  const { file, page, taken, inode } = scattered(ground);
  for (const isLast of [false, true]) {
    const mapping = file.mmap(unresolved);
    const worker = await FaultWorker.start(test, mapping.handle);
    await worker.store(2 * page, 9);
    await worker.call('unmap', 0);
    if (isLast) mapping.unmap();
    file.fsync();
    test.strictSame(taken(), [2], isLast ? 'the last one' : 'one of them');
    file.fsync();
    test.strictSame([taken(), inode.unmapped], [[], undefined]);
    mapping.unmap();
    file.fsync();
    test.strictSame(taken(), []);
  }
  // Mapped anew before it is flushed.
  const first = file.mmap();
  new Uint8Array(first.buffer)[0] = 8;
  first.unmap();
  const second = map(test, file, unresolved);
  const worker = await FaultWorker.start(test, second.handle);
  await worker.store(3 * page, 9);
  file.fsync();
  test.strictSame(taken(), [0, 1, 2, 3, 4, 5, 6, 7], 'of both');
});

onEveryKindOfGround('a flush that fails: all of it is due the next time', async (test, ground) => {
  const { file, log, page, taken, inode } = scattered(ground);
  const mapping = map(test, file, unresolved);
  const worker = await FaultWorker.start(test, mapping.handle);
  for (const n of [1, 5]) await worker.store(n * page, 9);
  log.onFlush = () => {
    if (log.flushed.length > 0) throw new DaxError({ errno: 'EIO', syscall: 'flush' });
  };
  test.throws(() => { file.fsync(); }, { code: 'EIO', syscall: 'flush' });
  taken();
  test.throws(() => { daxWritebackAll(inode.sb); }, { code: 'EIO' });
  await worker.call('persist', 0);
  taken();
  log.onFlush = undefined;
  file.fsync();
  test.strictSame(taken(), [1, 5]);
  await worker.store(1 * page, 9);
  mapping.unmap();
  log.onFlush = () => {
    throw new DaxError({ errno: 'EIO', syscall: 'flush' });
  };
  await worker.call('unmap', 0);
  test.throws(() => { file.fsync(); }, { code: 'EIO' });
  log.onFlush = undefined;
  file.fsync();
  test.strictSame(taken(), [1], 'unmapped ones too');
});

onEveryKindOfGround('a file that fails keeps no other from it, and what is durable is remembered no more', (test, ground) => {
  const { fs, file, log, page, inode, taken } = scattered(ground);
  const other = fs.inode();
  const otherFile = fs.file(other);
  otherFile.writeSync(Buffer.alloc(page), 0);
  const place = (of: TfsInode, n: number) => fs.placeOf(of, n * ground.blocksPerPage)?.pos;
  for (const [one, n] of [[file, 0], [file, 1], [otherFile, 0]] as const) store(one, n * page, page);
  const bad = place(inode, 0);
  log.onFlush = (pos) => {
    if (pos === bad) throw new DaxError({ errno: 'EIO', syscall: 'flush' });
  };
  taken();
  test.throws(() => { daxWritebackAll(fs.sb); }, { code: 'EIO' });
  test.strictSame(log.flushed.map(({ pos }) => pos), [place(other, 0)]);
  test.equal(other.unmapped, undefined);
  test.not(inode.unmapped, undefined);
  log.onFlush = undefined;
  log.flushed = [];
  daxWritebackAll(fs.sb);
  test.strictSame([taken(), inode.unmapped], [[0, 1], undefined]);
  daxWritebackAll(fs.sb);
  test.strictSame(taken(), []);
});

onEveryKindOfGround('a file that is mapped, stored to and unmapped again and again keeps one note of it', (test, ground) => {
  const { file, page, inode, taken } = scattered(ground);
  for (let n = 0; n < 20; n++) {
    store(file, (n % 5) * page, page);
    store(file, 6 * page, page);
  }
  test.not(inode.unmapped, undefined);
  const mapping = file.mmap(unresolved);
  test.equal(inode.unmapped, undefined, 'who comes after it knows');
  mapping.unmap();
  file.fsync();
  test.strictSame([taken(), inode.unmapped], [[0, 1, 2, 3, 4, 6], undefined]);
  for (let n = 0; n < 20; n++) {
    store(file, 3 * page, page);
    file.truncateSync(3 * page);
    file.fsync();
    test.equal(inode.unmapped, undefined, 'what is past the end is no file\'s');
    file.truncateSync(4 * page);
    file.writeSync(Buffer.of(1), 3 * page);
  }
});

onEveryKindOfGround('persist, where what was stored is mapped no more', async (test, ground) => {
  const { fs, file, log, page, inode } = scattered(ground);
  const worker = await FaultWorker.start(test, map(test, file, unresolved).handle);
  for (const n of [1, 2, 5]) await worker.store(n * page, 9);
  inode.extents.invalidate(0, 2 * ground.blocksPerPage);
  await worker.call('persist', 0);
  await freezeSuper(fs.sb);
  await worker.call('persist', 0);
  thawSuper(fs.sb);
  log.onFlush = () => {
    throw new DaxError({ errno: 'EIO', syscall: 'flush' });
  };
  test.throws(() => { file.fsync(); }, { code: 'EIO' });
  await worker.call('persist', 0);
  test.strictSame([worker.losses, await worker.load(page), await worker.load(5 * page)], [[], 9, 9]);
});

onEveryKindOfGround('a filesystem that waits to be frozen answers loads', async (test, ground) => {
  const { fs, page } = scattered(ground, undefined, { unwritten: true });
  const source = fs.inode();
  const file = fs.file(source);
  // So much that another thread copies it.
  const length = Math.max(1024 * 1024, page);
  const mapping = map(test, file, { ...unresolved, length });
  file.truncateSync(length);
  fs.allocate(source, 0, ground.blocksPerPage, true);
  source.extents.invalidate();
  const attached = DaxMapping.attach(mapping.handle);
  const target = fs.file();
  // Where there is room for all of it together.
  fs.seek((2 * PAGES + 1) * ground.blocksPerPage);
  // It reads what nobody has touched yet.
  const writing = target.write(new Uint8Array(attached.buffer), 0);
  const freezing = freezeSuper(fs.sb);
  test.equal(await writing, length);
  await freezing;
  thawSuper(fs.sb);
  attached.unmap();
});

onEveryKindOfGround('what is not flushed', async (test, ground) => {
  const { file, page, taken } = scattered(ground);
  const handles = [map(test, file, { ...unresolved, prot: PROT_READ }).handle];
  if (ground.hasPrivate) handles.push(map(test, file, { ...unresolved, flags: MAP_PRIVATE }).handle);
  handles.push(map(test, file, unresolved).handle);
  const worker = await FaultWorker.start(test, ...handles);
  test.equal(await worker.load(2 * page, 0), 2);
  if (ground.hasPrivate) await worker.store(2 * page, 9, 1);
  file.fsync();
  test.strictSame(taken(), [], 'what cannot reach the file');
  const shared = handles.length - 1;
  await worker.store(2 * page, 9, shared);
  await worker.store(6 * page, 9, shared);
  file.truncateSync(4 * page);
  file.fsync();
  test.strictSame(taken(), [2], 'what is past the end');
  await worker.store(1 * page, 9, shared);
  file.punchHoleSync(page, page);
  file.fsync();
  test.strictSame(taken(), [], 'a hole');
});

onEveryKindOfGround('fsync flushes nothing of a device whose stores are durable by themselves (PS-3)', async (test, ground) => {
  const { file, log, page, taken } = scattered(ground, 'byte');
  const worker = await FaultWorker.start(test, map(test, file, unresolved).handle);
  await worker.store(2 * page, 9);
  file.fsync();
  test.strictSame([taken(), log.drained], [[], 0]);
  const { minor } = await worker.call('info', 0);
  await worker.store(2 * page, 9);
  test.equal((await worker.call('info', 0)).minor, minor, 'and so are the mappings');
});

onEveryKindOfGround('a filesystem that freezes loses sight of no store', async (test, ground) => {
  const { fs, file, page, taken } = scattered(ground);
  const worker = await FaultWorker.start(test, map(test, file, unresolved).handle);
  await worker.store(2 * page, 9);
  await freezeSuper(fs.sb);
  daxWritebackAll(fs.sb);
  test.strictSame(taken(), [2]);
  thawSuper(fs.sb);
  await worker.store(3 * page, 9);
  daxWritebackAll(fs.sb);
  test.strictSame(taken(), [3]);
});

onEveryKindOfGround('no store is lost between fsyncs', async (test, ground) => {
  const { fs, file, inode, log, page } = scattered(ground);
  const { handle } = map(test, file, unresolved);
  const workers = await Promise.all([1, 2, 3].map(() => FaultWorker.start(test, handle)));
  // Emulated machines are slow.
  const times = ground.wanted.isDax ? 300 : 20_000;
  let storing = workers.length;
  const done = Promise.all(
    workers.map(async (worker, which) => {
      await worker.call('rewrite', 0, which * 64, page, PAGES, times);
      storing--;
    }),
  );
  let fsyncs = 0;
  while (storing > 0) {
    file.fsync();
    fsyncs++;
    await new Promise(setImmediate);
  }
  await done;
  file.fsync();
  for (let n = 0; n < PAGES; n++) {
    const pos = fs.placeOf(inode, n * ground.blocksPerPage)?.pos ?? 0;
    const durable = log.durable.subarray(pos, pos + page);
    test.ok(Buffer.from(durable).equals(ground.media({ fs, inode }, n)), `page ${n}, after ${fsyncs} fsyncs`);
  }
});

const SMALL_PAGES = ['an ordinary file', 'a tmpfs file', 'a file on ext4 -o dax', 'a file on virtio-pmem', 'devdax of 4 KiB'];

onDevices('ext2: fsync, sync and freeze bring mapped stores to the medium', SMALL_PAGES, async (test, wanted) => {
  watch(test);
  const log = logFlushes(wanted.open());
  mkfsSync(log.device, { blockSize: 4096, force: true });
  const fs = mount(log.device);
  const sectors = log.device.size / 512;
  test.throws(() => mount(partition(log.device, 0, sectors)), { code: 'EBUSY' }, 'nor is it changed through another object');
  const inode = fs.create(fs.root, 'f');
  const file = fs.open(inode);
  file.truncateSync(8 * 4096);
  const mapping = map(test, file, unresolved);
  const worker = await FaultWorker.start(test, mapping.handle);
  const place = (n: number) => {
    const extent = inode.extents.find(n);
    return extent === undefined ? -1 : (extent.blocknr + n - extent.iblock) * 4096;
  };
  const ways: Record<string, () => Promise<void> | void> = {
    'the file\'s fsync': () => { file.fsync(); },
    'fsync of the inode': () => { fs.fsync(inode); },
    sync: () => { fs.sync(); },
    freeze: async () => {
      await fs.freeze();
      fs.thaw();
    },
  };
  let n = 0;
  for (const [name, way] of Object.entries(ways)) {
    await worker.store(n * 4096 + 7, 100 + n);
    test.not(log.durable[place(n) + 7], 100 + n);
    await way();
    test.equal(log.durable[place(n) + 7], 100 + n, name);
    n++;
  }
  mapping.unmap();
  await worker.store(n * 4096 + 7, 9);
  await worker.call('unmap', 0);
  file.closeSync();
  const at = place(n);
  const gone = fs.create(fs.root, 'gone');
  const opened = fs.open(gone);
  opened.truncateSync(4096);
  const last = opened.mmap();
  new Uint8Array(last.buffer)[0] = 1;
  last.unmap();
  opened.closeSync();
  fs.unlink(fs.root, 'gone');
  log.onFlush = () => {
    throw new DaxError({ errno: 'EIO', syscall: 'flush' });
  };
  await test.rejects(fs.freeze(), { code: 'EIO' });
  log.onFlush = undefined;
  fs.create(fs.root, 'not frozen');
  test.not(log.durable[at + 7], 9);
  fs.unmount();
  test.equal(log.durable[at + 7], 9, 'unmount, of what is mapped no more');
});
