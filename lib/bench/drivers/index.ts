// Owns the list of drivers that run in a process of this program, by the names that the command line has for them.

import type { Driver } from '../driver.js';
import { buffered, direct, directHandle, fileHandle } from './fs.js';
import { readAwaited, readSync, view } from './node-dax.js';

/** In the order in which they are shown. A filesystem of node-dax/ext2 is one more line here. */
export const DRIVERS = {
  view,
  sync: readSync,
  async: readAwaited,
  fs: buffered,
  direct,
  filehandle: fileHandle,
  'filehandle-direct': directHandle,
} satisfies Record<string, Driver>;

export type DriverName = keyof typeof DRIVERS;
