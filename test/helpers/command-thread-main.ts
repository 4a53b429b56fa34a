// The thread of command-thread.ts: runs one `node-dax` after the other, and tells what each printed.

import { workerData } from 'node:worker_threads';
import { runProgram } from '../../lib/cli/program.js';
import type { CommandThreadSetup, CommandEnd } from './command-thread.js';

const { port, ended, main } = workerData as CommandThreadSetup;

/** Keeps what is written to a stream, and gives it away. */
function keep(stream: NodeJS.WriteStream): () => Buffer {
  let chunks: Buffer[] = [];
  stream.write = (chunk: Uint8Array | string) => {
    chunks.push(Buffer.from(chunk as string));
    return true;
  };
  return () => {
    const bytes = Buffer.concat(chunks);
    chunks = [];
    return bytes;
  };
}

const stdout = keep(process.stdout);
const stderr = keep(process.stderr);

// What the command has set it to meanwhile.
function exitStatus(): number {
  return Number(process.exitCode ?? 0);
}

async function run(args: readonly string[]): Promise<void> {
  process.argv = [process.execPath, main, ...args];
  process.exitCode = undefined;
  await runProgram();
  const end: CommandEnd = { status: exitStatus(), stdout: stdout(), stderr: stderr() };
  process.exitCode = undefined;
  port.postMessage(end);
  Atomics.store(ended, 0, 1);
  Atomics.notify(ended, 0);
}

port.on('message', (args: readonly string[]) => void run(args));
