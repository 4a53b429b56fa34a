// Owns the crash test: it runs operations on a recording device, and mounts and checks what each power cut among them leaves.

import { checkMethods, checkOptions, type BlockDevice, type OptionNames } from 'node-dax';
import { crashImages, type CrashImage } from './crash/crash-images.js';
import { MemoryDevice } from './device/memory-device.js';
import { seeded, type Random } from './random.js';
import { RecordingDevice } from './device/recording-device.js';
import type { Trace, TraceEvent } from './device/trace.js';

/** One operation of a workload. It has returned when `run` returns, or when the promise of `run` resolves. */
export interface CrashOperation<Fs> {
  /** Its name in reports. */
  readonly name: string;
  run(fs: Fs): unknown;
}

/** How far the workload was when the power was cut. */
export interface Moment {
  /** How many operations had returned. */
  readonly completed: number;
  /** Whether the next one, `operations[completed]`, was under way. */
  readonly isUnderway: boolean;
}

/**
 * A filesystem under test and a workload. Each function may return a promise. An error of `judge`, `mount`, `check` or `goOn` is
 * the failure that is reported.
 */
export interface CrashTest<Fs> {
  /** Bytes of the device, a multiple of 4096. Small is fast: 256 KiB to 1 MiB. */
  readonly size: number;
  /** Formats a device full of garbage, and mounts it. Power cuts begin after it. */
  make(device: RecordingDevice): Fs | Promise<Fs>;
  readonly operations: readonly CrashOperation<Fs>[];
  /**
   * Called after `make` and after every operation, to record what `check` must find from now on. It may read, but must not write.
   */
  note?(fs: Fs, completed: number): unknown;
  /** Mounts the device that a power cut left. */
  mount(device: BlockDevice): Fs | Promise<Fs>;
  /** Throws unless `fs`, just mounted, is in a state that `moment` allows. */
  check(fs: Fs, moment: Moment): unknown;
  /** Does more operations on a filesystem that was mounted and checked, and checks what they did. */
  goOn?(fs: Fs, random: Random): unknown;
  /**
   * Another check of images, called once for each content. `describe` says where the content comes from. Both arguments are valid
   * until it returns, or its promise resolves.
   */
  judge?(content: Uint8Array, describe: () => string): unknown;
}

const TEST: OptionNames<CrashTest<unknown>> = {
  ...{ size: true, make: true, operations: true, note: true, mount: true, check: true, goOn: true, judge: true },
};

export interface CrashTestOptions {
  /**
   * The seed of the random choices, both of the images to try and of what `goOn` does. Default: a different one every time; the
   * report contains it.
   */
  seed?: number;
  /** See `CrashImageOptions`. */
  limit?: number;
  /** Cuts the power again during the mount of every content whose number is a multiple of this. Default: never. */
  recoveryEvery?: number;
  /** The hashes of contents that count as already seen, for runs that belong together. This run adds its own. */
  seen?: Set<number>;
  /**
   * The trace of the operations, if something else has run and recorded them: then `make`, `note` and the operations are not
   * called. The trace's content has `size` bytes, and the trace has marks at the beginning and the end of every operation.
   */
  trace?: Trace;
}

/** An image that failed: of those at the first bad point of the trace, the one with the shortest description. */
export interface CrashFailure {
  /** The power was cut before the event of `trace` with this index. */
  readonly at: number;
  readonly moment: Moment;
  /** The operation under way; undefined if the power was cut between two. */
  readonly operation: string | undefined;
  /** Which stores were kept and which were lost. */
  readonly description: string;
  /** The error that was thrown. */
  readonly error: Error;
  /** The whole device, to be written to a file and looked at. */
  readonly image: Uint8Array;
  /** Every access to the device after `make`. `storeLog` turns it into text. */
  readonly trace: Trace;
}

export interface CrashReport {
  readonly ok: boolean;
  /** Pass it to `checkCrashes` to repeat the run. */
  readonly seed: number;
  readonly operations: number;
  /** The number of contents that were not seen before. */
  readonly images: number;
  /** The number of images that were mounted and checked. A content counts again at a moment with other promises. */
  readonly checks: number;
  /** The number of images of power cuts during a mount. */
  readonly recoveries: number;
  readonly failure?: CrashFailure;
}

const asError = (thrown: unknown) => (thrown instanceof Error ? thrown : new Error(String(thrown)));

// Runs the operations and records them.
async function record<Fs>(test: CrashTest<Fs>): Promise<Trace> {
  const device = new RecordingDevice(test.size);
  const fs = await test.make(device);
  device.startTrace();
  await test.note?.(fs, 0);
  for (const [index, operation] of test.operations.entries()) {
    device.mark(operation.name, 'begin');
    await operation.run(fs);
    device.mark(operation.name, 'end');
    await test.note?.(fs, index + 1);
  }
  return device.endTrace();
}

// Tells the moment of points of a trace, which must be asked for in ascending order.
class Moments {
  readonly #trace: Trace;
  #at = 0;
  #completed = 0;
  #isUnderway = false;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  before(at: number): Moment {
    for (; this.#at < at; this.#at++) this.#follow(this.#trace.events[this.#at]);
    // At the end mark of an operation, the operation has returned.
    if (this.#trace.events[at]?.kind !== 'mark') return { completed: this.#completed, isUnderway: this.#isUnderway };
    return { completed: this.#completed + 1, isUnderway: false };
  }

  #follow(event: TraceEvent | undefined): void {
    if (event?.kind !== 'mark') return;
    this.#isUnderway = event.edge === 'begin';
    if (event.edge === 'end') this.#completed++;
  }
}

class CrashRun<Fs> {
  readonly #test: CrashTest<Fs>;
  readonly #trace: Trace;
  readonly #options: CrashTestOptions & { readonly seed: number };
  readonly #random: Random;
  readonly #seen: Set<number>;
  // The memory in which images are mounted: new memory for each would take longer than all the rest.
  readonly #scratch: Uint8Array;
  #images = 0;
  #checks = 0;
  #recoveries = 0;

