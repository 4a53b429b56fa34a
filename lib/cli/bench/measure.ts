// Owns measuring what the options of `bench` say: the checks before anything is made, then all targets in turns.

import type { Command } from 'commander';
import { bench, checkBench, type BenchOptions } from '../../bench/index.js';
import { checkJob, isOfFiles } from '../../bench/jobs/job.js';
import { checkProcessors } from '../../bench/machine/processors.js';
import { benchPath, prepare, type BenchPath, type Prepared } from '../../bench/subject.js';
import type { Report } from '../../bench/report/report.js';
import { shellQuote } from '../../vm/shell-quote.js';
import { interruptible, Interruption } from '../interruption.js';
import { checkMakeable } from '../permission.js';
import { withProgress } from '../progress.js';
import { packageVersion } from '../version.js';
import { checkDrivers, checkPermission, jobFileOf, jobsOf, sizeOf, type JobFlags } from './jobs.js';

function commandLine(): string {
  return ['node-dax', ...process.argv.slice(2).map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : shellQuote(word)))].join(' ');
}

// What is there may be measured twice, which shows by how much figures differ without a reason.
function checkMadeOnce(places: readonly BenchPath[]): void {
  const made = places.filter(({ isTaken }) => !isTaken).map(({ path }) => path);
  const twice = made.find((path, index) => made.indexOf(path) < index);
  if (twice !== undefined) throw new RangeError(`${twice} is given twice, and nothing is there: give two names, or a folder twice`);
}

/**
 * Does the same jobs on each of the paths, and makes a report of each. Throws `RangeError` for a job that cannot be done on one of
 * them, before it measures any.
 */
export async function measure(
  [path, ...others]: readonly [string, ...string[]],
  flags: JobFlags & { write_lat_log?: string },
  command: Command,
): Promise<[Report, ...Report[]]> {
  checkDrivers(flags);
  const places: [BenchPath, ...BenchPath[]] = [benchPath(path), ...others.map(benchPath)];
  checkMadeOnce(places);
  for (const place of places) checkMakeable(place.path);
  const file = jobFileOf(flags);
  // The smallest decides, because jobs of different sizes cannot be compared.
  const size = Math.min(...places.map((place) => sizeOf(place, flags, file)));
  const { jobs, rounds, budget } = jobsOf(flags, size, file);
  jobs.forEach(checkJob);
  jobs.forEach(checkProcessors);
  for (const place of places) checkPermission(place, jobs, flags, command);
  return interruptible(async (signal) => {
    const made: Prepared[] = [];
    const ready = (place: BenchPath): Prepared => {
      // Jobs on files use no bytes of the file at a path itself.
      const one = prepare(place, jobs.every(isOfFiles) ? 1 : size, flags.force === true, jobs.some(isOfFiles));
      made.push(one);
      return one;
    };
    try {
      const [first, ...rest] = places;
      const prepared: [Prepared, ...Prepared[]] = [ready(first), ...rest.map(ready)];
      const reports = await withProgress('{bar} {value}/{total} {what}', async (onTrial) => {
        const options: BenchOptions = {
          jobs,
          rounds,
          ...(budget !== undefined && { budget }),
          ...(flags.driver && { drivers: flags.driver }),
          ...(flags.write_lat_log !== undefined && { latencyLog: flags.write_lat_log }),
          ...(flags.base !== undefined && { base: flags.base }),
          command: commandLine(),
          version: packageVersion(),
          signal,
          onTrial,
        };
        checkBench(prepared, options);
        return bench(prepared, options);
      });
      if (signal.reason instanceof Interruption) process.exitCode = signal.reason.exitStatus;
      return reports;
    } finally {
      for (const one of made) one.dispose();
    }
  });
}
