import t from 'tap';
import { setImmediate } from 'node:timers/promises';
import {
  daxDoIo,
  daxDoIoAsync,
  DIO_SKIP_DIO_COUNT,
  type DaxFile,
  type GetBlock,
} from 'node-dax';
import { GARBAGE, MemoryDevice } from '../helpers/memory-device.js';
import { isFree, Tfs, type TfsOptions } from '../helpers/tfs.js';

const KIB = 1024;
const zeros = (length: number) => Buffer.alloc(length);
const filled = (length: number, byte: number | string) => Buffer.alloc(length, byte);

function contents(file: DaxFile): Buffer {
  const bytes = zeros(file.size);
  file.readSync(bytes, 0);
  return bytes;
}

/** What can be told of new blocks: garbage, zeroed, or unwritten. */
const ALLOCATIONS: readonly TfsOptions[] = [{}, { zeroOnAlloc: true }, { unwritten: true }];

t.test('ten bytes in a new file have zeros around them (IO-8)', async (test) => {
  for (const options of ALLOCATIONS) {
    for (const form of ['write', 'writeSync'] as const) {
      const tfs = new Tfs(options);
      const file = tfs.file();
      test.equal(await file[form](filled(10, 'x'), 100), 10);
      const block = Buffer.concat([zeros(100), filled(10, 'x'), zeros(4096 - 110)]);
      test.ok(block.equals(tfs.media(file.inode, 0)));
      test.equal(file.size, 110);
      test.ok(tfs.device.stores.every(({ flush }) => flush), 'every store is durable (IO-10)');
    }
  }
});

t.test('three blocks in one run cost one call, and only what is not written is zeroed (IO-8)', (test) => {
  const tfs = new Tfs();
  const file = tfs.file();
  test.equal(file.writeSync(filled(8192, 'x'), 100), 8192);
  test.equal(file.writeSync(filled(12288, 'y'), 16384 - 100), 12288);
  test.strictSame(tfs.calls, [
    [0, 8192, true],
    [2, 4096, true],
    [3, 12288, true],
    [6, 4096, true],
  ], 'bytes before the position are not counted (IO-5)');
  const whole = tfs.file();
  tfs.calls = [];
  tfs.device.stores.length = 0;
  test.equal(whole.writeSync(filled(12288 - 200, 'z'), 0), 12088);
  test.strictSame(tfs.calls, [[0, 12288, true]]);
  test.strictSame(tfs.device.stores.map(({ kind, length }) => [kind, length]), [['zero', 200], ['write', 12088]]);
  for (const iblock of [0, 1]) test.ok(filled(4096, 'z').equals(tfs.media(whole.inode, iblock)));
  test.ok(Buffer.concat([filled(3896, 'z'), zeros(200)]).equals(tfs.media(whole.inode, 2)));
  test.end();
});

t.test('a hole that a read has seen is allocated by a write, whose source stays as it is', (test) => {
  for (const holeLen of [false, true]) {
    const tfs = new Tfs({ holeLen });
    const file = tfs.file(tfs.inode(16384));
    test.ok(contents(file).equals(zeros(16384)));
    const source = filled(5000, 'x');
    test.equal(file.writeSync(source, 5000), 5000);
    test.ok(source.equals(filled(5000, 'x')));
    test.ok(contents(file).equals(Buffer.concat([zeros(5000), source, zeros(16384 - 10_000)])));
    test.equal(tfs.freeBlocks, tfs.blockCount - 2);
  }
  test.end();
});

t.test('written blocks are not zeroed (IO-8)', (test) => {
  for (const driver of ['pmem', 'brd'] as const) {
    const tfs = new Tfs({ devices: [new MemoryDevice(undefined, driver)] });
    const file = tfs.fileOf(filled(8192, 'a'));
    test.equal(file.writeSync(filled(10, 'b'), 100), 10);
    test.ok(Buffer.concat([filled(100, 'a'), filled(10, 'b'), filled(8192 - 110, 'a')]).equals(contents(file)));
    test.strictSame(tfs.device.stores.map(({ kind }) => kind), ['write']);
  }
  test.end();
});

