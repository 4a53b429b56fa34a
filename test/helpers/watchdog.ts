// Owns the end of tests that hang: a process beside this one, which prints every stack of it and kills it.

import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import type { Test } from 'tap';
import { IN_GUEST } from './guest.js';

// An emulated machine is that much slower.
const FACTOR = IN_GUEST ? 10 : 1;

/** What is told to the watchdog: a test begins, or ends. */
export interface WatchdogMessage {
  id: number;
  /** Of a test that begins. */
  name?: string;
  seconds?: number;
}

const notes = new Set<() => string>();
let watchdog: ChildProcess | undefined;
let count = 0;

function start(): ChildProcess {
  const child = spawn(process.execPath, [join(__dirname, 'watchdog-main.js'), String(process.pid)], {
    stdio: ['pipe', 2, 2],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  child.unref();
  (child.stdin as unknown as Socket).unref();
  // Sent by it before it prints the stacks. Answered only if this thread still can.
  process.on('SIGUSR2', () => {
    for (const note of notes) console.error(`# ${note()}`);
  });
  return child;
}

function tell(message: WatchdogMessage): void {
  watchdog ??= start();
  // Written at once, as long as the pipe has room: whoever hangs afterwards has been told of.
  watchdog.stdin?.write(`${JSON.stringify(message)}\n`);
}

/** If `test` is not over after so many seconds (more of them in the guest), prints all stacks and fails the suite. */
export function watch(test: Test, seconds = 25): void {
  const id = ++count;
  tell({ id, name: test.fullname, seconds: seconds * FACTOR });
  test.teardown(() => {
    tell({ id });
  });
}

/** Adds to what is printed of a process that hangs, until `test` ends. */
export function noteIfStuck(test: Test, note: () => string): void {
  notes.add(note);
  test.teardown(() => notes.delete(note));
}
