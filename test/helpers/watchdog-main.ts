// The process that ends one whose tests hang (watchdog.ts): `watchdog-main.js PID`, told of tests on standard input.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { WatchdogMessage } from './watchdog.js';

const pid = Number(process.argv[2]);
const timers = new Map<number, NodeJS.Timeout>();

function look(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    return (error as Error).message;
  }
}

function printStacks(): void {
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    const state = /^State:.*$/m.exec(look(`${folder}/status`))?.[0] ?? '';
    console.error(`# thread ${thread} ${look(`${folder}/comm`)}: ${state}, in ${look(`${folder}/wchan`)}, call ${look(`${folder}/syscall`)}`);
    for (const line of look(`${folder}/stack`).split('\n')) console.error(`#   ${line}`);
  }
  const gdb = spawnSync('gdb', ['-p', String(pid), '-batch', '-ex', 'set pagination off', '-ex', 'thread apply all bt 24'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  const lines = gdb.error === undefined ? gdb.stdout.split('\n') : [gdb.error.message];
  for (const line of lines.filter((one) => /^(Thread|#\d)/.test(one) || gdb.error !== undefined)) console.error(`#   ${line}`);
}

function expire(name: string, seconds: number): void {
  console.error(`# after ${seconds} s this had not ended: ${name}`);
  try {
    process.kill(pid, 'SIGUSR2');
    // Time for its own words.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    printStacks();
  } finally {
    process.kill(pid, 'SIGKILL');
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, name, seconds } = JSON.parse(line) as WatchdogMessage;
    clearTimeout(timers.get(id));
    if (name === undefined || seconds === undefined) timers.delete(id);
    else timers.set(id, setTimeout(() => { expire(name, seconds); }, seconds * 1000));
  })
  // It is gone.
  .on('close', () => process.exit(0));
