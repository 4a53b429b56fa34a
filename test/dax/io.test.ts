import t from 'tap';
import {
  BH_BOUNDARY,
  BH_NEW,
  BH_UNWRITTEN,
  daxClearBlocks,
  daxDoIo,
  daxDoIoAsync,
  DIO_LOCKING,
  DIO_SKIP_DIO_COUNT,
  Inode,
  partition,
  type BufferHead,
  type BufferRange,
  type GetBlock,
} from 'node-dax';
import { GARBAGE, MemoryDevice } from '../helpers/memory-device.js';
import { isFree, Tfs } from '../helpers/tfs.js';

const zeros = (length: number) => Buffer.alloc(length);
const filled = (length: number, byte: number | string) => Buffer.alloc(length, byte);

/** Two bytes that tell where they are, again and again. */
function pattern(length: number, start = 0): Buffer {
  return Buffer.from(Uint16Array.from({ length: Math.ceil(length / 2) }, (_, n) => start + n * 7).buffer, 0, length);
}

t.test('a hole costs one getBlock a block, or one in all where its length is told (GB-5)', (test) => {
  for (const holeLen of [false, true]) {
    const tfs = new Tfs({ holeLen });
    const file = tfs.file(tfs.inode(16384));
    const read = filled(16384, 1);
    test.equal(file.readSync(read, 0), 16384);
    test.ok(read.equals(zeros(16384)));
    const calls = [16384, 12288, 8192, 4096].map((size, iblock) => [iblock, size, false]);
    test.strictSame(tfs.calls, holeLen ? calls.slice(0, 1) : calls);
    test.equal(tfs.device.directAccesses.length, 0);
    file.readSync(read, 0);
    test.equal(tfs.calls.length, holeLen ? 1 : 4, 'the second read asks nothing');
  }
  test.end();
});

t.test('a read ends at i_size (IO-3)', async (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(filled(5000, 'a'));
  const read = filled(8192, 1);
  test.equal(file.readSync(read, 0), 5000);
  test.ok(read.equals(Buffer.concat([filled(5000, 'a'), filled(3192, 1)])), 'and leaves the rest of the buffer');
  const { length } = tfs.calls;
  test.equal(file.readSync(read, 5000), 0);
  test.equal(file.readSync(read, 9000), 0);
  test.equal(await file.read(read, 9000), 0);
  test.equal(tfs.calls.length, length, 'no getBlock');
});

t.test('a hole between data reads as zeros and allocates nothing (IO-7)', (test) => {
  for (const holeLen of [false, true]) {
    const tfs = new Tfs({ holeLen });
    const file = tfs.file();
    file.writeSync(filled(4096, 'a'), 0);
    file.writeSync(filled(4096, 'b'), 8192);
    const free = tfs.freeBlocks;
    const read = filled(12288, 1);
    test.equal(file.readSync(read, 0), 12288);
    test.ok(read.equals(Buffer.concat([filled(4096, 'a'), zeros(4096), filled(4096, 'b')])));
    test.equal(tfs.freeBlocks, free, 'nothing was allocated');
  }
  test.end();
});

t.test('unwritten blocks read as zeros and stay as they are (IO-7)', async (test) => {
  const tfs = new Tfs();
  const inode = tfs.inode(8192);
  tfs.allocate(inode, 0, 2, true);
  const file = tfs.file(inode);
  for (const read of [filled(8192, 1), filled(8192, 1)]) {
    test.equal(await file.read(read, 0), 8192);
    test.ok(read.equals(zeros(8192)));
  }
  const read = filled(100, 1);
  test.equal(file.readSync(read, 50), 100);
  test.ok(read.equals(zeros(100)));
  test.ok(Buffer.from(tfs.media(inode, 0)).equals(filled(4096, GARBAGE)), 'the medium holds what it held');
  test.strictSame(tfs.ends, [], 'a read converts nothing');
  test.equal(tfs.placeOf(inode, 0)?.unwritten, true);
});

