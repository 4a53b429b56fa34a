// Owns which devices of this isolate have a filesystem mounted that changes them: a second one would tear both apart. Other
// isolates and processes are kept out by `lock: true` at open.

import type { BlockDevice } from 'node-dax';
import { fail } from './error.js';
import type { Volume } from './volume.js';

const claims = new WeakMap<object, Map<number, WeakRef<Volume>>>();

/** The filesystem that begins `device` is `volume`'s until it is unmounted. Throws `EBUSY`. */
export function claim(device: BlockDevice, volume: Volume): void {
  const { device: whole, pos } = device.backing?.(0, 1) ?? { device, pos: 0 };
  const byPosition = claims.get(whole) ?? new Map<number, WeakRef<Volume>>();
  if (byPosition.get(pos)?.deref()?.isMounted === true) {
    fail('EBUSY', 'mount', 'the filesystem is mounted, and may be changed: use that, or unmount it');
  }
  claims.set(whole, byPosition.set(pos, new WeakRef(volume)));
}
