// Owns deviceUse(): whether something else uses a device or file, so nothing is overwritten by mistake.

import { closeSync, constants, openSync, readSync } from 'node:fs';
import { DaxError } from '../../errors.js';
import { checkOptions, type OptionNames } from '../../options.js';
import { type BlockDevice, blockNumbered, diskOf, partitionsOf } from '../devices/block.js';
import { contentBy, type DeviceContent } from './content.js'; // late
import { devdaxNumbered } from '../devices/devdax.js'; // late
import { askLibblkid } from './libblkid.js'; // late
import { identityAt, look, type PathFacts } from '../system/look.js';
import { readMounts, unescapeOctal } from '../system/mounts.js'; // late
import { SystemTree } from '../system/system-tree.js';

/** The users of a device that /sys and /proc name. */
export interface DeviceHolders {
  /** The mount points of the device, of a partition of it, or of its whole disk. */
  mountpoints: string[];
  /** Whether the device, a partition of it or its whole disk is swap space. */
  swap: boolean;
  /** The devices that are built on it: device-mapper, md, loop, bcache. */
  holders: string[];
  /** Whether the kernel has taken the memory of a devdax (mode `system-ram`). */
  systemRam: boolean;
}

/** The users of a device, and what it carries. The content of a devdax is not known, because read(2) cannot read it. */
export interface DeviceUse extends DeviceHolders, DeviceContent {
  /** Whether anything uses the device: something of `DeviceHolders`, or `busy`. */
  inUse: boolean;
  /** Whether the device is open exclusively elsewhere, possibly by a mount that this process cannot see. */
  busy: boolean;
}

export interface DeviceUseOptions {
  /** Look for what the device carries. Without it `signature` is undefined, and no file is opened. Default true. */
  readonly content?: boolean;
}

const OPTIONS: OptionNames<DeviceUseOptions> = { content: true };

/**
 * Tells whether the block device, devdax or file at `path` is in use, and what it carries. Opens block devices and files for
 * reading only, and asks libblkid by running wipefs, which takes some 10 ms. Throws `DaxError`: `ENOENT` and the like for a path
 * that leads nowhere, `EACCES` if the content may not be read (unreadable is not the same as free), and `EINVAL` for other kinds of
 * files.
 */
export function deviceUse(path: string, options: DeviceUseOptions = {}): DeviceUse {
  checkOptions(options, OPTIONS);
  return useOf(look(path, 'deviceUse'), new SystemTree(), options.content);
}

/** `deviceUse()` with the /sys and /proc in `tree`. */
export function useOf(facts: PathFacts, tree: SystemTree, content = true): DeviceUse {
  const held = holdersOf(facts, tree);
  const { busy, ...carried } = openedOnce(facts, content);
  return { ...held, inUse: isHeld(held) || busy, busy, ...carried };
}

/**
 * The part of `deviceUse` that opens nothing, so it can be called before every open. `writing`: only the users that may change the
 * device, which leaves out read-only mounts and read-only loop devices.
 */
export function holdersOf(facts: PathFacts, tree: SystemTree, writing = false): DeviceHolders {
  const block = facts.type === 'block' ? blockNumbered(tree, facts.rdevno) : undefined;
  const related = block === undefined ? [] : relatives(tree, block);
  return {
    mountpoints: [...mountpointsOf(tree, related, writing), ...(facts.type === 'char' ? mountsNaming(tree, facts.realPath, writing) : [])],
    swap: isSwap(tree, [facts.realPath, ...related.map(({ label }) => `/dev/${label}`)]),
    holders: [...related.flatMap(({ dir }) => tree.names(`${dir}/holders`)), ...loopsOver(tree, facts, writing)],
    systemRam: facts.type === 'char' && devdaxNumbered(tree, facts.rdevno)?.mode === 'system-ram',
  };
}

export function isHeld({ mountpoints, swap, holders, systemRam }: DeviceHolders): boolean {
  return mountpoints.length > 0 || swap || holders.length > 0 || systemRam;
}