  constructor(test: CrashTest<Fs>, trace: Trace, options: CrashTestOptions & { readonly seed: number }) {
    this.#test = test;
    this.#trace = trace;
    this.#options = options;
    this.#random = seeded(options.seed);
    this.#seen = options.seen ?? new Set();
    this.#scratch = new Uint8Array(test.size);
  }

  async run(): Promise<CrashReport> {
    const { seed, limit } = this.#options;
    const moments = new Moments(this.#trace);
    let failure: CrashFailure | undefined;
    let at = -1;
    let moment: Moment = { completed: 0, isUnderway: false };
    // The promises are the same throughout a moment, so each content is checked once in it.
    let checked = new Set<number>();
    for (const image of crashImages(this.#trace, { seed, ...(limit !== undefined && { limit }) })) {
      if (image.at !== at) {
        if (failure !== undefined) break;
        at = image.at;
        const now = moments.before(at);
        if (now.completed !== moment.completed || now.isUnderway !== moment.isUnderway) checked = new Set();
        moment = now;
      }
      if (checked.has(image.hash)) continue;
      checked.add(image.hash);
      const found = await this.#examine(image, moment);
      if (found !== undefined && (failure === undefined || found.description.length < failure.description.length)) {
        failure = found;
      }
    }
    return {
      ok: failure === undefined,
      seed,
      operations: this.#test.operations.length,
      images: this.#images,
      checks: this.#checks,
      recoveries: this.#recoveries,
      ...(failure && { failure }),
    };
  }

  async #examine(image: CrashImage, moment: Moment): Promise<CrashFailure | undefined> {
    const isNew = !this.#seen.has(image.hash);
    let { content } = image;
    let describe = () => image.describe();
    try {
      if (isNew) {
        this.#seen.add(image.hash);
        this.#images++;
        const judged = this.#test.judge?.(content, describe);
        if (judged instanceof Promise) await judged;
      }
      if (!isNew || this.#images % (this.#options.recoveryEvery ?? Infinity) !== 0) {
        await this.#check(await this.#mount(content), moment);
        return undefined;
      }
      const device = new RecordingDevice(this.#test.size, content.slice());
      device.startTrace();
      const fs = await this.#test.mount(device);
      const recovery = device.endTrace();
      await this.#check(fs, moment);
      for (const second of crashImages(recovery, { seed: this.#options.seed, limit: 64 })) {
        this.#recoveries++;
        content = second.content;
        describe = () => `${image.describe()}; then, while that was mounted, ${second.describe()}`;
        await this.#check(await this.#mount(content), moment);
      }
      return undefined;
    } catch (error) {
      return {
        at: image.at,
        moment,
        operation: moment.isUnderway ? this.#test.operations[moment.completed]?.name : undefined,
        description: describe(),
        error: asError(error),
        image: content.slice(),
        trace: this.#trace,
      };
    }
  }

  #mount(content: Uint8Array): Fs | Promise<Fs> {
    this.#scratch.set(content);
    return this.#test.mount(new MemoryDevice(this.#scratch));
  }

  async #check(fs: Fs, moment: Moment): Promise<void> {
    this.#checks++;
    const checking = this.#test.check(fs, moment);
    if (checking instanceof Promise) await checking;
    const goingOn = this.#test.goOn?.(fs, this.#random);
    if (goingOn instanceof Promise) await goingOn;
  }
}

/**
 * Runs `test.operations` on a recording device, or takes `options.trace` for what they did, and mounts and checks what power cuts
 * leave: before each fence, after each operation and at the end, with every subset of the stores in flight that is worth trying
 * (see `crashImages`). Stops at the first point with a failure.
 *
 * Rejects if `make`, an operation or `note` throws or rejects, because no power cut caused that.
 */
export async function checkCrashes<Fs>(test: CrashTest<Fs>, options: CrashTestOptions = {}): Promise<CrashReport> {
  checkOptions(test, TEST, 'the test');
  checkOptions(options, { seed: true, limit: true, recoveryEvery: true, seen: true, trace: true });
  checkMethods(test, ['make', 'mount', 'check'], 'test', 'an object');
  const seed = options.seed ?? Date.now() % 1_000_000_000;
  return new CrashRun(test, options.trace ?? (await record(test)), { ...options, seed }).run();
}

/** The report as text: the failure and its place, and the counts at the end. */
export function formatCrashes(report: CrashReport): string {
  const { failure, operations, images, checks, recoveries, seed } = report;
  const lines = [];
  if (failure !== undefined) {
    const { moment, operation, description, error } = failure;
    const when = operation === undefined ? 'no operation was under way' : `during: ${operation}`;
    lines.push(`FAIL ${error.message}`, `     the power went ${description}`, `     ${when}; ${moment.completed} had returned`);
  }
  const counts = [`${operations} operations`, `${images} images`, `${checks} checks`, `${recoveries} cut again`];
  return [...lines, `${counts.join(', ')}, seed ${seed}`, ''].join('\n');
}
