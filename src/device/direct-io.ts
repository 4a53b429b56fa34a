// Owns what Node lacks for O_DIRECT with node:fs: aligned memory, and the alignment that a file asks for.

import { argumentError } from '../argument-error.js';
import { addon } from '../binding.js';
import { DaxError } from '../errors.js';
import { PAGE_SIZE, toBytes, type Bytes } from '../units.js';

/** The alignment in bytes that O_DIRECT asks of one file or block device, from statx(2). Both are 0 if it refuses O_DIRECT. */
export interface DirectIoAlignment {
  /** The alignment of the memory that is read into or written from. */
  memory: number;
  /** The alignment of positions in the file and of lengths. */
  offset: number;
}

const NO_DATA = -61;

/**
 * The alignment that O_DIRECT needs for the file or block device at `path` (STATX_DIOALIGN, Linux 6.1). Undefined if the kernel
 * or the filesystem does not tell; a page is enough then. Throws `DaxError`: `ENOENT`, `EACCES` and the like.
 */
export function directIoAlignment(path: string): DirectIoAlignment | undefined {
  if (typeof path !== 'string') throw argumentError('ERR_INVALID_ARG_TYPE', 'path must be a string');
  if (path === '' || path.includes('\0')) throw argumentError('ERR_INVALID_ARG_VALUE', 'path must not be empty or contain null bytes');
  const found = addon().directIoAlignment(path);
  if (typeof found !== 'number') return found;
  if (found === NO_DATA) return undefined;
  throw new DaxError({ errno: found, syscall: 'statx', path });
}

/**
 * Allocates zeroed memory whose address is a multiple of `alignment` (bytes, a page by default), for reads and writes with
 * O_DIRECT. Its ArrayBuffer is longer by `alignment`, because V8 gives none at a chosen address. Throws `TypeError` or
 * `RangeError` for wrong arguments, and `RangeError` for more bytes than Node allocates.
 */
export function alignedBuffer(length: Bytes, alignment: Bytes = PAGE_SIZE): Uint8Array {
  const bytes = toBytes(length, 'length');
  const unit = toBytes(alignment, 'alignment');
  if (unit === 0) throw argumentError('ERR_OUT_OF_RANGE', 'alignment must be at least 1 byte');
  const memory = new Uint8Array(new ArrayBuffer(bytes + unit));
  const start = unit - addon().misalignment(memory, unit);
  return memory.subarray(start, start + bytes);
}
