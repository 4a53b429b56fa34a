// Files that share blocks (CW-1, CW-3): a store to one file is not seen in the other, and a store to a part of a block leaves the
// rest of the block as it was.

import '../helpers/assert-locks.js';
import t, { type Test } from 'tap';
import { BH_NEW, BH_SHARED, DaxError, daxDoIo, daxUnshare, daxZeroPageRange, PAGE_SIZE, type BufferRange, type Bytes, type DaxFile, type WriteOptions } from 'node-dax';
import { COW_WAYS, CowFs, type CowOptions, type CowWay } from '../helpers/cow-fs.js';
import { isOnDevice, MemoryDevice } from '../helpers/memory-device.js';
import { seeded } from '../helpers/random.js';
import { isFree, Tfs } from '../helpers/tfs.js';

const BLOCK_SIZES = [512, 1024, 2048, 4096];
const KIB = 1024;

function contents(file: DaxFile): Buffer {
  const bytes = Buffer.alloc(file.size);
  file.readSync(bytes, 0);
  return bytes;
}

/** One write to it stops before `stop`, and the next fails there, as where the user's memory ends. */
class Device extends MemoryDevice {
  stop: number | undefined;
  /** What cannot be read: to the end of its block of 4096. */
  unreadable: { pos: number; code: string } | undefined;

  override readSync(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange): number {
    const from = Number(pos);
    const bad = this.unreadable;
    const length = options?.length ?? target.byteLength - (options?.offset ?? 0);
    if (bad === undefined || from >= bad.pos + 4096 || from + length <= bad.pos) return super.readSync(target, pos, options);
    throw new DaxError({ errno: bad.code, syscall: 'read', position: bad.pos });
  }

  override writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number {
    const { stop } = this;
    const from = Number(pos);
    const length = options?.length ?? source.byteLength - (options?.offset ?? 0);
    if (stop === undefined || stop < from || stop >= from + length) return super.writeSync(source, pos, options);
    if (stop > from) return super.writeSync(source, pos, { ...options, length: stop - from });
    this.stop = undefined;
    throw new DaxError({ errno: 'EFAULT', syscall: 'write', position: from });
  }
}

interface Pair {
  device: Device;
  fs: CowFs;
  a: DaxFile;
  b: DaxFile;
  /** What both hold. */
  bytes: Buffer;
  /** Files that were made since. */
  others: DaxFile[];
}

function onEveryWay(title: string, run: (test: Test, way: CowWay, pair: (bytes: Buffer, options?: Partial<CowOptions>) => Pair) => void): void {
  t.test(title, (parent) => {
    for (const way of COW_WAYS) {
      parent.test(way, (test) => {
        const pairs: Pair[] = [];
        run(test, way, (bytes, options) => {
          const device = new Device();
          const fs = new CowFs(device, { way, ...options });
          const a = fs.file(bytes);
          const b = fs.clone(a);
          fs.created = [];
          device.stores.length = 0;
          const pair = { device, fs, a, b, bytes, others: [] };
          pairs.push(pair);
          return pair;
        });
        for (const { fs, a, b, others } of pairs) {
          test.ok(isFree(a.inode) && isFree(b.inode));
          fs.check([a, b, ...others]);
        }
        test.end();
      });
    }
    parent.end();
  });
}

onEveryWay('a write to a block that two files share leaves the other file as it was (CW-1)', (test, _way, pair) => {
  for (const blockSize of BLOCK_SIZES) {
    const { fs, a, b, bytes } = pair(Buffer.alloc(4096, 'a'), { blockSize });
    test.equal(a.writeSync(Buffer.alloc(10, 'b'), 100), 10);
    const expected = Buffer.from(bytes).fill('b', 100, 110);
    test.ok(contents(a).equals(expected), `blocks of ${blockSize}: the other bytes are what they were`);
    test.ok(contents(b).equals(bytes), 'and the other file is');
    test.ok(contents(a).equals(expected), 'the second time, from the cache');
    test.strictSame(fs.created, [0], 'one block was given');
    a.writeSync(Buffer.alloc(10, 'c'), 200);
    test.strictSame(fs.created.length, Math.floor(200 / blockSize) === 0 ? 1 : 2, 'and none for what is the file\'s own by then');
    test.equal(fs.isShared(b, 0), false);
    b.writeSync(Buffer.alloc(1, 'd'), 0);
    test.equal(fs.created.length, 1, 'nor for what only one file has left');
  }
});

