// Owns the decision whether what the user named may be overwritten, or made where nothing is.

import { existsSync } from 'node:fs';
import { type BlockDevice, contentOf, DaxError, type DeviceContent, deviceUse, type DeviceUse, openSync } from 'node-dax';

// The content of a devdax, which `deviceUse` cannot find because it reads by read(2).
function devdaxContent(path: string): DeviceContent | undefined {
  using device = openSync(path, { readOnly: true });
  return device.kind === 'devdax' ? contentOf(device) : undefined;
}

// The users of a device, in words that follow 'it'.
function usersOf(use: DeviceUse): string[] {
  return [
    ...use.mountpoints.map((mountpoint) => `is mounted at ${mountpoint}`),
    ...use.holders.map((holder) => `is part of ${holder}`),
    ...(use.swap ? ['is swap space'] : []),
    ...(use.busy && use.mountpoints.length === 0 ? ['is in use by another program'] : []),
  ];
}

function refuse(path: string, command: string, by: readonly string[], way: string): void {
  if (by.length === 0) return;
  throw new DaxError({ errno: 'EBUSY', syscall: command, path, reason: 'DEVICE_IN_USE', hint: `it ${by.join(', ')}; ${way}` });
}

function carried(path: string, { signature, unasked }: DeviceContent): string[] {
  if (unasked !== undefined) console.error(`node-dax: ${path}: ${unasked}`);
  return signature === undefined ? [] : [`carries ${signature}`];
}

const FORCE = '--force overwrites it all the same';

// Memory in mode system-ram cannot be opened, even by force.
function refuseSystemRam(path: string, command: string, { systemRam }: DeviceUse): void {
  const by = systemRam ? ['is used as ordinary memory, in mode system-ram'] : [];
  refuse(path, command, by, 'and cannot be opened: `node-dax doctor` shows how to get it back');
}

/** Throws `EBUSY`, in the name of `command`, for a device that is mounted, held, or carries a known signature. */
export function checkOverwritable(path: string, command: string): void {
  if (!existsSync(path)) return;
  const use = deviceUse(path);
  refuseSystemRam(path, command, use);
  refuse(path, command, usersOf(use), FORCE);
  refuse(path, command, carried(path, use.signature === undefined ? (devdaxContent(path) ?? use) : use), FORCE);
}

/** As `checkOverwritable`, but ignores signatures. `way` says what the user can do. */
export function checkUnused(path: string, command: string, way: string = FORCE): void {
  if (!existsSync(path)) return;
  const use = deviceUse(path, { content: false });
  refuseSystemRam(path, command, use);
  refuse(path, command, usersOf(use), way);
}

/** Throws `EBUSY` if `device`, which is the device at `path` or a part of it, carries a known signature. */
export function checkUnsigned(device: BlockDevice, path: string, command: string): void {
  refuse(path, command, carried(path, contentOf(device)), FORCE);
}

/**
 * Throws `ENOENT` with reason `DEVICE_NOT_FOUND` if nothing is at `path` and no file may be made there: the path is a mistyped name
 * of a device, or the name of a device that is gone, and a file in its place would look like the device to every other program.
 */
export function checkMakeable(path: string): void {
  if (existsSync(path)) return;
  try {
    openSync(path, { readOnly: true }).closeSync();
  } catch (error) {
    if (error instanceof DaxError && error.reason === 'DEVICE_NOT_FOUND') throw error;
  }
}
