// Owns interruption by ^C and other signals: a command that changes something ends between two steps, not within one.

import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The error of work that a signal ended. What was done before stays. */
export class Interruption extends Error {
  readonly exitStatus: number;

  constructor(name: (typeof SIGNALS)[number]) {
    super(`ended by ${name}: what was done until then stays`);
    this.exitStatus = 128 + constants.signals[name];
  }
}

/** Calls `work` with an AbortSignal that is aborted with an `Interruption` when the process gets a signal to end. */
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

// Milliseconds that a command may run without letting signals arrive.
const TURN = 10;
let turnEnded = performance.now();

/** Lets signals arrive, unless they could less than `TURN` ago. Throws the `Interruption`. */
export async function checkInterrupted(signal: AbortSignal): Promise<void> {
  if (performance.now() - turnEnded < TURN) return;
  await new Promise((resolve) => setImmediate(resolve));
  turnEnded = performance.now();
  signal.throwIfAborted();
}