onEveryWay('a write of several shared blocks copies the head and the tail that it does not cover (CW-1)', (test, way, pair) => {
  for (const blockSize of BLOCK_SIZES) {
    const random = Buffer.from(Array.from({ length: 10 * blockSize }, (_, n) => (n * 7 + Math.floor(n / 251)) % 256));
    const { a, b, bytes, device } = pair(random, { blockSize });
    const from = 2 * blockSize + 5;
    const to = 7 * blockSize + 9;
    test.equal(a.writeSync([Buffer.alloc(blockSize, 1), Buffer.alloc(0), Buffer.alloc(to - from - blockSize, 1)], from), to - from);
    test.ok(contents(a).equals(Buffer.from(bytes).fill(1, from, to)));
    test.ok(contents(b).equals(bytes));
    if (way !== 'copied') {
      const copied = device.stores.reduce((sum, { length }) => sum + length, 0) - (to - from);
      test.equal(copied, 5 + blockSize - 9, 'nothing is copied that is written over');
    }
  }
});

onEveryWay('truncation, zeroing and holes leave the other file as it was (CW-1)', (test, _way, pair) => {
  for (const blockSize of BLOCK_SIZES) {
    const { fs, a, b, bytes, others } = pair(Buffer.alloc(3 * PAGE_SIZE, 'a'), { blockSize });
    const expected = Buffer.from(bytes);
    a.zeroRangeSync(10, 20);
    expected.fill(0, 10, 30);
    test.ok(contents(a).equals(expected), `blocks of ${blockSize}: zeroed`);
    a.punchHoleSync(PAGE_SIZE - 1, blockSize + 2);
    expected.fill(0, PAGE_SIZE - 1, PAGE_SIZE + blockSize + 1);
    test.ok(contents(a).equals(expected), 'a hole');
    a.truncateSync(2 * PAGE_SIZE + 7);
    a.truncateSync(3 * PAGE_SIZE);
    expected.fill(0, 2 * PAGE_SIZE + 7);
    test.ok(contents(a).equals(expected), 'a shorter file that grows again (TR-9)');
    test.ok(contents(b).equals(bytes));
    const c = fs.clone(b);
    others.push(c);
    c.truncateSync(100);
    c.writeSync(Buffer.from('z'), 5000);
    test.ok(contents(c).equals(Buffer.concat([Buffer.alloc(100, 'a'), Buffer.alloc(4900), Buffer.from('z')])), 'a write past the end');
    test.ok(contents(b).equals(bytes));
  }
});

onEveryWay('a file that ends within a shared block shows zeros past its end when it grows (CW-1, TR-8)', (test, _way, pair) => {
  const { a, b, bytes } = pair(Buffer.alloc(5000, 'a'));
  a.writeSync(Buffer.from('z'), 9000);
  test.ok(contents(a).equals(Buffer.concat([bytes, Buffer.alloc(4000), Buffer.from('z')])));
  test.ok(contents(b).equals(bytes));
  b.appendSync(Buffer.alloc(10, 'b'));
  test.ok(contents(b).equals(Buffer.concat([bytes, Buffer.alloc(10, 'b')])));
  b.truncateSync(8192);
  test.ok(contents(b).equals(Buffer.concat([bytes, Buffer.alloc(10, 'b'), Buffer.alloc(3182)])));
});

onEveryWay('a device without room for a copy', (test, _way, pair) => {
  const { fs, a, b, bytes } = pair(Buffer.alloc(8 * 4096, 'a'), { blocks: 9 });
  test.equal(a.writeSync(Buffer.alloc(3 * 4096, 'b'), 4000), 96, 'what there was room for');
  const expected = Buffer.from(bytes).fill('b', 4000, 4096);
  test.ok(contents(a).equals(expected));
  test.ok(contents(b).equals(bytes));
  for (const change of [
    () => a.writeSync(Buffer.alloc(1), 5000),
    () => { a.truncateSync(5000); },
    () => { a.zeroRangeSync(5000, 1); },
    () => { a.punchHoleSync(5000, 1); },
    () => { daxUnshare(a.inode, 5000, 1, fs.operations.getBlock, fs.operations); },
  ]) {
    test.throws(change, { code: 'ENOSPC' });
    test.ok(contents(a).equals(expected), 'nothing changed');
  }
  test.ok(contents(b).equals(bytes));
});

onEveryWay('a write that stops leaves nothing foreign', (test, way, pair) => {
  if (way === 'copied') {
    test.pass('the filesystem has copied before');
    return;
  }
  for (const stop of [100, 4096, 5000, 8191]) {
    const { device, fs, a, b, bytes } = pair(Buffer.alloc(3 * 4096, 'a'));
    // The first free block after those that both have.
    device.stop = 3 * 4096 + stop;
    const written = a.writeSync(Buffer.alloc(3 * 4096 - 50, 'b'), 50);
    test.equal(written, stop - 50);
    const expected = Buffer.from(bytes).fill('b', 50, stop);
    test.equal(device.stop, undefined);
    a.inode.extents.invalidate();
    test.ok(contents(a).equals(expected), `stopped at ${stop}`);
    test.ok(contents(b).equals(bytes));
    fs.check([a, b]);
  }
});

