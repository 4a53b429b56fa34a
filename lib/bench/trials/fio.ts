// Owns the contenders that run fio itself: its command line for a job, and the figures from its JSON.

import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import type { Bins } from './bins.js';
import type { Command, Contender } from './contender.js';
import { ACCEPTED, COPIED, durable, inFlight, type Target } from '../drivers/driver.js';
import { directObstacle } from '../drivers/block-buffer.js';
import { PERCENTILES, toldBy, type Latency, type Moved, type Trial } from './figures.js';
import { formatDistribution, isMixed, isOfFiles, isRandom, rateOf, syncEvery, writes, type Job } from '../jobs/job.js';
import { formatSteadyState } from '../jobs/steady-state.js';

/** The parts of fio's JSON that are read. */
interface FioLatency {
  N: number;
  min: number;
  max: number;
  mean: number;
  stddev: number;
  percentile?: Record<string, number>;
  bins?: Bins;
}
interface FioDirection {
  total_ios: number;
  io_bytes: number;
  iops: number;
  bw_bytes: number;
  runtime: number;
  lat_ns: FioLatency;
}
interface FioJob {
  error: number;
  steadystate?: { attained: number; data: { iops: number[] } };
  read: FioDirection;
  write: FioDirection;
  sync: { total_ios: number; lat_ns: FioLatency };
  usr_cpu: number;
  sys_cpu: number;
  ctx: number;
  majf: number;
  minf: number;
}

// If a sync is a separate call, fio times it separately, so only the mean of a whole write is known.
function latency({ lat_ns: found, total_ios: count }: FioDirection, sync: FioJob['sync'] | undefined): Latency {
  const { min, max, mean, stddev, percentile, bins } = found;
  if (sync !== undefined && sync.total_ios > 0) {
    const whole = mean + (sync.lat_ns.mean * sync.total_ios) / count;
    return { count, min, max: max + sync.lat_ns.max, mean: whole, stddev, percentiles: [] };
  }
  const percentiles = PERCENTILES.slice(0, toldBy(count)).map((part) => percentile?.[part.toFixed(6)] ?? NaN);
  return { count, min, max, mean, stddev, percentiles: percentiles.some(Number.isNaN) ? [] : percentiles, ...(bins && { bins }) };
}

function moved(found: FioDirection, sync?: FioJob['sync']): Moved | undefined {
  if (found.total_ios === 0) return undefined;
  if (found.lat_ns.N === 0) throw new Error('fio was done before its ramp was, and counted nothing');
  const { total_ios: operations, io_bytes: bytes, iops, bw_bytes: bw } = found;
  return { operations, bytes, iops, bw, latency: latency(found, sync) };
}