t.test('unwritten blocks that are not mapped read as zeros too (GB-6)', (test) => {
  const tfs = new Tfs();
  const inode = tfs.inode(4096);
  tfs.onGetBlock = (_inode, _iblock, bh) => {
    bh.map(tfs.device, 3, 4096);
    bh.state = BH_UNWRITTEN;
    return 0;
  };
  const read = filled(4096, 1);
  test.equal(tfs.file(inode).readSync(read, 0), 4096);
  test.ok(read.equals(zeros(4096)));
  test.equal(tfs.file(inode).writeSync(filled(10, 'x'), 100), 10);
  test.ok(Buffer.from(tfs.device.memory.subarray(3 * 4096, 4 * 4096)).equals(
    Buffer.concat([zeros(100), filled(10, 'x'), zeros(4096 - 110)]),
  ), 'blocknr is valid all the same');
  test.end();
});

t.test('one getBlock serves three windows of a device that gives a page at a time (IO-4)', (test) => {
  const tfs = new Tfs({ devices: [new MemoryDevice(undefined, 'brd')] });
  const file = tfs.fileOf(pattern(12288));
  const read = zeros(12288);
  test.equal(file.readSync(read, 0), 12288);
  test.ok(read.equals(pattern(12288)));
  test.strictSame(tfs.calls, [[0, 12288, false]]);
  test.strictSame(tfs.device.directAccesses, [
    { sector: 0, size: 12288 },
    { sector: 8, size: 8192 },
    { sector: 16, size: 4096 },
  ]);
  test.equal(file.readSync(read, 0), 12288);
  test.equal(tfs.calls.length + tfs.device.directAccesses.length, 4, 'the second read asks neither');
  test.end();
});

t.test('what is asked for does not count the bytes before the position (IO-5)', (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(pattern(8192));
  const read = zeros(4096);
  file.readSync(read, 100);
  test.ok(read.equals(pattern(8192).subarray(100, 4196)));
  test.strictSame(tfs.calls, [
    [0, 4096, false],
    [1, 4096, false],
  ]);
  test.end();
});

t.test('every part of an extent is read and written in short windows, for every block size (IO-4)', (test) => {
  for (const blockSize of [512, 1024, 2048, 4096]) {
    const tfs = new Tfs({ blockSize, devices: [new MemoryDevice(1024 * 1024, 'brd')] });
    // So that extents do not begin at a page.
    const odd = tfs.file();
    odd.writeSync(zeros(blockSize), 0);
    const bytes = pattern(20_000);
    const file = tfs.fileOf(bytes);
    for (const pos of [0, 1, 511, 513, 4095, 4097, 8191, 12_289]) {
      for (const length of [1, 2, 512, 4096, 4097, 9000]) {
        if (pos % 2 === 1) file.inode.extents.invalidate();
        const expected = bytes.subarray(pos, pos + length);
        const read = zeros(length);
        if (file.readSync(read, pos) !== expected.length || !read.subarray(0, expected.length).equals(expected)) {
          test.fail(`${length} bytes at ${pos} in blocks of ${blockSize}`);
        }
      }
    }
    const whole = zeros(20_000);
    file.readSync(whole, 0);
    test.ok(whole.equals(bytes), `blocks of ${blockSize}`);
  }
  test.end();
});

