// Owns bench(): from a path and jobs to a report.

import { checkOptions, type OptionNames } from 'node-dax';
import { ownContenders, type Contender } from './contender.js';
import { fioContenders, fioVersion } from './fio.js';
import { checkJob, nameOf, type Job } from './job.js';
import { frequencies, readMachine } from './machine.js';
import type { Prepared } from './subject.js';
import { resultOf, type Report } from './report.js';
import { run, type Plan } from './run.js';
import { frequencyWarning, warningsOf } from './warnings.js';

export interface BenchOptions {
  readonly jobs: readonly Job[];
  readonly rounds: number;
  /** Seconds in which as many of the rounds are made as fit, and at least one. */
  readonly budget?: number;
  /** Names of drivers; all where it is absent. */
  readonly drivers?: readonly string[];
  /** The driver that others are compared with, where it makes the same promise. */
  readonly base?: string;
  /** What the user typed, for the report. */
  readonly command: string;
  /** The version of this package, for the report. */
  readonly version: string;
  /** Ends it early, with a report of what is there. */
  readonly signal: AbortSignal;
  /** Called before each trial, with how many were made of how many there are. */
  readonly onTrial: (made: number, all: number, what: string) => void;
}

const OPTIONS: OptionNames<BenchOptions> = {
  jobs: true,
  rounds: true,
  budget: true,
  drivers: true,
  base: true,
  command: true,
  version: true,
  signal: true,
  onTrial: true,
};

/** Every driver that can be named, whether or not it can run here. */
export function driverNames(): string[] {
  return [...ownContenders(), ...fioContenders()].map(({ key }) => key);
}

function contenders(fio: string | undefined, wanted: readonly string[] | undefined): Contender[] {
  const all = [...ownContenders(), ...(fio === undefined ? [] : fioContenders())];
  return wanted === undefined ? all : all.filter(({ key }) => wanted.includes(key));
}

// A run without a driver would end at once with nothing.
function checkAble({ jobs, contenders: all, target }: Plan): void {
  const obstacles = jobs.flatMap((job) => all.map((contender) => ({ contender, why: contender.obstacle(job, target) })));
  if (obstacles.some(({ why }) => why === undefined)) return;
  const words = new Set(obstacles.map(({ contender, why }) => `${contender.name}: ${why ?? ''}`));
  throw new RangeError(`no driver can do any of the jobs${words.size === 0 ? ': fio is not installed' : ` (${[...words].join('; ')})`}`);
}

/**
 * Does the jobs on what was prepared. Throws `TypeError` for unknown options, `RangeError` for jobs that cannot be done;
 * drivers that fail are told of in the report.
 */
export async function bench({ subject, target }: Prepared, options: BenchOptions): Promise<Report> {
  checkOptions(options, OPTIONS);
  const { jobs, rounds, budget, signal, onTrial } = options;
  jobs.forEach(checkJob);
  const fio = fioVersion();
  const machine = readMachine();
  const plan: Plan = { jobs, contenders: contenders(fio, options.drivers), target, rounds, ...(budget !== undefined && { budget }) };
  checkAble(plan);
  const seen: number[] = [];
  const begin = performance.now();
  const started = new Date().toISOString();
  const outcomes = await run(plan, signal, (made, all, { job, contender }) => {
    onTrial(made, all, `${contender.name}, ${nameOf(job)}`);
    seen.push(...frequencies());
  });
  const results = outcomes.map((outcome) => resultOf(outcome.job, target, outcome.outcomes, options.base));
  const moved = frequencyWarning(seen);
  return {
    format: 1,
    command: options.command,
    started,
    complete: !signal.aborted,
    seconds: (performance.now() - begin) / 1000,
    rounds: Math.max(0, ...results.flatMap(({ groups }) => groups.flatMap(({ rows }) => rows.map((row) => row.rounds.length)))),
    versions: { 'node-dax': options.version, node: machine.node, ...(fio !== undefined && { fio }) },
    machine,
    subject,
    warnings: [...warningsOf(machine, subject, jobs), ...(moved === undefined ? [] : [moved])],
    results,
  };
}
