// Owns the order of the trials: rounds through all jobs, in which every contender has one turn at each (A B C A B C …),
// until the end, the end of the time there is, or an interruption.

import { makeTrial, type Contender } from './contender.js';
import type { Target } from './driver.js';
import type { Trial } from './figures.js';
import type { Job } from './job.js';
import type { Outcome } from './report.js';

export interface Plan {
  readonly jobs: readonly Job[];
  readonly contenders: readonly Contender[];
  readonly target: Target;
  readonly rounds: number;
  /** Seconds: no round but the first is begun that would not be done by then. */
  readonly budget?: number;
}

/** A job and what its rounds brought, in the order of the contenders. */
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

async function turn(entry: Entry, target: Target, signal: AbortSignal): Promise<void> {
  try {
    entry.trials.push(await makeTrial(entry.contender, entry.job, target, signal));
  } catch (error) {
    if (signal.aborted) return;
    // What it did before counts for nothing: a driver that fails is not to be trusted.
    entry.trials = [];
    entry.why = `failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Makes the trials. Ends early, with what is there, when `signal` is aborted. `onTrial` is called before each. */
export async function run(plan: Plan, signal: AbortSignal, onTrial: (made: number, all: number, entry: { job: Job; contender: Contender }) => void): Promise<JobOutcome[]> {
  const { jobs, contenders, target, rounds, budget = Infinity } = plan;
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
      await turn(entry, target, signal);
      made += 1;
    }
  }
  return jobs.map((job) => ({ job, outcomes: entries.filter((entry) => entry.job === job) }));
}
