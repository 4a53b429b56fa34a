// Owns the order of the trials: rounds through all jobs, in which every contender has one turn at each on each target
// (A1 A2 B1 B2 A1 A2 B1 B2 …), until all are made, the budget is used up, or the run is interrupted.

import { makeTrial, type Contender } from './trials/contender.js';
import type { Target } from './drivers/driver.js';
import type { Trial } from './trials/figures.js';
import { nameOf, type Job } from './jobs/job.js';
import type { Outcome } from './report/report.js';

export interface Plan {
  readonly jobs: readonly Job[];
  readonly contenders: readonly Contender[];
  readonly targets: readonly Target[];
  readonly rounds: number;
  /** Seconds. After the first round, no round begins that would not end within them. */
  readonly budget?: number;
  /** How the names of latency logs begin; none are written if absent. */
  readonly latencyLog?: string;
}

/** A job and the outcomes of its rounds on one target, in the order of the contenders. */
export interface JobOutcome {
  readonly job: Job;
  readonly outcomes: readonly Outcome[];
}

interface Entry {
  readonly job: Job;
  readonly contender: Contender;
  readonly target: Target;
  trials: Trial[];
  why?: string;
}

// Of a trial: after the number of its target if there are several, the job, the driver and the round.
function logPrefix({ latencyLog: prefix, targets }: Plan, { job, contender, target }: Entry, round: number): string | undefined {
  const number = targets.length === 1 ? '' : `-${targets.indexOf(target) + 1}`;
  return prefix && `${prefix}${number}-${nameOf(job).replaceAll(/[^\w.]+/g, '-')}-${contender.key}-${round + 1}`;
}

async function turn(entry: Entry, signal: AbortSignal, log: string | undefined): Promise<void> {
  try {
    entry.trials.push(await makeTrial(entry.contender, entry.job, entry.target, signal, log));
  } catch (error) {
    if (signal.aborted) return;
    // Its earlier trials are dropped too, because a driver that fails cannot be trusted.
    entry.trials = [];
    entry.why = `failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * Makes the trials, and resolves to the outcomes on each target. When `signal` is aborted, ends early with the trials so far.
 * `onTrial` is called before each trial.
 */
export async function run(plan: Plan, signal: AbortSignal, onTrial: (made: number, all: number, entry: { job: Job; contender: Contender; target: Target }) => void): Promise<JobOutcome[][]> {
  const { jobs, contenders, targets, rounds, budget = Infinity } = plan;
  // What is compared follows each other at once: a driver's turns on the targets before the next driver's.
  const entries = jobs.flatMap((job) =>
    contenders.flatMap((contender) =>
      targets.map((target): Entry => {
        const why = contender.obstacle(job, target);
        return { job, contender, target, trials: [], ...(why === undefined ? {} : { why }) };
      }),
    ),
  );
  const able = (): Entry[] => entries.filter(({ why }) => why === undefined);
  const isEnded = (): boolean => signal.aborted;
  const begin = performance.now();
  let made = 0;
  for (let round = 0; round < rounds && !isEnded(); round++) {
    const seconds = (performance.now() - begin) / 1000;
    if (round > 0 && seconds + seconds / round > budget) break;
    const turns = able();
    for (const [index, entry] of turns.entries()) {
      if (isEnded()) break;
      onTrial(made, made + turns.length - index + (rounds - round - 1) * turns.length, entry);
      await turn(entry, signal, logPrefix(plan, entry, round));
      made += 1;
    }
  }
  return targets.map((target) => jobs.map((job) => ({ job, outcomes: entries.filter((entry) => entry.job === job && entry.target === target) })));
}