t.test('unwritten blocks are zeroed around the write and converted before the lock is free (IO-8, IO-14)', async (test) => {
  const tfs = new Tfs();
  const inode = tfs.inode();
  tfs.allocate(inode, 0, 2, true);
  const file = tfs.file(inode);
  tfs.onEndIo = (ended) => {
    test.ok(ended.ilock.isHeldExclusive, 'the lock is held');
    test.equal(ended.dioCount, 1, 'and counted until endIo has returned (IO-1.7)');
    return undefined;
  };
  test.equal(file.writeSync(filled(10, 'x'), 100), 10);
  test.strictSame(tfs.ends, [{ pos: 100, result: 10, cookie: undefined }]);
  const block = Buffer.concat([zeros(100), filled(10, 'x'), zeros(4096 - 110)]);
  test.ok(block.equals(tfs.media(inode, 0)));
  test.ok(block.subarray(0, 110).equals(contents(file)), 'it reads as written');
  test.equal(await file.write(filled(5, 'y'), 110), 5);
  test.ok(Buffer.concat([zeros(100), filled(10, 'x'), filled(5, 'y')]).equals(contents(file)), 'not zeroed again');
  test.ok(Buffer.from(tfs.media(inode, 1)).equals(filled(4096, GARBAGE)));
});

t.test('an unwritten extent that a write covers in part: what was not reached is not read', (test) => {
  const tfs = new Tfs();
  const inode = tfs.inode(16384);
  tfs.allocate(inode, 0, 4, true);
  const file = tfs.file(inode);
  file.writeSync(filled(5000, 'x'), 3000);
  test.ok(Buffer.concat([zeros(3000), filled(5000, 'x'), zeros(16384 - 8000)]).equals(contents(file)));
  test.end();
});

t.test('a write without space for its third block is short, and the next one fails (IO-6)', async (test) => {
  for (const options of ALLOCATIONS) {
    for (const form of ['write', 'writeSync'] as const) {
      const tfs = new Tfs({ ...options, maxRun: 1 });
      const free = tfs.freeBlocks;
      const file = tfs.file();
      tfs.failOn(2, 'ENOSPC');
      test.equal(await file[form](filled(12288, 'x'), 0), 8192);
      test.equal(file.size, 8192);
      test.ok(contents(file).equals(filled(8192, 'x')));
      test.throws(() => file.writeSync(filled(1, 'x'), 8192), { code: 'ENOSPC' });
      test.equal(file.size, 8192);
      test.equal(tfs.freeBlocks, free - 2, 'no blocks past the end');
      test.ok(isFree(file.inode));
    }
  }
});

t.test('a write without any space fails, and has changed the times (IO-13)', async (test) => {
  for (const form of ['write', 'writeSync'] as const) {
    const tfs = new Tfs();
    const file = tfs.file();
    file.inode.mode = 0o106755;
    tfs.failOn(0, 'ENOSPC');
    await test.rejects(async () => file[form](filled(10, 'x'), 0), { code: 'ENOSPC' });
    test.equal(file.size, 0);
    test.not(file.inode.mtimeMs, 0, 'the times have changed');
    test.not(file.inode.ctimeMs, 0);
    test.equal(file.inode.atimeMs, 0);
    test.equal(file.inode.mode, 0o100755, 'and the set-id bits are gone');
    test.strictSame(tfs.ends, [{ pos: 0, result: -28, cookie: undefined }], 'endIo is told (IO-14)');
    test.ok(isFree(file.inode));
  }
});

t.test('a write that getBlock answers with a hole is EIO, and changes nothing (GB-7)', (test) => {
  const tfs = new Tfs();
  const file = tfs.file();
  tfs.onGetBlock = (_inode, _iblock, bh) => {
    bh.mapHole(bh.size);
    return 0;
  };
  test.throws(() => file.writeSync(filled(10, 'x'), 0), { code: 'EIO', syscall: 'getBlock' });
  tfs.onGetBlock = () => 0;
  test.throws(() => file.writeSync(filled(10, 'x'), 0), { code: 'EIO' });
  test.equal(file.size, 0);
  test.equal(tfs.device.stores.length, 0);
  test.equal(tfs.device.memory[0], GARBAGE);
  test.end();
});

