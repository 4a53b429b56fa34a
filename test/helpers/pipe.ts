// Owns pipes by which a test holds a call of the kernel in the middle.

import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import type { Test } from 'tap';
import { scratchPath } from './devices.js';

/** Both ends of a pipe, by which a call of the kernel is held in the middle for as long as the test wants. */
export function pipe(test: Test): { from: number; to: number; at: string } {
  const path = scratchPath(test);
  execFileSync('mkfifo', [path]);
  const both = openSync(path, constants.O_RDWR);
  const ends = { from: openSync(path, constants.O_RDONLY), to: openSync(path, constants.O_WRONLY), at: path };
  closeSync(both);
  test.teardown(() => {
    closeSync(ends.from);
    closeSync(ends.to);
  });
  return ends;
}
