// Owns the lock on a filesystem's device, as those who mount, make and check one take it.

import { DaxError, lockDevice, type BlockDevice, type DeviceLock, type LockMode } from 'node-dax';

/** Locks `device` for `syscall`, so that nobody else works on it. Throws `EBUSY`, `EROFS`. */
export function lockFor(syscall: string, device: BlockDevice, mode: LockMode): DeviceLock {
  try {
    return lockDevice(device, mode);
  } catch (error) {
    if (!(error instanceof DaxError)) throw error;
    const { errno, path, reason } = error;
    const hint = `${error.hint ?? 'it cannot be locked'}; \`lock: false\` is for who knows that nobody else has it`;
    throw new DaxError({ errno, syscall, path, reason, hint, cause: error });
  }
}
