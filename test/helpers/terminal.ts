// Owns running a program on a terminal of its own, which types and looks as it is told.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const PROGRAM = join(__dirname, '..', '..', '..', 'test', 'helpers', 'pty.py');

/** What is typed, the regular expression that is waited for, or a new size in rows and columns. */
export type Step = { readonly send: string } | { readonly expect: string } | { readonly resize: readonly [number, number] };

export interface Session {
  readonly shown: string;
  readonly status: number;
  /** Whether the settings of the terminal are those that it had before the program. */
  readonly same: boolean | null;
}

/** Runs `command` on a terminal of 24 rows and 80 columns to its end. It needs python3. */
export async function onTerminal(command: readonly string[], steps: readonly Step[], environment: NodeJS.ProcessEnv = process.env): Promise<Session> {
  const child = spawn('python3', [PROGRAM, JSON.stringify(steps), ...command], { stdio: ['ignore', 'pipe', 'inherit'], env: environment });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return JSON.parse(output) as Session;
}
