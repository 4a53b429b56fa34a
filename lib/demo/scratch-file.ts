// Owns files that exist only for a moment.

import { rmSync } from 'node:fs';

/** Calls `use` with a path of its own that begins with `prefix`; what is there afterwards is removed. */
export function withScratchFile<T>(prefix: string, use: (path: string) => T): T {
  const path = `${prefix}-${process.pid}`;
  try {
    return use(path);
  } finally {
    rmSync(path, { force: true });
  }
}