t.test('strictInit refuses what is not initialised within the file (GB-11)', async (test) => {
  const refused = { code: 'EIO', reason: 'UNINITIALISED_EXTENT', syscall: 'getBlock' };
  for (const unwritten of [false, true]) {
    for (const blockSize of [4096, 1024]) {
      const tfs = new Tfs({ strictInit: true, unwritten, blockSize });
      const file = tfs.file();
      test.equal(file.writeSync(filled(4096, 'a'), 0), 4096, 'wholly beyond the end it is taken');
      test.equal(file.appendSync(filled(9000, 'a')), 9000);
      const { size } = file;
      test.ok(contents(file).equals(filled(size, 'a')));
      file.punchHoleSync(4096, 4096);
      for (const pos of [4096, 5000, 8191]) {
        test.throws(() => file.writeSync(filled(20_000, 'b'), pos), refused, `at ${pos}`);
        test.ok(contents(file).equals(filled(size, 'a').fill(0, 4096, 8192)), 'nothing moved, nothing old is there');
        file.punchHoleSync(4096, 4096);
        await test.rejects(file.write(filled(10, 'b'), pos), refused);
        file.punchHoleSync(4096, 4096);
      }
      test.equal(file.size, size);
      test.ok(contents(file).equals(filled(size, 'a').fill(0, 4096, 8192)));
      test.equal(file.writeSync(filled(100, 'b'), 3), 100, 'what is written already is not asked about');
      test.ok(isFree(file.inode));
    }
  }
});

t.test('strictInit goes by pages, which is what a fault maps (GB-11)', (test) => {
  const tfs = new Tfs({ strictInit: true, blockSize: 512 });
  const file = tfs.fileOf(filled(600, 'a'));
  test.throws(() => file.writeSync(filled(10, 'b'), 2048), { code: 'EIO', reason: 'UNINITIALISED_EXTENT' }, 'in the page of the end');
  test.equal(file.size, 600);
  test.equal(file.writeSync(filled(10, 'b'), 4096), 10, 'in the next');
  test.end();
});

t.test('strictInit takes zeroed blocks, and unwritten ones for reading (GB-11)', (test) => {
  const tfs = new Tfs({ strictInit: true, zeroOnAlloc: true });
  const file = tfs.fileOf(filled(4096, 'a'));
  file.truncateSync(16384);
  test.equal(file.writeSync(filled(10, 'b'), 9000), 10);
  tfs.allocate(file.inode, 3, 1, true);
  test.equal(file.readSync(zeros(4096), 12288), 4096);
  const expected = filled(16384, 0).fill('a', 0, 4096).fill('b', 9000, 9010);
  test.ok(contents(file).equals(expected));
  test.end();
});

t.test('a write from memory that is not there is EFAULT (IO-11)', (test) => {
  const tfs = new Tfs();
  const file = tfs.file();
  tfs.device.failAt(0, 'EFAULT');
  test.throws(() => file.writeSync(filled(10, 'x'), 0), { code: 'EFAULT' });
  test.equal(file.size, 0);
  test.equal(tfs.freeBlocks, tfs.blockCount);
  test.end();
});

