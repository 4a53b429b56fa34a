import t from 'tap';
import { DaxError, daxClearBlocks, daxTruncatePage, daxZeroPageRange, type DaxFile } from 'node-dax';
import { GARBAGE, MemoryDevice } from '../helpers/memory-device.js';
import { isFree, Tfs } from '../helpers/tfs.js';

const zeros = (length: number) => Buffer.alloc(length);
const filled = (length: number, byte: number | string) => Buffer.alloc(length, byte);
const BLOCK_SIZES = [512, 1024, 2048, 4096];

function contents(file: DaxFile): Buffer {
  const bytes = zeros(file.size);
  file.readSync(bytes, 0);
  return bytes;
}

t.test('a file that is cut off and grown again reads as zeros past the cut (TR-6, TR-9)', async (test) => {
  for (const blockSize of BLOCK_SIZES) {
    for (const form of ['truncate', 'truncateSync'] as const) {
      const tfs = new Tfs({ blockSize });
      const free = tfs.freeBlocks;
      const file = tfs.fileOf(filled(8192, 'a'));
      contents(file);
      file.inode.mtimeMs = file.inode.ctimeMs = 1;
      await file[form](100);
      test.equal(file.size, 100);
      test.ok(filled(100, 'a').equals(tfs.media(file.inode, 0).subarray(0, 100)));
      test.ok(zeros(blockSize - 100).equals(tfs.media(file.inode, 0).subarray(100)), 'the tail is zeros on the medium (TR-9)');
      test.equal(tfs.freeBlocks, free - 1);
      test.not(file.inode.mtimeMs, 1);
      test.not(file.inode.ctimeMs, 1);
      await file[form](8192);
      test.ok(contents(file).equals(Buffer.concat([filled(100, 'a'), zeros(8092)])));
      test.equal(tfs.freeBlocks, free - 1, 'growing allocates nothing');
    }
  }
});

t.test('truncation to the same size changes the times, which is what ftruncate is called for, and no block (TR-6)', (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(filled(100, 'a'));
  file.inode.mtimeMs = 1;
  const start = Date.now();
  file.truncateSync(100n);
  test.ok(file.inode.mtimeMs >= start);
  test.equal(file.inode.ctimeMs, file.inode.mtimeMs);
  test.strictSame(tfs.calls, []);
  test.end();
});

t.test('what is no regular file has no size to set (TR-6)', (test) => {
  const tfs = new Tfs();
  const inode = tfs.inode(100);
  inode.mode = 0o040755;
  test.throws(() => {
    tfs.file(inode).truncateSync(0);
  }, { code: 'EINVAL' });
  test.end();
});

t.test('what a mapping stored past the end is zeros when the file grows (TR-8)', (test) => {
  for (const blockSize of BLOCK_SIZES) {
    const grow: Record<string, (file: DaxFile) => void> = {
      truncate: (file) => {
        file.truncateSync(9000);
      },
      'a write beyond the end': (file) => file.writeSync(zeros(1), 8999),
      'a write beyond the end in the same block': (file) => file.writeSync(zeros(9000 - 300), 300),
    };
    for (const [name, growing] of Object.entries(grow)) {
      const tfs = new Tfs({ blockSize });
      const file = tfs.fileOf(filled(4096, 'a'));
      file.truncateSync(100);
      tfs.allocate(file.inode, 1, 4096 / blockSize - 1);
      for (let iblock = 0; iblock < 4096 / blockSize; iblock++) {
        tfs.media(file.inode, iblock).fill(0xee, iblock === 0 ? 100 : 0);
      }
      growing(file);
      test.ok(contents(file).equals(Buffer.concat([filled(100, 'a'), zeros(8900)])), `${name}, ${blockSize}`);
    }
  }
  test.end();
});

t.test('truncation asks about the page that the end is in (TR-4)', (test) => {
  const tfs = new Tfs();
  const free = tfs.freeBlocks;
  const file = tfs.file(tfs.inode(16384));
  file.truncateSync(6000);
  test.strictSame(tfs.calls, [[1, 4096, false]]);
  file.truncateSync(4096);
  file.truncateSync(20_480);
  file.truncateSync(0);
  test.equal(tfs.calls.length, 1, 'a multiple of the page asks nothing');
  test.equal(tfs.freeBlocks, free);
  test.end();
});

