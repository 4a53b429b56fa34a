// The test kit passes filesystems that are right, and says of each that is not which rule it breaks.

import '../helpers/assert-locks.js';

import { checkFilesystem, format, GARBAGE, RecordingDevice, type Report } from 'node-dax/testkit';
import t from 'tap';
import type { BlockDevice } from 'node-dax';
import { sample } from '../helpers/thorough.js';
import { smallFs, type Fault, type SmallFsOptions } from './small-fs.js';

// The least that it takes, because most of the time goes into making devices.
const SMALL = { blockDeviceSize: 2 * 1024 * 1024, operations: 400 };

const failed = (report: Report) => [...new Set(report.checks.filter(({ ok }) => !ok).map(({ rule }) => rule))];

t.test('a filesystem that is right', async (t) => {
  const variants: SmallFsOptions[] = [
    {},
    { initialises: 'tells New' },
    { initialises: 'tells Unwritten' },
    { moves: true },
    { blockSize: 512 },
    { blockSize: 1024, initialises: 'tells New' },
    { blockSize: 2048, initialises: 'tells Unwritten' },
    // A write holds the pages that it fills when it asks for the next blocks.
    { blockSize: 1024, initialises: 'tells New', maxRun: 3 },
  ];
  for (const [seed, variant] of sample([...variants.entries()], 4)) {
    const report = await checkFilesystem(smallFs(variant), { ...SMALL, seed });
    t.ok(report.ok, JSON.stringify(variant), { report: format(report) });
    t.strictSame(failed(report), []);
  }
});

t.test('what cannot be tried is said', async (t) => {
  const report = await checkFilesystem(smallFs({ cannotPunch: true }), { ...SMALL, seed: 1 });
  const skipped = report.checks.filter(({ status }) => status === 'skipped').map(({ rule, title }) => `${rule} ${title}`);
  t.ok(report.ok);
  t.strictSame(skipped.map((line) => line.split(' ')[0]), ['TR-12', 'IO-10', 'TR-10']);
  t.match(format(report), /\nskip TR-12 .*\n +the filesystem has no punchBlocks\n/);
});

t.test('files that cannot be mapped', async (t) => {
  const skippedOf = (report: Report) => report.checks.filter(({ status }) => status === 'skipped');
  const small = await checkFilesystem(smallFs({ blockSize: 512 }), { ...SMALL, seed: 1 });
  const mapped = skippedOf(small).filter(({ detail }) => detail?.includes('blocks of 512 bytes cannot be mapped'));
  t.match(mapped.map(({ title }) => title), [/^mapread and mapwrite$/, /^a mapping /, /mapping/, /mapping/, /mapping/]);
  const wrapped = await checkFilesystem((device) => smallFs()(withoutBacking(device)), { ...SMALL, seed: 1 });
  t.match(skippedOf(wrapped)[0], { rule: 'fsx', detail: /`backing`/ }, 'on a device of its author');
  t.ok(small.ok && wrapped.ok);
});

