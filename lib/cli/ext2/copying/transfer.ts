// Owns the progress bar of a copy into or out of an image, and its interruption by signals.

import { withProgress } from '../../progress.js'; // late
import { checkInterrupted, interruptible } from '../../interruption.js';
import { shown } from '../../trees/names.js';

/** The most bytes that are copied at once. */
export const CHUNK = 1024 * 1024;

/** A copy that is under way. */
export interface Transfer {
  readonly buffer: Buffer;
  /** Call it when the copy of `path` begins. */
  begin(path: Uint8Array): void;
  /** Call it when `bytes` more bytes are done. It lets signals arrive, and throws the `Interruption`. */
  advance(bytes: number): Promise<void>;
}

/** Calls `work`, with a progress bar if standard error is a terminal. `measure` then returns the total of bytes to copy. */
export async function transfer(measure: () => number, work: (transfer: Transfer) => Promise<void>): Promise<void> {
  const { isTTY } = process.stderr;
  const total = isTTY ? Math.max(1, measure()) : 1;
  await interruptible((signal) =>
    withProgress('{bar} {percentage} % {what}', async (show) => {
      let done = 0;
      let what = '';
      await work({
        buffer: Buffer.allocUnsafe(CHUNK),
        begin: (path) => {
          if (isTTY) what = shown(path);
        },
        advance: async (bytes) => {
          done += bytes;
          show(Math.min(done, total), total, what);
          await checkInterrupted(signal);
        },
      });
    }),
  );
}