/** The users of a device, phrased to follow 'it is'. */
export function inWords({ mountpoints, holders, swap, systemRam }: DeviceHolders): string[] {
  return [
    ...mountpoints.map((mountpoint) => `mounted at ${mountpoint}`),
    ...holders.map((holder) => `part of ${holder}`),
    ...(swap ? ['swap space'] : []),
    ...(systemRam ? ['used as ordinary memory'] : []),
  ];
}

// Other partitions of the same disk are left out: they may be mounted while this one is free.
function relatives(tree: SystemTree, block: BlockDevice): BlockDevice[] {
  return block.dir === block.diskDir ? [block, ...partitionsOf(tree, block)] : [block, diskOf(tree, block)];
}

function mountpointsOf(tree: SystemTree, devices: readonly BlockDevice[], writing: boolean): string[] {
  if (devices.length === 0) return [];
  // Compares by number, and by source for the filesystems that make up their numbers (btrfs).
  return readMounts(tree)
    .filter(({ options }) => !writing || options.includes('rw'))
    .filter(({ devno, source }) =>
      devices.some((device) => device.devno === devno || `/dev/${device.label}` === source),
    )
    .map(({ mountpoint }) => mountpoint);
}

// Mounts do not show the device number of a devdax, but famfs names the devdax as the source.
function mountsNaming(tree: SystemTree, path: string, writing: boolean): string[] {
  return readMounts(tree)
    .filter(({ source, options }) => source === path && (!writing || options.includes('rw')))
    .map(({ mountpoint }) => mountpoint);
}

function isSwap(tree: SystemTree, paths: readonly string[]): boolean {
  const lines = tree.text('/proc/swaps')?.split('\n').slice(1) ?? [];
  return lines.some((line) => paths.includes(unescapeOctal(line.split(/\s/, 1)[0] ?? '')));
}

// A loop device names its file by one of the file's names. This function reads no other facts about disks, because each change of a
// famfs calls it.
function loopsOver(tree: SystemTree, { realPath, identity }: PathFacts, writing: boolean): string[] {
  return tree.names('/sys/block').filter((name) => {
    const file = tree.text(`/sys/block/${name}/loop/backing_file`);
    if (file === undefined || (writing && tree.number(`/sys/block/${name}/ro`) === 1)) return false;
    return file === realPath || identityAt(file) === identity;
  });
}

function openedOnce(facts: PathFacts, content: boolean): { busy: boolean } & DeviceContent {
  if (facts.type === 'char') return { busy: false, signature: undefined };
  if (facts.type !== 'file' && facts.type !== 'block') {
    throw new DaxError({ errno: 'EINVAL', syscall: 'deviceUse', path: facts.path, hint: 'give a device or a file' });
  }
  const busy = facts.type === 'block' && attempt(facts.path, () => isBusy(facts.path));
  return { busy, ...(content ? attempt(facts.path, () => contentAt(facts.path)) : { signature: undefined }) };
}

// O_EXCL without O_CREAT asks for a block device that nothing else claims (open(2)).
function isBusy(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDONLY + constants.O_EXCL));
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBUSY') return true;
    throw error;
  }
}

const CLAIM_ATTEMPTS = 20;

/**
 * Whether a block device is claimed for longer than a moment. A check itself claims the device for a moment, and another thread's
 * check must not be taken for a mount, so this function checks several times. False if this process may not check.
 */
export function isClaimed(path: string): boolean {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  try {
    for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt++) {
      if (!isBusy(path)) return false;
      Atomics.wait(clock, 0, 0, 1);
    }
    return true;
  } catch {
    return false;
  }
}

function contentAt(path: string): DeviceContent {
  const fd = openSync(path, 'r');
  try {
    return contentBy({ readSync: (bytes, pos) => readSync(fd, bytes, { position: pos }) }, () => askLibblkid(path));
  } finally {
    closeSync(fd);
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    if (errno === undefined) throw error;
    throw new DaxError({ errno, syscall: 'deviceUse', path, cause: error });
  }
}
