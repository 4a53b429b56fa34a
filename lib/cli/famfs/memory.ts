// Owns the DEVICE of a command: opening it, mounting the famfs on it or reading it through the kernel's mount, and errors that name
// both the device and the path on it.

import { statSync } from 'node:fs';
import { Argument, Command } from 'commander';
import { DaxError, openSync, type DaxDevice, type OpenOptions } from 'node-dax';
import { mountFamfs, openMountedFamfs, type Famfs } from 'node-dax/famfs';
import { placeOf } from '../trees/names.js';

export interface HostOptions {
  systemUuidFile?: string;
}

/** Makes a command on a famfs, with the argument and the option that all such commands have. */
export function famfsCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addArgument(new Argument('<device>', '/dev/daxX.Y, or a file with the same content; for reading, also the folder where it is mounted'))
    .option('--system-uuid-file <path>', "the file with this host's UUID (default: /opt/famfs/system_uuid)");
}

/** Calls `action`; its errors name the command, the device and the path. */
export function at<T>(command: Command, device: string, path: Uint8Array | undefined, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof DaxError)) throw error;
    const { errno, reason, position, hint } = error;
    throw new DaxError({ errno, syscall: `famfs ${command.name()}`, path: placeOf(device, path), reason, position, hint, cause: error });
  }
}

export function hostOptions({ systemUuidFile }: HostOptions): HostOptions {
  return systemUuidFile === undefined ? {} : { systemUuidFile };
}

/** Opens the device for `work`, and closes it. */
export async function withDevice<T>(path: string, command: Command, options: OpenOptions, work: (device: DaxDevice) => T | Promise<T>): Promise<T> {
  const device = at(command, path, undefined, () => openSync(path, options));
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}

/** Mounts the famfs for `work`: read-only, or for its master also to add to it. */
export async function withFamfs<T>(path: string, options: HostOptions, command: Command, readOnly: boolean, work: (famfs: Famfs) => T | Promise<T>): Promise<T> {
  const onWarning = (message: string): void => { console.error(`node-dax: ${path}: ${message}`); };
  const host = { ...hostOptions(options), onWarning };
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    return workOn(at(command, path, undefined, () => openMountedFamfs(path, host)), work);
  }
  return withDevice(path, command, { readOnly }, (device) => workOn(at(command, path, undefined, () => mountFamfs(device, { ...host, ...(readOnly && { readOnly }) })), work));
}

async function workOn<T>(famfs: Famfs, work: (famfs: Famfs) => T | Promise<T>): Promise<T> {
  try {
    return await work(famfs);
  } finally {
    famfs.unmount();
  }
}
