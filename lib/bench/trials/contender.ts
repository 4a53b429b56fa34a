// Owns the contenders of a comparison: each a named driver with the command that makes one trial of it. Also runs such commands.

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { DRIVERS, type DriverName } from '../drivers/index.js';
import type { Done, Driver, Target } from '../drivers/driver.js';
import type { Trial } from './figures.js';
import type { Job } from '../jobs/job.js';
import type { TrialRequest } from './trial.js';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** The path of a file that the command gets, open for reading, as descriptor 3. */
  readonly file?: string;
}

/** A driver, in this program or another, that makes each trial in a separate process. */
export interface Contender {
  /** Its name on the command line. */
  readonly key: string;
  readonly name: string;
  /** Present if it takes part only where it is named. */
  readonly isOptional?: true;
  /** The number of operations that it has under way at once. */
  depth(job: Job): number;
  done(job: Job): Done;
  how(job: Job, target: Target): { read: string; write: string };
  /** Why it cannot do the job; undefined if it can. */
  obstacle(job: Job, target: Target): string | undefined;
  /** `log`: how the names of its latency logs begin. */
  command(job: Job, target: Target, log?: string): Command;
  /** Reads the figures from the command's output. Throws if there are none. */
  parse(output: string): Trial;
}

function ofDriver(key: DriverName): Contender {
  const driver: Driver = DRIVERS[key];
  return {
    key,
    name: driver.name,
    ...(driver.isOptional && { isOptional: driver.isOptional }),
    depth: ({ iodepth }) => (driver.isDeep === true ? iodepth : 1),
    done: (job) => driver.done(job),
    how: (job, target) => driver.how(job, target),
    obstacle: (job, target) => driver.obstacle?.(job, target),
    command: (job, target, log) => {
      const request: TrialRequest = { driver: key, job, target, ...(log !== undefined && { log }) };
      return { program: process.execPath, args: [join(__dirname, 'trial.js'), JSON.stringify(request)] };
    },
    parse: (output) => JSON.parse(output) as Trial,
  };
}

/** The drivers that need only this package. */
export function ownContenders(): Contender[] {
  return (Object.keys(DRIVERS) as DriverName[]).map(ofDriver);
}

// The child has its own process group, so Ctrl-C reaches only this process, which ends the child and knows why.
function start({ program, args, file }: Command): ChildProcessByStdio<null, Readable, Readable> {
  const given = file === undefined ? [] : [openSync(file, 'r')];
  try {
    return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe', ...given], detached: true }) as ChildProcessByStdio<null, Readable, Readable>;
  } finally {
    given.forEach(closeSync);
  }
}

/**
 * Runs a command to its end and resolves to its output. Rejects with its message if it fails, and with the signal's reason if the
 * signal ends it.
 */
export function outputOf(command: Command, signal?: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = start(command);
    const end = (): void => {
      child.kill('SIGKILL');
    };
    signal?.addEventListener('abort', end);
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('error', reject);
    child.on('close', (status, by) => {
      signal?.removeEventListener('abort', end);
      if (signal?.aborted === true) reject(signal.reason as Error);
      else if (status === 0) resolve(output);
      else reject(new Error(errors.trim() === '' ? `ended with ${by ?? `exit status ${status ?? ''}`}` : errors.trim()));
    });
  });
}

// Binds the whole process, with the threads of libuv and of the compilers; fio's processes are bound the same way. util-linux and
// busybox both have taskset with -c.
function bound({ program, args, ...rest }: Command, { cpus_allowed: processors }: Job): Command {
  if (processors === undefined) return { program, args, ...rest };
  return { program: 'taskset', args: ['-c', processors, program, ...args], ...rest };
}

/** Makes one trial. Rejects as `outputOf` does. */
export async function makeTrial(contender: Contender, job: Job, target: Target, signal?: AbortSignal, log?: string): Promise<Trial> {
  signal?.throwIfAborted();
  return contender.parse(await outputOf(bound(contender.command(job, target, log), job), signal));
}
