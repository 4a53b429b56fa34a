// Tests the end of threads and processes with mappings, and of the thread that owns the file: no thread stays asleep. Only on a
// file in memory, because the kind of device makes no difference here.

import '../helpers/assert-locks.js';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { DaxMapping, openSync, type MappingHandle } from 'node-dax';
import { scratchPath } from '../helpers/devices.js';
import type { OwnerEnd, OwnerHandles, OwnerSetup } from '../helpers/fault-owner-main.js';
import { FaultWorker } from '../helpers/fault-worker.js';
import { sample } from '../helpers/thorough.js';
import { watch } from '../helpers/watchdog.js';

const PAGE = 4096;
const PAGES = 16;

// Threads of this process that the kernel holds in a fault.
function threadsInFaults(): number {
  return readdirSync('/proc/self/task').filter((thread) => {
    try {
      return readFileSync(`/proc/self/task/${thread}/wchan`, 'latin1') === 'handle_userfault';
    } catch {
      return false;
    }
  }).length;
}

async function untilInFaults(count: number): Promise<void> {
  while (threadsInFaults() < count) await delay(1);
}

interface Owner extends OwnerHandles {
  control: Int32Array;
  worker: Worker;
  /** Resolves once it answers nothing any more, until it is let go on. */
  stop(end: OwnerEnd): Promise<void>;
  goOn(): void;
}

/** Another thread that owns a file of one written page and holes. */
async function startOwner(test: Test): Promise<Owner> {
  const path = scratchPath(test, '/dev/shm');
  openSync(path, { size: 1024 * 1024 }).closeSync();
  const control = new Int32Array(new SharedArrayBuffer(4));
  const workerSetup: OwnerSetup = { path, pages: PAGES, control };
  const worker = new Worker(join(__dirname, '..', 'helpers', 'fault-owner-main.js'), { workerData: workerSetup, execArgv: [] });
  const goOn = () => {
    Atomics.store(control, 0, 1);
    Atomics.notify(control, 0);
  };
  test.teardown(async () => {
    goOn();
    await worker.terminate();
  });
  worker.on('error', () => undefined);
  const handles = await new Promise<OwnerHandles>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  const stop = async (end: OwnerEnd) => {
    const stopped = new Promise((resolve) => worker.once('message', resolve));
    worker.postMessage(end);
    await stopped;
  };
  return { ...handles, control, worker, stop, goOn };
}

const GONE = { code: 'ESTALE' };

t.test('an owner that ends while threads wait for its answers', async (parent) => {
  const ends: [OwnerEnd, Partial<{ code: string; reason: string }> | undefined][] = [
    ['answer', undefined],
    ['exit', GONE],
    ['throw', GONE],
    ['forget', { code: 'ENXIO', reason: 'BEYOND_END' }],
    ['throw in getBlock', { code: 'EIO' }],
    ['exit in getBlock', GONE],
    // Closing its own mapping does nothing to theirs.
    ['unmap', undefined],
  ];
  for (const [end, loss] of ends) {
    await parent.test(end, async (test) => {
      watch(test);
      const owner = await startOwner(test);
      const workers = await Promise.all([owner.handle, owner.handle, owner.aside].map((handle) => FaultWorker.start(test, handle)));
      test.equal(await workers[0]?.load(0), 1);
      await owner.stop(end);
      const waiting = workers.map((worker, n) => (n === 2 ? worker.load(7 * PAGE).then(() => undefined) : worker.store((n + 2) * PAGE, 9)));
      await untilInFaults(3);
      owner.goOn();
      await Promise.all(waiting);
      for (const [n, worker] of workers.entries()) {
        if (loss === undefined) test.strictSame(worker.losses, []);
        else test.match(await worker.lost(1), [{ ...loss, position: n === 2 ? 7 * PAGE : (n + 2) * PAGE }]);
      }
      if (end === 'exit' || end === 'throw' || end === 'exit in getBlock') {
        await new Promise((resolve) => { if (owner.worker.threadId === -1) resolve(undefined); else owner.worker.once('exit', resolve); });
        test.equal(await workers[0]?.load(0), 0, 'nothing of the file is seen: its blocks may be another file\'s by now');
        test.match((await workers[0]?.lost(2))?.[1], { ...GONE, position: 0 });
        await workers[0]?.store(9 * PAGE, 1);
        test.match((await workers[0]?.lost(3))?.[2], { ...GONE, position: 9 * PAGE });
        await test.rejects(FaultWorker.start(test, owner.handle), { code: 'ESTALE' }, 'nobody can attach any more');
        test.throws(() => DaxMapping.attach(owner.handle), { code: 'ESTALE' });
      }
      test.equal(threadsInFaults(), 0);
    });
  }
});

