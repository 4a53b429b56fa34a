// Owns bench(), which does jobs on one or several paths and makes a report of each.

import { checkOptions, type OptionNames } from 'node-dax';
import { ownContenders, type Contender } from './trials/contender.js';
import { fioContenders, fioVersion } from './trials/fio.js';
import { checkJob, nameOf, type Job } from './jobs/job.js';
import { frequencies, readMachine } from './machine/machine.js';
import type { Prepared } from './subject.js';
import { resultOf, type Report } from './report/report.js';
import { run, type Plan } from './run.js';
import { frequencyWarning, warningsOf } from './machine/warnings.js';

export interface BenchOptions {
  readonly jobs: readonly Job[];
  readonly rounds: number;
  /** Seconds for the rounds: as many are made as fit, and at least one. */
  readonly budget?: number;
  /** The names of drivers. If absent, all but those that must be named. */
  readonly drivers?: readonly string[];
  /**
   * How the names of latency logs begin: `/tmp/log` makes `/tmp/log-randread-4k-sync-1_lat.1.log`, and, for several targets,
   * `/tmp/log-1-randread-…` and so on. Without it no logs are written.
   */
  readonly latencyLog?: string;
  /** The driver with which others are compared that make the same promise. */
  readonly base?: string;
  /** The command line that the user typed, for the report. */
  readonly command: string;
  /** The version of this package, for the report. */
  readonly version: string;
  /** Ends the run early, with a report of the trials so far. */
  readonly signal: AbortSignal;
  /** Called before each trial with the number of trials made and the number of all. */
  readonly onTrial: (made: number, all: number, what: string) => void;
}

const OPTIONS: OptionNames<BenchOptions> = {
  jobs: true,
  rounds: true,
  budget: true,
  drivers: true,
  latencyLog: true,
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
  return all.filter(({ key, isOptional }) => wanted?.includes(key) ?? isOptional !== true);
}

// Throws `RangeError` if there is a target on which no driver can do any job.
function checkAble({ jobs, contenders: all, targets }: Plan): void {
  for (const target of targets) {
    const obstacles = jobs.flatMap((job) => all.map((contender) => ({ contender, why: contender.obstacle(job, target) })));
    if (obstacles.some(({ why }) => why === undefined)) continue;
    const words = new Set(obstacles.map(({ contender, why }) => `${contender.name}: ${why ?? ''}`));
    const where = targets.length === 1 ? '' : ` on ${target.path}`;
    throw new RangeError(`no driver can do any of the jobs${where}${words.size === 0 ? ': fio is not installed' : ` (${[...words].join('; ')})`}`);
  }
}

function planOf(prepared: readonly Prepared[], options: BenchOptions, fio: string | undefined): Plan {
  checkOptions(options, OPTIONS);
  const { jobs, rounds, budget, drivers, latencyLog } = options;
  jobs.forEach(checkJob);
  const targets = prepared.map(({ target }) => target);
  const plan: Plan = { jobs, contenders: contenders(fio, drivers), targets, rounds, ...(budget !== undefined && { budget }), ...(latencyLog !== undefined && { latencyLog }) };
  checkAble(plan);
  return plan;
}

/** Throws the errors that `bench` would throw before it measures. */
export function checkBench(prepared: readonly Prepared[], options: BenchOptions): void {
  planOf(prepared, options, fioVersion());
}

/**
 * Does the jobs on the prepared targets, in turns, and resolves to a report of each target. Throws `TypeError` for unknown options, and
 * `RangeError` for jobs that cannot be done. The reports name drivers that failed.
 */
export async function bench([first, ...others]: readonly [Prepared, ...Prepared[]], options: BenchOptions): Promise<[Report, ...Report[]]> {
  const { jobs, signal, onTrial } = options;
  const all = [first, ...others];
  const fio = fioVersion();
  const plan = planOf(all, options, fio);
  const machine = readMachine();
  const seen: number[] = [];
  const begin = performance.now();
  const started = new Date().toISOString();
  const outcomes = await run(plan, signal, (made, count, { job, contender, target }) => {
    onTrial(made, count, [contender.name, nameOf(job), ...(others.length > 0 ? [target.path] : [])].join(', '));
    seen.push(...frequencies());
  });
  const seconds = (performance.now() - begin) / 1000;
  const moved = frequencyWarning(seen);
  const reportOf = ({ subject, target }: Prepared, index: number): Report => {
    const results = (outcomes[index] ?? []).map((outcome) => resultOf(outcome.job, target, outcome.outcomes, options.base));
    return {
      format: 1,
      command: options.command,
      started,
      complete: !signal.aborted,
      seconds,
      rounds: Math.max(0, ...results.flatMap(({ groups }) => groups.flatMap(({ rows }) => rows.map((row) => row.rounds.length)))),
      versions: { 'node-dax': options.version, node: machine.node, ...(fio !== undefined && { fio }) },
      machine,
      subject,
      warnings: [...warningsOf(machine, subject, jobs), ...(moved === undefined ? [] : [moved])],
      results,
    };
  };
  return [reportOf(first, 0), ...others.map((prepared, index) => reportOf(prepared, index + 1))];
}
