// Owns the run on a failing device: the same few operations are repeated, and each time another call of the device fails.

import type { MakeFilesystem } from '../filesystem/contract.js';
import { Failure } from '../failure.js';
import { FailingDevice } from '../device/failing-device.js';
import { codeOf, expect, expectFree, PAGE } from '../filesystem/probe.js';
import { bytesOf, contentOf, expectContent, Session, type OpenFile } from '../filesystem/session.js';

// The most points of failure that are tried in the run, for each way to fail.
const MOST = 64;

/**
 * A step of the run. `run` applies it to the file, and returns the number of bytes that a write reports; `model` applies it to a
 * byte array.
 */
interface Step {
  readonly name: string;
  readonly run: (open: OpenFile) => number | undefined;
  /** `moved` is less than the whole if a write was short. */
  readonly model: (before: Uint8Array, moved: number | undefined) => Uint8Array;
}

function write(fill: number, length: number, pos: number): Step {
  const bytes = bytesOf(fill, length);
  return {
    name: `a write of ${length} at ${pos}`,
    run: ({ file }) => file.writeSync(bytes, pos),
    model: (before, moved = length) => overwritten(before, bytes.subarray(0, moved), pos),
  };
}

function overwritten(before: Uint8Array, bytes: Uint8Array, pos: number): Uint8Array {
  const after = resized(before, Math.max(before.byteLength, bytes.byteLength > 0 ? pos + bytes.byteLength : 0));
  after.set(bytes, bytes.byteLength > 0 ? pos : 0);
  return after;
}

function resized(before: Uint8Array, size: number): Uint8Array {
  const after = new Uint8Array(size);
  after.set(before.subarray(0, size));
  return after;
}

function step(name: string, run: (open: OpenFile) => void, model: (before: Uint8Array) => Uint8Array): Step {
  return {
    name,
    model,
    run(open) {
      run(open);
      return undefined;
    },
  };
}

const STEPS: readonly Step[] = [
  write(10, PAGE, PAGE + 100),
  write(11, 3 * PAGE, 4 * PAGE - 50),
  write(12, 100, 9 * PAGE + 7),
  step('truncation', ({ file }) => { file.truncateSync(2 * PAGE + 10); }, (before) => resized(before, 2 * PAGE + 10)),
  write(13, 2 * PAGE, 2 * PAGE + 10),
  step('zeroing', ({ file }) => { file.zeroRangeSync(10, 50); }, (before) => before.slice().fill(0, 10, 60)),
  step('extending', ({ file }) => { file.truncateSync(9 * PAGE); }, (before) => resized(before, 9 * PAGE)),
  // A write into a hole.
  write(14, 100, 6 * PAGE + 200),
  step('fsync', ({ file }) => { file.fsync(); }, (before) => before),
];

const PUNCH = step(
  'punching',
  ({ file }) => { file.punchHoleSync(PAGE - 10, 2 * PAGE + 20); },
  (before) => before.slice().fill(0, PAGE - 10, 3 * PAGE + 10),
);

// Makes the file that is worked on and one that is left alone. `free` is the number of free blocks while the first is empty.
function prepare(session: Session): { a: OpenFile; kept: OpenFile; content: Uint8Array; free: number } {
  const kept = session.create('kept');
  kept.file.writeSync(bytesOf(1, 3 * PAGE + 9), 0);
  const a = session.create('a');
  const free = session.fs.freeBlocks();
  const content = bytesOf(2, 4 * PAGE);
  a.file.writeSync(content, 0);
  kept.file.fsync();
  a.file.fsync();
  return { a, kept, content, free };
}

function expectKept({ file }: OpenFile, when: string): void {
  expectContent('IO-10', `${when}, a file that nobody touched`, contentOf(file), bytesOf(1, 3 * PAGE + 9));
}

