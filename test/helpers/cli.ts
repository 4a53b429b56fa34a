// Owns running the command line as its users do: in a process of its own, with bytes in and out.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const MAIN = join(__dirname, '..', '..', 'lib', 'cli', 'main.js');

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The standard output as it was. */
  readonly bytes: Buffer;
}

function ran(command: string, args: readonly string[], uid?: number): Ran {
  const { status, stdout, stderr, error } = spawnSync(command, args, { maxBuffer: 2 ** 28, ...(uid !== undefined && { uid }) });
  if (error !== undefined) throw error;
  return { status, stdout: stdout.toString(), stderr: stderr.toString(), bytes: stdout };
}

/** `node-dax` with arguments. */
export function cli(...args: string[]): Ran {
  return ran(process.execPath, [MAIN, ...args]);
}

/** The same as another user. */
export function cliAs(uid: number, ...args: string[]): Ran {
  return ran(process.execPath, [MAIN, ...args], uid);
}

/** Runs a shell script that has `node-dax` as `$NODE_DAX`. */
export function shell(script: string): Ran {
  return ran('bash', ['-c', `NODE_DAX="'${process.execPath}' '${MAIN}'"; ${script}`]);
}

/** A command line, as a user on a terminal sees it; undefined where there is no script(1). */
export function onTerminal(...args: string[]): string | undefined {
  if (spawnSync('script', ['--version']).error !== undefined) return undefined;
  const words = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
  return ran('script', ['-qec', words, '/dev/null']).stdout;
}
