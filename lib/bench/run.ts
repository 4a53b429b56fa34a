// Owns the order of the trials: job by job, in rounds in which every contender has one turn (A B A B …), until the end or
// an interruption.

import { makeTrial, type Contender } from './contender.js';
import type { Target } from './driver.js';
import type { Trial } from './figures.js';
import type { Job } from './job.js';
import type { Outcome } from './report.js';

export interface Plan {
  readonly jobs: readonly Job[];
  readonly contenders: readonly Contender[];
  readonly target: Target;
  /** Rounds of each job. */
  readonly rounds: number;
}

/** A job and what its rounds brought, in the order of the contenders. */
export interface JobOutcome {
  readonly job: Job;
  readonly outcomes: readonly Outcome[];
}

interface Entry {
  contender: Contender;
  trials: Trial[];
  why?: string;
}

/** How many trials `run` makes, if none fails. */
export function trialsOf({ jobs, contenders, target, rounds }: Plan): number {
  const turns = jobs.flatMap((job) => contenders.filter((contender) => contender.obstacle(job, target) === undefined));
  return turns.length * rounds;
}

async function runJob(job: Job, plan: Plan, signal: AbortSignal, onTrial: (name: string, job: Job) => void): Promise<Outcome[]> {
  const entries: Entry[] = plan.contenders.map((contender) => {
    const why = contender.obstacle(job, plan.target);
    return { contender, trials: [], ...(why === undefined ? {} : { why }) };
  });
  for (let round = 0; round < plan.rounds; round++) {
    for (const entry of entries.filter(({ why }) => why === undefined)) {
      onTrial(entry.contender.name, job);
      try {
        entry.trials.push(await makeTrial(entry.contender, job, plan.target, signal));
      } catch (error) {
        if (signal.aborted) return entries;
        // What it did before counts for nothing: a driver that fails is not to be trusted.
        entry.trials = [];
        entry.why = `failed: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
  }
  return entries;
}

/** Makes the trials. Ends early, with what is there, when `signal` is aborted. `onTrial` is called before each. */
export async function run(plan: Plan, signal: AbortSignal, onTrial: (name: string, job: Job) => void): Promise<JobOutcome[]> {
  const results: JobOutcome[] = [];
  for (const job of plan.jobs) {
    const outcomes = await runJob(job, plan, signal, onTrial);
    results.push({ job, outcomes });
    if (signal.aborted) break;
  }
  return results;
}
