// Owns following the master of a famfs that is mounted: what it adds is shown, for as long as it is the same famfs.

import { DaxError } from 'node-dax';
import type { Famfs } from 'node-dax/famfs';

// Milliseconds between two looks at the log, to which other processes and hosts add.
const LOOK = 10;

/**
 * Refreshes `famfs` until the returned function is called. If a refresh fails, it reports the error once and tries again, because a
 * page may become readable. A new famfs on the device (`ESTALE`) ends it.
 */
export function followMaster(famfs: Famfs, tell: (message: string) => void): () => void {
  let told: string | undefined;
  const timer = setInterval(() => {
    try {
      famfs.refresh();
      told = undefined;
    } catch (error) {
      const isTransient = error instanceof DaxError && error.code !== 'ESTALE';
      const message = `${String(error)}; ${isTransient ? 'it is tried again' : 'what is added from now on is not shown'}`;
      if (!isTransient) clearInterval(timer);
      if (message !== told) tell(message);
      told = message;
    }
  }, LOOK);
  return () => { clearInterval(timer); };
}
