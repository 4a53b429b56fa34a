// A power cut at any store of the addon itself: a process with an addon that records its stores creates, fills, truncates and opens
// logs on a file, and every image that a cut may leave is opened and compared with what was acknowledged.

import t, { type Test } from 'tap';
import { checkCrashes, formatCrashes, type CrashTest, type Trace, type TraceEvent } from 'node-dax/testkit';
import { LOG_SIZE, logCrashTest, type Before, type LogCrashTest, type Opened } from '../helpers/log-crash.js';
import { HEAD_POS, RING_POS, TAIL_POS } from '../helpers/log-order.js';
import { recordLog } from '../helpers/recorded-log.js';
import { amount, THOROUGH } from '../helpers/thorough.js';

const IMAGES = Number(process.env['NODE_DAX_TEST_IMAGES'] ?? amount({ short: 500, thorough: 8000, long: 30000 }));
const BASE = Number(process.env['NODE_DAX_TEST_SEED'] ?? Date.now() % 1_000_000);
const OPERATIONS = 40;
// Of each kind of image, at each point.
const LIMIT = THOROUGH ? 64 : 8;
// Of so many images one is opened by the addon, and what that stores is recorded too.
const OPENED = 400;

t.setTimeout(3_600_000);

/** The test, which puts one in `OPENED` of the images of a log into `images`. */
function keepingImages({ test, lengths }: LogCrashTest, images: Before[]): CrashTest<Opened> {
  let count = 0;
  let content: Uint8Array | undefined;
  return {
    ...test,
    mount(image) {
      content = ++count % OPENED === 0 ? new Uint8Array(LOG_SIZE) : undefined;
      if (content !== undefined) image.readSync(content, 0);
      return test.mount(image);
    },
    check(opened, moment) {
      test.check(opened, moment);
      if (content !== undefined && moment.completed > 0) images.push({ content, lengths });
    },
  };
}

// Some without stores past the caches, as on other processors.
const record = (test: Test, crash: LogCrashTest, seed: number): Trace => recordLog(test, crash, seed % 4 !== 0);

t.test('every image of a power cut among the stores of the addon keeps what was acknowledged', async (test) => {
  test.comment(`NODE_DAX_TEST_SEED=${BASE}`);
  const seen = new Set<number>();
  let opened = 0;
  for (let seed = BASE + 1, isOk = true; isOk && seen.size < IMAGES; seed++) {
    const images: Before[] = [];
    const crash = logCrashTest(seed, OPERATIONS);
    const report = await checkCrashes(keepingImages(crash, images), { seed, seen, limit: LIMIT, trace: record(test, crash, seed) });
    isOk = test.ok(report.ok, formatCrashes(report));
    for (const before of images) {
      const next = logCrashTest(seed, 3, { before });
      const again = await checkCrashes(next.test, { seed, seen, limit: LIMIT, trace: record(test, next, seed) });
      opened++;
      isOk = test.ok(again.ok, formatCrashes(again)) && isOk;
    }
  }
  test.comment(`${seen.size} images, some of them of ${opened} that the addon has opened`);
});

/** Takes the events away, or moves them, that another order of the addon's stores would not have there. */
type Mistake = (events: readonly TraceEvent[]) => readonly TraceEvent[];

/** Whether an event stores a word at `pos`: some number, or zero, which a new log stores over what was there. */
function storesWord(event: TraceEvent | undefined, pos: number, isZero: boolean): boolean {
  if (event?.kind !== 'store' || event.pos !== pos || event.bytes.length !== 8) return false;
  return event.bytes.every((byte) => byte === 0) === isZero;
}

// The fences between a store of the word at `pos` and the store before it, or the store after it.
function withoutFences(pos: number, side: 'before' | 'after', isZero = false): Mistake {
  return (events) => {
    const stores = events.filter(({ kind }) => kind === 'store');
    const next = new Map(stores.map((event, index) => [event, stores[index + 1]]));
    let last: TraceEvent | undefined;
    return events.filter((event) => {
      if (event.kind === 'store') last = event;
      if (event.kind !== 'fence' || last === undefined) return true;
      return !storesWord(side === 'after' ? last : next.get(last), pos, isZero);
    });
  };
}

// The word at `pos` is stored, and made durable, before what the operation stored between its two last fences.
function tooEarly(pos: number): Mistake {
  return (events) => {
    const moved: TraceEvent[] = [];
    let start = 0;
    let before = 0;
    for (const event of events) {
      if (storesWord(event, pos, false)) moved.splice(before, 0, event, { kind: 'flush', pos, length: 8 }, { kind: 'fence' });
      else moved.push(event);
      if (event.kind === 'fence') [before, start] = [start, moved.length];
      if (event.kind === 'mark') before = start = moved.length;
    }
    return moved;
  };
}

const MISTAKES: Readonly<Record<string, Mistake>> = {
  'has no fence between a record and the tail': withoutFences(TAIL_POS, 'before'),
  'publishes before it stores the record': tooEarly(TAIL_POS),
  'acknowledges before the tail is durable': withoutFences(TAIL_POS, 'after'),
  'uses room again before the head is durable': withoutFences(HEAD_POS, 'after'),
  'has no fence between the next head and the head': withoutFences(HEAD_POS, 'before'),
  'flushes no record': (events) => events.filter(({ kind, ...event }) => kind !== 'flush' || (event as { pos: number }).pos < RING_POS),
  'has no fence after it wipes the magic of a former log': withoutFences(0, 'after', true),
  'has no fence between the first checkpoint of a new log and its magic': (events) =>
    withoutFences(0, 'before')(withoutFences(8, 'before')(events)),
};

for (const [name, mistake] of Object.entries(MISTAKES)) {
  t.test(`an addon that ${name} is caught`, async (test) => {
    let isCaught = false;
    for (let seed = 1; seed <= 12 && !isCaught; seed++) {
      const crash = logCrashTest(seed, OPERATIONS);
      const { content, events } = record(test, crash, seed);
      isCaught = !(await checkCrashes(crash.test, { seed, limit: LIMIT, trace: { content, events: mistake(events) } })).ok;
    }
    test.ok(isCaught);
  });
}
