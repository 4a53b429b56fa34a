// Owns what takes part in a comparison: a driver by name, the command that makes one trial of it, and running that command.

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { DRIVERS, type DriverName } from './drivers/index.js';
import type { Done, Driver, Target } from './driver.js';
import type { Trial } from './figures.js';
import type { Job } from './job.js';
import type { TrialRequest } from './trial.js';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** The command's descriptor 3, opened to be read. */
  readonly file?: string;
}

/** A driver, in this program or in another, that makes each trial in a process of its own. */
export interface Contender {
  /** The name that the command line has for it. */
  readonly key: string;
  readonly name: string;
  /** Operations that it has under way. */
  depth(job: Job): number;
  done(job: Job): Done;
  how(job: Job, target: Target): { read: string; write: string };
  /** Why it cannot do the job; undefined where it can. */
  obstacle(job: Job, target: Target): string | undefined;
  command(job: Job, target: Target): Command;
  /** The figures in what the command printed. Throws where there are none. */
  parse(output: string): Trial;
}

function ofDriver(key: DriverName): Contender {
  const driver: Driver = DRIVERS[key];
  return {
    key,
    name: driver.name,
    depth: ({ iodepth }) => (driver.isDeep === true ? iodepth : 1),
    done: (job) => driver.done(job),
    how: (job, target) => driver.how(job, target),
    obstacle: (job, target) => driver.obstacle?.(job, target),
    command: (job, target) => {
      const request: TrialRequest = { driver: key, job, target };
      return { program: process.execPath, args: [join(__dirname, 'trial.js'), JSON.stringify(request)] };
    },
    parse: (output) => JSON.parse(output) as Trial,
  };
}

/** The drivers that need nothing but this package. */
export function ownContenders(): Contender[] {
  return (Object.keys(DRIVERS) as DriverName[]).map(ofDriver);
}

// A process group of its own: Ctrl-C is for this process, which ends the child and knows why.
function start({ program, args, file }: Command): ChildProcessByStdio<null, Readable, Readable> {
  const given = file === undefined ? [] : [openSync(file, 'r')];
  try {
    return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe', ...given], detached: true }) as ChildProcessByStdio<null, Readable, Readable>;
  } finally {
    given.forEach(closeSync);
  }
}

/** Runs a command to its end. Rejects with what it said where it fails, and with the signal's reason where that ends it. */
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

/** One trial. Rejects as `outputOf`. */
export async function makeTrial(contender: Contender, job: Job, target: Target, signal?: AbortSignal): Promise<Trial> {
  signal?.throwIfAborted();
  return contender.parse(await outputOf(contender.command(job, target), signal));
}
