// Owns locks on the memory between processes of one machine. Their errors name the operation that took the lock.

import { DaxError, lockDevice, type BlockDevice, type DeviceLock, type LockMode } from 'node-dax';

/** Locks `length` bytes from `pos` on, as `lockDevice` does. Throws `EBUSY` and `EROFS` as errors of `syscall`. */
export function lockMemory(device: BlockDevice, mode: LockMode, pos: number, length: number, syscall: string): DeviceLock {
  try {
    return lockDevice(device, mode, pos, length);
  } catch (error) {
    if (!(error instanceof DaxError)) throw error;
    const { errno, path, reason, hint } = error;
    throw new DaxError({ errno, syscall, path, reason, hint, cause: error });
  }
}
