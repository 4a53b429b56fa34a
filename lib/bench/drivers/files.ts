// Owns the jobs on files by node:fs: making, looking at and removing many small ones, in a folder of each thread's own.

import { closeSync, mkdtempSync, openSync, promises, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operations, Target } from '../driver.js';
import { blocksOf, type Job } from '../job.js';

/** How it is done. */
export const FILE_WORDS = { read: 'stat', write: 'open with O_CREAT | O_EXCL and close; unlink' };

const NO_BYTES = new Uint8Array();

// The folder is removed with all that is in it by whoever made the one that it is in.
function prepared(job: Job, { folder = '' }: Target): (pos: number) => string {
  const own = mkdtempSync(join(folder, 'thread-'));
  const path = (pos: number): string => join(own, `${pos / job.bs}`);
  if (job.rw !== 'filecreate') {
    for (let number = 0; number < blocksOf(job); number++) writeFileSync(path(number * job.bs), '');
  }
  return path;
}

/** One call after the other. */
export function files(job: Job, target: Target): Operations {
  const path = prepared(job, target);
  return {
    awaited: false,
    source: () => NO_BYTES,
    found: () => NO_BYTES,
    read: (pos) => statSync(path(pos)),
    write:
      job.rw === 'filecreate'
        ? (pos) => {
            closeSync(openSync(path(pos), 'wx'));
          }
        : (pos) => {
            unlinkSync(path(pos));
          },
    close: () => undefined,
  };
}

/** The same by promises. */
export function awaitedFiles(job: Job, target: Target): Operations {
  const path = prepared(job, target);
  return {
    awaited: true,
    source: () => NO_BYTES,
    found: () => NO_BYTES,
    read: (pos) => promises.stat(path(pos)),
    write:
      job.rw === 'filecreate'
        ? async (pos) => {
            const handle = await promises.open(path(pos), 'wx');
            await handle.close();
          }
        : (pos) => promises.unlink(path(pos)),
    close: () => undefined,
  };
}
