// Owns the processors that this process may run on, in the kernel's notation of lists.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Job } from '../jobs/job.js';

/** The numbers in a list such as `0-3,8`. */
export function listed(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    if (first === undefined || last === undefined || part === '') return [];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** The processors in the text of `/proc/self/status`. */
export function allowedProcessors(status: string): number[] {
  return listed(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '');
}

/** Throws `RangeError` for a job with a processor that this process may not run on, and where it cannot be bound to processors. */
export function checkProcessors({ cpus_allowed: list }: Job): void {
  if (list === undefined) return;
  const allowed = allowedProcessors(readFileSync('/proc/self/status', 'utf8'));
  const wanted = listed(list);
  if (wanted.length === 0 || !wanted.every((processor) => allowed.includes(processor))) {
    throw new RangeError(`--cpus_allowed ${list}: this process may run on ${allowed.join(', ')} alone`);
  }
  // Without arguments it prints how it is used.
  if (spawnSync('taskset').error !== undefined) throw new RangeError('--cpus_allowed needs the program taskset, of util-linux or busybox, which cannot be started');
}
