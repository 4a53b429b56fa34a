// Decides whether a device that the user named may be overwritten.

import { existsSync } from 'node:fs';
import { type BlockDevice, DaxError, deviceUse, type DeviceUse, openSync, SIGNATURE_LENGTH, signatureOf } from 'node-dax';

function signatureIn(device: BlockDevice): string | undefined {
  const first = new Uint8Array(SIGNATURE_LENGTH);
  return signatureOf(first.subarray(0, device.readSync(first, 0)));
}

// A devdax cannot be read by read(2), which deviceUse relies on.
function devdaxSignature(path: string): string | undefined {
  using device = openSync(path, { readOnly: true });
  return device.kind === 'devdax' ? signatureIn(device) : undefined;
}

// Who would be hurt, in words that follow 'it'.
function usersOf(use: DeviceUse): string[] {
  return [
    ...use.mountpoints.map((mountpoint) => `is mounted at ${mountpoint}`),
    ...use.holders.map((holder) => `is part of ${holder}`),
    ...(use.swap ? ['is swap space'] : []),
    ...(use.systemRam ? ['is used as ordinary memory'] : []),
    ...(use.busy && use.mountpoints.length === 0 ? ['is in use by another program'] : []),
  ];
}

function refuse(path: string, command: string, by: readonly string[], way: string): void {
  if (by.length === 0) return;
  throw new DaxError({ errno: 'EBUSY', syscall: command, path, reason: 'DEVICE_IN_USE', hint: `it ${by.join(', ')}; ${way}` });
}

function carried(signature: string | undefined): string[] {
  return signature === undefined ? [] : [`carries ${signature}`];
}

const FORCE = '--force overwrites it all the same';

/** Throws `EBUSY`, in the name of `command`, for a device that is mounted, held or carries something known by its signature. */
export function checkOverwritable(path: string, command: string): void {
  if (!existsSync(path)) return;
  const use = deviceUse(path);
  const signature = use.inUse ? undefined : (use.signature ?? devdaxSignature(path));
  refuse(path, command, [...usersOf(use), ...carried(signature)], FORCE);
}

/** As `checkOverwritable`, whatever the device carries. `way` tells what its user may do. */
export function checkUnused(path: string, command: string, way: string = FORCE): void {
  if (existsSync(path)) refuse(path, command, usersOf(deviceUse(path)), way);
}

/** Throws `EBUSY` for a device, at `path` or a part of it, that carries something known by its signature. */
export function checkUnsigned(device: BlockDevice, path: string, command: string): void {
  refuse(path, command, carried(signatureIn(device)), FORCE);
}