// Fails unless every byte has its value from before the operation or from after it.
function expectEither(when: string, found: Uint8Array, before: Uint8Array, after: Uint8Array): void {
  const isSize = found.byteLength === before.byteLength || found.byteLength === after.byteLength;
  expect('IO-6', isSize, `${when}, the size is ${found.byteLength}, it was ${before.byteLength}`);
  const wrong = found.findIndex((byte, pos) => byte !== (before[pos] ?? 0) && byte !== (after[pos] ?? 0));
  expect('IO-6', wrong < 0, `${when}, byte ${wrong} is ${found[wrong] ?? 0}, it was ${before[wrong] ?? 0}`);
}

// Runs the steps until a call of the device fails.
function runUntilFailure(session: Session, device: FailingDevice, skipped: number, count: number): void {
  const { a, kept, content, free } = prepare(session);
  device.fail(skipped, count);
  let before = content;
  for (const { name, run, model } of stepsOf(session)) {
    let moved: number | undefined;
    const code = codeOf(() => { moved = run(a); });
    const after = model(before, moved);
    if (!device.hasFailed) {
      expect('IO-6', code === undefined, `${name} failed with ${String(code)}, and the device had not`);
      before = after;
      continue;
    }
    device.heal();
    const when = `after the device failed in ${name}`;
    expect('GB-10', code === undefined || code === 'EIO', `${name} failed with ${String(code)}, the device with EIO`);
    expectFree(when, a);
    const found = contentOf(a.file);
    if (code === undefined) expectContent('IO-6', `${when}, which said nothing of it, a`, found, after);
    else expectEither(when, found, before, after);
    expectKept(kept, when);
    goOn(session, a, kept, when, free);
    return;
  }
}

function stepsOf({ fs }: Session): readonly Step[] {
  return fs.operations.punchBlocks === undefined ? STEPS : [...STEPS, PUNCH];
}

// Checks that the file works now that the device works again.
function goOn(session: Session, a: OpenFile, kept: OpenFile, when: string, free: number): void {
  const { file } = a;
  const content = contentOf(file).slice();
  const expected = overwritten(content, bytesOf(20, 2 * PAGE), 5 * PAGE + 1);
  file.writeSync(bytesOf(20, 2 * PAGE), 5 * PAGE + 1);
  file.fsync();
  expectContent('IO-6', `${when} and was well again, a`, contentOf(file), expected);
  if (session.canMount) {
    const later = session.afterPowerCut();
    try {
      expectContent('IO-10', `${when}, and a power cut, a`, contentOf(later.find('a').file), expected);
      expectKept(later.find('kept'), `${when}, and a power cut`);
    } finally {
      later.end();
    }
  }
  file.truncateSync(0);
  file.fsync();
  const lost = free - session.fs.freeBlocks();
  expect('IO-16', lost === 0, `${when}, ${lost} blocks are lost once the file is empty`);
  expectKept(kept, when);
}

// Calls `run` on a new filesystem. If the witness has seen a broken rule, throws the witness's error, because it explains any other
// failure.
function attempt<T>(make: MakeFilesystem, size: number, run: (session: Session, device: FailingDevice) => T): T {
  const device = new FailingDevice(size);
  const session = new Session(make(device), device);
  const throwSeen = () => {
    for (const { rule, message } of session.witness.failures.values()) throw new Failure(rule, message);
  };
  try {
    const result = run(session, device);
    throwSeen();
    return result;
  } catch (error) {
    throwSeen();
    throw error;
  }
}

// The number of calls that the steps make on the device.
function countCalls(session: Session, device: FailingDevice): number {
  const { a } = prepare(session);
  const before = device.calls;
  for (const { run } of stepsOf(session)) run(a);
  return device.calls - before;
}

/** The failure on a device that fails at one call, or from one call on until the operation ends; undefined if there is none. */
export function failingRun(make: MakeFilesystem, size: number): Failure | undefined {
  try {
    const calls = attempt(make, size, countCalls);
    for (let at = 0; at < calls; at += Math.max(1, calls / MOST)) {
      for (const count of [1, Number.POSITIVE_INFINITY]) {
        attempt(make, size, (session, device) => { runUntilFailure(session, device, Math.floor(at), count); });
      }
    }
    return undefined;
  } catch (error) {
    return error instanceof Failure ? error : new Failure('IO-6', String(error));
  }
}