t.test('whatever changes the content takes the set-id bits away', async (test) => {
  const changes: Record<string, (file: DaxFile) => void | Promise<void>> = {
    truncateSync: (file) => { file.truncateSync(100); },
    truncate: (file) => file.truncate(20_000),
    'truncate to the same size': (file) => { file.truncateSync(8192); },
    punchHoleSync: (file) => { file.punchHoleSync(0, 4096); },
    punchHole: (file) => file.punchHole(10, 20),
    zeroRangeSync: (file) => { file.zeroRangeSync(0, 4096); },
    zeroRange: (file) => file.zeroRange(10, 20),
  };
  for (const [name, change] of Object.entries(changes)) {
    const file = new Tfs().fileOf(filled(8192, 'a'));
    file.inode.mode = 0o106755;
    await change(file);
    test.equal(file.inode.mode, 0o100755, name);
  }
});

t.test('daxZeroPageRange zeroes the bytes of its range that were written, and no others (TR-1, TR-3)', (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(filled(8192, 'a'));
  const { inode } = file;
  const { getBlock } = tfs.operations;
  daxZeroPageRange(inode, 100, 0, getBlock);
  daxTruncatePage(inode, 4096, getBlock);
  test.strictSame(tfs.calls, []);
  for (const [from, length] of [
    [4000, 200],
    [0, 4097],
    [0, -1],
    [-1, 1],
  ] as const) {
    test.throws(() => {
      daxZeroPageRange(inode, from, length, getBlock);
    }, RangeError);
  }
  daxZeroPageRange(inode, 100n, 50n, getBlock);
  test.ok(contents(file).equals(Buffer.concat([filled(100, 'a'), zeros(50), filled(8192 - 150, 'a')])));
  test.ok(tfs.device.stores.every(({ flush }) => flush));
  daxTruncatePage(inode, 8000, getBlock);
  test.ok(contents(file).subarray(8000).equals(zeros(192)));
  const sparse = tfs.inode(8192);
  tfs.allocate(sparse, 1, 1, true);
  tfs.device.stores.length = 0;
  const free = tfs.freeBlocks;
  daxZeroPageRange(sparse, 100, 50, getBlock);
  daxZeroPageRange(sparse, 4096 + 100, 50, getBlock);
  test.strictSame(tfs.device.stores, [], 'a hole and what is unwritten are zeros');
  test.ok(filled(4096, GARBAGE).equals(tfs.media(sparse, 1)));
  test.equal(tfs.freeBlocks, free);
  sparse.extents.invalidate();
  tfs.failOn(0, 'EIO');
  test.throws(() => {
    tfs.file(sparse).truncateSync(100);
  }, { code: 'EIO' });
  test.equal(sparse.size, 8192);
  test.ok(isFree(sparse), 'the locks are free');
  test.end();
});

t.test('daxZeroPageRange works over blocks smaller than a page (TR-2)', (test) => {
  for (const blockSize of BLOCK_SIZES) {
    const tfs = new Tfs({ blockSize, maxRun: 1 });
    const file = tfs.file(tfs.inode());
    file.writeSync(filled(blockSize, '-'), 0);
    // Two pages of which every third block is a hole.
    for (let pos = 0; pos < 8192; pos += blockSize) {
      if ((pos / blockSize) % 3 !== 2) file.writeSync(filled(blockSize, 'a'), pos);
    }
    file.truncateSync(8192);
    const expected = contents(file);
    const free = tfs.freeBlocks;
    for (const [from, length] of [
      [100, 3900],
      [4096, 4096],
      [5000, 1],
    ] as const) {
      daxZeroPageRange(file.inode, from, length, tfs.operations.getBlock);
      expected.fill(0, from, from + length);
      test.ok(contents(file).equals(expected), `${length} at ${from} in blocks of ${blockSize}`);
    }
    test.equal(tfs.freeBlocks, free);
  }
  test.end();
});

