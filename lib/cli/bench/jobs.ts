// Owns making jobs from the options of `bench`, which have fio's names. Contradictory options are refused before anything is made.

import { readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { openSync } from 'node-dax';
import { DEFAULTS, isOfFiles, writes, type Job, type Mode } from '../../bench/jobs/job.js';
import { fileJobs, largestSize, parseJobFile, type JobFile } from '../../bench/jobs/job-file.js';
import { PRESETS, presetJobs, type Preset, type PresetName } from '../../bench/jobs/presets.js';
import type { BenchPath } from '../../bench/subject.js';
import { checkOverwritable } from '../permission.js';

const DEFAULT_SIZE = 256 * 1024 ** 2;

/** The properties of a job that options give, by fio's names. */
type Said = Partial<Omit<Job, 'rw' | 'bs' | 'size'>>;

/** The options that decide what is measured. */
export interface JobFlags extends Said {
  preset?: PresetName;
  jobfile?: string;
  rw?: Mode[];
  bs?: number[];
  size?: number;
  driver?: string[];
  base?: string;
  repeats?: number;
  yesOverwrite?: true;
  force?: true;
}

// The other properties have defaults.
const WITHOUT_DEFAULT: readonly (keyof Said)[] = [
  'runtime', 'verify', 'rate', 'rate_iops', 'steadystate', 'steadystate_duration', 'steadystate_ramp_time', 'cpus_allowed',
];

function said(flags: JobFlags): Said {
  const names = Object.keys(flags).filter((name) => name in DEFAULTS || WITHOUT_DEFAULT.some((one) => one === name));
  return Object.fromEntries(names.map((name) => [name, flags[name as keyof JobFlags]]));
}

/** The job file that was given. Tells of what has no effect in it. Throws `RangeError` for what it cannot take. */
export function jobFileOf({ jobfile: path }: JobFlags): JobFile | undefined {
  if (path === undefined) return undefined;
  try {
    const file = parseJobFile(readFileSync(path, 'utf8'));
    for (const note of file.notes) console.error(`node-dax bench: ${note}`);
    return file;
  } catch (error) {
    if (error instanceof RangeError) throw new RangeError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** The jobs, the number of rounds through them, and the seconds in which the rounds have to fit. */
export function jobsOf(flags: JobFlags, size: number, file: JobFile | undefined): { jobs: Job[]; rounds: number; budget?: number } {
  const preset: Preset = PRESETS[flags.preset ?? 'quick'];
  const own = said(flags);
  if (file !== undefined) {
    const { size: bytes } = flags;
    return { jobs: fileJobs(file, size, { ...own, ...(bytes !== undefined && { size: bytes }) }), rounds: flags.repeats ?? 5 };
  }
  if (flags.rw === undefined && flags.bs === undefined) {
    const jobs = presetJobs(preset, size, own);
    if (flags.repeats !== undefined) return { jobs, rounds: flags.repeats };
    return { jobs, rounds: preset.repeats, ...(preset.budget !== undefined && { budget: preset.budget }) };
  }
  const { rw = ['randread'], bs = [4096] } = flags;
  const time = own.loops === undefined ? { runtime: 1, time_based: true } : {};
  return { jobs: rw.flatMap((mode) => bs.map((bytes) => ({ ...DEFAULTS, ...time, ...own, rw: mode, bs: bytes, size }))), rounds: flags.repeats ?? 5 };
}

/** Throws `RangeError` if the base does not take part. Drivers are among `driverNames()`. */
export function checkDrivers({ driver, base }: JobFlags): void {
  if (base === undefined || driver === undefined || driver.includes(base)) return;
  throw new RangeError(`--base ${base} takes no part: it is none of those of --driver (${driver.join(', ')})`);
}

/** Ends with an error if jobs would overwrite an existing file or device without the user's permission. */
export function checkPermission({ path, isTaken }: BenchPath, jobs: readonly Job[], flags: JobFlags, command: Command): void {
  if (!isTaken || !jobs.some((job) => writes(job) && !isOfFiles(job))) return;
  if (flags.yesOverwrite !== true) {
    command.error(
      `error: the jobs overwrite ${path}: add --yes-overwrite if that is all right, choose a path where nothing is, ` +
        'or jobs that only read (--rw read --rw randread)',
      { exitCode: 2 },
    );
  }
  if (flags.force !== true) checkOverwritable(path, 'bench');
}

function checkRoom(path: string, size: number): void {
  const { bavail, bsize } = statfsSync(dirname(path));
  if (size > bavail * bsize) throw new RangeError(`${dirname(path)} has ${bavail * bsize} bytes free: a size of ${size} is larger`);
}

/** The number of bytes to work on: what `--size` says, or the job file. Throws `RangeError` for more than there are. */
export function sizeOf({ path, isTaken }: BenchPath, flags: JobFlags, file: JobFile | undefined): number {
  const size = flags.size ?? (file && largestSize(file));
  if (!isTaken) {
    if (size !== undefined) checkRoom(path, size);
    return size ?? DEFAULT_SIZE;
  }
  using device = openSync(path, { readOnly: true });
  if (size !== undefined && size > device.size) throw new RangeError(`${path} has ${device.size} bytes: a size of ${size} is larger`);
  return size ?? Math.min(DEFAULT_SIZE, device.size);
}