onEveryWay('a source that cannot be read', (test, way, pair) => {
  if (way === 'copied') {
    test.pass('the filesystem has copied before');
    return;
  }
  const { device, fs, a, b, bytes } = pair(Buffer.alloc(3 * 4096, 'a'));
  device.failAt(4096, 'EIO', 4096);
  test.throws(() => a.writeSync(Buffer.from('b'), 5000), { code: 'EIO' });
  if (way === 'unwritten') test.ok(fs.isShared(a, 1), 'the file has the block that it had');
  test.equal(a.writeSync(Buffer.alloc(4096, 'b'), 4096), 4096, 'a write of all of it needs no copy');
  test.ok(contents(a).equals(Buffer.from(bytes).fill('b', 4096, 8192)));
  device.heal();
  test.ok(contents(b).equals(bytes));
});

onEveryWay('a source that cannot be read shows nothing foreign', (test, way, pair) => {
  const changes: Record<string, (file: DaxFile, fs: CowFs) => void> = {
    write: (file) => file.writeSync(Buffer.from('b'), 5000),
    zero: (file) => { file.zeroRangeSync(5000, 1); },
    truncate: (file) => { file.truncateSync(5000); },
    punch: (file) => { file.punchHoleSync(5000, 1); },
    unshare: ({ inode }, fs) => { daxUnshare(inode, 0, inode.size, fs.operations.getBlock, fs.operations); },
  };
  for (const [name, change] of Object.entries(changes)) {
    for (const code of ['EIO', 'ENXIO'] as const) {
      const { device, fs, a, b, bytes } = pair(Buffer.alloc(3 * 4096, 'a'));
      device.unreadable = { pos: 4096, code };
      test.throws(() => { change(a, fs); }, { code }, `${name}, ${code}`);
      device.unreadable = undefined;
      a.inode.extents.invalidate();
      const foreign = contents(a).filter((byte, at) => byte !== bytes[at] && (way !== 'new' || byte !== 0 || Math.floor(at / 4096) !== 1));
      test.strictSame(foreign.length, 0, 'what could not be copied is zeros at the worst');
      test.ok(contents(b).equals(bytes));
    }
  }
});

onEveryWay('strictInit refuses new blocks, and the file keeps its data', (test, way, pair) => {
  if (way !== 'new') {
    test.pass('these are for it');
    return;
  }
  const { fs, a, b, bytes } = pair(Buffer.alloc(8192, 'a'), { strictInit: true });
  test.throws(() => a.writeSync(Buffer.from('b'), 5000), { code: 'EIO', reason: 'UNINITIALISED_EXTENT' });
  test.ok(contents(a).equals(bytes) && contents(b).equals(bytes));
  test.equal(fs.created.length, 1);
});

t.test('unsharing what an asynchronous write is filling', async (test) => {
  const device = new Device();
  const fs = new CowFs(device, { way: 'unwritten' });
  const bytes = Buffer.alloc(1024 * KIB, 'a');
  const a = fs.file(bytes);
  const b = fs.clone(a);
  const parked = device.park();
  const writing = a.write(Buffer.alloc(1024 * KIB, 'b'), 0);
  await parked.arrived;
  test.throws(() => { daxUnshare(a.inode, 0, 1024 * KIB, fs.operations.getBlock, fs.operations); }, { code: 'EAGAIN' });
  parked.resume();
  test.equal(await writing, 1024 * KIB);
  test.ok(contents(a).equals(Buffer.alloc(1024 * KIB, 'b')) && contents(b).equals(bytes));
  fs.check([a, b]);
});

onEveryWay('unsharing gives a file blocks of its own, and changes no bytes (CW-3)', (test, _way, pair) => {
  for (const blockSize of BLOCK_SIZES) {
    const { fs, a, b, bytes } = pair(Buffer.alloc(10 * KIB, 'a'), { blockSize });
    const perPage = PAGE_SIZE / blockSize;
    daxUnshare(a.inode, 5000, 1, fs.operations.getBlock, fs.operations);
    const shared = Array.from({ length: (10 * KIB) / blockSize }, (_, n) => fs.isShared(a, n));
    test.strictSame(shared, shared.map((_, n) => n < perPage || n >= 2 * perPage), 'the page, and no other');
    test.ok(contents(a).equals(bytes));
    daxUnshare(a.inode, 0, 1024 * KIB, fs.operations.getBlock, fs.operations);
    test.equal(fs.isShared(a, 0) || fs.isShared(b, (10 * KIB) / blockSize - 1), false, 'up to the end of the file');
    test.ok(contents(a).equals(bytes) && contents(b).equals(bytes));
    fs.created = [];
    a.writeSync(Buffer.alloc(10 * KIB, 'b'), 0);
    daxUnshare(a.inode, 0, 10 * KIB, fs.operations.getBlock, fs.operations);
    test.strictSame(fs.created, [], 'nothing is left to be given');
  }
});

