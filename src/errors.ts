// Owns the one error class of the package and the translation of errno values into it.

import { getSystemErrorMap } from 'node:util';
import { argumentError } from './argument-error.js';
import { checkOptions, type OptionNames } from './options.js';

/** The rule that was broken, for errors whose errno alone is too coarse. The names follow libpmem2's `PMEM2_E_*` list. */
export type DaxErrorReason =
  | 'ADDONS_DISABLED'
  | 'ADDON_DAMAGED'
  | 'ADDON_IN_BUNDLE'
  | 'ADDON_IN_EXECUTABLE'
  | 'ADDON_NOT_ACCESSIBLE'
  | 'ADDON_NOT_FOUND'
  | 'ADDON_NOT_PERMITTED'
  | 'BEYOND_END'
  | 'NO_MAP_SYNC'
  | 'BLOCK_SIZE'
  | 'DEVDAX_PRIVATE'
  | 'DEVICE_CLOSED'
  | 'DEVICE_FULL'
  | 'DEVICE_IN_USE'
  | 'DEVICE_NOT_FOUND'
  | 'DEVICE_REMOVED'
  | 'DRIVER_BROKEN'
  | 'FAMFS_MODE'
  | 'FIXED_SIZE'
  | 'GRANULARITY_NOT_SUPPORTED'
  | 'HOLE_NOT_ALLOCATED'
  | 'HUGE_PAGES_DISABLED'
  | 'INVALID_FILE_TYPE'
  | 'LOG_DAMAGED'
  | 'LOG_OVERTAKEN'
  | 'MEDIA_ERROR'
  | 'NOT_ARMED'
  | 'NOT_DAX'
  | 'NOT_DURABLE'
  | 'NOT_MAPPABLE'
  | 'NO_EXTERNAL_BUFFERS'
  | 'NO_LOG'
  | 'NO_NODE_VFS'
  | 'OFFSET_OUT_OF_RANGE'
  | 'OFFSET_UNALIGNED'
  | 'OWNER_BUSY'
  | 'OWNER_THREAD'
  | 'READ_ONLY'
  | 'SIZE_MISMATCH'
  | 'SOURCE_EMPTY'
  | 'TOO_MANY_MAPPINGS'
  | 'UNALIGNED_EXTENT'
  | 'UNINITIALISED_EXTENT'
  | 'USER_MEMORY';

/** The parts of a `DaxError`. */
export interface DaxErrorInit {
  /** The errno, negative as the kernel returns it (`-22`) or by name (`'EINVAL'`). */
  errno: number | string;
  /** The operation that failed, named as the user called it. */
  syscall: string;
  /** The path of the device or file, if it has one. */
  path?: string | undefined;
  /** The second path, for an operation that has two. */
  dest?: string | undefined;
  /** The rule that was broken. */
  reason?: DaxErrorReason | undefined;
  /** A sentence that says what to do. */
  hint?: string | undefined;
  /** The byte at which the operation stopped. */
  position?: number | undefined;
  cause?: unknown;
}

const INIT: OptionNames<DaxErrorInit> = {
  ...{ errno: true, syscall: true, path: true, dest: true, reason: true, hint: true, position: true, cause: true },
};

// Errnos that libuv's map lacks, or describes in the terms of sockets.
const OVERRIDES: ReadonlyMap<number, readonly [string, string]> = new Map([
  [-8, ['ENOEXEC', 'exec format error']],
  [-35, ['EDEADLK', 'resource deadlock would occur']],
  [-95, ['EOPNOTSUPP', 'operation not supported']],
  [-116, ['ESTALE', 'stale file handle']],
  [-117, ['EUCLEAN', 'structure needs cleaning']],
  [-122, ['EDQUOT', 'disk quota exceeded']],
  [-133, ['EHWPOISON', 'memory page has hardware error']],
]);

// Cached, because Node builds the map again on each call.
const TEXTS: ReadonlyMap<number, readonly [code: string, text: string]> = new Map([...getSystemErrorMap(), ...OVERRIDES]);
const NUMBERS: ReadonlyMap<string, number> = new Map([...TEXTS].map(([errno, [code]]) => [code, errno]));

function describe(errno: number): readonly [code: string, text: string] {
  return TEXTS.get(errno) ?? [`E${-errno}`, 'unknown error'];
}

/** The negative errno of a name such as `'EINVAL'`. Throws `RangeError` for a name that Linux does not have. */
export function errnoOf(code: string): number {
  const errno = NUMBERS.get(code);
  if (errno === undefined) throw argumentError('ERR_OUT_OF_RANGE', `${code} is not the name of an errno`);
  return errno;
}

/**
 * The error of every failed operation: `code` (`'EINVAL'`), `errno` (negative, as in `node:fs`), `syscall`, `path`, `dest`, and,
 * where they apply, `reason` and `position`. Wrong arguments throw `TypeError` or `RangeError` instead.
 */
export class DaxError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  // Only declared, so an error without one of these does not have the property.
  declare readonly path?: string;
  declare readonly dest?: string;
  declare readonly reason?: DaxErrorReason;
  declare readonly position?: number;
  /** What to do, as at the end of `message`. */
  declare readonly hint?: string;

  constructor(init: DaxErrorInit) {
    checkOptions(init, INIT, 'a DaxError');
    const errno = typeof init.errno === 'string' ? errnoOf(init.errno) : init.errno;
    const [code, text] = describe(errno);
    const to = init.dest === undefined ? '' : ` -> '${init.dest}'`;
    const where = init.path === undefined ? '' : ` '${init.path}'${to}`;
    const at = init.position === undefined ? '' : ` at byte ${init.position}`;
    const hint = init.hint === undefined ? '' : `: ${init.hint}`;
    super(`${code}: ${text}, ${init.syscall}${where}${at}${hint}`, { cause: init.cause });
    this.name = 'DaxError';
    this.code = code;
    this.errno = errno;
    this.syscall = init.syscall;
    if (init.path !== undefined) this.path = init.path;
    if (init.dest !== undefined) this.dest = init.dest;
    if (init.reason !== undefined) this.reason = init.reason;
    if (init.position !== undefined) this.position = init.position;
    if (init.hint !== undefined) this.hint = init.hint;
  }
}
