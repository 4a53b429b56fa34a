// Owns the list of drivers that run in a process of this program, by their names on the command line.

import type { Driver } from './driver.js';
import { buffered, direct, directHandle, fileHandle } from './fs.js';
import { readAwaited, readStriped, readSync, view } from './node-dax.js';

/** The drivers in the order in which they are shown. A driver for node-dax/ext2 would be one more line here. */
export const DRIVERS = {
  view,
  sync: readSync,
  async: readAwaited,
  striped: readStriped,
  fs: buffered,
  direct,
  filehandle: fileHandle,
  'filehandle-direct': directHandle,
} satisfies Record<string, Driver>;

export type DriverName = keyof typeof DRIVERS;