// The places where copies of a write of 12288 bytes from 1000 on stop, in a file of holes that has a size already.
t.test('a copy that stops within new blocks leaves nothing of the medium (IO-9)', async (test) => {
  for (const options of [{ unwritten: true }, {}, { maxRun: 2 }, { blockSize: 1024 }, { blockSize: 512, unwritten: true }]) {
    for (const driver of ['pmem', 'brd'] as const) {
      for (const stop of [0, 1, 1000, 1001, 4095, 4096, 4097, 8191, 8192, 10_000, 13_287]) {
        for (const code of ['EFAULT', 'EIO'] as const) {
          for (const form of ['write', 'writeSync'] as const) {
            const name = `${JSON.stringify(options)} ${driver} ${code} at ${stop}, ${form}`;
            const tfs = new Tfs({ ...options, devices: [new MemoryDevice(256 * KIB, driver)] });
            const file = tfs.file(tfs.inode(20_000));
            // Blocks follow one another from the start of the device on. What is bad is a page.
            const page = Math.floor(stop / 4096) * 4096;
            if (code === 'EIO') tfs.device.failAt(page, code, 4096);
            else tfs.device.failAt(stop, code);
            let written = 0;
            try {
              written = await file[form](filled(12288, 'x'), 1000);
            } catch (error) {
              if ((error as { code?: string }).code !== code) throw error;
            }
            tfs.device.heal();
            file.inode.extents.invalidate();
            const read = contents(file);
            const expected = Buffer.concat([zeros(1000), filled(written, 'x'), zeros(19_000 - written)]);
            // It cannot be zeroed.
            const bad = page + Math.floor(1000 / tfs.sb.blockSize) * tfs.sb.blockSize;
            if (code === 'EIO') for (const bytes of [read, expected]) bytes.fill(0, bad, bad + 4096);
            if (!read.equals(expected)) test.fail(name);
            if (!isFree(file.inode)) test.fail(`${name}: a lock is held`);
          }
        }
      }
    }
  }
});

t.test('a write without direct access to the blocks just allocated leaves nothing of the medium (IO-9)', (test) => {
  for (const options of [{}, { unwritten: true }, { blockSize: 1024 }]) {
    for (const pos of [0, 4096, 8192]) {
      const tfs = new Tfs({ ...options, devices: [new MemoryDevice(256 * KIB, 'brd')] });
      const file = tfs.file(tfs.inode(20_000));
      tfs.device.failDirectAccessAt = { pos, code: 'ENXIO' };
      if (pos === 0) test.throws(() => file.writeSync(filled(12000, 'x'), 100), { code: 'ENXIO' });
      else test.ok(file.writeSync(filled(12000, 'x'), 100) <= pos);
      tfs.device.heal();
      file.inode.extents.invalidate();
      const read = contents(file);
      const end = read.lastIndexOf('x') + 1;
      test.ok(read.equals(Buffer.concat([zeros(Math.min(100, end)), filled(Math.max(0, end - 100), 'x'), zeros(20_000 - end)])));
    }
  }
  test.end();
});

t.test('a failed or short write leaves no block past the end (IO-16)', (test) => {
  for (const maxRun of [1, 2, 100]) {
    for (const [stop, blocks] of [
      [0, 0],
      [5000, 2],
      [4096, 1],
    ] as const) {
      const tfs = new Tfs({ maxRun });
      const free = tfs.freeBlocks;
      const file = tfs.file();
      tfs.device.failAt(stop, 'EFAULT');
      if (stop === 0) test.throws(() => file.writeSync(filled(40_000, 'x'), 0), { code: 'EFAULT' });
      else test.equal(file.writeSync(filled(40_000, 'x'), 0), stop);
      test.equal(file.size, stop);
      test.equal(tfs.freeBlocks, free - blocks);
      tfs.device.heal();
      file.truncateSync(40_000);
      test.ok(contents(file).equals(Buffer.concat([filled(stop, 'x'), zeros(40_000 - stop)])), 'also in the cache');
    }
  }
  test.end();
});

t.test('a write past the end leaves a hole (IO-15)', (test) => {
  for (const blockSize of [1024, 4096]) {
    const tfs = new Tfs({ blockSize });
    const file = tfs.file();
    file.writeSync(filled(100, 'a'), 0);
    // What a program could have stored through a mapping, past the end.
    tfs.media(file.inode, 0).fill(0xee, 100);
    test.equal(file.writeSync(filled(1, 'b'), 8192), 1);
    test.equal(file.size, 8193);
    test.equal(tfs.placeOf(file.inode, 4096 / blockSize), undefined, 'nothing is there');
    test.ok(contents(file).equals(Buffer.concat([filled(100, 'a'), zeros(8092), filled(1, 'b')])), 'the gap is zeros (TR-8)');
    file.writeSync(filled(1, 'c'), 8193 + 10);
    test.ok(contents(file).subarray(8193, 8203).equals(zeros(10)));
  }
  test.end();
});

