// Owns the figures of one trial, and the summary of several trials as one figure with its spread.

import { addBins, type Bins } from './bins.js';

/** The percentiles of latency that are reported, the same as fio's. */
export const PERCENTILES = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99] as const;

/** How many of `PERCENTILES` can be given for `count` operations: 1000 operations cannot show the slowest of 10,000. */
export function toldBy(count: number): number {
  return PERCENTILES.filter((part) => count * (100 - part) >= 100).length;
}

/** Nanoseconds. */
export interface Latency {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  /** One for each of `PERCENTILES` that `count` operations can give; empty if only the mean is known. */
  readonly percentiles: readonly number[];
  /** The counts of operations by latency, over all trials. */
  readonly bins?: Bins;
}

/** The figures of one direction, reads or writes. */
export interface Moved {
  readonly operations: number;
  readonly bytes: number;
  /** Operations a second. */
  readonly iops: number;
  /** Bytes a second. */
  readonly bw: number;
  /** The time from an operation's begin, or for a job with a rate from when it was due, to its end. */
  readonly latency: Latency;
  /** Present for a job with a rate: the time from an operation's actual begin, without the wait for those before it. */
  readonly service?: Latency;
}

export interface Trial {
  readonly read?: Moved;
  readonly write?: Moved;
  /** Seconds that were measured. */
  readonly seconds: number;
  /** Percent of one processor. */
  readonly usr_cpu: number;
  readonly sys_cpu: number;
  /** Context switches, and page faults with and without input from a device. */
  readonly ctx: number;
  readonly majf: number;
  readonly minf: number;
  /** Present for awaited drivers: by how many nanoseconds the event loop was late. */
  readonly loopDelay?: { readonly mean: number; readonly p99: number; readonly max: number };
  /** Garbage collections, with times in nanoseconds. Absent for programs without Node. */
  readonly gc?: { readonly count: number; readonly total: number; readonly max: number };
  /** Present for a job with a steady state: operations a second of each second of the last window, and whether it was steady. */
  readonly steady?: { readonly isAttained: boolean; readonly iops: readonly number[] };
  /** Blocks that were read again and found as they were written. */
  readonly verified?: number;
}

/** A figure over several trials. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** The probability that the true median lies from `low` to `high`, whatever the distribution. */
  readonly confidence: number;
}

function quantile(sorted: readonly number[], part: number): number {
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return quantile([...values].sort((a, b) => a - b), 0.5);
}

// The probability that the true median lies between the (left + 1)-th smallest and the (left + 1)-th largest of `count` values.
// Each value lies above or below the true median with equal probability.
function coverage(count: number, left: number): number {
  let term = 0.5 ** count;
  let tail = 0;
  for (let k = 0; k < left + 1; k++) {
    tail += term;
    term = (term * (count - k)) / (k + 1);
  }
  return 1 - 2 * tail;
}

const WANTED_CONFIDENCE = 0.95;

/**
 * The median, and the narrowest range of order statistics that holds the true median with a probability of 95 %. Fewer than six
 * values cannot reach that: the range is then all of them, with its own probability (three: 75 %, five: 94 %).
 */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  let left = 0;
  while (coverage(sorted.length, left + 1) >= WANTED_CONFIDENCE && 2 * (left + 1) < sorted.length - 1) left += 1;
  return {
    median: quantile(sorted, 0.5),
    low: sorted[left] ?? NaN,
    high: sorted[sorted.length - 1 - left] ?? NaN,
    confidence: sorted.length === 0 ? 0 : Math.max(0, coverage(sorted.length, left)),
  };
}

function middleLatency(latencies: readonly Latency[]): Latency {
  const of = (figure: (latency: Latency) => number): number => median(latencies.map(figure));
  const bins = latencies.map((latency) => latency.bins).filter((one) => one !== undefined);
  return {
    ...(bins.length > 0 && { bins: addBins(bins) }),
    count: of(({ count }) => count),
    min: Math.min(...latencies.map(({ min }) => min)),
    max: Math.max(...latencies.map(({ max }) => max)),
    mean: of(({ mean }) => mean),
    stddev: of(({ stddev }) => stddev),
    percentiles: PERCENTILES.slice(0, Math.min(...latencies.map(({ percentiles }) => percentiles.length))).map((_, index) =>
      of(({ percentiles }) => percentiles[index] ?? NaN),
    ),
  };
}

function middleMoved(moved: readonly (Moved | undefined)[]): Moved | undefined {
  const all = moved.filter((one) => one !== undefined);
  if (all.length === 0) return undefined;
  const services = all.map(({ service }) => service).filter((service) => service !== undefined);
  return {
    operations: median(all.map(({ operations }) => operations)),
    bytes: median(all.map(({ bytes }) => bytes)),
    iops: median(all.map(({ iops }) => iops)),
    bw: median(all.map(({ bw }) => bw)),
    latency: middleLatency(all.map(({ latency }) => latency)),
    ...(services.length > 0 && { service: middleLatency(services) }),
  };
}

/**
 * One trial that stands for several: the median of each figure, the least minimum, the greatest maximum, and the last window of the
 * first trial that was not steady or, if all were, of the last trial.
 */
export function middle(trials: readonly Trial[]): Trial {
  const of = (figure: (trial: Trial) => number): number => median(trials.map(figure));
  const read = middleMoved(trials.map((trial) => trial.read));
  const write = middleMoved(trials.map((trial) => trial.write));
  const delays = trials.map(({ loopDelay }) => loopDelay).filter((delay) => delay !== undefined);
  const collections = trials.map(({ gc }) => gc).filter((gc) => gc !== undefined);
  const windows = trials.map(({ steady }) => steady).filter((steady) => steady !== undefined);
  const steady = windows.find(({ isAttained }) => !isAttained) ?? windows.at(-1);
  const verified = trials.map((trial) => trial.verified).filter((count) => count !== undefined);
  return {
    ...(read && { read }),
    ...(write && { write }),
    seconds: of(({ seconds }) => seconds),
    usr_cpu: of(({ usr_cpu }) => usr_cpu),
    sys_cpu: of(({ sys_cpu }) => sys_cpu),
    ctx: of(({ ctx }) => ctx),
    majf: of(({ majf }) => majf),
    minf: of(({ minf }) => minf),
    ...(delays.length > 0 && {
      loopDelay: {
        mean: median(delays.map(({ mean }) => mean)),
        p99: median(delays.map(({ p99 }) => p99)),
        max: Math.max(...delays.map(({ max }) => max)),
      },
    }),
    ...(collections.length > 0 && {
      gc: {
        count: median(collections.map(({ count }) => count)),
        total: median(collections.map(({ total }) => total)),
        max: Math.max(...collections.map(({ max }) => max)),
      },
    }),
    ...(steady && { steady }),
    ...(verified.length > 0 && { verified: Math.min(...verified) }),
  };
}

/** Operations a second of both directions, by which drivers are compared. */
export function iopsOf({ read, write }: Pick<Trial, 'read' | 'write'>): number {
  return (read?.iops ?? 0) + (write?.iops ?? 0);
}

/** Bytes a second of both directions. */
export function bwOf({ read, write }: Pick<Trial, 'read' | 'write'>): number {
  return (read?.bw ?? 0) + (write?.bw ?? 0);
}
