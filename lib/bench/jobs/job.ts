// Owns the definition of a job: fio's options under fio's names, with fio's meanings.

import { checkOptions, type OptionNames } from 'node-dax';
import { formatSteadyState, type SteadyState } from './steady-state.js';

/** fio's `rw`. */
export const MODES = ['read', 'write', 'randread', 'randwrite', 'rw', 'randrw'] as const;
/** The modes of jobs on files, named after fio's engines: make an empty file, read its attributes, remove it. */
export const FILE_MODES = ['filecreate', 'filestat', 'filedelete'] as const;
export type Mode = (typeof MODES)[number] | (typeof FILE_MODES)[number];

/** fio's `verify`: the digest by which a written block is checked. */
export const VERIFY_METHODS = ['md5', 'sha1', 'sha256'] as const;
export type VerifyMethod = (typeof VERIFY_METHODS)[number];

/** fio's `random_distribution`: where the positions of a random job fall. */
export type Distribution =
  | { readonly kind: 'random' }
  /** The block of rank k is accessed in proportion to k^-theta. */
  | { readonly kind: 'zipf'; readonly theta: number }
  /** The part 1 - `h` of the accesses goes to the part `h` of the blocks: 0.2 for 80 to 20. */
  | { readonly kind: 'pareto'; readonly h: number };

/** One job. Names, meanings and units are fio's; sizes are bytes, times seconds. */
export interface Job {
  readonly rw: Mode;
  /** Bytes of one operation. */
  readonly bs: number;
  /** The number of files of a job on files. Each file is one operation. */
  readonly nrfiles?: number;
  /** Bytes from the start of the file or device that are worked on; each of the `numjobs` works on all of them. */
  readonly size: number;
  /** Percent of the operations of a mixed job that read. */
  readonly rwmixread: number;
  /** Threads that do the job at the same time. */
  readonly numjobs: number;
  /** Operations of an awaited driver that are under way at the same time, in each of the `numjobs`; others have one. */
  readonly iodepth: number;
  /** The time after which the job ends. */
  readonly runtime?: number;
  /** Whether to go on until `runtime` even when all of `size` was worked through. */
  readonly time_based: boolean;
  /** The time at the start that is not counted. */
  readonly ramp_time: number;
  /** How many times `size` is worked through. */
  readonly loops: number;
  /** The number of writes after which they are made durable, the file's metadata included; 0: never. */
  readonly fsync: number;
  /** The same, but only for the data and the metadata needed to find it. */
  readonly fdatasync: number;
  readonly random_distribution: Distribution;
  readonly verify?: VerifyMethod;
  /** Bytes a second, at most, of each of the `numjobs`. */
  readonly rate?: number;
  /** Operations a second, at most, of each of the `numjobs`. */
  readonly rate_iops?: number;
  readonly randseed: number;
  /** What ends the job before its `runtime`: that each second of the last `steadystate_duration` was as the others. */
  readonly steadystate?: SteadyState;
  /** Whole seconds: the window in which the job must be steady. */
  readonly steadystate_duration?: number;
  /** The time that is counted, but in which the job is not yet judged; 0 if absent. */
  readonly steadystate_ramp_time?: number;
  /** The processors that all threads of the job run on: `0-3,8`. All that this process may run on if absent. */
  readonly cpus_allowed?: string;
}

/**
 * The default properties of a job: fio's, except that each write is made durable and that there is a ramp for compilers to warm up.
 */
export const DEFAULTS: Omit<Job, 'rw' | 'bs' | 'size'> = {
  rwmixread: 50,
  numjobs: 1,
  iodepth: 1,
  time_based: false,
  ramp_time: 0.2,
  loops: 1,
  fsync: 0,
  fdatasync: 1,
  random_distribution: { kind: 'random' },
  randseed: 1,
};

const READING: readonly Mode[] = ['read', 'randread', 'rw', 'randrw', 'filestat'];
const WRITING: readonly Mode[] = ['write', 'randwrite', 'rw', 'randrw', 'filecreate', 'filedelete'];

export const reads = ({ rw }: Job): boolean => READING.includes(rw);
export const writes = ({ rw }: Job): boolean => WRITING.includes(rw);
/** Whether the job is on files beside the path, and not on its content. */
export const isOfFiles = ({ rw }: Job): boolean => FILE_MODES.some((mode) => mode === rw);
export const isRandom = ({ rw }: Job): boolean => rw.startsWith('rand');
export const isMixed = (job: Job): boolean => reads(job) && writes(job);

/** The number of writes after which they are made durable; 0: never. */
export const syncEvery = ({ fsync, fdatasync }: Job): number => (fsync === 0 ? fdatasync : fsync);

/** The number of operations after which the job ends by itself; Infinity if only its time ends it. */
export function operationsOf(job: Job): number {
  return job.time_based ? Infinity : blocksOf(job) * job.loops;
}

/** The number of blocks, or of files, that a job goes through. */
export function blocksOf({ nrfiles, size, bs }: Job): number {
  return nrfiles ?? Math.floor(size / bs);
}

