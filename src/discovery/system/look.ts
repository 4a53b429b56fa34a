// Owns what stat and access say about a path: the facts that a diagnosis starts from.

import { argumentError } from '../../argument-error.js';
import { accessSync, constants, lstatSync, realpathSync, statfsSync, statSync, type Stats } from 'node:fs';
import { DaxError } from '../../errors.js';

export interface PathFacts {
  /** As the user wrote it. */
  path: string;
  /** Absolute and without symbolic links. */
  realPath: string;
  type: 'file' | 'directory' | 'block' | 'char' | 'other';
  /** The identity of the file, the same under all of its names. */
  identity?: string | undefined;
  /** `major:minor` of the filesystem that it lies on. */
  devno: string;
  /** `major:minor` of the device that it is, for `block` and `char`. */
  rdevno: string;
  /** Bytes; 0 for devices. */
  size: number;
  /** Bytes in a block of the filesystem that it lies on. */
  blockSize: number;
  readable: boolean;
  writable: boolean;
  /** The filesystem that it lies on is mounted read-only. */
  readOnlyMount?: boolean;
}

/**
 * Throws `DaxError` for a path that does not lead to anything (`ENOENT`, `ENOTDIR`, `ELOOP`, `EACCES` on the way) and `TypeError`
 * for a value that is not a path.
 */
export function look(path: unknown, syscall: string): PathFacts {
  if (typeof path !== 'string') throw argumentError('ERR_INVALID_ARG_TYPE', `path must be a string, got ${typeof path}`);
  try {
    const stat = statSync(path);
    const realPath = realpathSync(path);
    return {
      path,
      realPath,
      type: typeOf(stat),
      identity: identityAt(path),
      devno: deviceNumber(stat.dev),
      rdevno: deviceNumber(stat.rdev),
      size: stat.size,
      blockSize: statfsSync(realPath).bsize,
      readable: allows(realPath, constants.R_OK),
      writable: allows(realPath, constants.W_OK),
      readOnlyMount: refusal(realPath, constants.W_OK) === 'EROFS',
    };
  } catch (error) {
    const { errno, code } = error as NodeJS.ErrnoException;
    if (errno === undefined) throw error;
    throw new DaxError({ errno, syscall, path, hint: hintFor(path, code), cause: error });
  }
}

/** The identity of the file that a path leads to: a string that no other file has. Undefined if the path leads nowhere. */
export function identityAt(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

function hintFor(path: string, code: string | undefined): string | undefined {
  if (code === 'ENOENT' && isSymbolicLink(path)) return 'the symbolic link leads nowhere';
  if (code === 'ENOENT') return 'there is nothing of this name; `node-dax list` shows the devices of this machine';
  if (code === 'EACCES') return 'this user may not search a directory on the way';
  if (code === 'ENOTCONN') return 'a dead mount: what served it has ended; `umount -l` of it, or `fusermount3 -uz` by who mounted it, takes it away';
  return undefined;
}

function isSymbolicLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

export function typeOf(stat: Stats): PathFacts['type'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isBlockDevice()) return 'block';
  return stat.isCharacterDevice() ? 'char' : 'other';
}

function allows(path: string, mode: number): boolean {
  return refusal(path, mode) === undefined;
}

function refusal(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

/** `major:minor` of glibc's dev_t: minor bits 0-7 and 20-43, major bits 8-19 and 44-63. */
export function deviceNumber(dev: number): string {
  const minor = (dev % 0x100) + (Math.floor(dev / 0x100000) % 0x1000000) * 0x100;
  const major = (Math.floor(dev / 0x100) % 0x1000) + Math.floor(dev / 0x100000000000) * 0x1000;
  return `${major}:${minor}`;
}
