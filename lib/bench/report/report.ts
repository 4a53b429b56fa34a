// Owns the report: what was run, on what, and the results, in the form in which it is stored and shown.

import type { DeviceKind, Granularity } from 'node-dax';
import type { Contender } from '../trials/contender.js';
import type { Target } from '../drivers/driver.js';
import { iopsOf, middle, spread, type Spread, type Trial } from '../trials/figures.js';
import { nameOf, reads, writes, type Job } from '../jobs/job.js';
import type { Machine } from '../machine/machine.js';

/** One driver's figures for one job. */
export interface Row {
  readonly driver: string;
  readonly name: string;
  readonly how: string;
  /** The operations that it had under way; absent in results of other versions. */
  readonly iodepth?: number;
  /** The median of each figure over the trials. */
  readonly figures: Trial;
  readonly iops: Spread;
  /** Operations a second of each trial, round by round. */
  readonly rounds: readonly number[];
  /** Operations a second divided by the base's, round by round; absent for the base and for drivers without one. */
  readonly ratio?: Spread;
}

/** Drivers with the same promise, which may be compared. */
export interface Group {
  /** What is true when an operation has ended. */
  readonly done: string;
  /** The driver with which the others are compared. */
  readonly base?: string;
  readonly rows: readonly Row[];
}

export interface JobResult {
  readonly name: string;
  readonly job: Job;
  readonly groups: readonly Group[];
  /** The drivers that do not take part, and why. */
  readonly absent: readonly { driver: string; name: string; why: string }[];
}

export interface Subject {
  readonly path: string;
  readonly kind: DeviceKind;
  readonly isDax: boolean;
  readonly mapSync: boolean;
  readonly granularity: Granularity;
  readonly persistenceDomain: string | undefined;
  readonly flushInstruction: string;
  readonly filesystem: string | undefined;
  readonly numaNode: number | undefined;
  /** Bytes. */
  readonly size: number;
}

export interface Report {
  /** The version of the format. It changes when a reader of the old format would misread the new one. */
  readonly format: 1;
  readonly command: string;
  /** ISO 8601. */
  readonly started: string;
  /** False if the run was interrupted: the report has the trials made by then. */
  readonly complete: boolean;
  readonly seconds: number;
  /** The number of rounds that were made. */
  readonly rounds: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Machine;
  readonly subject: Subject;
  readonly warnings: readonly string[];
  readonly results: readonly JobResult[];
}

/** The result of one contender in the rounds of one job: its trials, or why there are none. */
export interface Outcome {
  readonly contender: Contender;
  /** One for each round in which it ran, from the first on. */
  readonly trials: readonly Trial[];
  readonly why?: string;
}

// The default bases in order of preference. The drivers that people use now come first.
const BASES = ['filehandle-direct', 'direct', 'fs', 'fio-dev-dax', 'sync'];

function sentence(read: string | undefined, write: string | undefined): string {
  return [read, write].filter((words) => words !== undefined).join('; ');
}

function ways(job: Job, words: { read: string; write: string }): string {
  return sentence(reads(job) ? words.read : undefined, writes(job) ? words.write : undefined);
}

function row({ contender, trials }: Outcome, job: Job, target: Target, base: Outcome | undefined): Row {
  const rounds = trials.map(iopsOf);
  const others = base?.trials.map(iopsOf) ?? [];
  const ratios = rounds.slice(0, others.length).map((iops, round) => iops / (others[round] ?? NaN));
  return {
    driver: contender.key,
    name: contender.name,
    how: ways(job, contender.how(job, target)),
    iodepth: contender.depth(job),
    figures: middle(trials),
    iops: spread(rounds),
    rounds,
    ...(base !== undefined && base.contender !== contender && ratios.length > 0 && { ratio: spread(ratios) }),
  };
}

function group(done: string, outcomes: readonly Outcome[], job: Job, target: Target, wanted: string | undefined): Group {
  const base =
    outcomes.length < 2
      ? undefined
      : [...(wanted === undefined ? [] : [wanted]), ...BASES]
          .map((key) => outcomes.find(({ contender }) => contender.key === key))
          .find((found) => found !== undefined);
  return {
    done,
    ...(base && { base: base.contender.name }),
    rows: outcomes.map((outcome) => row(outcome, job, target, base)),
  };
}

/** The result of one job: contenders with the same promise are grouped, and compared with `base` if it is in the group. */
export function resultOf(job: Job, target: Target, outcomes: readonly Outcome[], base: string | undefined): JobResult {
  const ran = outcomes.filter(({ trials }) => trials.length > 0);
  const promises = [...new Set(ran.map(({ contender }) => ways(job, contender.done(job))))];
  return {
    name: nameOf(job),
    job,
    groups: promises.map((done) =>
      group(done, ran.filter(({ contender }) => ways(job, contender.done(job)) === done), job, target, base),
    ),
    absent: outcomes
      .filter(({ trials }) => trials.length === 0)
      .map(({ contender, why = 'it was not its turn yet' }) => ({ driver: contender.key, name: contender.name, why })),
  };
}