t.test('an owner that is terminated while it looks away, and this thread asks', async (test) => {
  watch(test);
  const owner = await startOwner(test);
  const mapping = DaxMapping.attach(owner.handle);
  const told: unknown[] = [];
  mapping.on('error', (error) => told.push(error));
  const bytes = new Uint8Array(mapping.buffer);
  test.equal(bytes[0], 1);
  bytes[PAGE] = 5;
  test.strictSame(told, [], 'this thread is served like any other');
  const waiter = await FaultWorker.start(test, owner.handle);
  await owner.stop('answer');
  const stored = waiter.store(2 * PAGE, 1);
  await untilInFaults(1);
  await owner.worker.terminate();
  await stored;
  test.match(await waiter.lost(1), [{ code: 'ESTALE', position: 2 * PAGE }]);
  test.equal(bytes[PAGE], 0, 'nothing of the file is seen any more');
  bytes[3 * PAGE] = 1;
  while (told.length < 2) await delay(1);
  test.match(told, [{ code: 'ESTALE', position: PAGE }, { code: 'ESTALE', position: 3 * PAGE }]);
  test.throws(() => { mapping.persist(); }, { code: 'ESTALE', syscall: 'persist' }, 'nor is any of it durable');
  mapping.unmap();
});

t.test('threads that end while they wait', async (test) => {
  watch(test);
  const owner = await startOwner(test);
  const workers = await Promise.all([1, 2, 3, 4].map(() => FaultWorker.start(test, owner.handle)));
  await owner.stop('answer');
  const results = workers.map((worker, n) => worker.store((n + 1) * PAGE, 9).then(() => 'stored', () => 'ended'));
  await untilInFaults(4);
  const ended = workers.slice(0, 2).map((worker) => worker.terminate());
  await delay(20);
  owner.goOn();
  await Promise.all(ended);
  test.strictSame((await Promise.all(results)).slice(2), ['stored', 'stored']);
  test.strictSame([await workers[2]?.load(3 * PAGE), await workers[3]?.load(3 * PAGE)], [9, 9]);
});

t.test('unmapping while others wait in the same mapping', async (test) => {
  watch(test);
  const owner = await startOwner(test);
  const one = await FaultWorker.start(test, owner.handle);
  const two = await FaultWorker.start(test, owner.handle);
  await one.load(0);
  await owner.stop('answer');
  // A thread of libuv is in the fault, and the mapping goes under it.
  const target = scratchPath(test, '/var/tmp');
  const streaming = one.call('stream', 0, PAGE, PAGE, target).then(() => 'written', (error: unknown) => (error as { code: string }).code);
  const waiting = two.store(PAGE, 9);
  await untilInFaults(2);
  await one.call('unmap', 0);
  const result = await streaming;
  test.ok(['written', 'EFAULT'].includes(result), `the system call ends: ${result}`);
  owner.goOn();
  await waiting;
  test.equal(await two.load(PAGE), 9);
});

t.test('a handle of another process, or of none', (test) => {
  watch(test);
  const handle: MappingHandle = { pid: process.pid, file: 123456, pos: 0, length: PAGE, pageSize: PAGE, prot: 3, flags: 1, onSigbus: 'survive', phase: 0 };
  test.throws(() => DaxMapping.attach(handle), { code: 'ESTALE' });
  test.throws(() => DaxMapping.attach({ ...handle, pid: 1 }), { name: 'TypeError' });
  for (const wrong of [undefined, null, 3, {}]) test.throws(() => DaxMapping.attach(wrong as MappingHandle), { name: 'TypeError' });
  test.end();
});

// A program with a worker in a mapping, which is ended after each of its steps.
const STEPS = [
  `const { openSync, Inode, daxMmap, DaxMapping } = require('node-dax');`,
  `const { Worker } = require('node:worker_threads');`,
  `const device = openSync(process.argv[1]);`,
  `const inode = new Inode({ blockSize: 4096, bdev: device }, 1, 0);`,
  `const getBlock = (_inode, iblock, bh) => { bh.map(device, iblock, 4096); };`,
  `const mapping = daxMmap(inode, { length: 65536 }, getBlock);`,
  `inode.size = 65536; inode.mappings.resized();`,
  `const bytes = new Uint8Array(mapping.buffer); bytes[0] = 1;`,
  `const program = 'const { workerData, parentPort } = require("node:worker_threads"); const { DaxMapping } = require("node-dax");'
     + 'const bytes = new Uint8Array(DaxMapping.attach(workerData).buffer); parentPort.postMessage(0);'
     + 'for (let at = 0; at < 1e6; at++) bytes[at * 4097 % 65536]++;';
   const worker = new Worker(program, { eval: true, workerData: mapping.handle });
   worker.unref();
   // It may come after the mapping is gone.
   worker.on('error', (error) => { if (error.code !== 'ESTALE') throw error; });`,
  `inode.size = 4096; inode.mappings.resized();`,
  `mapping.unmap();`,
  `device.closeSync();`,
];

