import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { openSync, type DaxDevice, type OpenOptions } from 'node-dax';
import { onEveryKind, scratchPath } from '../helpers/devices.js';
import { gc } from '../helpers/gc.js';
import { ON_HOST } from '../helpers/guest.js';

const MIB = 1024 * 1024;
const CLOSED = { code: 'EBADF', reason: 'DEVICE_CLOSED' };

function mappings(path: string): number {
  return readFileSync('/proc/self/maps', 'latin1').split(path).length - 1;
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

async function collected(path: string): Promise<number> {
  for (let round = 0; round < 50 && mappings(path) > 0; round++) {
    gc();
    await delay(2);
  }
  return mappings(path);
}

const CALLS: [name: string, call: (device: DaxDevice) => unknown][] = [
  ['read', (device) => device.read(Buffer.alloc(1), 0)],
  ['read large', (device) => device.read(Buffer.alloc(MIB), 0)],
  ['write', (device) => device.write(Buffer.alloc(1), 0)],
  ['write large', (device) => device.write(Buffer.alloc(MIB), 0)],
  ['readv', (device) => device.readv([Buffer.alloc(1)], 0)],
  ['writev', (device) => device.writev([Buffer.alloc(1)], 0)],
  ['truncate', (device) => device.truncate(1)],
  ['readSync', (device) => device.readSync(Buffer.alloc(1), 0)],
  ['writeSync', (device) => device.writeSync(Buffer.alloc(1), 0)],
  ['readvSync', (device) => device.readvSync([Buffer.alloc(1)], 0)],
  ['writevSync', (device) => device.writevSync([Buffer.alloc(1)], 0)],
  ['zeroSync', (device) => device.zeroSync(0, 1)],
  ['view', (device) => device.view(0, 1)],
  ['directAccess', (device) => device.directAccess(0, 1)],
  ['flush', (device) => { device.flush(0, 1); }],
  ['drain', (device) => { device.drain(); }],
  ['persist', (device) => { device.persist(0, 1); }],
  ['deepFlush', (device) => { device.deepFlush(); }],
  ['truncateSync', (device) => { device.truncateSync(1); }],
];

onEveryKind('a closed device, and one that is closing:', async (test, wanted) => {
  const device = wanted.open();
  const reading = device.read(Buffer.alloc(2 * MIB), 0);
  const closing = device.close();
  test.equal(device.isOpen, false);
  const refuse = async (state: string) => {
    const others: string[] = [];
    for (const [name, call] of CALLS) {
      try {
        await call(device);
        others.push(`${name}: no error`);
      } catch (error) {
        const { code, reason } = error as { code?: string; reason?: string };
        if (code !== CLOSED.code || reason !== CLOSED.reason) others.push(`${name}: ${String(error)}`);
      }
    }
    test.strictSame(others, [], `every call is refused while ${state}`);
  };
  const refused = refuse('closing');
  test.equal(await reading, 2 * MIB, 'what was under way is finished');
  await Promise.all([closing, refused]);
  await refuse('closed');
  await device.close();
  device.closeSync();
  test.equal(mappings(wanted.path), 0);
});

onEveryKind('using and await using', async (test, wanted) => {
  let view: Uint8Array;
  {
    using device = wanted.open();
    view = device.view(0, 1);
    test.equal(view.byteLength, 1);
  }
  test.equal(view.byteLength, 0);
  {
    await using device = wanted.open();
    view = device.view(0, 1);
  }
  test.equal(view.byteLength, 0);
});

t.test('closeSync ends copies under way early', ON_HOST, async (test) => {
  const device = openSync(scratchPath(test, '/dev/shm'), { size: 64 * MIB });
  const reading = device.read(Buffer.alloc(64 * MIB), 0);
  device.closeSync();
  try {
    test.ok((await reading) < 64 * MIB);
  } catch (error) {
    test.match(error, CLOSED);
  }
});

t.test('devices that nobody closed leak nothing', ON_HOST, async (test) => {
  const path = scratchPath(test);
  openSync(path, { size: 16_384 }).closeSync();
  const before = descriptors();
  (() => {
    for (let i = 0; i < 200; i++) {
      const device = openSync(path);
      if (i % 2 === 0) device.view(0, 10).fill(i);
    }
  })();
  test.equal(await collected(path), 0);
  test.equal(descriptors(), before);
});

t.test('a view keeps its memory, though not its device', ON_HOST, async (test) => {
  const path = scratchPath(test);
  const view = (() => openSync(path, { size: 4096 }).view())();
  view[0] = 9;
  for (let round = 0; round < 5; round++) {
    gc();
    await delay(2);
  }
  test.equal(view[0], 9);
});

t.test('opening and closing again and again', ON_HOST, (test) => {
  const path = scratchPath(test);
  openSync(path, { size: 4096 }).closeSync();
  const before = descriptors();
  for (let i = 0; i < 2000; i++) {
    const device = openSync(path);
    if (i % 3 === 0) device.view(0, 1);
    device.closeSync();
  }
  test.equal(descriptors(), before);
  gc();
  test.end();
});

const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { openSync } = require('node-dax');
  const { path, id, mode, options } = workerData;
  const device = openSync(path, options);
  const bytes = Buffer.alloc(1024 * 1024, id);
  if (mode === 'once') {
    device.writeSync(bytes, id * bytes.length);
    device.view(id * bytes.length, 10);
    parentPort.postMessage('done');
  } else {
    const loop = async () => { for (;;) await Promise.all([device.write(bytes, 0), device.read(bytes, 0), device.readSync(bytes, 0)]); };
    loop();
    parentPort.postMessage('busy');
  }
`;

function spawnWorker(path: string, id: number, mode: 'once' | 'busy', options: OpenOptions = {}): Worker {
  return new Worker(WORKER, { eval: true, workerData: { path, id, mode, options } });
}

const event = (worker: Worker, name: string) =>
  new Promise<unknown>((resolve, reject) => {
    worker.once('error', reject);
    worker.once(name, resolve);
  });

onEveryKind('several workers on', async (test, wanted) => {
  const device = wanted.open();
  const view = device.view(0, 4 * MIB);
  const ids = [1, 2];
  await Promise.all(ids.map((id) => event(spawnWorker(wanted.path, id, 'once', wanted.needed), 'exit')));
  test.strictSame(
    ids.map((id) => view[id * MIB + 12_345]),
    ids,
    'the views of this thread outlive the workers',
  );
});

t.test('workers terminated in the middle of I/O', ON_HOST, async (test) => {
  const path = scratchPath(test, '/dev/shm');
  const device = openSync(path, { size: 4 * MIB });
  for (let round = 0; round < 10; round++) {
    const worker = spawnWorker(path, 1, 'busy');
    await event(worker, 'message');
    await delay(round);
    await worker.terminate();
  }
  device.view()[0] = 1;
  test.equal(mappings(path), 1, 'only the mapping of this thread is left');
  await device.close();
});
