// Owns the order of the trials: rounds through all jobs, in which every contender has one turn at each (A B C A B C …), until all
// are made, the budget is used up, or the run is interrupted.

import { makeTrial, type Contender } from './trials/contender.js';
import type { Target } from './drivers/driver.js';
import type { Trial } from './trials/figures.js';
import { nameOf, type Job } from './jobs/job.js';
import type { Outcome } from './report/report.js';

export interface Plan {
  readonly jobs: readonly Job[];
  readonly contenders: readonly Contender[];
  readonly target: Target;
  readonly rounds: number;
  /** Seconds. After the first round, no round begins that would not end within them. */
  readonly budget?: number;
  /** How the names of latency logs begin; none are written if absent. */
  readonly latencyLog?: string;
}

/** A job and the outcomes of its rounds, in the order of the contenders. */
export interface JobOutcome {
  readonly job: Job;
  readonly outcomes: readonly Outcome[];
}

interface Entry {
  readonly job: Job;
  readonly contender: Contender;
  trials: Trial[];
  why?: string;
}

// Of a trial: after the job, the driver and the round.
function logPrefix(prefix: string | undefined, { job, contender }: Entry, round: number): string | undefined {
  return prefix && `${prefix}-${nameOf(job).replaceAll(/[^\w.]+/g, '-')}-${contender.key}-${round + 1}`;
}

async function turn(entry: Entry, target: Target, signal: AbortSignal, log: string | undefined): Promise<void> {
  try {
    entry.trials.push(await makeTrial(entry.contender, entry.job, target, signal, log));
  } catch (error) {
    if (signal.aborted) return;
    // Its earlier trials are dropped too, because a driver that fails cannot be trusted.
    entry.trials = [];
    entry.why = `failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Makes the trials. When `signal` is aborted, ends early with the trials so far. `onTrial` is called before each trial. */
export async function run(plan: Plan, signal: AbortSignal, onTrial: (made: number, all: number, entry: { job: Job; contender: Contender }) => void): Promise<JobOutcome[]> {
  const { jobs, contenders, target, rounds, budget = Infinity, latencyLog } = plan;
  const entries = jobs.flatMap((job) =>
    contenders.map((contender): Entry => {
      const why = contender.obstacle(job, target);
      return { job, contender, trials: [], ...(why === undefined ? {} : { why }) };
    }),
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
      await turn(entry, target, signal, logPrefix(latencyLog, entry, round));
      made += 1;
    }
  }
  return jobs.map((job) => ({ job, outcomes: entries.filter((entry) => entry.job === job) }));
}
