// Owns what a mount has while it lasts: the lock on its device, and a place among those that are synced when the isolate ends.

import { DaxError, lockDevice, type BlockDevice, type DeviceLock, type LockMode } from 'node-dax';
import type { Volume } from './volume.js';

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

interface Mounted {
  readonly volume: WeakRef<Volume> | { deref(): Volume };
  readonly warn: (message: string) => void;
}

const mounted = new Set<Mounted>();

/**
 * What is written to `volume` reaches the medium when the isolate ends, as that of files of node:fs does: at the end of the
 * program or worker, at `process.exit`, and after an exception that nobody caught. Nothing does where no JavaScript runs any
 * more: after a signal, and after `worker.terminate()`.
 */
export function syncAtExit(volume: Volume, device: BlockDevice, warn: (message: string) => void): void {
  // What is not locked does not outlive the process, as memory does: it is not kept for the end.
  const isKept = device.lock !== undefined || device.backing !== undefined;
  const entry = { volume: isKept ? { deref: () => volume } : new WeakRef(volume), warn };
  if (mounted.size === 0) process.on('exit', syncAll);
  mounted.add(entry);
  volume.onEnd(() => {
    mounted.delete(entry);
    if (mounted.size === 0) process.off('exit', syncAll);
  });
}

function syncAll(): void {
  for (const { volume: ref, warn } of mounted) {
    const volume = ref.deref();
    if (volume === undefined || volume.sb.readOnly || volume.isFrozen) continue;
    // Other listeners may write after this one.
    volume.sb.synchronous = true;
    try {
      volume.sync();
    } catch (error) {
      warn(`not all that was written could be stored at the end of the program: ${String(error)}`);
    }
  }
}