t.test('i_size rises after the data is there (IO-13)', async (test) => {
  for (const form of ['write', 'writeSync'] as const) {
    const tfs = new Tfs({ maxRun: 1 });
    const file = tfs.fileOf(filled(100, 'a'));
    const sizes: number[] = [];
    tfs.onGetBlock = ({ size }) => void sizes.push(size);
    tfs.onEndIo = ({ size }) => void sizes.push(size);
    test.equal(await file[form](filled(8192, 'b'), 100), 8192);
    test.strictSame(sizes, [100, 100, 100, 100]);
    test.equal(file.size, 8292);
  }
});

t.test('a synchronous write is followed by fsync, whose error replaces its result (IO-13)', async (test) => {
  for (const form of ['write', 'writeSync'] as const) {
    const tfs = new Tfs();
    const file = tfs.file(tfs.inode(), { sync: true });
    tfs.onFsync = (inode) => {
      test.equal(inode.size, 150, 'after i_size changed');
      test.ok(isFree(file.inode), 'and the lock is free');
    };
    test.equal(await file[form](filled(100, 'x'), 50), 100);
    test.strictSame(tfs.syncs, [{ pos: 50, end: 150 }]);
    const failure = new Error('no sync');
    tfs.onFsync = () => {
      throw failure;
    };
    await test.rejects(async () => file[form](filled(100, 'x'), 50), failure, 'its error replaces the count');
    tfs.failOn(5, 'ENOSPC');
    tfs.syncs = [];
    await test.rejects(async () => file[form](filled(100, 'x'), 5 * 4096), { code: 'ENOSPC' });
    test.strictSame(tfs.syncs, [], 'nothing was written');
  }
  const mounted = new Tfs({ synchronous: true });
  mounted.file().writeSync(filled(1, 'x'), 0);
  test.strictSame(mounted.syncs, [{ pos: 0, end: 1 }], 'of a filesystem that is mounted so');
});

t.test('two that append to one file lose no record (IO-13)', async (test) => {
  const tfs = new Tfs();
  const inode = tfs.inode();
  const record = (who: string, n: number) => Buffer.from(`${who}${String(n).padStart(35, '.')}\n`);
  const append = async (who: string, options: { append?: boolean }) => {
    const file = tfs.file(inode, options);
    for (let n = 0; n < 1000; n++) {
      if (options.append !== true) await file.append(record(who, n));
      else if (n % 3 === 0) await file.write(record(who, n), 5);
      else file.appendSync(record(who, n));
      await setImmediate();
    }
  };
  await Promise.all([append('a', { append: true }), append('b', {})]);
  test.equal(inode.size, 74_000);
  const lines = contents(tfs.file(inode)).toString().split('\n');
  for (const who of ['a', 'b']) {
    const own = lines.filter((line) => line.startsWith(who)).map((line) => `${line}\n`);
    test.strictSame(own, Array.from({ length: 1000 }, (_, n) => record(who, n).toString()));
  }
});

t.test('two that append a thousand records at once lose none (IO-13)', async (test) => {
  const tfs = new Tfs({ maxRun: 1 });
  const inode = tfs.inode();
  const record = (who: string, n: number) => Buffer.from(`${who}${String(n).padStart(35, '.')}\n`);
  const numbers = Array.from({ length: 1000 }, (_, n) => n);
  const appender = (who: string) => {
    const file = tfs.file(inode, { append: true });
    return numbers.map((n) => file.write(record(who, n), 0));
  };
  const both = [appender('a'), appender('b')];
  test.equal(inode.size < 74_000, true, 'most of them wait');
  const counts = await Promise.all(both.flat());
  test.ok(counts.every((bytes) => bytes === 37));
  test.equal(inode.size, 74_000);
  const lines = contents(tfs.file(inode)).toString().split('\n').slice(0, -1);
  const expected = ['a', 'b'].flatMap((who) => numbers.map((n) => record(who, n).toString().slice(0, -1)));
  test.strictSame([...lines].sort(), expected.sort(), 'every record is there once, and whole');
  test.ok(isFree(inode));
});

