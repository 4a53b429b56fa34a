// Owns the IMAGE of a command: opening it or a region of it, mounting it, and errors that name both the image and the path in it.

import { Argument, Command } from 'commander';
import { contentOf, DaxError, openSync, partition, SECTOR_SIZE, type BlockDevice, type OpenOptions } from 'node-dax';
import { mount, type Ext2, type Ext2Inode } from 'node-dax/ext2';
import { parseSize } from '../../../vm/size.js'; // late
import { checked } from '../../arguments.js';
import { checkUnused } from '../../permission.js'; // late
import { placeOf } from '../../trees/names.js';
import { PageReads } from './page-reads.js'; // late

/** The part of an image that the filesystem occupies, in bytes. */
export interface Region {
  readonly offset?: number;
  readonly size?: number;
}

function parsePosition(text: string): number {
  const bytes = text === '0' ? 0 : parseSize(text);
  if (bytes % SECTOR_SIZE !== 0) throw new RangeError(`${text} is no multiple of ${SECTOR_SIZE} bytes, a sector`);
  return bytes;
}

/** Makes a command on an image, with the argument and the options that all such commands have. */
export function imageCommand(name: string, description: string, size = 'how much of the image belongs to it (default: the rest)'): Command {
  return new Command(name)
    .description(description)
    .addArgument(new Argument('<image>', 'an image, a block device, or /dev/daxX.Y'))
    .option('--offset <bytes>', 'where in the image the filesystem begins, for example the start of a partition (default: 0)', checked(parsePosition))
    .option('--size <bytes>', size, checked(parsePosition));
}

/** Hints about errors, by code. */
export type Advice = Readonly<Record<string, string | (() => string)>>;

const ADVICE: Advice = {
  ENOENT: 'there is no such name in it: `node-dax ext2 ls` and `tree` show what there is',
  ENOTDIR: 'something on the way, or at its end, is no directory',
  EISDIR: 'it is a directory',
  EEXIST: 'something of that name is there: remove it first, or choose another name',
  ENOTEMPTY: 'the directory is not empty: remove what is in it first',
  ELOOP: 'symbolic links lead in a circle',
  ENOSPC: 'the filesystem is full (`node-dax ext2 df` shows it): remove something, or make a larger one',
  EROFS: 'the filesystem can only be read: `node-dax ext2 info` and `check` tell why',
};

/** Hints about errors of opening an image. */
export const IMAGE_ADVICE: Advice = {
  ENOENT: 'there is no such image: `node-dax ext2 mkfs --size BYTES` makes one',
  EISDIR: 'it is a directory: name an image or a device',
  EINVAL: 'it is empty: remove it, and `node-dax ext2 mkfs --size BYTES` makes one',
};

/** Calls `action`. Its errors name the command and `place`, and have a hint. */
export function inPlace<T>(command: string, place: string | (() => string), action: () => T, advice: Advice = {}): T {
  const relabelled = (error: unknown): unknown => {
    // An error that already names the command has its place and hint.
    if (!(error instanceof DaxError) || error.syscall === command) return error;
    const { code, errno, position, reason } = error;
    // The hint of these reasons says more than one for the code.
    const told = reason === 'DEVICE_NOT_FOUND' || reason === 'NOT_ARMED' ? error.hint : (advice[code] ?? ADVICE[code] ?? error.hint);
    const hint = typeof told === 'function' ? told() : told;
    const path = typeof place === 'function' ? place() : place;
    return new DaxError({ errno, syscall: command, path, position, reason, hint, cause: error });
  };
  try {
    const result = action();
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      throw relabelled(error);
    }) as T;
  } catch (error) {
    throw relabelled(error);
  }
}

/** The part of `device` that the options name. It is wrong usage if the device has no such part. */
export function regionOf(device: BlockDevice, image: string, { offset = 0, size }: Region, command: Command): BlockDevice {
  if (offset === 0 && size === undefined) return device;
  const rest = device.size - offset;
  if (rest <= 0 || (size !== undefined && size > rest)) {
    const wanted = size === undefined ? `byte ${offset}` : `bytes ${offset} to ${offset + size}`;
    command.error(`error: ${image} has ${device.size} bytes: ${wanted} are not in it`, { exitCode: 2 });
  }
  return partition(device, offset / SECTOR_SIZE, Math.floor((size ?? rest) / SECTOR_SIZE));
}

