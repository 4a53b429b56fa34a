// Owns running the command line, with bytes in and out: in a process of its own, in a thread that stays, or here, where it
// prints nothing.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ext2Command } from '../../lib/cli/ext2/index.js';
import { CommandThread } from './command-thread.js';
import { LONG, THOROUGH } from './thorough.js';

/** The program. */
export const MAIN = join(__dirname, '..', '..', 'lib', 'cli', 'main.js');

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

/** `node-dax` with arguments, as a process of its own: for tests of processes. */
export function cliProcess(...args: string[]): Ran {
  return ran(process.execPath, [MAIN, ...args]);
}

let thread: CommandThread | undefined;

// The commands that were a process of their own, as `ext2 put`.
const processes = new Set<string>();

/** Whether a command is a process of its own: in a thorough run the first of each name, in the long run every one. */
function isProcess(args: readonly string[]): boolean {
  const name = /^[a-z0-9 ]*/.exec(args.join(' '))?.[0] ?? '';
  if (LONG || !THOROUGH || processes.has(name)) return LONG;
  processes.add(name);
  return true;
}

/** `node-dax` with arguments: in a process of its own, or in a thread that all share, which prints and ends in the same way. */
export function cli(...args: string[]): Ran {
  if (isProcess(args)) return cliProcess(...args);
  const { status, stdout, stderr } = (thread ??= new CommandThread(MAIN)).run(args);
  const bytes = Buffer.from(stdout);
  return { status, stdout: bytes.toString(), stderr: Buffer.from(stderr).toString(), bytes };
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

// What commands have set it to meanwhile.
function exitStatus(): number {
  return Number(process.exitCode ?? 0);
}

/** `node-dax ext2` in this process, for commands that print nothing but errors. */
export async function ranHere(...args: string[]): Promise<{ status: number; stderr: string }> {
  const { error: write } = console;
  const { exitCode: before } = process;
  let stderr = '';
  console.error = (line: string) => { stderr += `${line}\n`; };
  process.exitCode = undefined;
  try {
    await ext2Here(...args);
    return { status: exitStatus(), stderr };
  } catch (error) {
    return { status: 1, stderr: `${stderr}node-dax: ${(error as Error).message}\n` };
  } finally {
    console.error = write;
    process.exitCode = before;
  }
}

/** `node-dax ext2` in this process: for commands that print nothing, or fail. Throws what they throw. */
export async function ext2Here(...args: string[]): Promise<void> {
  const command = await ext2Command(args);
  for (const subcommand of command.commands) subcommand.exitOverride();
  await command.parseAsync(args, { from: 'user' });
}