function withoutBacking(device: BlockDevice): BlockDevice {
  return new Proxy(device, {
    get(target, name) {
      const value: unknown = name === 'backing' ? undefined : Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const FAULTS: [fault: Fault, rules: string[], options?: SmallFsOptions][] = [
  ['reports new blocks as written and does not zero them', ['GB-6']],
  ['answers from a cache that truncation does not clear', ['TR-7']],
  ['frees blocks and keeps the pointers to them', ['TR-7']],
  ['frees blocks before the size is lowered', ['TR-7']],
  ['grows i_size in getBlock', ['IO-13']],
  ['grows i_size in endIo', ['IO-13']],
  ['gives a block to two files', ['GB-12']],
  ['leaves a hole on create', ['GB-7']],
  ['grows the size of the answer', ['GB-3']],
  // The run reaches blocks that are another's.
  ['answers with a run that is not contiguous', ['GB-12', 'GB-3']],
  ['returns the number of blocks', ['GB-4']],
  ['fails a lookup of a hole with ENODATA', ['GB-4']],
  ['delays allocation', ['GB-8']],
  ['says New of a block again', ['GB-12']],
  ['leaks blocks when there is no room', ['IO-16']],
  ['leaks blocks in truncation', ['TR-6']],
  ['frees the block that holds the tail', ['TR-6']],
  ['frees the blocks at the edges of a punched hole', ['TR-12']],
  ['does not convert unwritten blocks', ['IO-14'], { initialises: 'tells Unwritten' }],
  ['returns a positive errno', ['GB-10']],
  ['throws what is no DaxError', ['GB-10']],
  // When the kit looks at what was freed, it is there again.
  ['allocates on lookup', ['GB-2', 'TR-7']],
  // Nor does it wait for reads.
  ['truncates without the lock', ['LK-4', 'TR-6']],
  // Which is seen through mappings too.
  ['truncates without zeroing the tail', ['fsx', 'TR-9']],
  ['extends without zeroing what is past the end', ['fsx', 'TR-8']],
  ['loses the last byte of a vector', ['fsx']],
  ['cannot write the last byte', ['IO-13']],
  ["makes blocks the file's before they are zeroed", ['GB-6']],
  ['converts the block that a failed write began in', ['IO-6'], { initialises: 'tells Unwritten' }],
  ['loses a block when the device fails', ['IO-16']],
  ["tells another error than the device's", ['GB-10']],
  ['keeps the lock when the device fails', ['LK-4']],
  ['extends without telling the mappings', ['fsx']],
  ['does not convert what a fault has filled', ['FT-11'], { initialises: 'tells Unwritten' }],
  ['moves blocks and keeps the extents', ['TR-7'], { moves: true }],
  ['moves blocks and tells the cache alone', ['TR-7'], { moves: true }],
];

t.test('a filesystem that breaks a rule', async (t) => {
  for (const [fault, rules, options] of sample(FAULTS, 16)) {
    const report = await checkFilesystem(smallFs({ ...options, fault }), { ...SMALL, seed: 7 });
    t.notOk(report.ok, fault);
    t.strictSame(failed(report), rules, fault, { report: format(report) });
  }
});

t.test('a report shows no id without its sentence', async (t) => {
  const checksOf = async (fault: Fault) => (await checkFilesystem(smallFs({ fault }), { ...SMALL, seed: 7 })).checks;
  const alien = (await checksOf('loses a block when the device fails')).find(({ rule, ok }) => rule === 'IO-16' && !ok);
  t.match(alien, { title: /^a device that fails/, detail: /\(IO-16, a write that fails or is short leaves no block past the end of the file\)$/ });
  const meanwhile = (await checksOf('returns a positive errno')).filter(({ detail }) => detail?.includes('broken meanwhile'));
  t.ok(meanwhile.length > 0);
  for (const { detail } of meanwhile) t.match(detail, /^[A-Z]{2}-\d+, .{10,}: this was broken meanwhile/);
});

t.test('what random operations find is told with the seed and the shortest sequence', async (t) => {
  const make = smallFs({ fault: 'frees the block that holds the tail' });
  const report = await checkFilesystem(make, { ...SMALL, seed: 7 });
  const found = report.checks.find(({ rule, ok }) => rule === 'TR-6' && !ok);
  t.equal(found?.seed, 7);
  t.match(found?.sequence, /^\w+ \d+ at \d+ of ([ab])\ntruncate \1 to \d+$/, 'a write and a truncation');
  const again = await checkFilesystem(make, { ...SMALL, seed: 7 });
  t.strictSame(again, report, 'and the seed gives the same again');
  t.match(format(report), /\nFAIL TR-6 .*\n.*freed block.*\n +seed 7:\n +write.*\n +truncate /);
});

t.test('the device that it runs them on', (t) => {
  const device = new RecordingDevice(16384);
  const content = Buffer.alloc(4096);
  device.readSync(content, 8192);
  t.ok(content.every((byte) => byte === GARBAGE), 'begins as garbage');
  device.writeSync(Buffer.from('kept'), 100);
  device.writeSync(Buffer.from('lost'), 200, { flush: false });
  t.equal(Buffer.from(device.directAccess(0, 4096).window.subarray(200, 204)).toString(), 'lost');
  const later = device.afterPowerCut();
  later.readSync(content, 0);
  t.equal(content.toString('latin1', 100, 104), 'kept');
  t.equal(content[200], GARBAGE, 'what was not flushed is lost with the power');
  t.end();
});

t.test('a device that is too small', async (t) => {
  await t.rejects(checkFilesystem(smallFs(), { blockDeviceSize: 4096 }), RangeError);
});