/** A hint for an image without a filesystem: what it has instead. */
export function noFilesystem(device: BlockDevice): string {
  const { signature } = contentOf(device);
  if (signature !== undefined && /^(?:GPT|MBR|a partition table)/.test(signature)) return 'it is a disk with partitions: name the byte where one begins with --offset';
  if (signature !== undefined) return `there is no ext2 in it, but ${signature}`;
  return 'there is no ext2 in it: `node-dax ext2 mkfs` makes one, --offset finds one that begins elsewhere';
}

/** A mounted image that one command uses. */
export class MountedImage {
  readonly command: string;
  readonly image: string;
  readonly fs: Ext2;

  constructor(command: string, image: string, fs: Ext2) {
    this.command = command;
    this.image = image;
    this.fs = fs;
  }

  /** Calls `action`, whose errors then name `path`. */
  at<T>(path: Uint8Array | (() => Uint8Array), action: () => T, advice?: Advice): T {
    return inPlace(this.command, () => placeOf(this.image, typeof path === 'function' ? path() : path), action, advice);
  }

  /** The inode at `path`. */
  resolve(path: Uint8Array, follow = true): Ext2Inode {
    return this.at(path, () => this.fs.resolve(path, { follow }));
  }

  /** The inode at `path`, or undefined. Links that are broken or circular lead to undefined. */
  find(path: Uint8Array, follow = true): Ext2Inode | undefined {
    try {
      return this.resolve(path, follow);
    } catch (error) {
      if (error instanceof DaxError && (error.code === 'ENOENT' || error.code === 'ELOOP')) return undefined;
      throw error;
    }
  }

  /** The directory of the last name of `path`, and that name. */
  parentOf(path: Uint8Array): { dir: Ext2Inode; name: Uint8Array } {
    return this.at(path, () => this.fs.resolveParent(path));
  }

  /** Throws an error about `path` that no call of the filesystem has thrown. */
  fail(errno: string, path: Uint8Array, hint?: string): never {
    const raise = (): never => {
      throw new DaxError({ errno, syscall: 'ext2', hint });
    };
    return this.at(path, raise, hint === undefined ? {} : { [errno]: hint });
  }
}

/**
 * Opens the region of an image, locks it, and closes it when `work` is done. If it is opened read-only, nothing is written to it.
 * Throws `EBUSY` if another program has locked it.
 */
export async function withRegion<T>(
  image: string,
  region: Region,
  command: Command,
  options: OpenOptions,
  work: (device: BlockDevice) => T | Promise<T>,
): Promise<T> {
  // A command goes over an image once.
  const device = inPlace(syscallOf(command), image, () => openSync(image, { ...options, lock: true, byCall: true }), {
    ...IMAGE_ADVICE,
    EROFS: `nothing can be written there: \`node-dax doctor ${image}\` tells why`,
  });
  try {
    return await work(regionOf(device, image, region, command));
  } finally {
    await device.close();
  }
}

/** The name of a command in errors: `mount`, or `ext2` and the subcommand. */
export function syscallOf(command: Command): string {
  return command.name() === 'mount' ? 'mount' : `ext2 ${command.name()}`;
}

/** Mounts an image for `work`, for reading or for changes. */
async function withMounted<T>(
  image: string,
  region: Region,
  command: Command,
  readOnly: boolean,
  work: (mounted: MountedImage) => T | Promise<T>,
): Promise<T> {
  const syscall = syscallOf(command);
  return withRegion(image, region, command, { readOnly }, async (part) => {
    const device = readOnly && part.granularity === 'page' ? new PageReads(part) : part;
    const onWarning = (message: string): void => {
      console.error(`node-dax: ${image}: ${message}`);
    };
    const fs = inPlace(syscall, image, () => mount(device, { readOnly, writeBack: true, onWarning }), { EINVAL: () => noFilesystem(device) });
    try {
      return await work(new MountedImage(syscall, image, fs));
    } finally {
      inPlace(syscall, image, () => { fs.unmount(); });
    }
  });
}

/** Mounts an image for commands that read. Nothing is written to the image. */
export async function readImage<T>(
  image: string,
  region: Region,
  command: Command,
  work: (mounted: MountedImage) => T | Promise<T>,
): Promise<T> {
  return withMounted(image, region, command, true, work);
}

/**
 * Mounts an image for commands that change it. Throws `EBUSY` if the device is in use elsewhere, `EROFS` if nothing can be changed.
 */
export async function changeImage<T>(
  image: string,
  region: Region,
  command: Command,
  work: (mounted: MountedImage) => T | Promise<T>,
): Promise<T> {
  checkUnused(image, syscallOf(command), 'end that first');
  return withMounted(image, region, command, false, (mounted) => {
    if (mounted.fs.readOnly) mounted.fail('EROFS', Buffer.from('/'));
    return work(mounted);
  });
}