t.test('a write at maxBytes is EFBIG, and one that reaches it is short (IO-13)', async (test) => {
  const tfs = new Tfs({ maxBytes: 10_000 });
  const file = tfs.file();
  test.throws(() => file.writeSync(filled(1, 'x'), 10_000), { code: 'EFBIG' });
  await test.rejects(file.write(filled(1, 'x'), 10_001), { code: 'EFBIG' });
  test.equal(file.writeSync(filled(100, 'x'), 9990), 10);
  test.equal(file.size, 10_000);
  test.equal(await file.write([filled(0, 'x'), filled(6, 'y'), filled(100, 'z')], 9990), 10, 'of a vector too');
  test.equal(contents(file).toString('latin1', 9990), 'yyyyyyzzzz');
  test.throws(() => file.appendSync(filled(1, 'x')), { code: 'EFBIG' });
  test.throws(() => {
    file.truncateSync(10_001);
  }, { code: 'EFBIG' });
});

t.test('an error of endIo replaces the result (IO-14)', async (test) => {
  const errno = -5;
  for (const answer of [() => errno, () => 1, () => Promise.resolve(0)]) {
    const tfs = new Tfs();
    const file = tfs.file();
    tfs.onEndIo = answer;
    const { getBlock, endIo } = tfs.operations;
    test.throws(() => daxDoIo('write', file.inode, filled(4096, 'x'), 0, getBlock, endIo), { code: 'EIO', syscall: 'endIo' });
    await test.rejects(daxDoIoAsync('write', file.inode, filled(4096, 'x'), 0, getBlock, endIo), { code: 'EIO' });
    test.strictSame(tfs.ends.map(({ result }) => result), [4096, 4096]);
    tfs.unlink(file.inode);
    test.throws(() => file.writeSync(filled(4096, 'x'), 0), { code: 'EIO' });
    await test.rejects(file.write(filled(4096, 'x'), 0), { code: 'EIO' });
    test.equal(file.size, 0);
    test.equal(tfs.freeBlocks, tfs.blockCount, 'and the write leaves no block');
    test.ok(isFree(file.inode));
  }
});

t.test('endIo is told of errors, and of the cookie of the last extent (IO-14)', (test) => {
  const tfs = new Tfs({ maxRun: 1 });
  const file = tfs.file();
  tfs.onGetBlock = (_inode, iblock, bh) => {
    bh.private = `block ${iblock}`;
    return undefined;
  };
  file.writeSync(filled(8192, 'x'), 0);
  tfs.failOn(3, 'EDQUOT');
  test.throws(() => file.writeSync(filled(1, 'x'), 3 * 4096));
  tfs.onGetBlock = () => {
    throw new TypeError('a bug');
  };
  test.throws(() => file.writeSync(filled(1, 'x'), 5 * 4096), TypeError);
  test.strictSame(tfs.ends, [
    { pos: 0, result: 8192, cookie: 'block 1' },
    { pos: 3 * 4096, result: -122, cookie: 'block 3' },
    { pos: 5 * 4096, result: -5, cookie: undefined },
  ]);
  test.equal(file.size, 8192);
  tfs.onGetBlock = undefined;
  tfs.onEndIo = () => {
    throw new TypeError('a bug');
  };
  test.throws(() => file.writeSync(filled(1, 'x'), 0), TypeError);
  test.ok(isFree(file.inode));
  test.end();
});

