// The tutorial's filesystem works: it passes the kit, survives remounts, refuses media that it did not make, and equals the code
// that the page shows.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { open, type BlockDevice } from 'node-dax';
import { checkFilesystem, format, RecordingDevice, type FilesystemUnderTest } from 'node-dax/testkit';
import { TinyFs } from '../../docs/examples/tiny-fs.js';
import { fsx } from '../../lib/testkit/runs/fsx.js';
import { scratchPath } from '../helpers/devices.js';
import { amount, sample } from '../helpers/thorough.js';

const MIB = 1024 * 1024;
const SEEDS = 10;
const ROOT = join(__dirname, '..', '..', '..');

function underTest(fs: TinyFs): FilesystemUnderTest {
  return {
    operations: fs.operations,
    create: (name) => fs.create(name).inode,
    unlink: (name) => {
      fs.unlink(name);
    },
    freeBlocks: () => fs.freeBlocks(),
    lookup: (name) => fs.lookup(name)?.inode,
    mount: (device) => underTest(TinyFs.mount(device)),
  };
}

t.test('the kit finds nothing', async (t) => {
  for (const seed of sample([1, 2], 2)) {
    const report = await checkFilesystem(
      (device) => {
        TinyFs.mkfs(device);
        return underTest(TinyFs.mount(device));
      },
      { seed, operations: amount({ short: 150, thorough: 600, long: 1000 }), blockDeviceSize: amount({ short: 2, thorough: 2, long: 4 }) * MIB },
    );
    t.ok(report.ok, `seed ${seed}`, { report: format(report) });
    const skipped = report.checks.filter(({ status }) => status === 'skipped').map(({ title }) => title);
    t.strictSame(skipped, []);
  }
});

// As xfstests' fsx, whose 100 000 operations are those of the long run.
t.test('random operations, mapped ones among them, give what a byte array gives', { timeout: 3_600_000 }, async (t) => {
  const operations = Number(process.env['NODE_DAX_TEST_FSX'] ?? amount({ short: 300, thorough: 2000, long: 2000 }));
  const first = Number(process.env['NODE_DAX_TEST_SEED'] ?? Date.now() % 1e9);
  const make = (device: BlockDevice) => {
    TinyFs.mkfs(device);
    return underTest(TinyFs.mount(device));
  };
  for (let seed = first; seed < first + SEEDS; seed++) {
    t.equal(await fsx(make, 4 * MIB, seed, operations / SEEDS, true), undefined, `NODE_DAX_TEST_SEED=${seed}`);
  }
});

t.test('the kit finds what is not durable', async (t) => {
  const broken = async (change: (fs: TinyFs, device: { isLazy: boolean }) => Partial<FilesystemUnderTest>) => {
    const report = await checkFilesystem(
      (device) => {
        TinyFs.mkfs(device);
        const state = { isLazy: false };
        const fs = TinyFs.mount(lazy(device, state));
        return { ...underTest(fs), ...change(fs, state) };
      },
      { seed: 1, operations: 0, blockDeviceSize: 2 * MIB },
    );
    return report.checks.filter(({ ok }) => !ok).map(({ rule, title }) => `${rule} ${title}`);
  };
  const forgets = await broken(({ operations }) => ({ operations: { ...operations, fsync: () => undefined } }));
  const lost = [/^IO-10 the last byte/, /^IO-10 what fsync returned for/, /^TR-10 a power cut/, /^IO-10 a device that fails/];
  t.match(forgets, lost, 'fsync that does nothing');
  const early = await broken(({ operations }, state) => ({
    operations: {
      ...operations,
      truncateBlocks(inode, size) {
        state.isLazy = true;
        operations.truncateBlocks(inode, size);
        state.isLazy = false;
      },
    },
  }));
  t.match(early, [/^TR-10 a power cut/], 'blocks that are free before their pointers are durably gone');
});

// The device, but stores are not flushed while it is lazy.
function lazy(device: BlockDevice, state: { readonly isLazy: boolean }): BlockDevice {
  return {
    size: device.size,
    granularity: device.granularity,
    directAccess: (sector, size) => device.directAccess(sector, size),
    readSync: (target, pos, options) => device.readSync(target, pos, options),
    writeSync: (source, pos, options) => device.writeSync(source, pos, state.isLazy ? { ...options, flush: false } : options),
    zeroSync: (pos, length, options) => device.zeroSync(pos, length, options),
    flush: (pos, length) => { device.flush(pos, length); },
    drain: () => { device.drain(); },
    persist: (pos, length) => { device.persist(pos, length); },
  };
}

