// One trial, in a process of its own: repeats the operation of one driver in batches and prints a figure as JSON.

import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import type { Driver, Job, Operation } from './driver.js';
import { DRIVERS, type DriverName } from './drivers/index.js';

/** Nanoseconds an operation. */
export interface Figure {
  /** Of the fastest tenth of the batches, the slowest: other load adds to a batch, and the fastest may be the clock's. */
  quiet: number;
  median: number;
  /** Of garbage collection where the driver leaves garbage, in all batches: a quiet batch may have been without. */
  gc: number;
}

/** What `run.ts` asks of this process, as JSON in its only argument. */
export interface TrialRequest extends Job {
  driver: DriverName;
}

// Shorter than the time slices of the scheduler: on a busy machine many batches still run undisturbed.
const BATCHES = 200;
const BATCH_NS = 1e6;
// Long enough for the compiler, which works on another thread and may have to wait for a processor.
const WARM_UP_NS = 2e8;

async function timeBatch(operation: Operation, job: Job, repeats: number, from: number): Promise<[number, number]> {
  const { run, awaited = false } = operation;
  const { blockSize, span } = job;
  let pos = from;
  const start = process.hrtime.bigint();
  // Two loops: an await in a synchronous one would be timed too.
  if (awaited) {
    for (let i = 0; i < repeats; i++) {
      await run(pos);
      pos = pos + blockSize >= span ? 0 : pos + blockSize;
    }
  } else {
    for (let i = 0; i < repeats; i++) {
      run(pos);
      pos = pos + blockSize >= span ? 0 : pos + blockSize;
    }
  }
  return [Number(process.hrtime.bigint() - start), pos];
}

async function measure(driver: Driver, job: Job): Promise<Figure> {
  const operation = await driver.open(job);
  let pos = 0;
  let fastest = Infinity;
  const { warmUp = 0 } = driver;
  for (let warm = 0, made = 0, repeats = 1; warm < WARM_UP_NS || made < warmUp; ) {
    const [elapsed, end] = await timeBatch(operation, job, repeats, pos);
    pos = end;
    warm += elapsed;
    made += repeats;
    fastest = Math.min(fastest, elapsed / repeats);
    if (elapsed < BATCH_NS) repeats *= 2;
  }
  const repeats = Math.ceil(BATCH_NS / fastest);
  let gcNs = 0;
  const observer = new PerformanceObserver((list) => {
    if (driver.leavesGarbage === true) for (const { duration } of list.getEntries()) gcNs += duration * 1e6;
  });
  observer.observe({ entryTypes: ['gc'] });
  const figures: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const [elapsed, end] = await timeBatch(operation, job, repeats, pos);
    pos = end;
    figures.push(elapsed / repeats);
    await setImmediate(); // hands the garbage collections to the observer
  }
  figures.sort((a, b) => a - b);
  const at = (part: number): number => figures[BATCHES * part] ?? NaN;
  return { quiet: at(0.1), median: at(0.5), gc: gcNs / (BATCHES * repeats) };
}

async function main(): Promise<void> {
  const { driver, ...job } = JSON.parse(process.argv[2] ?? '') as TrialRequest;
  console.log(JSON.stringify(await measure(DRIVERS[driver], job)));
  process.exit();
}

void main();
