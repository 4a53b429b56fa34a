// What a close waits for: what was begun through that handle; of the last one, what is done with the inode without a handle.

import t from 'tap';
import { setImmediate } from 'node:timers/promises';
import { DaxFile } from 'node-dax';
import { check, mkfsSync, mount, type Ext2 } from 'node-dax/ext2';
import { MemoryDevice } from '../helpers/memory-device.js';
import { watch } from '../helpers/watchdog.js';

// Large enough for another thread, where it can be parked.
const LARGE = 512 * 1024;

function begin(): { device: MemoryDevice; fs: Ext2 } {
  const device = new MemoryDevice(16 * 1024 * 1024);
  mkfsSync(device, { blockSize: 4096 });
  return { device, fs: mount(device) };
}

const isDone = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false;
  void promise.finally(() => (done = true));
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  return done;
};

t.test('a handle waits for its own work, and not for that of others', async (test) => {
  watch(test);
  const { device, fs } = begin();
  const free = fs.statfs();
  const file = fs.open(fs.create(fs.root, 'a'));
  const other = fs.open(file.inode);
  const third = fs.open(file.inode);
  const parked = device.park();
  const writing = file.write(Buffer.alloc(LARGE, 'w'), 0);
  await parked.arrived;
  await other.close();
  test.throws(() => { file.closeSync(); }, { code: 'EAGAIN', syscall: 'close', hint: /await/ }, 'its own work is under way, whoever else is there');
  test.equal(file.isOpen, true);
  const reading = third.read(Buffer.alloc(LARGE), 0);
  const closing = file.close();
  test.equal(file.close(), closing, 'once is enough');
  await test.rejects(file.read(Buffer.alloc(1), 0), { code: 'EBADF' });
  test.throws(() => { fs.unmount(); }, { code: 'EBUSY' });
  fs.unlink(fs.root, 'a');
  test.notOk(await isDone(closing));
  parked.resume();
  test.equal(await writing, LARGE);
  await closing;
  test.equal(await reading, LARGE, 'what waited behind it goes on');
  test.not(fs.statfs().freeBlocks, free.freeBlocks, 'a handle is left: so is the file');
  await third.close();
  await third.close();
  test.strictSame(fs.statfs(), free, 'it went with the last one');
  fs.unmount();
  test.strictSame(check(device).findings, []);
});

t.test('what was written is on the medium after the last close, also of a file that is held', (test) => {
  const { device, fs } = begin();
  const inode = fs.create(fs.root, 'a');
  fs.hold(inode);
  const [file, other] = [fs.open(inode), fs.open(inode)];
  file.writeSync(Buffer.alloc(10_000, 'w'), 0);
  file.closeSync();
  other.closeSync();
  const image = new MemoryDevice(device.memory.length);
  image.memory.set(device.memory);
  const after = mount(image);
  const read = after.open(after.resolve('/a'));
  test.equal(read.inode.size, 10_000);
  const content = Buffer.alloc(10_000);
  test.equal(read.readSync(content, 0), 10_000);
  test.ok(content.every((byte) => byte === 0x77));
  read.closeSync();
  after.unmount();
  fs.release(inode);
  fs.unmount();
  test.strictSame(check(device).findings, []);
  test.end();
});

t.test('the last one lets go first who has no handle', async (test) => {
  watch(test);
  const { device, fs } = begin();
  const free = fs.statfs();
  const file = fs.open(fs.create(fs.root, 'a'));
  file.writeSync(Buffer.alloc(LARGE, 'w'), 0);
  fs.unlink(fs.root, 'a');
  const bare = new DaxFile(file.inode, fs.operations);
  const found = Buffer.alloc(LARGE);
  const parked = device.park();
  const reading = bare.read(found, 0);
  await parked.arrived;
  test.throws(() => { file.closeSync(); }, { code: 'EAGAIN' });
  const closing = file.close();
  test.notOk(await isDone(closing));
  test.not(fs.statfs().freeBlocks, free.freeBlocks);
  parked.resume();
  test.equal(await reading, LARGE);
  test.ok(found.equals(Buffer.alloc(LARGE, 'w')), 'nobody had its blocks meanwhile');
  await closing;
  test.strictSame(fs.statfs(), free);
  fs.unmount();
  test.strictSame(check(device).findings, []);
});

t.test('one that is opened while the last one waits keeps the file', async (test) => {
  watch(test);
  const { device, fs } = begin();
  const file = fs.open(fs.create(fs.root, 'a'));
  file.writeSync(Buffer.alloc(LARGE, 'w'), 0);
  fs.unlink(fs.root, 'a');
  const bare = new DaxFile(file.inode, fs.operations);
  const parked = device.park();
  const reading = bare.read(Buffer.alloc(LARGE), 0);
  await parked.arrived;
  const closing = file.close();
  const again = fs.open(file.inode);
  parked.resume();
  await Promise.all([reading, closing]);
  const found = Buffer.alloc(LARGE);
  test.equal(await again.read(found, 0), LARGE);
  test.ok(found.equals(Buffer.alloc(LARGE, 'w')));
  await again.close();
  fs.unmount();
  test.strictSame(check(device).findings, []);
});

t.test('many closes of many handles, with and without work', async (test) => {
  watch(test);
  const { device, fs } = begin();
  const inode = fs.create(fs.root, 'a');
  const files = Array.from({ length: 200 }, () => fs.open(inode));
  const writes = files.map((file, index) => (index % 3 === 0 ? file.append(Buffer.alloc(100, index)) : Promise.resolve(100)));
  const closes = files.flatMap((file) => [file.close(), file.close()]);
  test.strictSame(await Promise.all(writes), files.map(() => 100));
  await Promise.all(closes);
  test.equal(fs.stat(inode).size, 100 * 67);
  fs.unmount();
  test.strictSame(check(device).findings, []);
});
