// What each driver does that no other does, and two processes on one segment.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { lockDevice, openSync, PAGE_SIZE, SECTOR_SIZE } from 'node-dax';
import { axonram, brd, dcssblk, faulty, linear, readOnly, striped } from 'node-dax/drivers';
import { mkfsSync, mount } from 'node-dax/ext2';
import { scratchPath } from '../helpers/devices.js';
import { scratch } from '../helpers/drivers.js';
import { gc } from '../helpers/gc.js';

const MIB = 1024 * 1024;
const TIB = 1024 ** 4;
const bytesIn = (page: number) => page * (PAGE_SIZE / SECTOR_SIZE);

t.test('brd: pages come into being when they are accessed, one an answer, zeros', (test) => {
  const disk = brd({ size: TIB, memory: 64 * MIB });
  test.teardown(() => disk.close());
  test.match(disk, { size: TIB, used: 0, persistent: false, granularity: 'byte' });
  const { bytes, window } = disk.directAccess(bytesIn(100), 16 * PAGE_SIZE);
  test.equal(bytes, PAGE_SIZE);
  test.ok(window.every((byte) => byte === 0));
  test.equal(disk.used, PAGE_SIZE, 'a look is enough');
  disk.readSync(Buffer.alloc(1), TIB - 1);
  test.equal(disk.used, 2 * PAGE_SIZE);
  disk.writeSync(Buffer.from('across pages'), 5 * PAGE_SIZE - 3);
  const found = Buffer.alloc(12);
  disk.readSync(found, 5 * PAGE_SIZE - 3);
  test.equal(found.toString(), 'across pages');
  test.end();
});

t.test('brd: memory is bounded, and what is discarded is free for others, and zeros', (test) => {
  const disk = brd({ size: 16 * MIB, memory: 8 * PAGE_SIZE });
  test.teardown(() => disk.close());
  test.equal(disk.writeSync(Buffer.alloc(MIB, 1), 0), 8 * PAGE_SIZE);
  test.throws(() => disk.writeSync(Buffer.alloc(1), 8 * PAGE_SIZE), { code: 'ENOSPC', reason: 'DEVICE_FULL', position: 8 * PAGE_SIZE });
  test.equal(disk.used, 8 * PAGE_SIZE);
  disk.discard(1, 5 * PAGE_SIZE);
  test.equal(disk.used, 4 * PAGE_SIZE, 'whole pages');
  test.equal(disk.writeSync(Buffer.alloc(PAGE_SIZE - 1, 2), 15 * MIB), PAGE_SIZE - 1);
  const page = Buffer.alloc(2 * PAGE_SIZE);
  disk.readSync(page, 0);
  test.ok(page.subarray(0, PAGE_SIZE).every((byte) => byte === 1) && page.subarray(PAGE_SIZE).every((byte) => byte === 0));
  disk.readSync(page, 15 * MIB);
  test.equal(page[PAGE_SIZE - 1], 0, 'nothing of what was there before');
  test.throws(() => { disk.discard(0, 17 * MIB); }, { code: 'ERR_OUT_OF_RANGE' });
  test.throws(() => brd({ size: 100 }), { code: 'ERR_OUT_OF_RANGE' });
  test.end();
});

t.test('brd: a disk that is closed or unplugged discards nothing, and says which of the two it is', (test) => {
  const [closed, gone] = [brd({ size: MIB }), brd({ size: MIB })];
  for (const disk of [closed, gone]) disk.writeSync(Buffer.alloc(PAGE_SIZE, 1), 0);
  closed.closeSync();
  gone.unplug();
  test.throws(() => { closed.discard(0, PAGE_SIZE); }, { code: 'EBADF', reason: 'DEVICE_CLOSED', syscall: 'discard' });
  test.throws(() => { gone.discard(0, PAGE_SIZE); }, { code: 'ENODEV', reason: 'DEVICE_REMOVED', syscall: 'discard' });
  test.end();
});

t.test('brd: a filesystem of 64 GiB takes the memory that it uses', (test) => {
  const disk = brd({ size: 64 * 1024 * MIB, memory: 64 * MIB });
  test.teardown(() => disk.close());
  mkfsSync(disk, { blockSize: 4096, zeroed: true });
  const fs = mount(disk);
  const file = fs.open(fs.create(fs.root, 'f'));
  file.writeSync(Buffer.alloc(PAGE_SIZE, 'x'), 40 * 1024 * MIB);
  test.equal(file.size, 40 * 1024 * MIB + PAGE_SIZE);
  file.closeSync();
  fs.unmount();
  test.ok(disk.used < 32 * MIB, `${disk.used} bytes`);
  test.end();
});

