// Owns the measurement of one thread of a job: what is timed, what is not, and when it ends.

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { countLatency, emptyBins } from './bins.js';
import type { LatencyLog } from './latency-log.js';
import { SteadyWindow } from './steady-window.js';
import type { Operations } from '../drivers/driver.js';
import type { Trial } from './figures.js';
import { operationsOf, rateOf, writes, type Job } from '../jobs/job.js';
import { check, stamp } from '../jobs/verify.js';
import { Walk } from '../jobs/walk.js';

/** An empty histogram of latencies in nanoseconds, to three digits. */
function latencies(): RecordableHistogram {
  return createHistogram({ figures: 3 });
}

/** What one thread did in one direction. Histograms can be posted to another thread and added there. */
export interface Tally {
  operations: number;
  /** The operations that were made within `elapsed`. */
  counted: number;
  latency: RecordableHistogram;
  /** The latencies counted in fio's bins. */
  bins: Float64Array;
  /** Present for jobs with a rate. */
  service: RecordableHistogram | undefined;
}

export interface Measured {
  read: Tally;
  write: Tally;
  /** Milliseconds, without the windows in which reading the clock takes a considerable part of the time. */
  elapsed: number;
  verified: number | undefined;
  /** Present for jobs with a steady state. */
  steady: Trial['steady'];
}

const now = performance.now.bind(performance);

// A window is shorter than a time slice, so other programs run between windows as often as in one.
const WINDOW_MS = 1;
const DEEP_WINDOW_MS = 20;
const WINDOW_MAX = 65_536;
// Reading the clock (0.05 µs) does not matter to operations that take longer than this: each of them is timed.
const FAST_MS = 0.002;
// How many positions of a job with a rate are made, and lines of its log written, at once, while it waits.
const RATED_CHUNK = 64;

// A latency in whole nanoseconds, at least 1.
function nanosecondsOf(milliseconds: number): number {
  return Math.max(1, Math.round(milliseconds * 1e6));
}

const pause = new Int32Array(new SharedArrayBuffer(4));

// Sleeps if there is time for it, and polls the clock for the last millisecond, because waking up takes the kernel a moment.
function waitUntil(due: number): void {
  const sleep = due - now() - 1;
  if (sleep > 1) Atomics.wait(pause, 0, 0, sleep);
  while (now() < due);
}

/** One thread's run of a job. */
class Run {
  readonly #job: Job;
  readonly #operations: Operations;
  readonly #walk: Walk;
  readonly #positions = new Float64Array(WINDOW_MAX);
  readonly #isWrite = new Uint8Array(WINDOW_MAX);
  readonly #took = new Float64Array(WINDOW_MAX);
  readonly #ended = new Float64Array(WINDOW_MAX);
  readonly #written = new Set<number>();
  readonly #slots: number;
  readonly #log: LatencyLog | undefined;
  // When counting began.
  #begin = Infinity;
  #steady: SteadyWindow | undefined;
  #result = Run.#fresh(undefined);

  constructor(job: Job, operations: Operations, thread: number, log: LatencyLog | undefined) {
    this.#job = job;
    this.#operations = operations;
    this.#slots = operations.awaited ? job.iodepth : 1;
    this.#walk = new Walk(job, thread);
    this.#log = log;
  }