t.test('an answer against the contract is EIO, and nothing moves (GB-3, GB-4, GB-8)', async (test) => {
  const answers: Record<string, (bh: BufferHead) => unknown> = {
    'a positive number (GB-4)': (bh) => (map(bh), 1),
    'a positive errno': (bh) => (map(bh), 28),
    'a grown size (GB-3)': (bh) => (map(bh), (bh.size += 4096), 0),
    'no bytes': (bh) => (map(bh), (bh.size = 0)),
    'a negative size': (bh) => (map(bh), (bh.size = -4096), 0),
    'part of a block': (bh) => (map(bh), (bh.size = 100), 0),
    'a size that is none': (bh) => (map(bh), (bh.size = Number.NaN), 0),
    'delayed allocation (GB-8)': (bh) => (map(bh), (bh.state += 0x200), 0),
    'delayed allocation and nothing else': (bh) => ((bh.state = 0x200), 0),
    'no device': (bh) => (map(bh), (bh.bdev = undefined), 0),
    'a negative block': (bh) => (map(bh), (bh.blocknr = -1), 0),
    'a block that is no number': (bh) => (map(bh), (bh.blocknr = Number.NaN), 0),
    'a promise': (bh) => (map(bh), Promise.resolve(0)),
    'null': (bh) => (map(bh), null),
    'not a number': (bh) => (map(bh), Number.NaN),
    'a fraction': (bh) => (map(bh), -0.5),
  };
  const device = new MemoryDevice();
  const map = (bh: BufferHead) => {
    bh.map(device, 0, bh.size);
  };
  for (const [name, answer] of Object.entries(answers)) {
    const tfs = new Tfs({ devices: [device] });
    const inode = tfs.inode(8192);
    tfs.onGetBlock = (_inode, _iblock, bh) => answer(bh);
    const file = tfs.file(inode);
    const read = filled(4096, 1);
    test.throws(() => file.readSync(read, 0), { code: 'EIO', syscall: 'getBlock' }, name);
    await test.rejects(file.read(read, 0), { code: 'EIO' });
    test.ok(read.equals(filled(4096, 1)));
    test.throws(() => file.writeSync(read, 0), { code: 'EIO', syscall: 'getBlock' }, `${name}, of a write`);
    test.equal(inode.size, 8192);
    test.equal(device.stores.length, 0);
    test.ok(isFree(inode), 'the lock is free');
  }
});

t.test('what getBlock throws or returns comes out (GB-10)', (test) => {
  const tfs = new Tfs();
  const file = tfs.file(tfs.inode(4096));
  tfs.onGetBlock = () => -122;
  test.throws(() => file.readSync(zeros(10), 0), { code: 'EDQUOT', errno: -122, syscall: 'getBlock' });
  tfs.onGetBlock = () => {
    throw new TypeError('a bug');
  };
  test.throws(() => file.readSync(zeros(10), 0), new TypeError('a bug'));
  tfs.onGetBlock = (_inode, iblock, bh) => {
    if (iblock > 0) throw new TypeError('a bug');
    bh.map(tfs.device, 0, 4096);
    return 0;
  };
  file.inode.size = 8192;
  test.throws(() => file.readSync(zeros(8192), 0), TypeError, 'a bug comes out also after progress');
  test.ok(isFree(file.inode));
  test.equal(file.inode.dioCount, 0);
  test.end();
});

t.test('any state bit makes the length of a hole count (GB-5)', (test) => {
  for (const [state, calls] of [
    [0, 2],
    [1, 1],
    [BH_BOUNDARY, 1],
  ] as const) {
    const tfs = new Tfs();
    tfs.onGetBlock = (_inode, _iblock, bh) => ((bh.state = state), 0);
    const read = filled(8192, 1);
    test.equal(tfs.file(tfs.inode(8192)).readSync(read, 0), 8192);
    test.ok(read.equals(zeros(8192)));
    test.equal(tfs.calls.length, calls);
  }
  test.end();
});

t.test('New in answer to a lookup is against the contract: it would show garbage (GB-6)', (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(filled(4096, 'a'));
  tfs.onGetBlock = (_inode, _iblock, bh) => {
    bh.map(tfs.device, 1000, 4096, BH_NEW);
    return 0;
  };
  const target = zeros(10);
  test.throws(() => file.readSync(target, 0), { code: 'EIO', syscall: 'getBlock' });
  test.ok(target.equals(zeros(10)));
  test.throws(() => { file.truncateSync(100); }, { code: 'EIO' });
  test.equal(file.size, 4096);
  tfs.onGetBlock = (_inode, _iblock, bh) => {
    bh.map(tfs.device, 1000, 4096, BH_NEW | BH_UNWRITTEN);
    return 0;
  };
  test.equal(file.readSync(target, 0), 10, 'unwritten ones are zeros, new or not');
  test.ok(target.equals(zeros(10)));
  test.end();
});

