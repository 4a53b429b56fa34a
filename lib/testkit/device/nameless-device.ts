// Owns the memory behind mapped files under test.

import { DaxError, openScratch, type DaxDevice } from 'node-dax';

/** A device of `size` bytes, which disappears when it is closed. Undefined if there is no room for one. */
export function openNameless(size: number): DaxDevice | undefined {
  try {
    return openScratch(size);
  } catch (error) {
    if (error instanceof DaxError) return undefined;
    throw error;
  }
}