t.test('daxClearBlocks zeroes window by window, and stops at an error (TR-5)', (test) => {
  const tfs = new Tfs({ devices: [new MemoryDevice(undefined, 'brd')] });
  const inode = tfs.inode();
  const { device } = tfs;
  daxClearBlocks(inode, 3, 12288);
  test.strictSame(device.directAccesses, [
    { sector: 24, size: 12288 },
    { sector: 32, size: 8192 },
    { sector: 40, size: 4096 },
  ]);
  test.ok(zeros(12288).equals(device.memory.subarray(12288, 24576)));
  test.equal(device.memory[12287], GARBAGE);
  test.equal(device.memory[24576], GARBAGE);
  device.failDirectAccessAt = { pos: 9 * 4096, code: 'ENXIO' };
  test.throws(() => {
    daxClearBlocks(inode, 8n, 12288n);
  }, { code: 'ENXIO' });
  test.ok(zeros(4096).equals(device.memory.subarray(8 * 4096, 9 * 4096)), 'what was zeroed stays so');
  test.equal(device.memory[9 * 4096], GARBAGE);
  device.directAccesses.length = 0;
  daxClearBlocks(inode, 0, 0);
  test.strictSame(device.directAccesses, []);
  test.throws(() => {
    daxClearBlocks(inode, 0, 100);
  }, RangeError);
  test.throws(() => {
    daxClearBlocks(inode, device.size / 4096, 512);
  }, { code: 'ERANGE' });
  const small = new Tfs({ blockSize: 1024 });
  daxClearBlocks(small.inode(), 3, 2048 + 512);
  test.ok(zeros(2560).equals(small.device.memory.subarray(3072, 5632)), 'from within a page on');
  test.equal(small.device.memory[3071], GARBAGE);
  test.equal(small.device.memory[5632], GARBAGE);
  test.end();
});

t.test('the size is set before blocks go, and nobody may look for them (TR-7)', (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(filled(16384, 'a'));
  contents(file);
  let freed = 0;
  tfs.onTruncateBlocks = (inode) => {
    freed++;
    test.equal(inode.size, 4096);
    test.ok(inode.ilock.isHeldExclusive);
    test.ok(inode.inval.isHeldExclusive, 'faults are kept out');
    test.equal(inode.extents.find(1), undefined, 'and the cache has forgotten');
    test.equal(inode.extents.find(0)?.count, 1);
  };
  file.truncateSync(4096);
  test.equal(freed, 1);
  test.end();
});

t.test('blocks past the end that could not be freed go before the file grows (TR-10)', (test) => {
  const broken = () => {
    throw new DaxError({ errno: 'EIO', syscall: 'truncateBlocks' });
  };
  const grow: ((file: DaxFile) => unknown)[] = [
    (file) => { file.truncateSync(3 * 4096); },
    (file) => file.writeSync(Buffer.alloc(1), 3 * 4096 - 1),
  ];
  for (const work of grow) {
    const tfs = new Tfs();
    const file = tfs.fileOf(Buffer.alloc(3 * 4096, 'a'));
    tfs.onTruncateBlocks = broken;
    test.throws(() => { file.truncateSync(100); }, { code: 'EIO' });
    test.equal(file.size, 100);
    test.throws(() => work(file), { code: 'EIO' }, 'not for as long as they cannot be');
    test.equal(file.size, 100);
    tfs.onTruncateBlocks = undefined;
    work(file);
    const content = Buffer.alloc(3 * 4096, 'x');
    test.equal(file.readSync(content, 0), 3 * 4096);
    test.ok(content.equals(Buffer.concat([Buffer.alloc(100, 'a'), Buffer.alloc(3 * 4096 - 100)])), 'nothing old is seen');
  }
  // What a write came to counts, whatever becomes of the blocks that it did not need.
  const tfs = new Tfs({ maxRun: 1 });
  const file = tfs.file();
  tfs.failOn(2, 'ENOSPC');
  tfs.onTruncateBlocks = broken;
  test.equal(file.writeSync(Buffer.alloc(3 * 4096, 'b'), 0), 2 * 4096);
  test.equal(file.size, 2 * 4096);
  test.equal(file.writeSync(Buffer.alloc(10), 0), 10, 'nor do they keep one within the file');
  test.throws(() => file.appendSync(Buffer.alloc(10)), { code: 'EIO' }, 'the next one that grows the file is told');
  test.end();
});

