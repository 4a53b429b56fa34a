// Owns pipes by which a test holds a call of the kernel in the middle.

import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';

// As many at once, because an emulated machine takes long to start a process. Each is used once: nothing is left in it.
const MADE_AT_ONCE = 32;
const unused: string[] = [];

function make(): void {
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-pipes-'));
  t.teardown(() => { rmSync(folder, { recursive: true }); });
  for (let n = 0; n < MADE_AT_ONCE; n++) unused.push(join(folder, String(n)));
  execFileSync('mkfifo', unused);
}

/** Both ends of a pipe, by which a call of the kernel is held in the middle for as long as the test wants. */
export function pipe(test: Test): { from: number; to: number; at: string } {
  if (unused.length === 0) make();
  const path = unused.pop() ?? '';
  const both = openSync(path, constants.O_RDWR);
  const ends = { from: openSync(path, constants.O_RDONLY), to: openSync(path, constants.O_WRONLY), at: path };
  closeSync(both);
  test.teardown(() => {
    closeSync(ends.from);
    closeSync(ends.to);
  });
  return ends;
}