t.test('answers against the contract', (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(Buffer.alloc(8192, 'a'));
  const { inode } = file;
  const { getBlock } = tfs.operations;
  const place = tfs.placeOf(inode, 0)?.pos ?? 0;
  let answer: 'shared' | 'no source' | 'no device' | 'not completed' | undefined;
  tfs.onGetBlock = (_inode, iblock, bh, create) => {
    if (answer === undefined) return undefined;
    const { bdev } = tfs.sb;
    if (!create || answer === 'shared') bh.map(bdev, place / 4096 + iblock, 4096, BH_SHARED);
    else bh.map(bdev, 100, 4096, answer === 'not completed' ? 0x1000 : BH_NEW);
    if (create && answer === 'no device') bh.copyFrom(bdev, -1);
    if (create && answer === 'not completed') bh.copyFrom(bdev, 0);
    return 0;
  };
  const expected = { code: 'EIO', syscall: 'getBlock' };
  for (const kind of ['shared', 'no source', 'no device'] as const) {
    answer = kind;
    inode.extents.invalidate();
    const byte = Buffer.alloc(1);
    test.equal(file.readSync(byte, 0), 1);
    test.throws(() => daxDoIo('write', inode, Buffer.from('b'), 10, getBlock), expected, kind);
    test.throws(() => { daxZeroPageRange(inode, 10, 1, getBlock); }, expected);
    test.throws(() => { daxUnshare(inode, 0, 1, getBlock); }, expected);
  }
  answer = 'not completed';
  inode.extents.invalidate();
  test.throws(() => { daxZeroPageRange(inode, 10, 1, getBlock); }, expected, 'unwritten, and nobody to tell');
  answer = undefined;
  inode.extents.invalidate();
  test.ok(contents(file).equals(Buffer.alloc(8192, 'a')), 'nothing moved');
  test.end();
});

t.test('any changes of files that share blocks, against plain bytes', (test) => {
  // An emulated machine has the device: fewer are enough there.
  const operations = isOnDevice() ? 150 : 1500;
  const random = seeded(test);
  for (const way of COW_WAYS) {
    for (const blockSize of BLOCK_SIZES) {
      const fs = new CowFs(new MemoryDevice(), { way, blockSize, blocks: 300 });
      const files = [fs.file(), fs.file(), fs.file()];
      let models: Buffer[] = files.map(() => Buffer.alloc(0));
      let wrong: string | undefined;
      for (let n = 0; n < operations && wrong === undefined; n++) {
        const which = random.below(3);
        const pos = random.below(20_000);
        const length = random.below(9000);
        const action = random.pick(['write', 'write', 'truncate', 'zero', 'punch', 'unshare', 'clone'] as const);
        const file = files[which] as DaxFile;
        let model = models[which] as Buffer;
        try {
          if (action === 'write') {
            const bytes = random.bytes(length);
            const written = file.writeSync(bytes, pos);
            if (written > 0) model = Buffer.concat([model], Math.max(model.length, pos + written));
            Buffer.from(bytes).copy(model, pos, 0, written);
          } else if (action === 'truncate') {
            file.truncateSync(pos);
            model = Buffer.concat([model], pos);
          } else if (action === 'unshare') {
            daxUnshare(file.inode, pos, length, fs.operations.getBlock, fs.operations);
          } else if (action === 'clone') {
            const other = random.below(3);
            if (other === which) continue;
            files[other]?.truncateSync(0);
            files[other] = fs.clone(file);
            models = models.map((old, index) => (index === other ? Buffer.from(model) : old));
          } else {
            if (action === 'zero') file.zeroRangeSync(pos, length);
            else file.punchHoleSync(pos, length);
            model.fill(0, Math.min(pos, model.length), Math.min(pos + length, model.length));
          }
        } catch (error) {
          if (!(error instanceof DaxError) || error.code !== 'ENOSPC') throw error;
          // Some of it may be done.
          const now = contents(file);
          const isPart = now.every((byte, at) => byte === model[at] || (byte === 0 && at >= pos && at < pos + length));
          if ((action === 'zero' || action === 'punch') && isPart) model = now;
        }
        models[which] = model;
        fs.check(files);
        const differs = files.findIndex((one, index) => !contents(one).equals(models[index] as Buffer));
        if (differs >= 0) wrong = `operation ${n}: ${action} ${length} at ${pos} of ${which} changed ${differs}`;
      }
      test.equal(wrong, undefined, `${way}, blocks of ${blockSize}`);
    }
  }
  test.end();
});