t.test('daxDoIo counts its I/O, unless the caller does (IO-1)', (test) => {
  const tfs = new Tfs();
  const { inode } = tfs.file();
  const counts: number[] = [];
  const counting: GetBlock = (of, iblock, bh, create) => {
    counts.push(of.dioCount);
    return tfs.operations.getBlock(of, iblock, bh, create);
  };
  daxDoIo('write', inode, filled(1, 'x'), 0, counting);
  daxDoIo('write', inode, filled(1, 'x'), 4096, counting, undefined, DIO_SKIP_DIO_COUNT);
  test.strictSame(counts, [1, 0]);
  test.equal(inode.dioCount, 0);
  test.equal(inode.size, 0, 'i_size is its caller\'s');
  test.end();
});

t.test('an abort stops a write between pieces, within one, and before the first (IO-19)', async (test) => {
  const tfs = new Tfs();
  const file = tfs.file();
  const large = filled(300 * KIB, 'x');
  const reason = new Error('enough');
  const abort = new AbortController();
  const first = tfs.device.park();
  const second = tfs.device.park();
  const writing = file.write([large, large, large], 0, { signal: abort.signal });
  await first.arrived;
  first.resume();
  await second.arrived;
  abort.abort(reason);
  const aborted = (bytesMoved: number) => ({ name: 'AbortError', code: 'ABORT_ERR', cause: reason, bytesMoved });
  await test.rejects(writing, aborted(large.length), 'what moved counts');
  test.equal(file.size, large.length);
  test.equal(tfs.freeBlocks, tfs.blockCount - 75);
  test.ok(contents(file).equals(large));
  const mtime = (file.inode.mtimeMs = 1);
  await test.rejects(file.write(large, 0, { signal: abort.signal }), aborted(0));
  test.equal(file.inode.mtimeMs, mtime, 'an abort before the start changes nothing');
  await test.rejects(file.read(large, 0, { signal: abort.signal }), aborted(0));

  const again = new AbortController();
  const third = tfs.device.park();
  const failing = file.write([large, large], file.size, { signal: again.signal });
  await third.arrived;
  again.abort(reason);
  await test.rejects(failing, aborted(0), 'nothing moved');
  test.equal(file.size, large.length);
  test.equal(tfs.freeBlocks, tfs.blockCount - 75);
  test.ok(isFree(file.inode));

  // Inside i_size: what was allocated and not reached is zeros.
  const other = tfs.file(tfs.inode(10 * large.length));
  const last = new AbortController();
  const parked = tfs.device.park();
  const stopped = other.write([large, large], 1000, { signal: last.signal });
  await parked.arrived;
  last.abort(reason);
  parked.resume();
  await test.rejects(stopped, aborted(0));
  test.ok(contents(other).equals(zeros(other.size)));
});

t.test('a buffer that is transferred while its copy waits', async (test) => {
  const tfs = new Tfs();
  const file = tfs.file(tfs.inode(1024 * KIB));
  const buffers = [new Uint8Array(300 * KIB).fill(1), new Uint8Array(300 * KIB).fill(2)];
  const parked = tfs.device.park();
  const writing = file.write(buffers, 100);
  await parked.arrived;
  structuredClone(buffers[1], { transfer: [buffers[1]?.buffer as ArrayBuffer] });
  parked.resume();
  await test.rejects(writing);
  test.ok(isFree(file.inode));
  const read = contents(file);
  test.ok(read.subarray(100 + 300 * KIB).equals(zeros(read.length - 100 - 300 * KIB)), 'nothing of the medium shows');
});

t.test('a file that is read-only', async (test) => {
  for (const tfs of [new Tfs(), new Tfs({ readOnly: true })]) {
    const file = tfs.file(tfs.inode(10), { readOnly: true });
    const refused = { code: 'EROFS', reason: 'READ_ONLY' };
    test.throws(() => file.writeSync(filled(1, 'x'), 0), refused);
    test.throws(() => file.appendSync(filled(1, 'x')), refused);
    await test.rejects(file.append(filled(1, 'x')), refused);
    await test.rejects(file.truncate(1), refused);
    await test.rejects(file.punchHole(0, 1), refused);
    await test.rejects(file.zeroRange(0, 1), refused);
    test.equal(file.inode.mtimeMs, 0);
  }
});