t.test('a boundary is a hint (GB-8)', (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(pattern(8192));
  const { getBlock } = tfs.operations;
  const marking: GetBlock = (inode, iblock, bh, create) => {
    const answer = getBlock(inode, iblock, bh, create);
    bh.state += BH_BOUNDARY;
    return answer;
  };
  const read = zeros(8192);
  test.equal(daxDoIo('read', file.inode, read, 0, marking), 8192);
  test.ok(read.equals(pattern(8192)));
  test.end();
});

t.test('what a call left in the buffer head is not there in the next (GB-7)', (test) => {
  const tfs = new Tfs({ maxRun: 1 });
  const file = tfs.file(tfs.inode(12288));
  const seen: unknown[] = [];
  tfs.onGetBlock = (_inode, _iblock, bh) => {
    seen.push([bh.state, bh.bdev]);
    bh.map(tfs.device, 1, 4096);
    return 0;
  };
  file.readSync(zeros(12288), 0);
  test.strictSame(seen, [
    [0, undefined],
    [0, undefined],
    [0, undefined],
  ]);
  test.end();
});

t.test('a hole as the second answer to a write overwrites nothing (GB-7)', (test) => {
  const tfs = new Tfs();
  const file = tfs.file();
  tfs.onGetBlock = (_inode, iblock, bh) => {
    if (iblock === 0) bh.map(tfs.device, 5, 4096);
    return 0;
  };
  test.equal(file.writeSync(filled(8192, 'x'), 0), 4096);
  test.equal(file.size, 4096);
  test.equal(tfs.device.memory[5 * 4096], 0x78);
  test.equal(tfs.device.memory[6 * 4096], GARBAGE);
  test.end();
});

t.test('vectors with empty segments read what vectors split in other places wrote (IO-17)', async (test) => {
  for (const options of [{}, { maxRun: 1 }, { unwritten: true }, { blockSize: 512, maxRun: 3 }]) {
    for (const driver of ['pmem', 'brd'] as const) {
      const tfs = new Tfs({ ...options, devices: [new MemoryDevice(undefined, driver)] });
      const bytes = pattern(9096);
      const cut = (lengths: number[]) => {
        let at = 0;
        return lengths.map((length) => bytes.subarray(at, (at += length)));
      };
      const written = tfs.file();
      test.equal(written.writeSync(cut([1, 0, 4095, 5000]), 10), 9096);
      const other = tfs.file();
      test.equal(await other.write(cut([0, 0, 4500, 0, 4596, 0]), 10), 9096);
      for (const file of [written, other]) {
        const targets = [zeros(0), zeros(5000), zeros(0), zeros(1), zeros(4095), zeros(0)];
        test.equal(file.readSync(targets, 10), 9096);
        test.ok(Buffer.concat(targets).equals(bytes));
        const again = [zeros(5001), zeros(0), zeros(10_000)];
        test.equal(await file.read(again, 10), 9096);
        test.ok(Buffer.concat(again).subarray(0, 9096).equals(bytes));
        const head = filled(10, 1);
        file.readSync(head, 0);
        test.ok(head.equals(zeros(10)));
        test.equal(file.size, 9106);
      }
    }
  }
  const file = new Tfs().file();
  test.equal(file.writeSync([], 0), 0);
  test.equal(file.writeSync([zeros(0), zeros(0)], 0), 0);
  test.equal(file.readSync([zeros(0)], 0), 0);
});

t.test('a read into memory that is not there is EFAULT (IO-11)', async (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(filled(8192, 'a'));
  tfs.device.failAt(0, 'EFAULT');
  const read = filled(10, 1);
  test.throws(() => file.readSync(read, 0), { code: 'EFAULT' });
  test.throws(() => file.writeSync(read, 0), { code: 'EFAULT' });
  await test.rejects(file.write(read, 0), { code: 'EFAULT' });
  test.equal(file.size, 8192);
  tfs.device.heal();
  tfs.device.failAt(5000, 'EFAULT');
  test.equal(file.readSync(zeros(8192), 0), 5000, 'some of it is (IO-11)');
  test.equal(file.readSync([zeros(4990), zeros(0), zeros(100), zeros(100)], 0), 5000);
  test.throws(() => file.readSync(zeros(10), 5000), { code: 'EFAULT' });
});

