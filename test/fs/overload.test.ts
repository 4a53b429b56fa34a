// More calls at once than a program should make, devices that become full at every allocation, and aborts at every await: errors
// are those of node:fs, nothing hangs, nothing stays open, and e2fsck finds no error.

import '../helpers/assert-locks.js';

import * as nodeFs from 'node:fs';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { check } from 'node-dax/ext2';
import { E2fsckJudge, e2fsckMissing } from '../helpers/e2fsck.js';
import { almostFull, memoryFs, unmountWhenClosed } from '../helpers/full-fs.js';
import { THOROUGH } from '../helpers/thorough.js';
import { watch } from '../helpers/watchdog.js';
import { snapshot } from './answers.js';
import { checkMedium, openSides } from './two-sides.js';

type Fs = typeof nodeFs;

// `npm run test:long` sets it.
const ALL = process.env['NODE_DAX_TEST_OVERLOAD'] === 'all';
const PROMISES = ALL ? 10_000 : 1000;
const STREAMS = ALL ? 1000 : 100;
// Of allocations, and of awaits, one in so many.
const ONE_IN = ALL ? 1 : 25;
// They take some seconds.
const LONG = { skip: THOROUGH ? false : 'NODE_DAX_TEST_THOROUGH=1 runs it' } as const;
// On a machine that is busy.
const SECONDS = 900;
const MIB = 1024 * 1024;

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

async function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.then((value) => value ?? 'done', (error: unknown) => (error as NodeJS.ErrnoException).message);
}

/** One of many calls at once. What it gives does not depend on the others. */
function call({ promises }: Fs, root: string, index: number): Promise<unknown> {
  const own = `${root}/own-${Math.floor(index / 8)}`;
  switch (index % 8) {
    case 0: return promises.writeFile(own, `content ${index}`);
    case 1: return promises.appendFile(`${root}/log`, `${index};`);
    case 2: return promises.readFile(`${root}/same`, 'utf8');
    case 3: return promises.stat(`${root}/same`).then(({ size }) => size);
    case 4: return promises.readFile(`${root}/none-${index}`);
    case 5: return promises.mkdir(`${own}.d`);
    case 6: return promises.symlink(`to-${index}`, `${own}.l`);
    default: return promises.open(`${root}/same`).then(async (handle) => {
      const { bytesRead } = await handle.read(Buffer.alloc(10), 0, 10, 2);
      await handle.close();
      return bytesRead;
    });
  }
}

t.test(`${PROMISES} promises at once`, LONG, async (test) => {
  watch(test, SECONDS);
  const sides = openSides(test, 64 * MIB);
  const trees: string[] = [];
  const told: unknown[][] = [];
  for (const [fs, root] of [[nodeFs, sides.node], [sides.ours, '/at-once']] as const) {
    fs.mkdirSync(root, { recursive: true });
    fs.writeFileSync(`${root}/same`, 'the same');
    const outcomes = await Promise.all(times(PROMISES, (index) => outcome(call(fs, root, index))));
    told.push(outcomes.map((one) => (typeof one === 'string' ? one.replaceAll(root, '') : one)));
    test.equal(fs.readFileSync(`${root}/log`, 'utf8').split(';').filter(Boolean).length, PROMISES / 8, 'every record was appended');
    fs.unlinkSync(`${root}/log`);
    trees.push(snapshot(fs, root));
  }
  test.ok(told[0]?.some((one) => String(one).startsWith('ENOENT')));
  test.strictSame(told[1], told[0]);
  test.equal(trees[1], trees[0]);
  checkMedium(test, sides);
});

t.test(`${STREAMS} streams at once, each way`, LONG, async (test) => {
  watch(test, SECONDS);
  const sides = openSides(test, 64 * MIB);
  const fs = sides.ours;
  const content = (index: number) => Buffer.alloc(20_000 + index, `stream ${index} `);
  await Promise.all(times(STREAMS, (index) => pipeline(Readable.from([content(index).subarray(0, 9000), content(index).subarray(9000)]), fs.createWriteStream(`/${index}`))));
  const read = await Promise.all(times(STREAMS, (index) => buffer(fs.createReadStream(`/${index}`, { highWaterMark: 7000 }))));
  test.ok(read.every((bytes, index) => bytes.equals(content(index))));
  const copied = await Promise.all(times(STREAMS / 2, (index) => outcome(pipeline(fs.createReadStream(`/${index}`), fs.createWriteStream(`/${STREAMS - 1 - index}`)))));
  test.ok(copied.every((one) => one === 'done'));
  test.ok(fs.readFileSync(`/${STREAMS - 1}`).equals(content(0)));
  checkMedium(test, sides);
});

// Programs that allocate blocks at each of their calls, in every form.
const text = (length: number) => 'full '.repeat(length / 5);
const called = (work: (done: (error: Error | null) => void) => void) => new Promise<void>((resolve, reject) => {
  work((error) => { if (error === null) resolve(); else reject(error); });
});

