// Owns the memory that files under test are mapped of.

import { DaxError, openScratch, type DaxDevice } from 'node-dax';

/** A device of `size` bytes, which is gone when it is closed. Undefined where there is no room for one. */
export function openNameless(size: number): DaxDevice | undefined {
  try {
    return openScratch(size);
  } catch (error) {
    if (error instanceof DaxError) return undefined;
    throw error;
  }
}