/** The operations a second that are due; undefined if they follow each other as fast as possible. */
export function rateOf({ bs, rate, rate_iops }: Job): number | undefined {
  return rate === undefined ? rate_iops : Math.min(rate / bs, rate_iops ?? Infinity);
}

const JOB: OptionNames<Job> = {
  ...{ rw: true, bs: true, nrfiles: true, size: true, rwmixread: true, numjobs: true, iodepth: true, runtime: true, time_based: true, ramp_time: true },
  ...{ loops: true, fsync: true, fdatasync: true, random_distribution: true, verify: true, rate: true, rate_iops: true, randseed: true, cpus_allowed: true },
  ...{ steadystate: true, steadystate_duration: true, steadystate_ramp_time: true },
};

// The properties of each kind of distribution.
const DISTRIBUTIONS: { readonly [Kind in Distribution['kind']]: OptionNames<Extract<Distribution, { kind: Kind }>> } = {
  random: { kind: true },
  zipf: { kind: true, theta: true },
  pareto: { kind: true, h: true },
};

type NumberName = { [Name in keyof Job]-?: Job[Name] extends number | undefined ? Name : never }[keyof Job];

const CACHE_LINE = 64;
const MOST_BYTES = 1024 ** 3;
const MOST_JOBS = 256;
const MOST_DEEP = 1024;
// The properties that are whole numbers, with their ranges.
const NUMBERS: readonly [name: Exclude<NumberName, 'runtime' | 'ramp_time' | 'steadystate_ramp_time'>, least: number, most: number][] = [
  ['size', 1, Number.MAX_SAFE_INTEGER],
  ['bs', 1, MOST_BYTES],
  ['nrfiles', 1, Number.MAX_SAFE_INTEGER],
  ['rwmixread', 0, 100],
  ['numjobs', 1, MOST_JOBS],
  ['iodepth', 1, MOST_DEEP],
  ['loops', 1, Number.MAX_SAFE_INTEGER],
  ['fsync', 0, Number.MAX_SAFE_INTEGER],
  ['fdatasync', 0, Number.MAX_SAFE_INTEGER],
  ['rate', 1, Number.MAX_SAFE_INTEGER],
  ['rate_iops', 1, Number.MAX_SAFE_INTEGER],
  ['randseed', 0, Number.MAX_SAFE_INTEGER],
  ['steadystate_duration', 2, 3600],
];

