// Owns the JSON of a report in fio's format, for programs that read fio's: it has one job for each driver of each job.

import { iopsOf, PERCENTILES, type Latency, type Moved, type Trial } from '../trials/figures.js';
import { depthShares, latencyShares } from './fio-latency.js';
import { DEFAULTS, formatDistribution, isMixed, isRandom, reads, writes, type Job } from '../jobs/job.js';
import { formatSteadyState, steadinessOf } from '../jobs/steady-state.js';
import type { JobResult, Report, Row } from './report.js';
import { compareTargets } from './targets.js';

const NO_LATENCY = { min: 0, max: 0, mean: 0, stddev: 0, N: 0 };

function latency({ min, max, mean, stddev, count, percentiles, bins }: Latency): object {
  const percentile = Object.fromEntries(percentiles.map((value, i) => [(PERCENTILES[i] ?? 0).toFixed(6), Math.round(value)]));
  const hasBins = bins !== undefined && Object.keys(bins).length > 0;
  return { min, max, mean, stddev, N: Math.round(count), ...(percentiles.length > 0 && { percentile }), ...(hasBins && { bins }) };
}

/** fio's samples of bandwidth (KiB a second) and IOPS, of which there is one for each round here. */
function samples(iops: readonly number[], bytes: number): object {
  const mean = iops.reduce((sum, one) => sum + one, 0) / Math.max(1, iops.length);
  const deviation = Math.sqrt(iops.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(1, iops.length - 1));
  const [least, most] = iops.length === 0 ? [0, 0] : [Math.min(...iops), Math.max(...iops)];
  const kibibytes = (one: number): number => (one * bytes) / 1024;
  return {
    bw_min: Math.round(kibibytes(least)),
    bw_max: Math.round(kibibytes(most)),
    bw_agg: iops.length === 0 ? 0 : 100,
    bw_mean: kibibytes(mean),
    bw_dev: kibibytes(deviation),
    bw_samples: iops.length,
    iops_min: Math.round(least),
    iops_max: Math.round(most),
    iops_mean: mean,
    iops_stddev: deviation,
    iops_samples: iops.length,
  };
}

// fio's clat is the time of an operation. Its lat is the whole wait, which for a job with a rate begins when the operation was due.
function direction(moved: Moved | undefined, seconds: number, rounds: readonly number[], whole: number): object {
  const { bytes = 0, bw = 0, iops = 0, operations = 0 } = moved ?? {};
  // Rounds have the IOPS of both directions together. This direction's part of them is taken from the medians.
  const own = moved === undefined ? [] : rounds.map((one) => (one * iops) / whole);
  return {
    io_bytes: Math.round(bytes),
    io_kbytes: Math.floor(bytes / 1024),
    bw_bytes: Math.round(bw),
    bw: Math.round(bw / 1024),
    iops,
    runtime: moved === undefined ? 0 : Math.round(seconds * 1000),
    total_ios: Math.round(operations),
    short_ios: 0,
    drop_ios: 0,
    slat_ns: NO_LATENCY,
    clat_ns: moved === undefined ? NO_LATENCY : latency(moved.service ?? moved.latency),
    lat_ns: moved === undefined ? NO_LATENCY : latency(moved.latency),
    ...samples(own, operations === 0 ? 0 : bytes / operations),
  };
}

/** The job's options as fio prints them: as text. */
function options(job: Job, row: Row, filename: string | undefined): Record<string, string> {
  const { rw, bs, size, numjobs, loops, randseed, fsync, fdatasync, ramp_time, iodepth } = job;
  return {
    name: row.driver,
    ...(filename !== undefined && { filename }),
    rw,
    bs: `${bs}`,
    size: `${size}`,
    numjobs: `${numjobs}`,
    iodepth: `${iodepth}`,
    loops: `${loops}`,
    randseed: `${randseed}`,
    ramp_time: `${ramp_time}`,
    ...(job.runtime !== undefined && { runtime: `${job.runtime}` }),
    ...(job.time_based && { time_based: '1' }),
    ...(isMixed(job) && { rwmixread: `${job.rwmixread}` }),
    ...(writes(job) && (fsync > 0 ? { fsync: `${fsync}` } : { fdatasync: `${fdatasync}` })),
    ...(isRandom(job) && { norandommap: '1', random_distribution: formatDistribution(job.random_distribution) }),
    ...(job.verify !== undefined && { verify: job.verify }),
    ...(job.rate !== undefined && { rate: `${job.rate}` }),
    ...(job.rate_iops !== undefined && { rate_iops: `${job.rate_iops}` }),
    ...(job.steadystate !== undefined && { steadystate: formatSteadyState(job.steadystate) }),
    ...(job.steadystate_duration !== undefined && { steadystate_duration: `${job.steadystate_duration}s` }),
    ...(job.steadystate_ramp_time !== undefined && { steadystate_ramp_time: `${job.steadystate_ramp_time}s` }),
    ...(job.cpus_allowed !== undefined && { cpus_allowed: job.cpus_allowed }),
  };
}

