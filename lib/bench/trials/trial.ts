// Owns one trial, in a process of its own: `trial.js REQUEST` does one job with one driver and prints its figures as JSON.
// `numjobs` worker threads do a job whose `numjobs` is above 1.

import { once } from 'node:events';
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { addBins, namedBins } from './bins.js';
import { DRIVERS, type DriverName } from '../drivers/index.js';
import type { Driver, Target } from '../drivers/driver.js';
import { PERCENTILES, toldBy, type Latency, type Moved, type Trial } from './figures.js';
import { isOfFiles, type Job } from '../jobs/job.js';
import { LatencyLog, logFile } from './latency-log.js';
import { measure, type Measured, type Tally } from './measure.js';

/** The only argument of the process, as JSON. */
export interface TrialRequest {
  driver: DriverName;
  job: Job;
  target: Target;
  /** How the names of the latency logs begin; none are written if absent. */
  log?: string;
}

/** The results of one thread. */
interface Thread {
  measured: Measured;
  gc: { count: number; total: number; max: number };
  loopDelay: Trial['loopDelay'];
}

const LOOP_RESOLUTION_MS = 1;

// How late the event loop was. The monitor reports the time between ticks of its timer, which includes its resolution.
function lateness(nanoseconds: number): number {
  return Math.max(0, nanoseconds - LOOP_RESOLUTION_MS * 1e6);
}

async function runThread({ driver, job, target, log: prefix }: TrialRequest, thread: number, ready: () => Promise<void>, onBegin: () => void): Promise<Thread> {
  const chosen: Driver = DRIVERS[driver];
  const operations = await chosen.open(job, target);
  await ready();
  const gc = { count: 0, total: 0, max: 0 };
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      gc.count += 1;
      gc.total += duration * 1e6;
      gc.max = Math.max(gc.max, duration * 1e6);
    }
  });
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  const log = prefix === undefined ? undefined : new LatencyLog(logFile(prefix, thread), isOfFiles(job) ? 0 : job.bs);
  const begin = (): void => {
    observer.observe({ entryTypes: ['gc'] });
    delay.enable();
    onBegin();
  };
  const measured = await measure(job, operations, thread, begin, log);
  delay.disable();
  observer.disconnect();
  await operations.close();
  log?.close();
  const loopDelay = {
    mean: lateness(delay.mean),
    p99: lateness(delay.percentile(99)),
    max: lateness(delay.max),
  };
  return { measured, gc, loopDelay: operations.awaited && Number.isFinite(delay.mean) ? loopDelay : undefined };
}

function latency(tallies: readonly Tally[], of: 'latency' | 'service'): Latency | undefined {
  const [first, ...others] = tallies.map((tally) => tally[of]).filter((one) => one !== undefined);
  if (first === undefined) return undefined;
  for (const other of others) first.add(other);
  const { count, min, max, mean, stddev } = first;
  if (count === 0) return { count, min: 0, max: 0, mean: 0, stddev: 0, percentiles: [] };
  const percentiles = PERCENTILES.slice(0, toldBy(count)).map((part) => first.percentile(part));
  return { count, min, max, mean, stddev, percentiles };
}

// The sum of the threads in one direction. Their rates add up, because they ran at the same time.
function moved(job: Job, threads: readonly Measured[], way: 'read' | 'write'): Moved | undefined {
  const tallies = threads.map((thread) => thread[way]);
  const operations = tallies.reduce((sum, tally) => sum + tally.operations, 0);
  const all = latency(tallies, 'latency');
  if (operations === 0 || all === undefined) return undefined;
  const iops = threads.reduce((sum, thread) => sum + (thread[way].counted * 1000) / thread.elapsed, 0);
  const service = latency(tallies, 'service');
  const bytes = isOfFiles(job) ? 0 : job.bs;
  const bins = addBins(tallies.map((tally) => namedBins(tally.bins)));
  return { operations, bytes: operations * bytes, iops, bw: iops * bytes, latency: { ...all, bins }, ...(service && { service }) };
}

// Starts the workers. Their histograms arrive intact, because perf_hooks transfers them between threads.
function startWorkers(request: TrialRequest, onBegin: () => void): Promise<Thread[]> {
  const workers = Array.from({ length: request.job.numjobs }, (_, thread) => new Worker(__filename, { workerData: { request, thread } }));
  const all = workers.map(async (worker) => {
    await once(worker, 'message'); // it is ready
    return worker;
  });
  return Promise.all(all).then((ready) =>
    Promise.all(
      ready.map(async (worker) => {
        worker.postMessage('begin');
        await once(worker, 'message'); // it begins
        onBegin();
        const [thread] = (await once(worker, 'message')) as [Thread];
        return thread;
      }),
    ),
  );
}

async function main(): Promise<void> {
  const request = JSON.parse(process.argv[2] ?? '') as TrialRequest;
  const { job } = request;
  let before: { at: number; usage: NodeJS.ResourceUsage } | undefined;
  const onBegin = (): void => {
    before ??= { at: performance.now(), usage: process.resourceUsage() };
  };
  const threads =
    job.numjobs > 1 ? await startWorkers(request, onBegin) : [await runThread(request, 0, () => Promise.resolve(), onBegin)];
  const after = process.resourceUsage();
  const { at = 0, usage = after } = before ?? {};
  const microseconds = (performance.now() - at) * 1000;
  const measured = threads.map((thread) => thread.measured);
  const read = moved(job, measured, 'read');
  const write = moved(job, measured, 'write');
  const steady = measured[0]?.steady;
  const verified = measured.map((thread) => thread.verified).filter((count) => count !== undefined);
  const delay = threads.map(({ loopDelay }) => loopDelay).find((found) => found !== undefined);
  const trial: Trial = {
    ...(read && { read }),
    ...(write && { write }),
    seconds: Math.max(...measured.map(({ elapsed }) => elapsed)) / 1000,
    usr_cpu: (100 * (after.userCPUTime - usage.userCPUTime)) / microseconds,
    sys_cpu: (100 * (after.systemCPUTime - usage.systemCPUTime)) / microseconds,
    ctx: after.voluntaryContextSwitches + after.involuntaryContextSwitches - usage.voluntaryContextSwitches - usage.involuntaryContextSwitches,
    majf: after.majorPageFault - usage.majorPageFault,
    minf: after.minorPageFault - usage.minorPageFault,
    ...(delay && { loopDelay: delay }),
    gc: {
      count: threads.reduce((sum, { gc }) => sum + gc.count, 0),
      total: threads.reduce((sum, { gc }) => sum + gc.total, 0),
      max: Math.max(...threads.map(({ gc }) => gc.max)),
    },
    ...(steady && { steady }),
    ...(verified.length > 0 && { verified: verified.reduce((sum, count) => sum + count, 0) }),
  };
  process.stdout.write(JSON.stringify(trial));
}

async function worker(): Promise<void> {
  const { request, thread } = workerData as { request: TrialRequest; thread: number };
  const port = parentPort;
  if (port === null) throw new Error('a worker without a parent');
  const ready = async (): Promise<void> => {
    port.postMessage('ready');
    await once(port, 'message');
  };
  const result = await runThread(request, thread, ready, () => {
    port.postMessage('begin');
  });
  port.postMessage(result);
  port.close();
}

void (isMainThread ? main() : worker()).catch((error: unknown) => {
  if (!isMainThread) throw error;
  process.stderr.write(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
