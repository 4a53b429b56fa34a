// Decides whether a device that the user named may be overwritten.

import { existsSync } from 'node:fs';
import { DaxError, deviceUse, openSync, SIGNATURE_LENGTH, signatureOf } from 'node-dax';

// A devdax cannot be read by read(2), which deviceUse relies on.
function devdaxSignature(path: string): string | undefined {
  using device = openSync(path, { readOnly: true });
  if (device.kind !== 'devdax') return undefined;
  const first = new Uint8Array(SIGNATURE_LENGTH);
  return signatureOf(first.subarray(0, device.readSync(first, 0)));
}

/** Throws `EBUSY`, in the name of `command`, for a device that is mounted, held or carries something known by its signature. */
export function checkOverwritable(path: string, command: string): void {
  if (!existsSync(path)) return;
  const use = deviceUse(path);
  const signature = use.inUse ? undefined : (use.signature ?? devdaxSignature(path));
  const by = [
    ...use.mountpoints.map((mountpoint) => `is mounted at ${mountpoint}`),
    ...use.holders.map((holder) => `is part of ${holder}`),
    ...(use.swap ? ['is swap space'] : []),
    ...(use.systemRam ? ['is used as ordinary memory'] : []),
    ...(use.busy && use.mountpoints.length === 0 ? ['is in use by another program'] : []),
    ...(signature === undefined ? [] : [`carries ${signature}`]),
  ];
  if (by.length === 0) return;
  throw new DaxError({
    errno: 'EBUSY',
    syscall: command,
    path,
    reason: 'DEVICE_IN_USE',
    hint: `it ${by.join(', ')}; --force overwrites it all the same`,
  });
}
