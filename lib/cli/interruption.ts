// Owns ^C and its like: a command that changes something ends between two steps, not within one.

import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The work was told to end. What it had done stays. */
export class Interruption extends Error {
  readonly exitStatus: number;

  constructor(name: (typeof SIGNALS)[number]) {
    super(`ended by ${name}: what was done until then stays`);
    this.exitStatus = 128 + constants.signals[name];
  }
}

/** Calls `work` with a signal that is aborted, with an `Interruption`, when the process is asked to end. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ending = new AbortController();
  const end = (name: (typeof SIGNALS)[number]): void => {
    ending.abort(new Interruption(name));
  };
  for (const name of SIGNALS) process.on(name, end);
  try {
    return await work(ending.signal);
  } finally {
    for (const name of SIGNALS) process.off(name, end);
  }
}

// Milliseconds for which a command may keep the thread.
const TURN = 10;
let turnEnded = performance.now();

/** Lets signals arrive, unless they could a moment ago. Throws the `Interruption`. */
export async function checkInterrupted(signal: AbortSignal): Promise<void> {
  if (performance.now() - turnEnded < TURN) return;
  await new Promise((resolve) => setImmediate(resolve));
  turnEnded = performance.now();
  signal.throwIfAborted();
}