  static #fresh(rate: number | undefined): Measured {
    const tally = (): Tally => ({ operations: 0, counted: 0, latency: latencies(), bins: emptyBins(), service: rate === undefined ? undefined : latencies() });
    return { read: tally(), write: tally(), elapsed: 0, verified: undefined, steady: undefined };
  }

  async measure(onBegin: () => void): Promise<Measured> {
    const { runtime = Infinity, ramp_time } = this.#job;
    const rate = rateOf(this.#job);
    const until = (seconds: number, operations: number): Promise<void> =>
      rate === undefined ? this.#flatOut(seconds * 1000, operations) : this.#rated(seconds * 1000, operations, 1000 / rate);
    if (ramp_time > 0) await until(ramp_time, Infinity);
    this.#result = Run.#fresh(rate);
    onBegin();
    this.#steady = SteadyWindow.of(this.#job);
    this.#begin = now();
    await until(runtime, operationsOf(this.#job));
    this.#result.steady = this.#steady?.window;
    if (this.#job.verify !== undefined) await this.#verifyWritten();
    return this.#result;
  }

  // Alternates between windows that are timed as a whole, for throughput, and windows in which each operation is timed, for
  // latency, because reading the clock takes as long as a third of a small read. Nothing between windows is counted.
  async #flatOut(milliseconds: number, operations: number): Promise<void> {
    const result = this.#result;
    const singly = this.#job.verify !== undefined;
    const begin = now();
    let left = operations;
    let each = Infinity;
    // Stamps and checks take longer than the operations themselves, so with them wall-clock time ends a job.
    const isOver = (): boolean => (singly ? now() - begin : result.elapsed) >= milliseconds || left <= 0 || this.#steady?.isAttained === true;
    for (let window = 0; !isOver(); window++) {
      const fast = !singly && each < FAST_MS;
      const timeEach = !fast || window % 2 === 1;
      // It is enough to time one in five of the fast operations individually. At the end of a window fewer operations are under
      // way; that must be a small part of the window.
      const whole = this.#slots > 1 ? DEEP_WINDOW_MS : WINDOW_MS;
      const length = fast && timeEach ? whole / 4 : whole;
      const count = each === Infinity ? Math.min(left, this.#slots) : Math.min(WINDOW_MAX, left, Math.max(this.#slots, Math.floor(length / each)));
      this.#walk.fill(this.#positions, this.#isWrite, count);
      const elapsed = timeEach ? await this.#timeEach(count) : await this.#timeAll(count);
      // A window in which fast operations are timed singly does not count, because reading the clock would show in it.
      const counts = !fast || !timeEach;
      this.#count(count, counts);
      left -= count;
      if (counts) {
        result.elapsed += elapsed;
        this.#steady?.take(result.read.counted + result.write.counted, result.elapsed);
        // A disturbed window must not make the next ones short for long, nor an undisturbed one make them long.
        const last = Math.max(elapsed / count, 1e-5);
        each = each === Infinity ? last : Math.min(each * 2, Math.max(each / 2, last));
      }
      if (timeEach) this.#recordLatencies(count);
      this.#log?.write();
      await setImmediate(); // timers, signals and observers have their turn
    }
  }

  #count(count: number, counts: boolean): void {
    for (let i = 0; i < count; i++) {
      const tally = this.#isWrite[i] === 1 ? this.#result.write : this.#result.read;
      tally.operations += 1;
      if (counts) tally.counted += 1;
    }
  }

  #recordLatencies(count: number): void {
    for (let i = 0; i < count; i++) this.#record(i, this.#took[i] ?? NaN);
  }

  #record(index: number, milliseconds: number): void {
    const isWrite = this.#isWrite[index] === 1;
    const { latency, bins } = isWrite ? this.#result.write : this.#result.read;
    const nanoseconds = nanosecondsOf(milliseconds);
    latency.record(nanoseconds);
    countLatency(bins, nanoseconds);
    const end = (this.#ended[index] ?? NaN) - this.#begin;
    // Nothing of the ramp.
    if (end >= 0) this.#log?.add(end, nanoseconds, isWrite);
  }

  async #timeAll(count: number): Promise<number> {
    const { awaited } = this.#operations;
    const operations = this.#operations;
    const positions = this.#positions;
    const isWrite = this.#isWrite;
    const start = now();
    if (this.#slots > 1) {
      await this.#inSlots(count, (i, slot) => (isWrite[i] === 1 ? operations.write(positions[i] ?? 0, slot) : operations.read(positions[i] ?? 0, slot)));
      return now() - start;
    }
    for (let i = 0; i < count; i++) {
      const pos = positions[i] ?? 0;
      const pending = isWrite[i] === 1 ? operations.write(pos, 0) : operations.read(pos, 0);
      // Only promises are awaited, because an await takes time that would be measured too.
      if (awaited) await pending;
    }
    return now() - start;
  }

  // Each slot begins its next operation when its last has ended.
  async #inSlots(count: number, begin: (index: number, slot: number) => unknown): Promise<void> {
    let next = 0;
    const work = async (slot: number): Promise<void> => {
      while (next < count) await begin(next++, slot);
    };
    await Promise.all(Array.from({ length: Math.min(this.#slots, count) }, (_, slot) => work(slot)));
  }

  async #timeEach(count: number): Promise<number> {
    if (this.#slots > 1) {
      const start = now();
      await this.#inSlots(count, async (i, slot) => { this.#took[i] = await this.#one(i, undefined, slot); });
      return now() - start;
    }
    let elapsed = 0;
    for (let i = 0; i < count; i++) {
      const ended = this.#one(i, undefined, 0);
      const took = typeof ended === 'number' ? ended : await ended;
      this.#took[i] = took;
      elapsed += took;
    }
    return elapsed;
  }

  // Does one operation and returns its time. If `due` is given, records the latency from then on. Stamps and checks are not timed.
  #one(index: number, due: number | undefined, slot: number): Promise<number> | number {
    const operations = this.#operations;
    const pos = this.#positions[index] ?? 0;
    const isWrite = this.#isWrite[index] === 1;
    const { verify } = this.#job;
    if (verify !== undefined && isWrite) {
      stamp(operations.source(slot), pos, verify);
      this.#written.add(pos);
    }
    const start = now();
    const pending = isWrite ? operations.write(pos, slot) : operations.read(pos, slot);
    if (operations.awaited) return this.#finish(pending, index, start, due, slot);
    return this.#done(index, start, due, slot);
  }

  async #finish(pending: unknown, index: number, start: number, due: number | undefined, slot: number): Promise<number> {
    await pending;
    return this.#done(index, start, due, slot);
  }

  #done(index: number, start: number, due: number | undefined, slot: number): number {
    const end = now();
    this.#ended[index] = end;
    const pos = this.#positions[index] ?? 0;
    const isWrite = this.#isWrite[index] === 1;
    const { verify } = this.#job;
    if (verify !== undefined && !isWrite && (!writes(this.#job) || this.#written.has(pos))) {
      check(this.#operations.found(pos, slot), pos, verify);
      this.#result.verified = (this.#result.verified ?? 0) + 1;
    }
    if (due !== undefined) {
      this.#record(index, end - due);
      const { service } = isWrite ? this.#result.write : this.#result.read;
      service?.record(nanosecondsOf(end - start));
    }
    return end - start;
  }

  // Follows one schedule from the first operation to the last. The latency of an operation counts from when it was due, so a late
  // operation makes those behind it late too. Not counting that would be coordinated omission.
  async #rated(milliseconds: number, operations: number, interval: number): Promise<void> {
    const result = this.#result;
    const begin = now();
    for (let n = 0; n < operations; n++) {
      if (n * interval >= milliseconds) break;
      const due = begin + n * interval;
      // The job ends on time even if it is far behind its schedule.
      if (now() - begin >= milliseconds) break;
      const index = n % RATED_CHUNK;
      if (index === 0) {
        this.#walk.fill(this.#positions, this.#isWrite, RATED_CHUNK);
        this.#log?.write();
      }
      waitUntil(due);
      const pending = this.#one(index, due, 0);
      if (typeof pending !== 'number') await pending;
      const tally = this.#isWrite[index] === 1 ? result.write : result.read;
      tally.operations += 1;
      tally.counted += 1;
    }
    result.elapsed = now() - begin;
    await setImmediate();
  }

  async #verifyWritten(): Promise<void> {
    const { verify } = this.#job;
    if (verify === undefined || !writes(this.#job)) return;
    let verified = this.#result.verified ?? 0;
    for (const pos of this.#written) {
      await this.#operations.read(pos, 0);
      check(this.#operations.found(pos, 0), pos, verify);
      verified += 1;
    }
    this.#result.verified = verified;
  }
}

/** Does the job as its thread number `thread`. Calls `onBegin` when what is counted begins. `log` takes what is timed singly. */
export function measure(job: Job, operations: Operations, thread: number, onBegin: () => void, log?: LatencyLog): Promise<Measured> {
  return new Run(job, operations, thread, log).measure(onBegin);
}
