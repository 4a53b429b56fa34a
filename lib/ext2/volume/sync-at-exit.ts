// Owns the mounted filesystems of this isolate that are synced when it ends.

import type { BlockDevice } from 'node-dax';
import type { Volume } from './volume.js';

interface Mounted {
  readonly volume: WeakRef<Volume> | { deref(): Volume };
  readonly warn: (message: string) => void;
}

const mounted = new Set<Mounted>();

/**
 * Syncs `volume` when the isolate ends, so what was written survives as with node:fs: at the end of the program or worker, at
 * `process.exit`, and after an uncaught exception. It cannot where no more JavaScript runs: after a signal, and after
 * `worker.terminate()`.
 */
export function syncAtExit(volume: Volume, device: BlockDevice, warn: (message: string) => void): void {
  // A device without lock and backing, such as memory, does not outlive the process: it is held weakly and need not be synced.
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
    // Exit listeners that run after this one may still write: such writes are then synced at once.
    volume.sb.synchronous = true;
    try {
      volume.sync();
    } catch (error) {
      warn(`not all that was written could be stored at the end of the program: ${String(error)}`);
    }
  }
}
