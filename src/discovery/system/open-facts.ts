// Owns the facts that only an open file tells: whether the kernel serves it by DAX, and grants MAP_SYNC.

import { statSync } from 'node:fs';
import { addon, type NativeFacts } from '../../binding.js';

export interface OpenFacts {
  /** `STATX_ATTR_DAX`: the kernel serves this file by DAX now. */
  statxDax?: boolean | undefined;
  /** A mapping with MAP_SHARED_VALIDATE and MAP_SYNC was granted. */
  mapSync?: boolean | undefined;
}

/**
 * Opens the file at `path` for reading. Returns no facts if it is not a file or may not be read, or if there is no addon to ask.
 */
export function openFacts(path: string): OpenFacts {
  const found = openFile(path);
  if (found === undefined) return {};
  addon().close(found.handle);
  const { statxDax, mapSync, size } = found;
  return size === 0 ? { statxDax } : { statxDax, mapSync };
}

function openFile(path: string): NativeFacts | undefined {
  try {
    if (!statSync(path).isFile()) return undefined;
    const found = addon().open(path, true, undefined, undefined, false, false, false);
    return typeof found === 'number' ? undefined : found;
  } catch {
    return undefined;
  }
}