t.test('an error after progress comes with the next call (IO-6)', async (test) => {
  const tfs = new Tfs({ maxRun: 1 });
  const file = tfs.fileOf(filled(12288, 'a'));
  tfs.failOn(2, 'EIO');
  test.equal(file.readSync(zeros(12288), 0), 8192);
  test.throws(() => file.readSync(zeros(4096), 8192), { code: 'EIO' });
  tfs.failOn(2, undefined);
  tfs.device.failAt(4096 + 17, 'EIO');
  test.equal(await file.read(zeros(12288), 4096), 17);
  await test.rejects(file.read(zeros(12288), 4096 + 17), { code: 'EIO' });
  file.inode.extents.invalidate();
  tfs.device.heal();
  tfs.device.failDirectAccessAt = { pos: 4096, code: 'EHWPOISON' };
  test.equal(file.readSync(zeros(12288), 0), 4096, 'of direct access too');
  test.throws(() => file.readSync(zeros(1), 4096), { code: 'EHWPOISON' });
});

t.test('a read within one known extent ends as every other does (IO-2, IO-6)', (test) => {
  const states: unknown[] = [];
  let most = 8192;
  class Watched extends MemoryDevice {
    override readSync(target: Uint8Array, pos: number, options?: BufferRange): number {
      states.push({ dio: inode.dioCount, free: inode.ilock.isFree });
      const { offset = 0, length = target.length } = options ?? {};
      return super.readSync(target, pos, { offset, length: Math.min(length, most) });
    }
  }
  const bdev = new Watched();
  const inode = new Inode({ blockSize: 4096, bdev }, 1, 8192);
  bdev.memory.set(pattern(8192));
  const ends: unknown[] = [];
  const read = (length: number, pos: number, flags = DIO_LOCKING, size = length) => {
    const buffer = filled(size, 1);
    const moved = daxDoIo('read', inode, buffer, pos, (_inode, iblock, bh) => { bh.map(bdev, iblock, bh.size); }, (_inode, at, result) => {
      ends.push({ at, result, dio: inode.dioCount, free: inode.ilock.isFree });
    }, flags);
    test.equal(moved, length);
    test.ok(buffer.equals(Buffer.concat([pattern(8192).subarray(pos, pos + length), filled(size - length, 1)])));
  };
  read(8192, 0);
  for (const at of [0, 17, 4096]) {
    for (const flags of [0, DIO_LOCKING, DIO_SKIP_DIO_COUNT]) {
      const dio = flags === DIO_SKIP_DIO_COUNT ? 0 : 1;
      states.length = ends.length = 0;
      read(4096, at, flags);
      test.strictSame(states, [{ dio, free: flags !== DIO_LOCKING }], 'one call of the device');
      test.strictSame(ends, [{ at, result: 4096, dio, free: true }], 'one of endIo, when the lock is free');
    }
  }
  read(8192 - 17, 17, 0, 8192);
  inode.size = 5000;
  read(904, 4096, 0, 4096);
  most = 100;
  ends.length = 0;
  read(250, 0);
  test.match(ends, [{ at: 0, result: 250 }], 'a device that gives less is asked for the rest');
  ends.length = 0;
  bdev.failAt(100, 'EIO');
  read(100, 0, 0, 200);
  test.throws(() => { read(1, 100); }, { code: 'EIO' });
  test.match(ends, [{ at: 0, result: 100 }, { at: 100, result: -5 }], 'an error after progress comes with the next call');
  test.equal(inode.dioCount, 0);
  test.ok(inode.ilock.isFree);
  ends.length = 0;
  inode.ilock.tryExclusive();
  test.throws(() => { read(1, 0); }, { code: 'EAGAIN' });
  inode.ilock.releaseExclusive();
  test.strictSame(ends, []);
  test.equal(inode.dioCount, 0);
  test.end();
});

