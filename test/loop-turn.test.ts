// Promise calls that do their work on the thread let the event loop have its turn, whatever is called and however often.

import t, { type Test } from 'tap';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { daxDoIoAsync, loopTurn, openSync, partition, RwLock, type DaxDevice } from 'node-dax';
import { mkfsSync, mount, type Ext2 } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { RecordingDevice } from 'node-dax/testkit';
import { scratchPath } from './helpers/devices.js';
import { Tfs } from './helpers/tfs.js';
import { watch } from './helpers/watchdog.js';

const KIB = 1024;
const MIB = 1024 * KIB;

// Ends once timers and immediates had their turn three times. The watchdog ends it otherwise.
async function untilTurned(call: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let calls = 0;
  const count = () => {
    if (++turns < 3) setTimeout(() => setImmediate(count), 0);
  };
  count();
  for (; turns < 3; calls++) await call();
  return calls;
}

async function checkEach(test: Test, forms: Record<string, () => Promise<unknown>>): Promise<void> {
  for (const [name, call] of Object.entries(forms)) {
    await test.test(name, async (inner) => {
      watch(inner);
      inner.ok((await untilTurned(call)) > 0);
    });
  }
}

function openDevice(test: Test): DaxDevice {
  const device = openSync(scratchPath(test, '/dev/shm'), { size: 8 * MIB });
  test.teardown(() => device.close());
  return device;
}

t.test('a device', async (test) => {
  const device = openDevice(test);
  const part = partition(device, 8, 64);
  const small = Buffer.alloc(512);
  const large = Buffer.alloc(256 * KIB);
  await checkEach(test, {
    read: () => device.read(small, 0),
    'read of what just stays on the thread': () => device.read(large, 0),
    'read of nothing': () => device.read(Buffer.alloc(0), 0),
    readv: () => device.readv([small, small], 0),
    write: () => device.write(small, 0, { flush: false }),
    writev: () => device.writev([small, small], 0, { flush: false }),
    truncate: () => device.truncate(8 * MIB),
    'a partition': () => part.read?.(small, 0) ?? Promise.reject(new Error('no read')),
  });
});

t.test('a file', async (test) => {
  const tfs = new Tfs();
  const file = tfs.fileOf(Buffer.alloc(64 * KIB, 'a'));
  const bytes = Buffer.alloc(16);
  const { getBlock } = tfs.operations;
  await checkEach(test, {
    read: () => file.read(bytes, 0),
    'read past the end': () => file.read(bytes, 100 * KIB),
    'read of a vector': () => file.read([bytes, bytes], 0),
    write: () => file.write(bytes, 0),
    truncate: () => file.truncate(64 * KIB),
    punchHole: () => file.punchHole(0, 4096),
    zeroRange: () => file.zeroRange(0, 4096),
    daxDoIoAsync: () => daxDoIoAsync('read', file.inode, bytes, 0, getBlock),
  });
  const fresh = tfs.file();
  await checkEach(test, { append: () => fresh.append(bytes.subarray(0, 1)) });
});

t.test('one call that moves many small pieces', async (test) => {
  watch(test);
  const tfs = new Tfs();
  const file = tfs.fileOf(Buffer.alloc(64 * KIB, 'a'));
  const pieces = Array.from({ length: 50_000 }, () => Buffer.alloc(64));
  await file.truncate(64 * pieces.length);
  const hole = tfs.file();
  await hole.truncate(256 * MIB);
  for (const call of [() => file.read(pieces, 0), () => hole.zeroRange(0, hole.size)]) {
    // Of this very call, since none has used this turn of the loop before.
    await new Promise(setImmediate);
    const order: string[] = [];
    setImmediate(() => order.push('turn'));
    await call().then(() => order.push('done'));
    test.strictSame(order, ['turn', 'done']);
  }
});

t.test('a lock', async (test) => {
  const lock = new RwLock();
  const round = async () => {
    await lock.exclusive();
    lock.releaseExclusive();
    await lock.shared();
    lock.releaseShared();
  };
  await checkEach(test, {
    'that nobody else has': round,
    'that is handed round': () => Promise.all([round(), round(), round()]),
    'that is looked at': () => lock.whenFree(),
  });
  test.ok(lock.tryExclusive());
});