function checkNumbers(job: Job, fail: (why: string) => never): void {
  for (const [name, least, most] of NUMBERS) {
    const value = job[name];
    if (value === undefined || (isOfFiles(job) && name === 'size')) continue;
    if (Number.isSafeInteger(value) && value >= least && value <= most) continue;
    fail(`--${name} is a whole number ${most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`}, not ${value}`);
  }
  // A view touches each cache line once. A block that shared a line with its neighbours would touch it only in part.
  if (job.bs % CACHE_LINE !== 0) fail(`--bs is a multiple of ${CACHE_LINE} bytes, a cache line, not ${job.bs}: 512, 4k, 1M`);
  if (job.runtime !== undefined && !(job.runtime > 0 && Number.isFinite(job.runtime))) fail('--runtime is more than 0: 500ms, 2s, 1m');
  if (!(job.ramp_time >= 0 && Number.isFinite(job.ramp_time))) fail('--ramp_time is 0 or more: 0, 200ms, 2s');
}

// Each thread, and each operation that is due, would be as steady as the others let it.
function checkSteadyState(job: Job, fail: (why: string) => never): void {
  const { steadystate, steadystate_duration: duration, steadystate_ramp_time: ramp = 0, runtime = 0 } = job;
  if (steadystate === undefined) {
    if (duration !== undefined || job.steadystate_ramp_time !== undefined) fail('--steadystate_duration and --steadystate_ramp_time are of --steadystate: iops:5%');
    return;
  }
  if (duration === undefined) return fail('--steadystate needs --steadystate_duration, the seconds in which the job must be steady: 10s');
  if (!(ramp >= 0 && Number.isFinite(ramp))) fail('--steadystate_ramp_time is 0 or more: 0, 2s, 1m');
  if (isOfFiles(job)) fail('--steadystate is of reads and writes: jobs on files end with the last file');
  if (job.numjobs > 1) fail('--steadystate with --numjobs above 1: each thread would end when it is steady by itself');
  if (rateOf(job) !== undefined) fail('--steadystate with --rate or --rate_iops: a rate is steady');
  if (!job.time_based) fail('--steadystate needs --time_based, so that the size does not end the job before');
  if (runtime <= ramp + duration) fail(`--steadystate needs a --runtime above ${ramp + duration} s, the sum of its ramp and its duration, which ends a job that is never steady; not ${runtime} s`);
}

const PROCESSORS = /^\d{1,4}(?:-\d{1,4})?(?:,\d{1,4}(?:-\d{1,4})?)*$/;

/** Throws `TypeError` for unknown options, and `RangeError` for a job that cannot be done, with what to do instead. */
export function checkJob(job: Job): void {
  const fail = (why: string): never => {
    throw new RangeError(why);
  };
  checkOptions(job, JOB, 'a job');
  if (![...MODES, ...FILE_MODES].includes(job.rw)) fail(`there is no rw ${job.rw}: ${[...MODES, ...FILE_MODES].join(', ')}`);
  if (!Object.hasOwn(DISTRIBUTIONS, job.random_distribution.kind)) fail(`there is no distribution ${job.random_distribution.kind}: ${Object.keys(DISTRIBUTIONS).join(', ')}`);
  checkOptions<Distribution>(job.random_distribution, DISTRIBUTIONS[job.random_distribution.kind], 'random_distribution');
  checkNumbers(job, fail);
  if (!isOfFiles(job) && job.bs > job.size) fail(`a block of ${job.bs} bytes does not fit a size of ${job.size}: take a smaller --bs`);
  if (job.time_based && job.runtime === undefined) fail('--time_based needs a --runtime to end it');
  if (job.fsync > 0 && job.fdatasync > 1) fail('give --fsync or --fdatasync, not both');
  if (job.cpus_allowed !== undefined && !PROCESSORS.test(job.cpus_allowed)) fail(`--cpus_allowed is a list of processors such as 0-3,8, not '${job.cpus_allowed}'`);
  const { random_distribution: distribution } = job;
  // Gray's formula, which fio uses too, divides by 1 - theta.
  if (distribution.kind === 'zipf' && (distribution.theta <= 0 || distribution.theta === 1)) {
    fail('zipf takes a theta above 0 that is not 1: zipf:1.2');
  }
  if (distribution.kind === 'pareto' && (distribution.h <= 0 || distribution.h >= 1)) {
    fail('pareto takes an h between 0 and 1: pareto:0.2');
  }
  checkSteadyState(job, fail);
  if (job.iodepth > 1 && rateOf(job) !== undefined) fail('--iodepth above 1 with --rate or --rate_iops: operations that are due have one at a time');
  if (job.iodepth > 1 && isOfFiles(job)) fail('--iodepth is of reads and writes: jobs on files have one operation at a time');
  if (job.verify !== undefined && job.iodepth > 1 && writes(job)) fail('--verify of writes with --iodepth above 1: a block could be read before it is written');
  if (job.verify !== undefined && job.numjobs > 1 && writes(job)) {
    fail('--verify with --numjobs above 1: two threads would overwrite each other’s blocks');
  }
}

const DISTRIBUTION = /^(?:(random)|(zipf|pareto):([0-9]*\.?[0-9]+))$/;

/** Parses `random`, `zipf:THETA` or `pareto:H`, as fio does. Throws `RangeError`. */
export function parseDistribution(text: string): Distribution {
  const [, random, kind, parameter] = DISTRIBUTION.exec(text) ?? [];
  if (random !== undefined) return { kind: 'random' };
  if (kind === 'zipf') return { kind, theta: Number(parameter) };
  if (kind === 'pareto') return { kind, h: Number(parameter) };
  throw new RangeError(`'${text}' is no distribution: random, zipf:1.2 or pareto:0.2`);
}

export function formatDistribution(distribution: Distribution): string {
  if (distribution.kind === 'zipf') return `zipf:${distribution.theta}`;
  return distribution.kind === 'pareto' ? `pareto:${distribution.h}` : 'random';
}

const SECONDS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, '': 1, s: 1, m: 60, h: 3600 };

/** Parses `250ms`, `2s`, `1m` or a bare number of seconds, as fio does, into seconds. Throws `RangeError`. */
export function parseTime(text: string): number {
  const match = /^([0-9]*\.?[0-9]+)(us|ms|s|m|h)?$/.exec(text);
  if (match === null) throw new RangeError(`'${text}' is not a time such as 500ms, 2s or 1m`);
  return Number(match[1]) * (SECONDS[match[2] ?? ''] ?? NaN);
}

const UNITS = ['', 'k', 'm', 'g', 't'];

/** The shortest exact notation of bytes that fio takes: `4k`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && value % 1024 === 0 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value}${UNITS[unit] ?? ''}`;
}

/** A short name of the job, unique in the run. */
export function nameOf(job: Job): string {
  if (isOfFiles(job)) return `${job.rw} ${blocksOf(job)} files${job.numjobs > 1 ? ` numjobs=${job.numjobs}` : ''}`;
  const words: string[] = [job.rw, formatBytes(job.bs)];
  if (isMixed(job)) words.push(`rwmixread=${job.rwmixread}`);
  if (job.random_distribution.kind !== 'random') words.push(formatDistribution(job.random_distribution));
  if (job.numjobs > 1) words.push(`numjobs=${job.numjobs}`);
  if (job.iodepth > 1) words.push(`iodepth=${job.iodepth}`);
  const rate = rateOf(job);
  if (rate !== undefined) words.push(`rate_iops=${Number(rate.toFixed(2))}`);
  if (writes(job) && syncEvery(job) !== 1) words.push(`fdatasync=${syncEvery(job)}`);
  if (job.verify !== undefined) words.push(`verify=${job.verify}`);
  if (job.steadystate !== undefined) words.push(`steadystate=${formatSteadyState(job.steadystate)}`);
  if (job.cpus_allowed !== undefined) words.push(`cpus_allowed=${job.cpus_allowed}`);
  return words.join(' ');
}
