// A page of a log's memory goes bad: what is appended goes on after it, and readers are told which records are lost.

import { partition } from 'node-dax';
import t, { type Test } from 'tap';
import { openLog, type Log, type Loss } from 'node-dax/log';
import { onDevices } from '../helpers/devices.js';
import { IN_GUEST } from '../helpers/guest.js';
import { contentOf } from '../helpers/log-crash.js';
import { poison } from '../helpers/poison.js';

const DEVICES = ['a file on ext4 -o dax', 'a file on xfs -o dax', 'devdax of 4 KiB'];
const RING = 8192;
const PAGE = 4096;
// Of content: with its header a record takes a quarter of a page.
const LENGTH = PAGE / 4 - 16;
const UNITS = PAGE / 16;

const append = (log: Log): number => log.append(contentOf(log.info().nextSequence, LENGTH));

// What can be read, and what is lost.
function read(test: Test, log: Log): { sequences: number[]; losses: Loss[] } {
  const losses: Loss[] = [];
  const found = [...log.records(undefined, { copy: true, onLoss: (loss) => losses.push(loss) })];
  const wrong = found.filter(({ sequence, bytes }) => Buffer.compare(bytes, contentOf(sequence, LENGTH)) !== 0);
  test.strictSame(wrong, [], 'every record that is read is what was appended');
  return { sequences: found.map(({ sequence }) => sequence), losses };
}

const from = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, index) => first + index);

if (!IN_GUEST) t.test('a log on poisoned memory', { skip: 'memory is poisoned in the guest alone: npm run test:guest' }, () => undefined);
else {
  onDevices('append goes on past a page that went bad', DEVICES, (test, wanted) => {
    const device = wanted.open();
    device.zeroSync(0, 64 * PAGE);
    const log = openLog(device, { create: true, force: true });
    for (let i = 0; i < 4; i++) append(log);
    poison(device.view(RING + 2 * PAGE, PAGE), 0);
    for (let i = 0; i < 8; i++) append(log);
    test.strictSame(read(test, log), { sequences: from(1, 12), losses: [] }, 'nothing is lost');
    test.equal(log.tail, 4 * UNITS, 'the page was passed over');
    poison(device.view(RING + 5 * PAGE, PAGE), 0);
    log.appendMany(from(13, 22).map((sequence) => contentOf(sequence, LENGTH)));
    test.strictSame(read(test, log), { sequences: from(1, 22), losses: [] }, 'so it is by many at once');
    log.close();
    const again = openLog(device);
    append(again);
    test.strictSame(read(test, again), { sequences: from(1, 23), losses: [] }, 'and after it was opened again');
    again.close();
    device.zeroSync(0, 2 * PAGE);
  });

  onDevices('readers are told which records a bad page has taken', DEVICES, (test, wanted) => {
    const whole = wanted.open();
    whole.zeroSync(0, 64 * PAGE);
    const device = partition(whole, 0, (18 * PAGE) / 512);
    const log = openLog(device, { create: true, force: true });
    for (let i = 0; i < 40; i++) append(log);
    // The page is bad in this mapping alone: the guest's memory is sound, and a mapping made later reads it.
    poison(whole.view(RING + 3 * PAGE, PAGE), 0);
    const loss = { position: 3 * UNITS, end: 4 * UNITS, byte: RING + 3 * PAGE, code: 'EIO', records: 4 };
    const kept = { sequences: [...from(1, 12), ...from(17, 40)], losses: [loss] };
    test.strictSame(read(test, log), kept, 'the writer');
    test.throws(() => [...log.records()], { code: 'EIO', reason: 'MEDIA_ERROR', position: loss.byte });
    log.close();
    const again = openLog(device);
    test.strictSame(read(test, again), kept, 'who opens it again');
    const bySequence = new Map([...again.entries(undefined, { onLoss: () => undefined })].map(({ sequence, position }) => [sequence, position]));
    again.truncateBefore(bySequence.get(30) as number);
    for (let i = 0; i < 45; i++) append(again);
    test.strictSame(read(test, again), { sequences: from(30, 85), losses: [] }, 'the ring goes round, past the page');
    again.close();
    whole.zeroSync(0, 2 * PAGE);
  });
}