t.test('node-dax/fs', async (test) => {
  const device = new RecordingDevice(16 * MIB);
  mkfsSync(device, { blockSize: 4096 });
  const ext2 = mount(device);
  const { promises, writeFileSync, symlinkSync, mkdirSync, openAsBlob, createReadStream: readStream, createWriteStream: writeStream } = createFs(ext2);
  writeFileSync('/f', Buffer.alloc(100, 'f'));
  mkdirSync('/few/dir', { recursive: true });
  symlinkSync('f', '/link');
  const handle = await promises.open('/f', 'r+');
  const bytes = Buffer.alloc(16);
  await checkEach(test, {
    access: () => promises.access('/f'),
    appendFile: () => promises.appendFile('/log', 'x'),
    chmod: () => promises.chmod('/f', 0o600),
    chown: () => promises.chown('/f', 1, 1),
    copyFile: () => promises.copyFile('/f', '/g'),
    cp: () => promises.cp('/f', '/copy'),
    'cp of a tree': () => promises.cp('/few', '/copies', { recursive: true }),
    lchown: () => promises.lchown('/f', 1, 1),
    link: async () => { await promises.link('/f', '/hard'); await promises.unlink('/hard'); },
    lstat: () => promises.lstat('/link'),
    lutimes: () => promises.lutimes('/link', 1, 1),
    mkdir: async () => { await promises.mkdir('/dir'); await promises.rmdir('/dir'); },
    mkdtemp: async () => promises.rm(await promises.mkdtemp('/t'), { recursive: true }),
    'mkdir of a path': () => promises.mkdir('/few/dir', { recursive: true }),
    open: async () => (await promises.open('/f')).close(),
    openAsBlob: () => openAsBlob('/f'),
    opendir: async () => {
      for await (const { name } of await promises.opendir('/')) if (name === '') throw new Error('no name');
    },
    'open and empty': async () => (await promises.open('/g', 'w')).close(),
    readFile: () => promises.readFile('/f'),
    readdir: () => promises.readdir('/'),
    'readdir of a tree': () => promises.readdir('/', { recursive: true }),
    readlink: () => promises.readlink('/link'),
    realpath: () => promises.realpath('/link'),
    rename: async () => { await promises.rename('/g', '/h'); await promises.rename('/h', '/g'); },
    rm: () => promises.rm('/none', { force: true }),
    'rm of a tree': async () => { await promises.mkdir('/tree/dir', { recursive: true }); await promises.rm('/tree', { recursive: true }); },
    stat: () => promises.stat('/f'),
    'stat of nothing': () => promises.stat('/none').catch(() => undefined),
    statfs: () => promises.statfs('/'),
    symlink: async () => { await promises.symlink('f', '/s'); await promises.unlink('/s'); },
    truncate: () => promises.truncate('/g', 5),
    utimes: () => promises.utimes('/f', 1, 1),
    writeFile: () => promises.writeFile('/g', 'x'.repeat(100)),
    'handle.read': () => handle.read(bytes, 0, 16, 0),
    'handle.read on': () => handle.read(bytes),
    'handle.read of nothing': () => handle.read(Buffer.alloc(0), 0, 0, 0),
    'handle.readv': () => handle.readv([bytes], 0),
    'handle.readFile': () => handle.readFile(),
    'handle.readLines': async () => {
      const opened = await promises.open('/f');
      for await (const line of opened.readLines()) if (line === '') throw new Error('no line');
    },
    'handle.readableWebStream': async () => {
      const opened = await promises.open('/f');
      for await (const chunk of opened.readableWebStream()) if (chunk === undefined) throw new Error('no chunk');
      await opened.close();
    },
    'handle.appendFile': async () => {
      const opened = await promises.open('/g', 'w');
      await opened.appendFile('x');
      await opened.writeFile('y');
      await opened.close();
    },
    'handle.write': () => handle.write(bytes, 0, 16, 0),
    'handle.writev': () => handle.writev([bytes], 0),
    'handle.truncate': () => handle.truncate(100),
    'handle.stat': () => handle.stat(),
    'handle.sync': () => handle.sync(),
    'handle.datasync': () => handle.datasync(),
    'handle.chmod': () => handle.chmod(0o600),
    'handle.chown': () => handle.chown(1, 1),
    'handle.utimes': () => handle.utimes(1, 1),
    'Ext2File.close': () => ext2.open(ext2.resolve('/f')).close(),
    'a stream': () => pipeline(readStream('/f'), new Writable({ write: (_chunk, _encoding, done) => { done(); } })),
    'a stream into a file': () => pipeline(Readable.from([bytes]), writeStream('/g')),
  });
  await handle.close();
  ext2.unmount();
});

