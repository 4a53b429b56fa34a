// Owns the lock on a filesystem's device, taken by `mount` and `mkfs`.

import { DaxError, lockDevice, type BlockDevice, type DeviceLock, type LockMode } from 'node-dax';

/** Locks `device` for `syscall` against other users. Throws `EBUSY`, `EROFS`. */
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
