// Owns the jobs on files by node:fs: each thread makes, stats or removes many small files in its own folder.

import { closeSync, mkdtempSync, openSync, promises, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operations, Target } from './driver.js';
import { blocksOf, type Job } from '../jobs/job.js';

/** The words for how the jobs are done. */
export const FILE_WORDS = { read: 'stat', write: 'open with O_CREAT | O_EXCL and close; unlink' };

const NO_BYTES = new Uint8Array();

// Makes the thread's folder and the files that the job needs. The folder is removed together with the one that holds it.
function prepared(job: Job, { folder = '' }: Target): (pos: number) => string {
  const own = mkdtempSync(join(folder, 'thread-'));
  const path = (pos: number): string => join(own, `${pos / job.bs}`);
  if (job.rw !== 'filecreate') {
    for (let number = 0; number < blocksOf(job); number++) writeFileSync(path(number * job.bs), '');
  }
  return path;
}

/** The jobs by synchronous calls, one after the other. */
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

/** The jobs by promises. */
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
