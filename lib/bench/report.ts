// Owns the report: what was run, on what, and what came of it, in the form in which it is kept and shown.

import type { DeviceKind, Granularity } from 'node-dax';
import type { Contender } from './contender.js';
import type { Target } from './driver.js';
import { iopsOf, middle, spread, type Spread, type Trial } from './figures.js';
import { nameOf, reads, writes, type Job } from './job.js';
import type { Machine } from './machine.js';

/** One driver's figures for one job. */
export interface Row {
  readonly driver: string;
  readonly name: string;
  readonly how: string;
  /** Operations that it had under way; results of other versions do not tell. */
  readonly iodepth?: number;
  /** The median of each figure over the trials. */
  readonly figures: Trial;
  readonly iops: Spread;
  /** Operations a second of each trial, round by round. */
  readonly rounds: readonly number[];
  /** Operations a second against the base's, round by round; the base and those without one have none. */
  readonly ratio?: Spread;
}

/** Drivers with the same promise: these may be compared. */
export interface Group {
  /** What is true when an operation has ended. */
  readonly done: string;
  /** The driver that the others are compared with. */
  readonly base?: string;
  readonly rows: readonly Row[];
}

export interface JobResult {
  readonly name: string;
  readonly job: Job;
  readonly groups: readonly Group[];
  /** Drivers that do not take part, and why. */
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
  /** Changes when a reader of the one before would misread it. */
  readonly format: 1;
  readonly command: string;
  /** ISO 8601. */
  readonly started: string;
  /** False: it was interrupted, and tells what was there by then. */
  readonly complete: boolean;
  readonly seconds: number;
  /** That were made. */
  readonly rounds: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Machine;
  readonly subject: Subject;
  readonly warnings: readonly string[];
  readonly results: readonly JobResult[];
}

/** What the rounds of one job brought: for each contender its trials, or why there are none. */
export interface Outcome {
  readonly contender: Contender;
  /** One for each round in which it ran, from the first on. */
  readonly trials: readonly Trial[];
  readonly why?: string;
}

// Whom people have now comes first.
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

/** The result of one job: contenders with the same words for "done" together, compared with `base` where it is one of them. */
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