// A filesystem of which each call takes a millisecond, so a small tree is work for many turns.
function slow(ext2: Ext2): Ext2 {
  return new Proxy(ext2, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        const end = performance.now() + 1;
        while (performance.now() < end) { /* it works */ }
        return (member as (...all: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

// Calls whose work is as long as a tree is large.
t.test('one call on a tree', async (test) => {
  watch(test);
  const device = new RecordingDevice(16 * MIB);
  mkfsSync(device, { blockSize: 1024 });
  const ext2 = mount(device);
  for (let dir = 0; dir < 4; dir++) {
    createFs(ext2).mkdirSync(`/tree/${dir}/empty`, { recursive: true });
    for (let file = 0; file < 4; file++) createFs(ext2).symlinkSync('nothing', `/tree/${dir}/${file}`);
  }
  const fs = createFs(slow(ext2));
  const globs = (fs.promises as { glob?: (pattern: string) => AsyncIterable<string> }).glob;
  const calls: Record<string, () => Promise<unknown>> = {
    readdir: () => fs.promises.readdir('/tree', { recursive: true }),
    'readdir with types': () => fs.promises.readdir('/tree', { recursive: true, withFileTypes: true }),
    ...(globs !== undefined && { glob: async () => { for await (const path of globs('/tree/**')) if (path === '') return; } }),
    cp: () => fs.promises.cp('/tree', '/copy', { recursive: true }),
    rm: () => fs.promises.rm('/tree', { recursive: true }),
    'rm with a callback': () => new Promise((resolve) => { fs.rm('/copy', { recursive: true }, resolve); }),
  };
  for (const [name, call] of Object.entries(calls)) {
    // Of this very call, since none has used this turn of the loop before.
    await new Promise(setImmediate);
    const order: string[] = [];
    setImmediate(() => order.push('turn'));
    await call().then(() => order.push('done'));
    test.strictSame(order, ['turn', 'done'], name);
  }
  test.strictSame(fs.readdirSync('/'), ['lost+found']);
  ext2.unmount();
});

t.test('a stream can be aborted by a timer', async (test) => {
  watch(test);
  const device = new RecordingDevice(16 * MIB);
  mkfsSync(device, { blockSize: 4096 });
  const ext2 = mount(device);
  const fs = createFs(ext2);
  fs.writeFileSync('/hole', '');
  // It would go on for minutes.
  fs.truncateSync('/hole', 1024 * 1024 * MIB);
  const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => { done(); } });
  // Little at a time: the filesystem is not full before the timer had its chance.
  function* endless() {
    for (;;) yield Buffer.alloc(16);
  }
  const end = () => {
    const ending = new AbortController();
    setTimeout(() => { ending.abort(); }, 5);
    return ending.signal;
  };
  const streams: [name: string, from: () => Readable, to: () => Writable][] = [
    ['out of the filesystem', () => fs.createReadStream('/hole'), nowhere],
    ['into the filesystem', () => Readable.from(endless()), () => fs.createWriteStream('/written')],
    ['from file to file', () => fs.createReadStream('/hole', { highWaterMark: 512 }), () => fs.createWriteStream('/copied')],
  ];
  for (const [name, from, to] of streams) {
    await test.rejects(pipeline(from(), to(), { signal: end() }), { name: 'AbortError' }, name);
  }
  const signal = end();
  const file = ext2.open(ext2.resolve('/hole'));
  const pieces = Array.from({ length: 1000 }, () => Buffer.alloc(64 * KIB));
  const reading = async () => {
    for (;;) await file.read(pieces, 0, { signal });
  };
  await test.rejects(reading(), { name: 'AbortError', code: 'ABORT_ERR' });
  await file.close();
});

t.test('many at once: first come, first served, in several turns', async (test) => {
  watch(test);
  const device = openDevice(test);
  const large = Buffer.alloc(256 * KIB);
  const order: (number | string)[] = [];
  const all = Array.from({ length: 4000 }, async (_, index) => {
    await device.read(large, 0);
    order.push(index);
  });
  let turns = 0;
  const count = () => {
    order.push('turn');
    turns++;
    if (order.length < all.length + turns) setImmediate(count);
  };
  setImmediate(count);
  await Promise.all(all);
  test.strictSame(order.filter((entry) => entry !== 'turn'), all.map((_, index) => index));
  test.ok(order.indexOf('turn') < all.length, 'a turn came between');
  const before = order.indexOf('turn');
  test.ok(before > 0, 'those that came first did not wait for it');
});

t.test('a device is closed after what was begun and waits for its turn', async (test) => {
  watch(test);
  const device = openDevice(test);
  const large = Buffer.alloc(256 * KIB, 'w');
  const reads = Array.from({ length: 2000 }, () => device.read(large, 0));
  const written = device.write(Buffer.alloc(16, 'x'), 0, { flush: false });
  const vector = device.writev([Buffer.alloc(16, 'y')], 16, { flush: false });
  const ending = new AbortController();
  const aborted = device.read(Buffer.alloc(1), 0, { signal: ending.signal });
  ending.abort('enough');
  const closing = device.close();
  test.equal(new Set(await Promise.all(reads)).size, 1);
  test.strictSame([await written, await vector], [16, 16]);
  await test.rejects(aborted, { name: 'AbortError', cause: 'enough', bytesMoved: 0 });
  await closing;
  await test.rejects(device.read(large, 0), { code: 'EBADF' });
});

t.test('there is nothing to wait for where the loop has just turned', async (test) => {
  await new Promise(setImmediate);
  test.equal(loopTurn(), undefined);
  test.equal(loopTurn(4096), undefined);
});
