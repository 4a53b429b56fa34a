// Owns reading a job file of fio: the sections and options that mean the same here. What would not is refused by its name.

import { DEFAULTS, MODES, nameOf, parseDistribution, parseTime, VERIFY_METHODS, type Job } from './job.js';
import { parseSteadyState } from './steady-state.js';

/** A section of a job file: its name, and what it says of the job. */
export interface Section {
  readonly name: string;
  readonly said: Partial<Job>;
}

/** The jobs of a file in their order, and what of it has no effect here, in words. */
export interface JobFile {
  readonly sections: readonly Section[];
  readonly notes: readonly string[];
}

function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new RangeError(`it is one of ${words.join(', ')}`);
    return found;
  };
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

// fio's k is 1024, as are kb and kib, unless kb_base says otherwise.
function bytes(text: string): number {
  const match = /^(\d+)([kmgt]?)(?:i?b)?$/i.exec(text);
  const value = match === null ? NaN : Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? NaN);
  if (!Number.isSafeInteger(value)) throw new RangeError('it is a number of bytes such as 4k or 1g');
  return value;
}

function count(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw new RangeError('it is a whole number');
  return value;
}

const flag = (text: string): boolean => count(text) !== 0;

/** How the value of each option is read. */
const OPTIONS: { readonly [Name in Exclude<keyof Job, 'nrfiles'>]-?: (text: string) => Required<Job>[Name] } = {
  rw: oneOf(MODES),
  bs: bytes,
  size: bytes,
  rwmixread: count,
  numjobs: count,
  iodepth: count,
  runtime: parseTime,
  time_based: flag,
  ramp_time: parseTime,
  loops: count,
  fsync: count,
  fdatasync: count,
  random_distribution: parseDistribution,
  verify: oneOf(VERIFY_METHODS),
  rate: bytes,
  rate_iops: count,
  randseed: count,
  steadystate: parseSteadyState,
  steadystate_duration: parseTime,
  steadystate_ramp_time: parseTime,
  cpus_allowed: (text) => text,
};

const OTHER_NAMES: Readonly<Record<string, string>> = { readwrite: 'rw', blocksize: 'bs', ss: 'steadystate', ss_dur: 'steadystate_duration', ss_ramp: 'steadystate_ramp_time' };

// Options that change nothing here, with the reason.
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  ioengine: 'each driver has its own way',
  direct: 'each driver has its own way',
  filename: 'the path is that of the command line',
  directory: 'the path is that of the command line',
  name: 'the section has one',
  description: 'it is for people',
  group_reporting: 'threads are reported together',
  thread: 'each of several jobs is a thread',
  norandommap: 'random positions may repeat',
};

interface Line {
  /** Counted from 1. */
  readonly number: number;
  readonly name: string;
  readonly value: string;
}

interface Part {
  readonly name: string;
  readonly lines: Line[];
}

function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  for (const [index, whole] of text.split('\n').entries()) {
    const line = whole.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const section = /^\[(.+)\]$/.exec(line)?.[1];
    const part = parts.at(-1);
    if (section !== undefined) parts.push({ name: section, lines: [] });
    else if (part === undefined) throw new RangeError(`line ${index + 1}: '${line}' is in no section: begin with [global] or the [name] of a job`);
    else {
      const [, name, value = '1'] = /^([^=\s]+)(?:=(\S.*))?$/.exec(line) ?? [];
      if (name === undefined) throw new RangeError(`line ${index + 1}: '${line}' is not name=value, without blanks around the sign`);
      part.lines.push({ number: index + 1, name: OTHER_NAMES[name] ?? name, value });
    }
  }
  return parts;
}

function isOption(name: string): name is keyof typeof OPTIONS {
  return Object.hasOwn(OPTIONS, name);
}

function saidBy(lines: readonly Line[]): Partial<Job> {
  const entries = lines.flatMap(({ number, name, value }) => {
    if (name === 'stonewall' || name === 'wait_for_previous' || Object.hasOwn(WITHOUT_EFFECT, name)) return [];
    if (!isOption(name)) throw new RangeError(`line ${number}: bench has no '${name}': leave it out, or take one of ${Object.keys(OPTIONS).join(', ')}`);
    try {
      return [[name, OPTIONS[name](value)]];
    } catch (error) {
      if (error instanceof RangeError) throw new RangeError(`line ${number}: ${name}=${value}: ${error.message}`, { cause: error });
      throw error;
    }
  });
  return Object.fromEntries(entries) as Partial<Job>;
}

const waits = (lines: readonly Line[]): boolean => lines.some(({ name, value }) => (name === 'stonewall' || name === 'wait_for_previous') && value !== '0');

/**
 * Reads a job file. A `[global]` section holds for the jobs after it, as with fio. Throws `RangeError` for everything that would
 * behave differently here: options that are not in the table of docs/benchmarking.md, and jobs that fio would run at the same time.
 */
export function parseJobFile(text: string): JobFile {
  const parts = partsOf(text);
  let global: readonly Line[] = [];
  const sections: Section[] = [];
  for (const { name, lines } of parts) {
    if (name === 'global') {
      global = [...global, ...lines];
      continue;
    }
    const all = [...global, ...lines];
    if (sections.length > 0 && !waits(all)) {
      throw new RangeError(`[${name}]: fio does it at the same time as the job before; here one comes after the other: say 'stonewall'`);
    }
    sections.push({ name, said: saidBy(all) });
  }
  if (sections.length === 0) throw new RangeError('the file has no job: a section [name] with options such as rw=randread');
  const names = new Set(parts.flatMap(({ lines }) => lines.map(({ name }) => name)));
  const notes = Object.entries(WITHOUT_EFFECT).flatMap(([name, why]) => (names.has(name) ? [`${name} of the job file has no effect: ${why}`] : []));
  return { sections, notes };
}

/** The bytes that the largest of the jobs works on; undefined if the file does not say. */
export function largestSize({ sections }: JobFile): number | undefined {
  const sizes = sections.flatMap(({ said: { size } }) => size ?? []);
  return sizes.length === 0 ? undefined : Math.max(...sizes);
}

/**
 * The jobs of a file. A job without a size gets `size` bytes. `said` has the properties that the user gave, which replace those of
 * the file. Throws `RangeError` for two jobs that would be the same.
 */
export function fileJobs({ sections }: JobFile, size: number, said: Partial<Job>): Job[] {
  const named = new Map<string, string>();
  return sections.map((section) => {
    const job: Job = { ...DEFAULTS, rw: 'read', bs: 4096, size, ...section.said, ...said };
    const name = nameOf(job);
    const earlier = named.get(name);
    if (earlier !== undefined) throw new RangeError(`[${earlier}] and [${section.name}] are the same job here, ${name}: leave one out`);
    named.set(name, section.name);
    return job;
  });
}