/** Files that one mount leaves and the next finds. */
function leaveFiles(device: BlockDevice): void {
  TinyFs.mkfs(device);
  const fs = TinyFs.mount(device);
  fs.create('short').writeSync(Buffer.from('a few words'), 0);
  const long = fs.create('long');
  long.writeSync(Buffer.alloc(100_000, 'x'), 50_000);
  fs.create('gone').writeSync(Buffer.alloc(10_000), 0);
  for (const name of fs.names()) fs.lookup(name)?.fsync();
  fs.unlink('gone');
}

t.test('on a medium that is mounted again', async (t) => {
  const path = scratchPath(t);
  const first = await open(path, { size: 4 * MIB });
  leaveFiles(first);
  const free = TinyFs.mount(first).freeBlocks();
  await first.close();
  const memory = new RecordingDevice(4 * MIB);
  leaveFiles(memory);
  const second = await open(path);
  for (const device of [second, memory.afterPowerCut()]) {
    const fs = TinyFs.mount(device);
    t.strictSame(fs.names(), ['short', 'long']);
    const words = Buffer.alloc(100);
    t.equal(words.toString('utf8', 0, fs.lookup('short')?.readSync(words, 0)), 'a few words');
    const content = Buffer.alloc(200_000);
    t.equal(fs.lookup('long')?.readSync(content, 0), 150_000);
    t.ok(content.equals(Buffer.concat([Buffer.alloc(50_000), Buffer.alloc(100_000, 'x'), Buffer.alloc(50_000)])));
    t.equal(fs.freeBlocks(), free);
    fs.unlink('long');
    fs.unlink('short');
    t.equal(fs.freeBlocks(), 4 * MIB / 4096 - 65);
    t.strictSame(TinyFs.mount(device).names(), []);
  }
  await second.close();
});

t.test('what it refuses', (t) => {
  const device = new RecordingDevice(4 * MIB);
  t.throws(() => TinyFs.mount(device), { code: 'EUCLEAN' }, 'garbage');
  t.equal(device.stored, 0, 'which it leaves alone');
  t.throws(() => { TinyFs.mkfs(new RecordingDevice(65 * 4096)); }, { code: 'ENOSPC' });
  TinyFs.mkfs(device);
  const fs = TinyFs.mount(device);
  fs.create('a').writeSync(Buffer.alloc(5000, 'a'), 0);
  fs.lookup('a')?.fsync();
  t.throws(() => fs.create('a'), { code: 'EEXIST' });
  t.throws(() => fs.create(''), { code: 'EINVAL' });
  t.throws(() => { fs.unlink('b'); }, { code: 'ENOENT' });
  const removed = fs.create('b');
  fs.unlink('b');
  t.throws(() => removed.writeSync(Buffer.from('b'), 0), { code: 'ESTALE' });
  for (let file = 1; file < 64; file++) fs.create(`file${file}`);
  t.throws(() => fs.create('one-more'), { code: 'ENOSPC' });
  // Both records of a file; one alone is what a power cut leaves.
  const record = Buffer.alloc(4096);
  device.readSync(record, 4096);
  const newer = record.readDoubleLE(16) > record.readDoubleLE(2048 + 16) ? 0 : 2048;
  device.writeSync(Buffer.from('x'), 4096 + newer + 100);
  t.equal(TinyFs.mount(device).lookup('a')?.size, 0, 'the older record counts');
  device.writeSync(Buffer.from('x'), 4096 + (2048 - newer) + 100);
  t.throws(() => TinyFs.mount(device), { code: 'EUCLEAN' }, 'no record is whole');
  t.end();
});

t.test('the document prints it', (t) => {
  const document = readFileSync(join(ROOT, 'docs', 'write-a-filesystem.md'), 'utf8');
  const code = readFileSync(join(ROOT, 'docs', 'examples', 'tiny-fs.ts'), 'utf8');
  const printed = [...document.matchAll(/```ts\n(.*?)```/gs)].map(([, block = '']) => block);
  t.equal(printed.join('\n'), code, 'block by block');
  const lines = code.split('\n').filter((line) => !/^\s*(?:\/\/|\/?\*|$)/.test(line));
  t.ok(lines.length < 200, `${lines.length} lines of code`);
  t.end();
});
