// The crash test passes what keeps the order of stores, and finds what does not; and so with the tutorial's filesystem.

import t from 'tap';
import type { BlockDevice } from 'node-dax';
import { checkCrashes, crashImages, formatCrashes, type CrashTest, type Moment } from 'node-dax/testkit';
import { TinyFs } from '../../docs/examples/tiny-fs.js';
import { ToyLog, type OrderFault } from './toy-log.js';

const TEXTS = ['one', 'a text that is longer than a line, so that it may be found without its end', 'three'];

function sameTexts(texts: readonly string[], { completed, isUnderway }: Moment): void {
  const isRight = (count: number) => texts.length === count && texts.every((text, index) => text === TEXTS[index]);
  if (!isRight(completed) && !(isUnderway && isRight(completed + 1))) throw new Error(`found ${JSON.stringify(texts)}`);
}

function logTest(fault?: OrderFault): CrashTest<ToyLog> {
  return {
    size: 8192,
    make(device) {
      ToyLog.format(device);
      return new ToyLog(device, fault);
    },
    operations: TEXTS.map((text) => ({ name: `append ${text}`, run: (log) => { log.append(text); } })),
    mount: (device) => new ToyLog(device, fault),
    check: (log, moment) => { sameTexts(log.texts, moment); },
  };
}

t.test('a log that keeps the order', async (t) => {
  const report = await checkCrashes(logTest(), { seed: 1 });
  t.ok(report.ok, formatCrashes(report));
  t.ok(report.images > 20 && report.checks > report.images, formatCrashes(report));
  t.match(formatCrashes(report), /^3 operations, \d+ images, \d+ checks, 0 cut again, seed 1\n$/);
});