function steadystate({ steadystate: wanted, steadystate_duration: duration, bs }: Job, steady: Trial['steady']): object | undefined {
  if (wanted === undefined || steady === undefined) return undefined;
  const { isAttained, iops } = steady;
  const { iopsMean, bwMean, maxDeviation, slope, value } = steadinessOf(wanted, iops, bs);
  const unit = wanted.isPercent ? '%' : '';
  return {
    ss: `${wanted.criterion}:${wanted.limit.toFixed(6)}${unit}`,
    duration,
    attained: isAttained ? 1 : 0,
    criterion: wanted.isPercent ? `${value.toFixed(6)}%` : value,
    max_deviation: maxDeviation,
    slope,
    data: { bw_mean: Math.round(bwMean), iops_mean: Math.round(iopsMean), iops: iops.map(Math.round), bw: iops.map((one) => Math.round(one * bs)) },
  };
}

function jobOf(row: Row, job: Job, groupid: number, filename: string | undefined): object {
  const { figures, iodepth = 1 } = row;
  const whole = iopsOf(figures);
  const { read, write, usr_cpu, sys_cpu, ctx, majf, minf, seconds } = figures;
  const steady = steadystate(job, figures.steady);
  return {
    jobname: row.driver,
    groupid,
    error: 0,
    eta: 0,
    elapsed: Math.ceil(seconds),
    'job options': options(job, row, filename),
    read: direction(reads(job) ? read : undefined, seconds, row.rounds, whole),
    write: direction(writes(job) ? write : undefined, seconds, row.rounds, whole),
    trim: direction(undefined, seconds, [], whole),
    sync: { total_ios: 0, lat_ns: NO_LATENCY },
    job_runtime: Math.round(seconds * 1000),
    usr_cpu,
    sys_cpu,
    ctx: Math.round(ctx),
    majf: Math.round(majf),
    minf: Math.round(minf),
    iodepth_level: depthShares(iodepth),
    ...latencyShares([read, write].map((moved) => moved?.latency.bins).filter((bins) => bins !== undefined)),
    latency_depth: job.iodepth,
    latency_target: 0,
    latency_percentile: 100,
    latency_window: 0,
    ...(steady && { steadystate: steady }),
  };
}

type Groups = readonly { readonly result: JobResult; readonly filename?: string }[];

function jobsOf(groups: Groups): object[] {
  return groups.flatMap(({ result: { job, groups: alike }, filename }, groupid) => alike.flatMap(({ rows }) => rows.map((row) => jobOf(row, job, groupid, filename))));
}

// The bins are left out: they are many, and are in fio's part already.
function withoutBins<T>(reports: T): T {
  return JSON.parse(JSON.stringify(reports, (key, value: unknown) => (key === 'bins' ? undefined : value))) as T;
}

/**
 * The report in fio's format; `groupid` numbers the jobs. The report itself is under "node-dax", where `fromFio` finds it. With
 * several targets, each job has its `filename`, "node-dax" is the list of the targets' reports, and "node-dax-targets" compares
 * them.
 */
export function toFio(reports: readonly [Report, ...Report[]]): object {
  const [first] = reports;
  const started = new Date(first.started);
  const isOne = reports.length === 1;
  const groups = reports.flatMap(({ subject: { path }, results }) => results.map((result) => ({ result, ...(!isOne && { filename: path }) })));
  return {
    'fio version': `node-dax-${first.versions['node-dax'] ?? ''}`,
    timestamp: Math.floor(started.getTime() / 1000),
    timestamp_ms: started.getTime(),
    time: started.toUTCString(),
    'global options': isOne ? { filename: first.subject.path } : {},
    jobs: jobsOf(groups),
    'node-dax': withoutBins(isOne ? first : reports),
    ...(!isOne && { 'node-dax-targets': compareTargets(reports) }),
  };
}

function checkedReport(report: Report): Report {
  if ((report.format as number) !== 1) throw new Error(`this result has format ${report.format as number}, this version reads format 1`);
  // A report of another version may have fewer properties of its jobs.
  return { ...report, results: report.results.map((result) => ({ ...result, job: { ...DEFAULTS, ...result.job } })) };
}

/** Reads the reports, one for each target, from the text of `toFio`'s result. Throws if there is none, or if one has another format. */
export function fromFio(text: string): [Report, ...Report[]] {
  const found = (JSON.parse(text) as { 'node-dax'?: Report | Report[] } | null)?.['node-dax'];
  const [first, ...others] = [found ?? []].flat();
  if (first === undefined) throw new Error('this is no result of node-dax bench --json');
  return [checkedReport(first), ...others.map(checkedReport)];
}