t.test('brd: a page takes no more than 16 bytes beside its memory', async (test) => {
  const pages = 200_000;
  const disk = brd({ size: pages * PAGE_SIZE });
  test.teardown(() => disk.close());
  const used = async (): Promise<number> => {
    gc();
    // What earlier tests left is freed by another thread.
    await setImmediate();
    gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  disk.directAccess(0, PAGE_SIZE);
  const before = await used();
  // With an address that is given out, and nothing stored there: the memory stays a hole.
  for (let page = 0; page < pages; page++) if (disk.directAccess(bytesIn(page), PAGE_SIZE).window.byteLength !== PAGE_SIZE) test.fail(`page ${page}`);
  const bytes = ((await used()) - before) / pages;
  test.equal(disk.used, pages * PAGE_SIZE);
  test.ok(bytes > 1 && bytes <= 16, `${bytes} bytes a page`);
});

t.test('axonram: all that is left of the bank, corrected errors are counted, others are EIO from then on', (test) => {
  const below = scratch(test, 64 * PAGE_SIZE);
  const bank = axonram(below, { pos: 2 * PAGE_SIZE, size: 32 * PAGE_SIZE });
  test.equal(bank.directAccess(bytesIn(4), 28 * PAGE_SIZE).bytes, 28 * PAGE_SIZE);
  bank.writeSync(Buffer.from('here'), 0);
  test.equal(Buffer.from(below.view(2 * PAGE_SIZE, 4)).toString(), 'here');
  bank.tellError(5, true);
  bank.tellError(10 * PAGE_SIZE + 5, true);
  test.equal(bank.correctable, 2);
  test.equal(bank.readSync(Buffer.alloc(4), 0), 4, 'and nothing else comes of it');
  bank.tellError(10 * PAGE_SIZE + 5, false);
  test.strictSame(bank.uncorrectable, [10 * PAGE_SIZE]);
  test.equal(bank.directAccess(bytesIn(4), 28 * PAGE_SIZE).bytes, 6 * PAGE_SIZE);
  test.throws(() => bank.directAccess(bytesIn(10), 1), { code: 'EIO', reason: 'MEDIA_ERROR', position: 10 * PAGE_SIZE });
  const buffer = Buffer.alloc(20 * PAGE_SIZE);
  test.equal(bank.readSync(buffer, 0), 10 * PAGE_SIZE);
  test.throws(() => bank.readSync(buffer, 10 * PAGE_SIZE + 100), { code: 'EIO', position: 10 * PAGE_SIZE });
  test.equal(bank.readSync(buffer, 11 * PAGE_SIZE), 20 * PAGE_SIZE);
  test.throws(() => { bank.tellError(32 * PAGE_SIZE, true); }, { code: 'ERR_OUT_OF_RANGE' });
  const worn = axonram(brd({ size: 1024 * MIB }));
  for (let page = 1; page < 200_000; page++) worn.tellError(page * PAGE_SIZE, false);
  test.equal(worn.directAccess(0, PAGE_SIZE).bytes, PAGE_SIZE, 'many are in front of it');
  test.throws(() => axonram(below, { pos: 100 }), { code: 'ERR_OUT_OF_RANGE' });
  test.end();
});

t.test('linear: one after the other, whole pages of each, and locks on all that are touched', (test) => {
  const [one, two] = [scratch(test, 4 * PAGE_SIZE), scratch(test, 8 * PAGE_SIZE)];
  const both = linear([one, two]);
  test.equal(both.size, 12 * PAGE_SIZE);
  test.equal(both.directAccess(bytesIn(1), 11 * PAGE_SIZE).bytes, 3 * PAGE_SIZE);
  both.writeSync(Buffer.from('seam'), 4 * PAGE_SIZE - 2);
  test.equal(Buffer.from(one.view(4 * PAGE_SIZE - 2, 2)).toString() + Buffer.from(two.view(0, 2)).toString(), 'seam');
  const lock = lockDevice(both, 'exclusive', 5 * PAGE_SIZE, PAGE_SIZE);
  test.throws(() => two.lock('shared', PAGE_SIZE, 1), { code: 'EBUSY' });
  two.lock('shared', 2 * PAGE_SIZE, 1).release();
  lock.release();
  const held = two.lock('shared');
  test.throws(() => lockDevice(both, 'exclusive'), { code: 'EBUSY' });
  one.lock('exclusive').release();
  held.release();
  test.throws(() => linear([]), { code: 'ERR_INVALID_ARG_VALUE' });
  test.end();
});

t.test('striped: chunk by chunk, as far as the smallest has chunks', (test) => {
  const devices = [scratch(test, 9 * PAGE_SIZE), scratch(test, 20 * PAGE_SIZE), scratch(test, 8 * PAGE_SIZE)];
  const device = striped(devices, { chunk: 2 * PAGE_SIZE });
  test.equal(device.size, 24 * PAGE_SIZE);
  const content = Buffer.alloc(device.size).map((_, pos) => Math.floor(pos / PAGE_SIZE));
  test.equal(device.writeSync(content, 0), content.length);
  test.strictSame(devices.map((each) => [...each.view(0, 8 * PAGE_SIZE)].filter((_, pos) => pos % PAGE_SIZE === 0)), [
    [0, 1, 6, 7, 12, 13, 18, 19],
    [2, 3, 8, 9, 14, 15, 20, 21],
    [4, 5, 10, 11, 16, 17, 22, 23],
  ]);
  const found = Buffer.alloc(content.length);
  device.readSync(found, 0);
  test.ok(found.equals(content));
  test.equal(device.directAccess(bytesIn(1), 10 * PAGE_SIZE).bytes, PAGE_SIZE);
  test.throws(() => striped(devices, { chunk: 1000 }), { code: 'ERR_OUT_OF_RANGE' });
  test.throws(() => striped(devices, { chunks: 1 } as object), { code: 'ERR_INVALID_ARG_VALUE' });
  test.end();
});

t.test('a device made of others is as coarse, and as persistent, as the least of them', (test) => {
  const fine = { ...{ granularity: 'byte' as const, persistent: true } };
  const coarse = { ...{ granularity: 'page' as const, persistent: undefined } };
  const of = (facts: typeof fine | typeof coarse) => Object.assign(brd({ size: PAGE_SIZE }), facts);
  test.match(linear([of(fine), of(fine)]), fine);
  test.match(linear([of(fine), of(coarse)]), coarse);
  test.match(linear([of(coarse), brd({ size: PAGE_SIZE })]), { granularity: 'page', persistent: false });
  test.end();
});

t.test('readOnly: is locked by readers alone', (test) => {
  const below = scratch(test, 4 * PAGE_SIZE);
  const device = readOnly(below);
  test.throws(() => device.writeSync(Buffer.alloc(1), 0), { code: 'EROFS' });
  test.throws(() => lockDevice(device, 'exclusive'), { code: 'EROFS' });
  const lock = lockDevice(device, 'shared');
  test.throws(() => below.lock('exclusive'), { code: 'EBUSY' });
  lock.release();
  test.end();
});

t.test('faulty: fails as planned', (test) => {
  const seen: number[] = [];
  const device = faulty(scratch(test, 4 * PAGE_SIZE), ({ pos, count }) => {
    seen.push(count);
    return pos === PAGE_SIZE ? 'EIO' : count > 3 ? 'ENODEV' : undefined;
  });
  test.equal(device.readSync(Buffer.alloc(8), 0), 8);
  test.throws(() => device.readSync(Buffer.alloc(8), PAGE_SIZE + 9), { code: 'EIO', position: PAGE_SIZE });
  test.equal(device.zeroSync(0, 8), 8);
  device.directAccess(0, 1);
  test.throws(() => device.writeSync(Buffer.alloc(8), 0), { code: 'ENODEV' });
  test.strictSame(seen, [0, 1, 2, 3, 4]);
  test.end();
});

t.test('dcssblk: an answer never crosses a segment, and a store to one that is read is EROFS', (test) => {
  const paths = [scratchPath(test, '/dev/shm'), scratchPath(test, '/dev/shm')] as const;
  openSync(paths[1], { size: 4 * PAGE_SIZE }).closeSync();
  const disk = dcssblk([{ path: paths[0], access: 'exclusive', size: 4 * PAGE_SIZE }, { path: paths[1], access: 'readOnly' }]);
  test.equal(disk.size, 8 * PAGE_SIZE);
  test.equal(disk.directAccess(bytesIn(3), 5 * PAGE_SIZE).bytes, PAGE_SIZE);
  test.equal(disk.writeSync(Buffer.alloc(10), 4 * PAGE_SIZE - 5), 5);
  test.throws(() => disk.writeSync(Buffer.alloc(10), 4 * PAGE_SIZE), { code: 'EROFS' });
  test.throws(() => dcssblk([{ path: paths[0], access: 'shared' }]), { code: 'EBUSY' });
  disk.closeSync();
  dcssblk([{ path: paths[0], access: 'shared' }]).closeSync();
  test.throws(() => dcssblk([{ path: paths[0], access: 'mine' as 'shared' }]), { code: 'ERR_INVALID_ARG_VALUE' });
  test.throws(() => dcssblk([{ path: paths[0], access: 'shared' }, { path: `${paths[0]}-none`, access: 'shared' }]), { code: 'ENOENT' });
  openSync(paths[0], { lock: true }).closeSync();
  writeFileSync(paths[0], 'too short');
  test.throws(() => dcssblk([{ path: paths[0], access: 'shared' }]), { code: 'EINVAL' });
  test.end();
});

t.test('dcssblk: a saved segment is made again of what it was', (test) => {
  const path = scratchPath(test, '/dev/shm');
  const saved = scratchPath(test, tmpdir());
  const segment = { path, access: 'shared', size: 4 * PAGE_SIZE, saved } as const;
  const disk = dcssblk([segment]);
  disk.writeSync(Buffer.from('kept'), PAGE_SIZE);
  test.notOk(existsSync(saved));
  disk.save();
  disk.writeSync(Buffer.from('lost'), 2 * PAGE_SIZE);
  disk.closeSync();
  unlinkSync(path);
  const again = dcssblk([segment]);
  const found = Buffer.alloc(PAGE_SIZE + 4);
  again.readSync(found, PAGE_SIZE);
  test.equal(found.toString('latin1', 0, 4), 'kept');
  test.equal(found[PAGE_SIZE], 0);
  again.closeSync();
  unlinkSync(saved);
  again.save();
  test.equal(readFileSync(saved).toString('latin1', PAGE_SIZE, PAGE_SIZE + 4), 'kept', 'a disk that is closed saves its segments too');
  test.end();
});

t.test('dcssblk: who had a segment before it was opened exclusively keeps it, and nobody else can open it', (test) => {
  const path = scratchPath(test, '/dev/shm');
  const before = dcssblk([{ path, access: 'shared', size: 4 * PAGE_SIZE }]);
  const alone = dcssblk([{ path, access: 'exclusive' }]);
  test.equal(before.writeSync(Buffer.from('still'), 0), 5);
  for (const access of ['exclusive', 'shared', 'readOnly'] as const) test.throws(() => dcssblk([{ path, access }]), { code: 'EBUSY' }, access);
  alone.closeSync();
  before.closeSync();
  test.end();
});

t.test('dcssblk: programs that make a saved segment at the same time have one and the same', async (test) => {
  const path = scratchPath(test, '/dev/shm');
  const saved = scratchPath(test, tmpdir());
  const disk = dcssblk([{ path, access: 'shared', size: 16 * MIB, saved }]);
  disk.save();
  disk.closeSync();
  unlinkSync(path);
  const script = `
    const { dcssblk } = require('node-dax/drivers');
    const [, path, saved, own] = process.argv;
    const disk = dcssblk([{ path, access: 'shared', saved }]);
    disk.writeSync(Buffer.from([1]), Number(own));
    disk.closeSync();`;
  const run = promisify(execFile);
  await Promise.all([0, 1, 2, 3].map((own) => run(process.execPath, ['-e', script, path, saved, String(own)])));
  test.strictSame([...readFileSync(path).subarray(0, 4)], [1, 1, 1, 1], 'each has written into it');
  test.strictSame(readdirSync(dirname(path)).filter((name) => name.startsWith('.node-dax-')), [], 'no copy is left');
});

t.test('dcssblk: a copy that cannot get its name leaves nothing behind', (test) => {
  const path = scratchPath(test, '/dev/shm');
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-drivers-'));
  test.teardown(() => { rmSync(folder, { recursive: true }); });
  const disk = dcssblk([{ path, access: 'shared', size: 4 * PAGE_SIZE, saved: join(folder, 'folder') }]);
  mkdirSync(join(folder, 'folder'));
  test.throws(() => { disk.save(); }, { code: 'EISDIR' });
  test.strictSame(readdirSync(folder), ['folder']);
  disk.closeSync();
  test.end();
});

// Reads a word through a private window each time that it is told a line, and stores there once.
const READER = `
const { dcssblk } = require('node-dax/drivers');
const disk = dcssblk([{ path: process.argv[1], access: 'readOnly' }]);
const { window } = disk.directAccess(0, 8192);
process.stdin.on('data', () => {
  window[4096] = 1;
  console.log(Buffer.from(window.subarray(0, 5)).toString());
});
process.stdin.on('end', () => disk.closeSync());
console.log('ready');
`;

t.test('dcssblk: two processes have one segment, of which one writes and one reads', async (test) => {
  const path = scratchPath(test, '/dev/shm');
  const disk = dcssblk([{ path, access: 'shared', size: 4 * PAGE_SIZE }]);
  test.teardown(() => disk.close());
  const reader = spawn(process.execPath, ['-e', READER, path], { cwd: join(__dirname, '..', '..', '..'), stdio: ['pipe', 'pipe', 'inherit'] });
  const said = async () => String((await once(reader.stdout, 'data') as [Buffer])[0]).trim();
  test.equal(await said(), 'ready');
  for (const word of ['hello', 'again']) {
    disk.writeSync(Buffer.from(word), 0);
    reader.stdin.write('\n');
    test.equal(await said(), word);
  }
  const byte = Buffer.alloc(1);
  disk.readSync(byte, PAGE_SIZE);
  test.equal(byte[0], 0, 'what the reader stored stayed there');
  reader.stdin.end();
  test.strictSame(await once(reader, 'exit'), [0, null]);
});