t.test('a read or write of no bytes asks nothing and changes no times (IO-12, IO-13)', async (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(filled(10, 'a'));
  file.inode.atimeMs = file.inode.mtimeMs = file.inode.ctimeMs = 1;
  test.equal(file.readSync(zeros(0), 0), 0);
  test.equal(await file.read(zeros(0), 0), 0);
  test.equal(file.writeSync(zeros(0), 100), 0);
  test.equal(await file.write([], 100), 0);
  test.strictSame(tfs.calls, []);
  test.strictSame(tfs.ends, []);
  const { atimeMs, mtimeMs, ctimeMs, size } = file.inode;
  test.strictSame([atimeMs, mtimeMs, ctimeMs, size], [1, 1, 1, 10]);
  file.readSync(zeros(1), 10);
  test.not(file.inode.atimeMs, 1, 'a read at the end is one (IO-12)');
});

t.test('a read that fails changes the time of access, except of a read-only file (IO-12)', (test) => {
  const tfs = new Tfs();
  const inode = tfs.inode(4096);
  tfs.failOn(0, 'EIO');
  test.throws(() => tfs.file(inode, { readOnly: true }).readSync(zeros(1), 0));
  test.equal(inode.atimeMs, 0);
  test.throws(() => tfs.file(inode).readSync(zeros(1), 0));
  test.not(inode.atimeMs, 0);
  test.end();
});

t.test('several devices in one file, partitions among them', (test) => {
  const whole = new MemoryDevice();
  const devices = [new MemoryDevice(), partition(whole, 8, 800), new MemoryDevice(undefined, 'brd')];
  for (const blockSize of [1024, 4096]) {
    const tfs = new Tfs({ blockSize, devices, blocksPerDevice: 3 });
    const file = tfs.file();
    const bytes = pattern(9 * blockSize - 100);
    test.equal(file.writeSync(bytes, 0), bytes.length);
    const read = zeros(bytes.length);
    test.equal(file.readSync(read, 0), bytes.length);
    test.ok(read.equals(bytes));
    const second = Buffer.from(whole.memory.subarray(4096, 4096 + 3 * blockSize));
    test.ok(second.equals(bytes.subarray(3 * blockSize, 6 * blockSize)), 'the partition is where it should be');
    file.truncateSync(4 * blockSize + 10);
    file.truncateSync(9 * blockSize);
    file.inode.extents.invalidate();
    const after = zeros(9 * blockSize);
    file.readSync(after, 0);
    test.ok(after.subarray(0, 4 * blockSize + 10).equals(bytes.subarray(0, 4 * blockSize + 10)));
    test.ok(after.subarray(4 * blockSize + 10).equals(zeros(5 * blockSize - 10)));
    tfs.unlink(file.inode);
    test.equal(tfs.freeBlocks, 9);
  }
  test.end();
});

t.test('a partition that does not begin at a page has no direct access: its files are copied (DA-3)', async (test) => {
  for (const blockSize of [512, 1024, 4096]) {
    const whole = new MemoryDevice();
    const bdev = partition(whole, 63, 801);
    test.equal(bdev.pageOffset, 3584);
    test.throws(() => bdev.directAccess(0, 4096), { code: 'EINVAL', reason: 'OFFSET_UNALIGNED' });
    const tfs = new Tfs({ blockSize, devices: [bdev] });
    const file = tfs.file();
    const bytes = pattern(3 * 4096 + 10);
    test.equal(file.writeSync(bytes, 100), bytes.byteLength);
    const read = zeros(bytes.byteLength + 100);
    test.equal(file.readSync(read, 0), read.byteLength);
    test.ok(read.equals(Buffer.concat([zeros(100), bytes])));
    file.truncateSync(5000);
    test.equal(await file.write(bytes, 8192), bytes.byteLength);
    test.equal(await file.read(read.fill(1), 8092), read.byteLength);
    test.ok(read.equals(Buffer.concat([zeros(100), bytes])), 'and a hole before it');
    daxClearBlocks(file.inode, 0, 2 * blockSize);
    const cleared = Buffer.alloc(2 * blockSize, 1);
    bdev.readSync(cleared, 0);
    test.ok(cleared.equals(zeros(2 * blockSize)));
    if (blockSize === 4096) test.throws(() => file.mmap(), { code: 'EOPNOTSUPP', reason: 'OFFSET_UNALIGNED' });
  }
  const inner = partition(partition(new MemoryDevice(), 63, 800), 1, 8);
  test.equal(inner.pageOffset, 0);
  test.equal(inner.directAccess(0, 4096).bytes, 4096, 'a part of it begins at a page');
  test.equal(partition(new MemoryDevice(), 64, 800).pageOffset, 0);
});