const WORKS: Readonly<Record<string, (fs: Fs) => unknown>> = {
  'writes, at once': (fs) => {
    fs.writeFileSync('/new', text(4000));
    fs.appendFileSync('/new', text(9000));
    fs.writeFileSync('/kept', text(3000));
  },
  'writes by descriptor': (fs) => {
    const fd = fs.openSync('/new', 'wx+');
    try {
      for (let done = 0; done < 15_000;) done += fs.writeSync(fd, Buffer.alloc(5000, 'd'), 0, 5000, done);
      for (let done = 0; done < 4000;) done += fs.writevSync(fd, [Buffer.alloc(2000, 'v'), Buffer.alloc(2000, 'w')], 300_000 + done);
    } finally {
      fs.closeSync(fd);
    }
  },
  'makes names': (fs) => {
    fs.mkdirSync('/a/b/c', { recursive: true });
    fs.symlinkSync('x'.repeat(300), '/a/link');
    for (let n = 0; n < 12; n++) fs.linkSync('/kept', `/a/${'n'.repeat(200)}${n}`);
    fs.renameSync('/kept', `/a/b/${'r'.repeat(250)}`);
    fs.mkdtempSync('/a/temporary-');
  },
  'copies, at once': (fs) => {
    fs.copyFileSync('/kept', '/copy');
    fs.cpSync('/tree', '/tree-copy', { recursive: true });
  },
  'writes, promised': async ({ promises }) => {
    await promises.writeFile('/new', text(4000));
    await promises.appendFile('/new', text(9000));
    await promises.writeFile('/chunks', [text(1000), text(2000), text(3000)]);
    await promises.copyFile('/kept', '/copy');
    await promises.cp('/tree', '/tree-copy', { recursive: true });
  },
  'writes by handle': async ({ promises }) => {
    const handle = await promises.open('/new', 'w');
    try {
      for (let done = 0; done < 9000;) done += (await handle.write(Buffer.alloc(3000, 'h'), 0, 3000, done)).bytesWritten;
      await handle.writeFile(text(5000));
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  'writes, with callbacks': async (fs) => {
    await called((done) => { fs.writeFile('/new', text(4000), done); });
    await called((done) => { fs.mkdir('/a/b', { recursive: true }, done); });
    await called((done) => { fs.appendFile('/a/b/new', text(9000), done); });
    await called((done) => { fs.symlink('x'.repeat(300), '/a/link', done); });
  },
  'streams': async (fs) => {
    await pipeline(Readable.from(times(12, () => Buffer.alloc(1500, 's'))), fs.createWriteStream('/streamed'));
    await pipeline(fs.createReadStream('/streamed', { highWaterMark: 1000 }), fs.createWriteStream('/kept'));
  },
  'many at once': async ({ promises }) => {
    const settled = await Promise.allSettled(times(20, (index) => promises.writeFile(`/many-${index}`, text(2000))));
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason as Error;
  },
};

function populate(fs: Fs): void {
  fs.writeFileSync('/kept', 'kept'.repeat(500));
  fs.mkdirSync('/tree/deep', { recursive: true });
  fs.writeFileSync('/tree/deep/file', 'in the tree '.repeat(300));
  fs.writeFileSync('/other', 'other'.repeat(1000));
}

// More than any of them needs.
const MOST_FREE = 200;

t.setTimeout(SECONDS * 4000);

t.test('a device that is full at every allocation', THOROUGH ? { skip: e2fsckMissing() ?? false } : LONG, async (test) => {
  watch(test, SECONDS);
  const judge = new E2fsckJudge(true);
  for (const [name, work] of Object.entries(WORKS)) {
    let free = 0;
    const wrong: unknown[] = [];
    for (let isDone = false; !isDone && free < MOST_FREE; free += ONE_IN) {
      const { fs, ext2, device } = almostFull(free, populate);
      try {
        await work(fs);
        isDone = true;
      } catch (error) {
        const { name: kind, code, message } = error as NodeJS.ErrnoException;
        if (kind !== 'Error' || code !== 'ENOSPC' || !message.startsWith('ENOSPC: no space left on device, ')) wrong.push([free, message]);
      }
      if (fs.readFileSync('/other', 'utf8') !== 'other'.repeat(1000)) wrong.push([free, 'another file changed']);
      await unmountWhenClosed(ext2);
      if (!check(device).isClean) wrong.push([free, 'is not clean']);
      await judge.add(device.memory, `${name}, ${free} blocks`);
    }
    test.ok(free > ONE_IN && free < MOST_FREE, `${name}: it has what it needs with ${free - ONE_IN} blocks`);
    test.strictSame(wrong, [], name);
  }
  await judge.finish();
  test.strictSame(judge.breaches.map(({ label, breaches }) => [label, breaches]), []);
});

// The kernel's own device that is always full: what node:fs says of it is what the facade says of a file that cannot grow.
t.test('a full device is told as node:fs tells it', async (test) => {
  watch(test);
  const { fs: ours, ext2 } = almostFull(0, (fs) => { fs.writeFileSync('/full', ''); });
  const works: ((fs: Fs, path: string) => unknown)[] = [
    (fs, path) => { fs.writeFileSync(path, 'data'); },
    (fs, path) => { fs.appendFileSync(path, 'data'); },
    (fs, path) => fs.promises.writeFile(path, 'data'),
    (fs, path) => fs.promises.appendFile(path, 'data'),
    (fs, path) => fs.promises.writeFile(path, ['in ', 'chunks']),
    (fs, path) => called((done) => { fs.writeFile(path, 'data', done); }),
    (fs, path) => pipeline(Readable.from(['data']), fs.createWriteStream(path)),
    async (fs, path) => {
      const handle = await fs.promises.open(path, 'r+');
      await handle.writev([Buffer.from('a'), Buffer.from('b')]).finally(() => handle.close());
    },
    (fs, path) => {
      const fd = fs.openSync(path, 'r+');
      try {
        fs.writeSync(fd, 'data');
      } finally {
        fs.closeSync(fd);
      }
    },
  ];
  for (const [index, work] of works.entries()) {
    const told = await Promise.all(([[nodeFs, '/dev/full'], [ours, '/full']] as const).map(async ([fs, path]) => {
      try {
        return await work(fs, path);
      } catch (error) {
        const { name, message } = error as Error;
        return { name, message, ...(error as object) };
      }
    }));
    test.match(told[0], { code: 'ENOSPC' });
    test.strictSame(told[1], told[0], `way ${index}`);
  }
  ext2.unmount();
});

const LARGE = Buffer.alloc(MIB, 'abort at every await ');

// Work that takes a signal. Each says which file it writes.
const ABORTED: Readonly<Record<string, readonly [work: (fs: Fs, signal: AbortSignal) => Promise<unknown>, file?: string]>> = {
  'promises.readFile': [({ promises }, signal) => promises.readFile('/large', { signal })],
  'promises.writeFile': [({ promises }, signal) => promises.writeFile('/to', LARGE, { signal }), '/to'],
  'promises.writeFile of chunks': [
    ({ promises }, signal) => promises.writeFile('/to', Readable.from(times(12, (index) => LARGE.subarray(index * 1000, (index + 1) * 1000))), { signal }),
    '/to',
  ],
  'promises.appendFile': [({ promises }, signal) => promises.appendFile('/to', LARGE, { signal } as object), '/to'],
  'readFile of a handle': [
    async ({ promises }, signal) => {
      const handle = await promises.open('/large');
      await handle.readFile({ signal }).finally(() => handle.close());
    },
  ],
  'writeFile of a handle': [
    async ({ promises }, signal) => {
      const handle = await promises.open('/to', 'w');
      await handle.writeFile(LARGE, { signal }).finally(() => handle.close());
    },
    '/to',
  ],
  'readFile with a callback': [(fs, signal) => called((done) => { fs.readFile('/large', { signal }, done); })],
  'writeFile with a callback': [(fs, signal) => called((done) => { fs.writeFile('/to', LARGE, { signal }, done); }), '/to'],
  'createReadStream': [(fs, signal) => buffer(fs.createReadStream('/large', { signal }))],
  'createWriteStream': [
    (fs, signal) => pipeline(Readable.from(times(12, (index) => LARGE.subarray(index * 1000, (index + 1) * 1000))), fs.createWriteStream('/to', { signal })),
    '/to',
  ],
  'a pipeline from file to file': [(fs, signal) => pipeline(fs.createReadStream('/large'), fs.createWriteStream('/to'), { signal }), '/to'],
};

/** Waits `steps` times: first for other promises, one after the other, then for turns of the event loop. */
async function wait(steps: number, promises: number): Promise<void> {
  for (let step = 0; step < Math.min(steps, promises); step++) await Promise.resolve();
  for (let step = promises; step < steps; step++) await nextTurn();
}

async function abortAfter(test: Test, steps: number, work: (fs: Fs, signal: AbortSignal) => Promise<unknown>, file: string | undefined): Promise<boolean> {
  const { fs, ext2, device } = memoryFs(4 * MIB);
  fs.writeFileSync('/large', LARGE);
  const controller = new AbortController();
  const ended = { isBefore: false };
  const working = outcome(work(fs, controller.signal).then(() => undefined)).then((one) => {
    ended.isBefore = !controller.signal.aborted;
    return one;
  });
  await wait(steps, 60);
  controller.abort();
  const told = await working;
  if (told !== 'done' && told !== 'The operation was aborted') test.fail(`after ${steps} steps: ${String(told)}`);
  const written = file !== undefined && fs.existsSync(file) ? fs.readFileSync(file) : Buffer.alloc(0);
  if (!written.equals(LARGE.subarray(0, written.length))) test.fail(`after ${steps} steps the file has something else`);
  await unmountWhenClosed(ext2);
  if (!check(device).isClean) test.fail(`after ${steps} steps the medium is not clean`);
  return ended.isBefore;
}

t.test('an abort at every await', LONG, async (test) => {
  watch(test, SECONDS);
  for (const [name, [work, file]] of Object.entries(ABORTED)) {
    await test.test(name, async (inner) => {
      let steps = 0;
      while (steps < 1000 && !(await abortAfter(inner, steps, work, file))) steps += ONE_IN;
      inner.ok(steps > 0 && steps < 1000, `it had ended after ${steps} steps`);
    });
  }
});
