// Owns what a copy into or out of an image shows and heeds while it goes on.

import { withProgress } from '../progress.js'; // late
import { checkInterrupted, interruptible } from '../interruption.js';
import { shown } from '../trees/names.js';

/** Bytes that are copied at once. */
export const CHUNK = 1024 * 1024;

/** A copy that is under way. */
export interface Transfer {
  readonly buffer: Buffer;
  /** What is being copied now. */
  begin(path: Uint8Array): void;
  /** So many bytes more are done. Lets signals arrive; throws the `Interruption`. */
  advance(bytes: number): Promise<void>;
}

/** Calls `work` with a bar on a terminal, which `measure` tells the bytes of all that will be copied. */
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
