// Owns the parking races: one operation is held inside getBlock, endIo or its copy while others begin.

import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../failure.js';
import { codeOf, expect, PAGE, type Probe } from '../filesystem/probe.js';
import type { RuleId } from '../rules.js';
import { bytesOf, contentOf, expectContent, type OpenFile, type Session } from '../filesystem/session.js';

// Bytes of a copy that is large enough for node-dax to do it on another thread.
const LARGE = 512 * 1024;
// How long to wait before a race counts as a deadlock.
const PATIENCE_MS = 5000;

async function within<T>(rule: RuleId, work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(PATIENCE_MS, undefined, { signal: timer.signal }).then(
    () => {
      throw new Failure(rule, 'an operation did not end: a lock was never let go');
    },
    () => undefined,
  );
  try {
    return (await Promise.race([work, late])) as T;
  } finally {
    timer.abort();
  }
}

// Checks that each operation that must not run now fails instead of waiting.
function expectLocked(when: string, { file }: OpenFile): void {
  const attempts: [string, () => unknown][] = [
    ['write', () => file.writeSync(bytesOf(9, 10), 0)],
    ['truncate', () => { file.truncateSync(1); }],
    ['punch', () => { file.punchHoleSync(0, PAGE); }],
  ];
  for (const [name, attempt] of attempts) {
    const code = codeOf(attempt);
    expect('LK-4', code === 'EAGAIN' || code === 'EOPNOTSUPP', `${when}, ${name} did not fail with EAGAIN (${code ?? 'it ran'})`);
  }
}

/** Operations that begin while another holds the file. They must have the effect of coming after it. */
interface Queued {
  readonly ended: () => number;
  readonly all: Promise<unknown>;
  /** What the first of the reads has read. */
  readonly seen: Uint8Array;
}

function beginOthers({ file }: OpenFile, length: number): Queued {
  let count = 0;
  const seen = new Uint8Array(length);
  const others: Promise<unknown>[] = [
    file.read(seen, 0),
    file.write(bytesOf(20, PAGE), PAGE),
    file.truncate(2 * PAGE + 10),
    file.write(bytesOf(21, 10), 2 * PAGE + 20),
  ];
  const all = Promise.all(others.map((other) => other.finally(() => count++)));
  // The waiter gets the rejection; until then it must not end the process as unhandled.
  all.catch(() => undefined);
  return { ended: () => count, all, seen };
}

function expectAfterOthers(open: OpenFile, before: Uint8Array): void {
  const expected = new Uint8Array(2 * PAGE + 30);
  expected.set(before.subarray(0, 2 * PAGE + 10));
  expected.set(bytesOf(20, PAGE), PAGE);
  expected.set(bytesOf(21, 10), 2 * PAGE + 20);
  expectContent('LK-4', open.name, contentOf(open.file), expected);
}

function inside(where: 'before getBlock' | 'after getBlock' | 'endIo', title: string): Probe {
  return {
    rule: 'LK-4',
    title,
    async run(session) {
      const a = session.create('a');
      let others: Queued | undefined;
      session.witness.hook = (now, inode) => {
        if (now !== where || inode !== a.inode || others !== undefined) return;
        expectLocked(`inside a write (${where})`, a);
        expect('LK-4', a.file.size === 0, 'the size rose before the write ended');
        others = beginOthers(a, 4 * PAGE);
      };
      const data = bytesOf(1, 4 * PAGE);
      a.file.writeSync(data, 0);
      session.witness.hook = undefined;
      expect('LK-4', others !== undefined, `the write never came by (${where})`);
      await within('LK-4', others.all);
      expectContent('LK-4', 'a read begun inside a write', others.seen, data);
      expectAfterOthers(a, data);
    },
  };
}

// Holds the next asynchronous copy until `release` is called.
function park(session: Session): { parked: Promise<void>; release: () => void } {
  let release: (() => void) | undefined;
  let arrived: (() => void) | undefined;
  const parked = new Promise<void>((resolve) => (arrived = resolve));
  const gate = new Promise<void>((resolve) => (release = resolve));
  session.device.park = () => {
    session.device.park = undefined;
    arrived?.();
    return gate;
  };
  return { parked, release: () => release?.() };
}

// Makes and uses another file in the same free space at the same time.
function useElsewhere(session: Session): OpenFile {
  const b = session.create('b');
  b.file.writeSync(bytesOf(60, 6 * PAGE), 0);
  b.file.truncateSync(PAGE + 5);
  b.file.writeSync(bytesOf(61, PAGE), 3 * PAGE);
  return b;
}

function expectElsewhere(b: OpenFile): void {
  const expected = new Uint8Array(4 * PAGE);
  expected.set(bytesOf(60, PAGE + 5));
  expected.set(bytesOf(61, PAGE), 3 * PAGE);
  expectContent('LK-4', 'b', contentOf(b.file), expected);
}

const parkedWrite: Probe = {
  rule: 'LK-4',
  title: 'what begins while a write is copying comes after it',
  async run(session) {
    const a = session.create('a');
    const data = bytesOf(1, LARGE);
    const { parked, release } = park(session);
    const writing = a.file.write(data, 0);
    const isParked = await within('LK-4', Promise.race([parked.then(() => true), writing.then(() => false)]));
    if (!isParked) return 'its runs are too short for a copy on another thread';
    expectLocked('while a write is copying', a);
    expect('LK-4', a.file.size === 0, 'the size rose before the data was there');
    const others = beginOthers(a, LARGE);
    const b = useElsewhere(session);
    await sleep(5);
    expect('LK-4', others.ended() === 0, 'an operation on the same file did not wait for the write');
    release();
    await within('LK-4', Promise.all([writing, others.all]));
    expectContent('LK-4', 'a read begun while a write was copying', others.seen, data);
    expectAfterOthers(a, data);
    expectElsewhere(b);
    return undefined;
  },
};

const parkedRead: Probe = {
  rule: 'LK-4',
  title: 'truncation waits for a read that is copying, which gets no other file\'s data',
  async run(session) {
    const a = session.create('a');
    const data = bytesOf(1, LARGE);
    a.file.writeSync(data, 0);
    const { parked, release } = park(session);
    const found = new Uint8Array(LARGE);
    const reading = a.file.read(found, 0);
    const isParked = await within('LK-4', Promise.race([parked.then(() => true), reading.then(() => false)]));
    if (!isParked) return 'its runs are too short for a copy on another thread';
    expectLocked('while a read is copying', a);
    const cut = { isDone: false };
    const cutting = a.file.truncate(0).then(() => (cut.isDone = true));
    const b = useElsewhere(session);
    await sleep(5);
    expect('LK-4', !cut.isDone && a.file.size === LARGE, 'truncation did not wait for the read');
    release();
    await within('LK-4', Promise.all([reading, cutting]));
    expectContent('LK-4', 'a read that truncation waited for', found, data);
    expect('LK-4', a.file.size === 0, 'the file was not truncated');
    expectElsewhere(b);
    return undefined;
  },
};

export const PARKING_PROBES: readonly Probe[] = [
  inside('before getBlock', 'what begins before getBlock answers a write comes after the write'),
  inside('after getBlock', 'what begins after getBlock answered a write comes after the write'),
  inside('endIo', 'what begins inside endIo comes after the write'),
  parkedWrite,
  parkedRead,
];