t.test('every way out of a process with mappings', (test) => {
  watch(test, 60);
  const path = scratchPath(test, '/dev/shm');
  openSync(path, { size: 65536 }).closeSync();
  const counts = STEPS.map((_step, index) => index + 1).slice(5);
  const ways = counts.flatMap((count) => ['', 'process.exit(0);', 'setTimeout(() => process.exit(0), 40);'].map((exit) => ({ count, exit })));
  for (const { count, exit } of sample(ways, 4)) {
    const { status, signal, stderr } = spawnSync(process.execPath, ['-e', [...STEPS.slice(0, count), exit].join('\n'), path], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, NODE_NO_WARNINGS: '1' },
    });
    test.strictSame({ status, signal, stderr }, { status: 0, signal: null, stderr: '' }, `${count} steps ${exit}`);
  }
  test.end();
});

t.test('a process ends although a thread of it waits for an answer', (test) => {
  watch(test, 60);
  const path = scratchPath(test, '/dev/shm');
  openSync(path, { size: 65536 }).closeSync();
  const program = (end: string) => `
    const { Worker } = require('node:worker_threads');
    const { openSync, Inode, daxMmap } = require('node-dax');
    const device = openSync(process.argv[1]);
    const inode = new Inode({ blockSize: 4096, bdev: device }, 1, 8192);
    const mapping = daxMmap(inode, { populate: false }, (_inode, iblock, bh) => { bh.map(device, iblock, 4096); });
    const code = 'const { parentPort, workerData: { handle, flag } } = require("node:worker_threads");'
      + 'const bytes = new Uint8Array(require("node-dax").DaxMapping.attach(handle).buffer);'
      + 'parentPort.postMessage(0); Atomics.wait(flag, 0, 0); bytes[4096];';
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(code, { eval: true, workerData: { handle: mapping.handle, flag } });
    worker.once('message', () => {
      Atomics.store(flag, 0, 1);
      Atomics.notify(flag, 0);
      // Its question comes, and is not read any more.
      const until = Date.now() + 50;
      while (Date.now() < until);
      worker.unref();
      ${end};
    });`;
  for (const [end, status] of [['process.exit(0)', 0], ['process.exitCode = 7', 7], ['throw new Error()', 1]] as const) {
    const result = spawnSync(process.execPath, ['-e', program(end), path], { encoding: 'utf8', timeout: 20_000 });
    test.strictSame({ status: result.status, signal: result.signal }, { status, signal: null }, end);
  }
  test.end();
});

t.test("onSigbus: 'kill' is the kernel's behaviour", (test) => {
  watch(test);
  const path = scratchPath(test, '/dev/shm');
  openSync(path, { size: 65536 }).closeSync();
  const touch = (prot: number, size: number, store: boolean, onSigbus: string) => {
    const program = `
      const { openSync, Inode, daxMmap, DaxMapping } = require('node-dax');
      const device = openSync(process.argv[1]);
      const inode = new Inode({ blockSize: 4096, bdev: device }, 1, ${size});
      const mapping = daxMmap(inode, { length: 8192, prot: ${prot}, onSigbus: '${onSigbus}' }, (_inode, iblock, bh) => { bh.map(device, iblock, 4096); });
      const attached = DaxMapping.attach(mapping.handle);
      const bytes = new Uint8Array(attached.buffer);
      ${store ? 'bytes[4096] = 1' : 'bytes[4096]'};
      const waiting = setTimeout(() => 0, ${onSigbus === 'survive' ? 20_000 : 200});
      attached.on('error', ({ code }) => { console.log(code); clearTimeout(waiting); });`;
    const { status, signal, stdout } = spawnSync(process.execPath, ['-e', program, path], { encoding: 'utf8', timeout: 60_000 });
    return { status, signal, stdout };
  };
  for (const [prot, size, store, signal, code] of [
    [3, 4096, false, 'SIGBUS', 'ENXIO'],
    [3, 4096, true, 'SIGBUS', 'ENXIO'],
    [1, 8192, true, 'SIGSEGV', 'EROFS'],
  ] as const) {
    test.strictSame(touch(prot, size, store, 'kill'), { status: null, signal, stdout: '' });
    test.strictSame(touch(prot, size, store, 'survive'), { status: 0, signal: null, stdout: `${code}\n` });
  }
  test.strictSame(touch(3, 8192, true, 'kill'), { status: 0, signal: null, stdout: '' });
  test.end();
});
