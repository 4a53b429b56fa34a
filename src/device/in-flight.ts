// Owns the count of a device's operations that are under way, and the promises of those who wait for their end.

import { checkAborted } from '../abort.js';

/** The operations of one device that are under way. */
export class InFlight {
  #count = 0;
  #waiting: (() => void)[] = [];

  /** Whether none is under way. */
  get isIdle(): boolean {
    return this.#count === 0;
  }

  /** Counts an operation from now until its promise settles. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.#count++;
    try {
      return await work();
    } finally {
      if (--this.#count === 0) for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /**
   * Counts `work`, which is done on this thread after `turn`, as under way even while it waits for `turn`. Rejects with an
   * `AbortError` if `signal` is aborted by then.
   */
  runAfter<T>(turn: Promise<void>, signal: AbortSignal | undefined, work: () => T): Promise<T> {
    return this.run(async () => {
      await turn;
      checkAborted(signal);
      return work();
    });
  }

  /** Resolves when the last operation has ended. Another may begin before the caller goes on: `isIdle` tells. */
  lastEnded(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