/** Reads the figures of the only job in fio's JSON. Throws if fio reports a failure, or nothing. */
export function parseFio(output: string): Trial {
  const start = output.search(/^\{/m);
  const report = JSON.parse(start < 0 ? 'null' : output.slice(start)) as { jobs?: FioJob[] } | null;
  const job = report?.jobs?.[0];
  if (job === undefined) throw new Error('fio printed no job');
  if (job.error !== 0) throw new Error(`fio ended with error ${job.error}`);
  const read = moved(job.read);
  const write = moved(job.write, job.sync);
  const { usr_cpu, sys_cpu, ctx, majf, minf } = job;
  const seconds = Math.max(job.read.runtime, job.write.runtime) / 1000;
  const steady = job.steadystate && { isAttained: job.steadystate.attained === 1, iops: job.steadystate.data.iops };
  return { ...(read && { read }), ...(write && { write }), seconds, usr_cpu, sys_cpu, ctx, majf, minf, ...(steady && { steady }) };
}

interface Engine {
  readonly ioengine: string;
  readonly how: { read: string; write: string };
  /** fio's options besides those of the job. */
  options(job: Job): string[];
  obstacle(job: Job, target: Target): string | undefined;
  readonly writesDirect?: true;
  /** Present if it has `iodepth` operations under way. */
  readonly isDeep?: true;
}

// O_DSYNC makes a write durable in one call, as the drivers of node:fs do.
function syncOptions(job: Job): string[] {
  const every = syncEvery(job);
  if (every === 1) return ['--sync=dsync'];
  return every === 0 ? [] : [`--${job.fsync > 0 ? 'fsync' : 'fdatasync'}=${every}`];
}

function noDirectCall(job: Job, { kind, path }: Target): string | undefined {
  return kind === 'devdax' ? 'a devdax has no read(2) or write(2)' : directObstacle(path, job.bs);
}

function eachOrNever(job: Job): string | undefined {
  return syncEvery(job) > 1 ? 'this engine of fio makes each write durable, or none' : undefined;
}

const ENGINES: Readonly<Record<string, Engine>> = {
  'fio-libpmem': {
    ioengine: 'libpmem',
    how: { read: 'memcpy by libpmem', write: 'pmem_memcpy past the caches, then a fence' },
    options: (job) => ['--direct=1', ...syncOptions(job)],
    obstacle: (job, { kind, granularity, isMade, path }) => {
      if (kind === 'fsdax' && granularity !== 'page') {
        if (!writes(job) && !isMade) return 'this engine of fio overwrites a file before it reads it: name a path where nothing is';
        // The engine maps with PMEM_FILE_CREATE and a length, so libpmem sets the size of the file to it.
        return statSync(path).size === job.size ? eachOrNever(job) : 'this engine of fio cuts the file off behind --size';
      }
      return kind === 'devdax' ? 'fio takes a devdax by its engine dev-dax' : 'libpmem takes persistent memory alone: a file on a DAX mount';
    },
  },
  'fio-dev-dax': {
    ioengine: 'dev-dax',
    how: { read: 'memcpy', write: 'pmem_memcpy_persist' },
    options: () => [],
    obstacle: (job, { kind }) => {
      if (kind !== 'devdax') return 'for devdax alone';
      return syncEvery(job) === 1 ? undefined : 'this engine of fio makes each write durable';
    },
  },
  'fio-mmap': {
    ioengine: 'mmap',
    how: { read: 'memcpy from a mapping', write: 'memcpy to a mapping, then msync' },
    options: (job) => (syncEvery(job) === 0 ? [] : [`--fdatasync=${syncEvery(job)}`]),
    obstacle: (_, { kind }) => (kind === 'devdax' ? 'a devdax takes no msync' : undefined),
  },
  'fio-psync': {
    ioengine: 'psync',
    how: { read: 'pread with O_DIRECT', write: 'pwrite with O_DIRECT | O_DSYNC' },
    options: (job) => ['--direct=1', ...syncOptions(job)],
    obstacle: noDirectCall,
    writesDirect: true,
  },
  'fio-io_uring': {
    ioengine: 'io_uring',
    how: { read: 'io_uring with O_DIRECT', write: 'io_uring with O_DIRECT | O_DSYNC' },
    options: (job) => ['--direct=1', `--iodepth=${job.iodepth}`, ...syncOptions(job)],
    obstacle: noDirectCall,
    writesDirect: true,
    isDeep: true,
  },
  'fio-libaio': {
    ioengine: 'libaio',
    how: { read: 'io_submit with O_DIRECT', write: 'io_submit with O_DIRECT | O_DSYNC' },
    options: (job) => ['--direct=1', `--iodepth=${job.iodepth}`, ...syncOptions(job)],
    obstacle: (job, target) => (job.iodepth === 1 ? 'for --iodepth above 1: io_uring stands for one at a time' : noDirectCall(job, target)),
    writesDirect: true,
    isDeep: true,
  },
};

function milliseconds(seconds: number): string {
  return `${Math.round(seconds * 1000)}ms`;
}

function steadyOptions({ steadystate, steadystate_duration: duration, steadystate_ramp_time: ramp }: Job): string[] {
  if (steadystate === undefined || duration === undefined) return [];
  return [
    `--steadystate=${formatSteadyState(steadystate)}`,
    `--steadystate_duration=${duration}s`,
    ...(ramp === undefined ? [] : [`--steadystate_ramp_time=${milliseconds(ramp)}`]),
  ];
}

function jobOptions(job: Job): string[] {
  return [
    `--rw=${job.rw}`,
    `--bs=${job.bs}`,
    `--size=${job.size}`,
    ...(isMixed(job) ? [`--rwmixread=${job.rwmixread}`] : []),
    `--numjobs=${job.numjobs}`,
    ...(job.runtime === undefined ? [] : [`--runtime=${milliseconds(job.runtime)}`]),
    ...(job.time_based ? ['--time_based=1'] : []),
    // Without time_based, the bytes of fio's ramp would count toward the size.
    ...(job.time_based && job.ramp_time > 0 ? [`--ramp_time=${milliseconds(job.ramp_time)}`] : []),
    `--loops=${job.loops}`,
    // Positions are drawn independently of each other, as by this package.
    ...(isRandom(job) ? ['--norandommap=1', `--random_distribution=${formatDistribution(job.random_distribution)}`] : []),
    `--randseed=${job.randseed}`,
    ...steadyOptions(job),
  ];
}

function command(engine: Engine, job: Job, { path }: Target, log: string | undefined): Command {
  return {
    program: 'fio',
    args: [
      '--name=job',
      // A descriptor and not the name, which fio would split at colons and blanks. fio would also remove a file that it finds too
      // short.
      '--filename=/proc/self/fd/3',
      `--ioengine=${engine.ioengine}`,
      ...jobOptions(job),
      ...engine.options(job),
      // The file is used as it is: fio must not lay it out, and must not make a missing one.
      ...(writes(job) ? [] : ['--readonly']),
      ...['--allow_file_create=0', '--fallocate=none', '--thread=1', '--group_reporting=1'],
      ...['--lat_percentiles=1', '--clat_percentiles=0', `--percentile_list=${PERCENTILES.join(':')}`],
      ...(log === undefined ? [] : [`--write_lat_log=${log}`]),
      '--output-format=json+',
    ],
    file: path,
  };
}

function depthWords({ isDeep }: Engine, job: Job): string {
  if (isDeep === undefined) return '';
  return job.iodepth > 1 ? inFlight(job) : ', one at a time';
}

function contender(key: string, engine: Engine): Contender {
  return {
    key,
    name: `fio ${engine.ioengine}`,
    depth: ({ iodepth }) => (engine.isDeep === true ? iodepth : 1),
    done: (job) => ({
      read: COPIED,
      write: engine.writesDirect && syncEvery(job) === 0 ? ACCEPTED : durable(syncEvery(job)),
    }),
    how: (job) => ({
      read: `${engine.how.read}${depthWords(engine, job)}`,
      write: `${engine.how.write}${depthWords(engine, job)}${writes(job) && syncEvery(job) !== 1 ? ` (${syncOptions(job).join(' ') || 'never synced'})` : ''}`,
    }),
    obstacle: (job, target) => {
      // fio's engines for files count their preparation as well.
      if (isOfFiles(job)) return 'fio measures its work on files otherwise';
      if (job.verify !== undefined) return 'fio’s blocks are verified by fio alone';
      if (rateOf(job) !== undefined) return 'fio counts from when it issues an operation, not from when that was due';
      return engine.obstacle(job, target);
    },
    command: (job, target, log) => command(engine, job, target, log),
    parse: parseFio,
  };
}

/** The version of fio, such as `3.33`; undefined if fio is not installed. */
export function fioVersion(): string | undefined {
  const { status, stdout } = spawnSync('fio', ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim().replace(/^fio-/, '') : undefined;
}

/** fio's engines. An engine that this fio was built without fails with fio's message. */
export function fioContenders(): Contender[] {
  return Object.entries(ENGINES).map(([key, engine]) => contender(key, engine));
}