t.test('a getBlock that does I/O on another file, and on the same', async (test) => {
  const tfs = new Tfs({ maxRun: 1 });
  const other = tfs.fileOf(filled(8192, 'o'));
  const file = tfs.fileOf(pattern(12288));
  const seen: Buffer[] = [];
  tfs.onGetBlock = (inode: Inode) => {
    if (inode !== file.inode) return undefined;
    other.inode.extents.invalidate();
    const read = zeros(100);
    daxDoIo('read', other.inode, [read.subarray(0, 50), read.subarray(50)], 4050, tfs.operations.getBlock, undefined, DIO_LOCKING);
    other.writeSync(read, 200);
    seen.push(read);
    return undefined;
  };
  const read = zeros(12288);
  test.equal(file.readSync(read, 0), 12288);
  test.ok(read.equals(pattern(12288)));
  file.inode.extents.invalidate();
  test.equal(await file.read(read.fill(0), 0), 12288);
  test.ok(read.equals(pattern(12288)));
  test.equal(seen.length, 6);
  test.ok(seen.every((bytes) => bytes.equals(filled(100, 'o'))));
  file.inode.extents.invalidate();
  tfs.onGetBlock = (inode, iblock) => {
    if (iblock === 1) test.equal(daxDoIo('read', inode, zeros(10), 0, tfs.operations.getBlock), 10, 'of the same inode');
    return undefined;
  };
  test.equal(file.writeSync(pattern(12288), 0), 12288);
});

t.test('what is no buffer, position or direction', async (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(filled(10, 'a'));
  const { inode } = file;
  const bad: unknown[] = [undefined, null, 5, 'text', {}, new ArrayBuffer(4), { byteLength: 4 }, [undefined], [5], [[zeros(1)]]];
  for (const iter of [...bad, new Uint8Array(new SharedArrayBuffer(4))] as never[]) {
    const message = /must (not )?be/;
    test.throws(() => file.readSync(iter, 0), { name: 'TypeError', message });
    test.throws(() => file.writeSync(iter, 0), { name: 'TypeError', message });
    await test.rejects(file.read(iter, 0), { name: 'TypeError', message });
    await test.rejects(file.write(iter, 0), { name: 'TypeError', message });
    test.throws(() => daxDoIo('read', inode, iter, 0, tfs.operations.getBlock), { name: 'TypeError', message });
  }
  for (const pos of [-1, 0.5, Number.NaN, 2 ** 53]) {
    test.throws(() => file.readSync(zeros(1), pos), RangeError);
    test.throws(() => file.writeSync(zeros(1), pos), RangeError);
    test.throws(() => {
      file.truncateSync(pos);
    }, RangeError);
  }
  test.throws(() => daxDoIo('seek' as 'read', inode, zeros(1), 0, tfs.operations.getBlock), TypeError);
  await test.rejects(daxDoIoAsync('seek' as 'read', inode, zeros(1), 0, tfs.operations.getBlock), TypeError);
  test.equal(file.readSync(new DataView(new ArrayBuffer(4)), 0n), 4);
  test.ok(isFree(inode), 'the lock is free');
  test.equal(inode.dioCount, 0);
  test.throws(() => new Tfs({ blockSize: 8192 }).inode(), RangeError);
  test.throws(() => new Tfs({ blockSize: 3000 }).inode(), RangeError);
});
