// Owns scratch devices: memory that no other process has, in an open file without a name that is gone when it is closed.

import { randomBytes } from 'node:crypto';
import { existsSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DaxDevice } from './device.js';
import { openSync } from './open.js';
import { checkOptions } from '../options.js';
import { toBytes, type Bytes } from '../units.js';

export interface ScratchOptions {
  /** Whether memory is allocated by the first store to it, not now. A store for which none is left is `EIO`. Default false. */
  sparse?: boolean | undefined;
}

const MEMORY = '/dev/shm';

/**
 * Opens a device of `size` bytes of zeros that is gone when it is closed. It can be mapped, and is memory (tmpfs) if there is a
 * /dev/shm. Throws as `openSync` does: `ENOSPC` if there is no room.
 */
export function openScratch(size: Bytes, options: ScratchOptions = {}): DaxDevice {
  checkOptions(options, { sparse: true });
  const path = join(existsSync(MEMORY) ? MEMORY : tmpdir(), `node-dax-scratch-${process.pid}-${randomBytes(6).toString('hex')}`);
  if (options.sparse !== true) return unnamed(path, openSync(path, { size }));
  writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
  truncateSync(path, toBytes(size, 'size'));
  return unnamed(path, openSync(path));
}

function unnamed(path: string, device: DaxDevice): DaxDevice {
  unlinkSync(path);
  return device;
}
