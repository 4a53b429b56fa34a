// Opening with a lock, on every kind of device, beside processes that take flock(2) locks of their own.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { daxMmap, deviceUse, Inode, open, openSync, PAGE_SIZE, partition } from 'node-dax';
import { FaultWorker } from '../helpers/fault-worker.js';
import { FILE_SIZE, onDevices, onEveryKind, scratchPath } from '../helpers/devices.js';
import { ON_HOST } from '../helpers/guest.js';

const REFUSAL = { code: 'EBUSY', reason: 'DEVICE_IN_USE', syscall: 'open', message: /locked.*lslocks/ };

/** Whether another process can lock it now. */
function canLock(path: string, mode: 'exclusive' | 'shared'): boolean {
  const { status, error } = spawnSync('flock', ['--nonblock', `--${mode}`, path, 'true']);
  if (error !== undefined) throw error;
  return status === 0;
}

/** A process that runs `command`, which says when it has the lock, and its end. */
async function holder(command: string, ...args: string[]): Promise<{ kill(): Promise<void> }> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), ended]);
  return {
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

onEveryKind('the lock of', (test, wanted) => {
  const device = wanted.open({ lock: true });
  device.writeSync(Buffer.from('kept'), 4096);
  test.throws(() => openSync(wanted.path, { lock: true, force: true }), { ...REFUSAL, message: /another device of this process/ }, 'nor in the same process');
  test.throws(() => openSync(wanted.path, { lock: true, readOnly: true }), REFUSAL);
  test.equal(canLock(wanted.path, 'exclusive'), false);
  test.equal(canLock(wanted.path, 'shared'), false);
  if (wanted.kind === 'block') test.ok(deviceUse(wanted.path).busy, 'nor can it be mounted');
  const careless = wanted.open({ readOnly: true });
  const found = Buffer.alloc(4);
  careless.readSync(found, 4096);
  test.equal(found.toString(), 'kept', 'who asks for no lock minds none');
  const view = device.view();
  device.closeSync();
  test.equal(view.byteLength, 0);
  test.ok(canLock(wanted.path, 'exclusive'), 'it ends with the device, whatever is left of that');

  const readers = [wanted.open({ lock: true, readOnly: true }), wanted.open({ lock: true, readOnly: true })];
  test.ok(canLock(wanted.path, 'shared'), 'those who read share it');
  test.equal(canLock(wanted.path, 'exclusive'), false);
  test.throws(() => openSync(wanted.path, { lock: true }), REFUSAL);
  for (const reader of readers) reader.closeSync();
  wanted.open({ lock: true }).closeSync();
  if (wanted.kind === 'block') test.notOk(deviceUse(wanted.path).busy);
});

onEveryKind('the locks of parts of', (test, wanted) => {
  const [device, other] = [wanted.open(), wanted.open()];
  const first = device.lock('exclusive', 0, 8192);
  test.throws(() => other.lock('shared', 4096, 8192), { ...REFUSAL, syscall: 'lock' });
  test.throws(() => wanted.open({ lock: true }), REFUSAL);
  test.equal(canLock(wanted.path, 'exclusive'), false);
  const second = other.lock('exclusive', 8192, 8192);
  first.release();
  second.release();
  const whole = other.lock('exclusive');
  test.equal(canLock(wanted.path, 'shared'), false);
  if (wanted.kind === 'block') test.ok(deviceUse(wanted.path).busy, 'nor can it be mounted');
  whole.release();
  test.ok(canLock(wanted.path, 'exclusive'));
  if (wanted.kind === 'block') test.notOk(deviceUse(wanted.path).busy);
  test.throws(() => wanted.open({ readOnly: true }).lock('exclusive'), { code: 'EROFS', reason: 'READ_ONLY' });
});

onDevices('a file mapped on', ['a tmpfs file', 'devdax of 4 KiB', 'raw pmem'], (test, wanted) => {
  const device = wanted.open({ lock: true });
  const part = partition(device, 0, FILE_SIZE / 512);
  const inode = new Inode({ blockSize: PAGE_SIZE, bdev: part }, 1, PAGE_SIZE);
  const mapping = daxMmap(inode, {}, (_inode, iblock, bh) => { bh.map(part, iblock, PAGE_SIZE); });
  new Uint8Array(mapping.buffer)[0] = 1;
  device.closeSync();
  test.equal(canLock(wanted.path, 'exclusive'), false, 'what can still be stored to is still locked');
  mapping.unmap();
  wanted.open({ lock: true }).closeSync();
});

onDevices('a file that another thread has mapped on', ['a tmpfs file'], async (test, wanted) => {
  const device = wanted.open({ lock: true });
  const inode = new Inode({ blockSize: PAGE_SIZE, bdev: device }, 1, PAGE_SIZE);
  const mapping = daxMmap(inode, {}, (_inode, iblock, bh) => { bh.map(device, iblock, PAGE_SIZE); });
  const worker = await FaultWorker.start(test, mapping.handle);
  await worker.store(0, 7);
  mapping.unmap();
  device.closeSync();
  test.equal(canLock(wanted.path, 'exclusive'), false);
  await worker.call('unmap', 0);
  wanted.open({ lock: true }).closeSync();
  test.throws(() => mapping.buffer, { code: 'EBADF' }, 'though all that it belonged to is still there');
});

onDevices('a lock that is held for a moment, as by udev, of', ['a RAM disk (brd)'], async (test, wanted) => {
  const udev = await holder('flock', '--no-fork', '--shared', wanted.path, 'sh', '-c', 'echo; sleep 0.3');
  wanted.open({ lock: true }).closeSync();
  test.pass('it was waited for');
  await udev.kill();
});

onDevices('open() while another process has the lock of', ['a RAM disk (brd)'], async (test, wanted) => {
  const other = await holder('flock', '--no-fork', wanted.path, 'sh', '-c', 'echo; exec sleep 60');
  // A timer of this thread ends the lock, so a wait on this thread would end with EBUSY.
  setTimeout(() => void other.kill(), 50);
  const device = await open(wanted.path, { lock: true });
  test.equal(canLock(wanted.path, 'exclusive'), false, 'timers ran while it waited, and it has the lock');
  device.closeSync();
});

t.test('a process that has a lock and dies', ON_HOST, async (test) => {
  const path = scratchPath(test);
  openSync(path, { size: 8192 }).closeSync();
  const program = "globalThis.device = require('node-dax').openSync(process.argv[1], { lock: true }); console.log(); process.stdin.resume();";
  const other = await holder(process.execPath, '-e', program, path);
  test.throws(() => openSync(path, { lock: true }), REFUSAL);
  test.throws(() => openSync(path, { lock: true, readOnly: true }), REFUSAL);
  await other.kill();
  openSync(path, { lock: true }).closeSync();
});

t.test('a lock of another program', ON_HOST, async (test) => {
  const path = scratchPath(test);
  writeFileSync(path, '');
  const other = await holder('flock', '--no-fork', path, 'sh', '-c', 'echo; exec sleep 60');
  test.throws(() => openSync(path, { lock: true, size: 8192 }), REFUSAL);
  test.equal(statSync(path).size, 0, 'what is locked is not filled');
  await other.kill();
  const device = openSync(path, { lock: true, size: 8192 });
  test.equal(device.size, 8192);
  device.closeSync();
});