t.test('a log that does not', async (t) => {
  const faults: [OrderFault, operation: string | undefined, found: RegExp][] = [
    ['forgets a flush', `append ${TEXTS[1] ?? ''}`, /^found \["one","a text/],
    ['forgets a fence', 'append one', /^EUCLEAN.*record 0$/],
    ['publishes before it initialises', 'append one', /^EUCLEAN.*record 0$/],
    ['publishes 16 bytes', 'append one', /^EUCLEAN.*3 bytes instead of 0$/],
    ['acknowledges early', undefined, /^found \[\]/],
  ];
  for (const [fault, operation, message] of faults) {
    const report = await checkCrashes(logTest(fault), { seed: 1 });
    const { failure } = report;
    t.notOk(report.ok, fault);
    t.equal(failure?.operation, operation, fault);
    t.match(failure?.error.message, message, fault);
    // The image is what was found, and the trace leads to it.
    let isThere = false;
    for (const image of crashImages(failure?.trace ?? { content: new Uint8Array(), events: [] })) {
      isThere ||= image.at === failure?.at && image.describe() === failure.description && Buffer.compare(image.content, failure.image) === 0;
    }
    t.ok(isThere, 'the image of the report');
    t.strictSame(await checkCrashes(logTest(fault), { seed: 1 }), report, 'the same again');
  }
});

t.test('the report is as short as it can be', async (t) => {
  const report = await checkCrashes(logTest('forgets a fence'), { seed: 1 });
  t.equal(
    formatCrashes(report),
    [
      'FAIL EUCLEAN: structure needs cleaning, toylog: record 0',
      '     the power went before event 5 (fence), of 2 pieces in flight these were lost: 7 bytes at 4096 (event 1)',
      '     during: append one; 0 had returned',
      `3 operations, ${report.images} images, ${report.checks} checks, 0 cut again, seed 1`,
      '',
    ].join('\n'),
  );
});

t.test('a judge sees every content once; a promise is waited for', async (t) => {
  const seen = new Set<number>();
  const contents = new Set<string>();
  let judged = 0;
  const test: CrashTest<ToyLog> = {
    ...logTest(),
    judge: async (content, describe) => {
      await Promise.resolve();
      judged++;
      contents.add(Buffer.from(content).toString('latin1'));
      t.match(describe(), /^before event|^at the end/);
    },
  };
  const report = await checkCrashes(test, { seed: 1, seen });
  t.equal(judged, report.images);
  t.equal(contents.size, report.images);
  t.equal(seen.size, report.images);
  t.equal((await checkCrashes(test, { seed: 1, seen })).images, 0, 'and none that another run has seen');
  const refused = await checkCrashes({ ...logTest(), judge: () => Promise.reject(new Error('bad')) }, { seed: 1 });
  t.equal(refused.failure?.error.message, 'bad');
});

t.test('a power cut while what a power cut left is mounted', async (t) => {
  // Clears the word after the count and puts the count there before it is gone, and needs that order to be kept.
  const recovering = (keepsOrder: boolean): CrashTest<ToyLog> => ({
    ...logTest(),
    mount(device) {
      const count = Buffer.alloc(8);
      device.readSync(count, 64);
      if (count.readDoubleLE(0) === 0) {
        device.readSync(count, 0);
        device.writeSync(count, 64, { flush: keepsOrder });
      }
      device.zeroSync(0, 8);
      device.writeSync(count, 0);
      device.zeroSync(64, 8);
      return new ToyLog(device);
    },
  });
  const report = await checkCrashes(recovering(true), { seed: 1, recoveryEvery: 1 });
  t.ok(report.ok, formatCrashes(report));
  t.ok(report.recoveries > report.images, formatCrashes(report));
  const broken = await checkCrashes(recovering(false), { seed: 1, recoveryEvery: 1 });
  t.match(broken.failure?.description, /; then, while that was mounted, before event \d+ \(fence\)/);
  t.ok((await checkCrashes(recovering(false), { seed: 1 })).ok, 'which one power cut does not show');
});

t.test('operations that fail are no power cut', async (t) => {
  const test = { ...logTest(), operations: [{ name: 'none', run: () => { throw new Error('broken'); } }] };
  await t.rejects(checkCrashes(test), /^broken$/);
});

// The tutorial's filesystem: what fsync returned for is there, and the rest is old or new.

type Files = Map<string, Buffer>;

function read(fs: TinyFs): Files {
  return new Map(
    fs.names().map((name) => {
      const file = fs.lookup(name);
      const content = Buffer.alloc(file?.size ?? 0);
      file?.readSync(content, 0);
      return [name, content];
    }),
  );
}

const OPERATIONS: [name: string, run: (fs: TinyFs) => void][] = [
  ['create a', (fs) => fs.create('a')],
  ['write a', (fs) => {
    const file = fs.lookup('a');
    file?.writeSync(Buffer.alloc(300, 'a'), 0);
    file?.fsync();
  }],
  ['create b', (fs) => fs.create('b')],
  ['append to a', (fs) => {
    const file = fs.lookup('a');
    file?.writeSync(Buffer.alloc(100, 'A'), 300);
    file?.fsync();
  }],
  ['truncate a', (fs) => fs.lookup('a')?.truncateSync(100)],
  ['write b', (fs) => {
    const file = fs.lookup('b');
    file?.writeSync(Buffer.alloc(200, 'b'), 4000);
    file?.fsync();
  }],
  ['unlink a', (fs) => { fs.unlink('a'); }],
];

// Stores that are not flushed, from one call on.
function careless(device: BlockDevice, isCareless: (pos: number) => boolean): BlockDevice {
  return {
    size: device.size,
    granularity: device.granularity,
    directAccess: (sector, size) => device.directAccess(sector, size),
    readSync: (target, pos, options) => device.readSync(target, pos, options),
    writeSync: (source, pos, options) =>
      device.writeSync(source, pos, isCareless(Number(pos)) ? { ...options, flush: false } : options),
    zeroSync: (pos, length, options) => device.zeroSync(pos, length, isCareless(Number(pos)) ? { flush: false } : options),
    flush: (pos, length) => { device.flush(pos, length); },
    drain: () => { device.drain(); },
    persist: (pos, length) => { device.persist(pos, length); },
  };
}

function tinyTest(wrap: (device: BlockDevice) => BlockDevice = (device) => device): CrashTest<TinyFs> {
  const noted: Files[] = [];
  const allows = (found: Buffer, before: Buffer, after: Buffer) =>
    (found.length === before.length || found.length === after.length) &&
    found.every((byte, pos) => byte === before[pos] || byte === after[pos] || byte === 0);
  return {
    size: 70 * 4096,
    make(device) {
      TinyFs.mkfs(device);
      return TinyFs.mount(wrap(device));
    },
    operations: OPERATIONS.map(([name, run]) => ({ name, run })),
    note: (fs, completed) => { noted[completed] = read(fs); },
    mount: (device) => TinyFs.mount(device),
    check(fs, { completed, isUnderway }) {
      const before = noted[completed] ?? new Map<string, Buffer>();
      const after = (isUnderway ? noted[completed + 1] : before) ?? before;
      const found = read(fs);
      const names = [...found.keys()].join();
      if (names !== [...before.keys()].join() && names !== [...after.keys()].join()) throw new Error(`names ${names}`);
      for (const [name, content] of found) {
        const [old, next] = [before.get(name) ?? after.get(name), after.get(name) ?? before.get(name)];
        if (!old || !next || !allows(content, old, next)) throw new Error(`content of ${name}`);
      }
    },
    goOn(fs, random) {
      const file = fs.create('c');
      file.writeSync(Buffer.alloc(random(3000), 'c'), random(3000));
      fs.unlink('c');
    },
  };
}

t.test("the tutorial's filesystem", async (t) => {
  const report = await checkCrashes(tinyTest(), { seed: 1, recoveryEvery: 50, limit: 100 });
  t.ok(report.ok, formatCrashes(report));
  t.ok(report.images > 1000, formatCrashes(report));
});

t.test("the tutorial's filesystem on a device that forgets", async (t) => {
  const records = await checkCrashes(tinyTest((device) => careless(device, (pos) => pos < 65 * 4096)), { seed: 1, limit: 200 });
  t.notOk(records.ok, 'records that are not flushed');
  const data = await checkCrashes(tinyTest((device) => careless(device, (pos) => pos >= 65 * 4096)), { seed: 1, limit: 200 });
  t.notOk(data.ok, 'data that is not flushed');
  t.match(data.failure?.error.message, /^content of a$/);
});
