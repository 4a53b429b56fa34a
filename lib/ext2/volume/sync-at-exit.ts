// Owns the mounted filesystems of this isolate that are synced when it ends.

import type { BlockDevice } from 'node-dax';
import type { Volume } from './volume.js';

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