t.test('a full disk has all its blocks back after partial failures and unlink (IO-16)', async (test) => {
  const tfs = new Tfs({ blocksPerDevice: 20 });
  const files = [tfs.file(), tfs.file(), tfs.file()];
  const inodes = files.map(({ inode }) => inode);
  let written = 0;
  for (let round = 0; round < 12; round++) {
    const file = files[round % 3] as DaxFile;
    try {
      const pos = file.size + (round % 2) * 5000;
      written += round % 4 < 2 ? file.writeSync(filled(9000, 'x'), pos) : await file.write(filled(9000, 'x'), pos);
    } catch (error) {
      test.match(error, { code: 'ENOSPC' });
    }
    tfs.check(inodes);
  }
  test.equal(tfs.freeBlocks, 0);
  test.ok(written > 15 * 4096);
  for (const [n, inode] of inodes.entries()) {
    for (const iblock of (inode as (typeof inodes)[number] & { blocks: Map<number, unknown> }).blocks.keys()) {
      test.ok(iblock * 4096 < inode.size, `file ${n} has no block past its end`);
    }
    tfs.unlink(inode);
  }
  test.equal(tfs.freeBlocks, 20);
  tfs.check([]);
});

t.test('a hole is punched, its edges are zeroed (TR-12)', async (test) => {
  for (const blockSize of BLOCK_SIZES) {
    for (const [pos, length] of [
      [0, 16384],
      [100, 50],
      [4000, 200],
      [100, 12000],
      [4096, 4096],
      [4095, 4098],
      [1, 4095],
      [12000, 100_000],
      [3000, 0],
      [50_000, 10_000],
    ] as const) {
      for (const form of ['punchHole', 'punchHoleSync'] as const) {
        const tfs = new Tfs({ blockSize });
        const file = tfs.fileOf(filled(16_000, 'a'));
        contents(file);
        const free = tfs.freeBlocks;
        await file[form](pos, length);
        const end = pos + length;
        const expected = filled(16_000, 'a');
        expected.fill(0, Math.min(pos, 16_000), Math.min(end, 16_000));
        const whole = Math.max(0, Math.min(Math.floor(end / blockSize), Math.ceil(16_000 / blockSize)) - Math.ceil(pos / blockSize));
        if (!contents(file).equals(expected)) test.fail(`${length} at ${pos} in blocks of ${blockSize}`);
        if (tfs.freeBlocks !== free + whole) test.fail(`${tfs.freeBlocks - free} blocks of ${blockSize}, not ${whole}`);
        test.equal(file.size, 16_000);
        file.inode.extents.invalidate();
        if (!contents(file).equals(expected)) test.fail('the cache differs');
      }
    }
  }
});

t.test('no error in the middle of a punch frees a block (TR-12)', (test) => {
  const tfs = new Tfs({ maxRun: 1 });
  const file = tfs.fileOf(filled(16384, 'a'));
  const free = tfs.freeBlocks;
  tfs.failOn(3, 'EIO');
  test.throws(() => {
    file.punchHoleSync(100, 14_000);
  }, { code: 'EIO' });
  test.equal(tfs.freeBlocks, free);
  test.throws(() => {
    new Tfs({ noPunch: true }).file().punchHoleSync(0, 4096);
  }, { code: 'EOPNOTSUPP' });
  test.ok(isFree(file.inode));
  test.end();
});

t.test('a range is zeroed where it is', async (test) => {
  for (const blockSize of BLOCK_SIZES) {
    for (const form of ['zeroRange', 'zeroRangeSync'] as const) {
      const tfs = new Tfs({ blockSize });
      const file = tfs.fileOf(filled(16_000, 'a'));
      const free = tfs.freeBlocks;
      await file[form](1000, 9000);
      await file[form](15_000, 5000);
      await file[form](20_000, 5000);
      const expected = Buffer.concat([filled(1000, 'a'), zeros(9000), filled(5000, 'a'), zeros(1000)]);
      test.ok(contents(file).equals(expected));
      test.equal(tfs.freeBlocks, free);
      test.equal(file.size, 16_000);
    }
  }
});
