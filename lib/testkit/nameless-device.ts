// Owns the memory that files under test are mapped of: an open file that has no name any more.

import { randomBytes } from 'node:crypto';
import { existsSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DaxError, openSync, type DaxDevice } from 'node-dax';

const FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A device of `size` bytes, which is gone when it is closed. Undefined where there is no room for one. */
export function openNameless(size: number): DaxDevice | undefined {
  const path = join(FOLDER, `node-dax-testkit-${process.pid}-${randomBytes(6).toString('hex')}`);
  try {
    const device = openSync(path, { size });
    unlinkSync(path);
    return device;
  } catch (error) {
    if (error instanceof DaxError) return undefined;
    throw error;
  }
}
