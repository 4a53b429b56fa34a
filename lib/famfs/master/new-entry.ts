// Owns the options for new files and directories, and their checks.

import { argumentError, checkOptions, type DaxFile, type OptionNames } from 'node-dax';
import { MAX_EXTENTS } from '../format/entry.js';
import { fail } from '../format/error.js';
import { isPowerOfTwo } from '../format/numbers.js';
import { UNIT } from '../format/superblock.js';
import { checkPath } from '../log/check-entry.js';
import { toBytes, type Name } from '../tree/tree.js';

// The FUSE tools of famfs accept no longer path.
const MAX_NEW_PATH = 78;
const PERMISSIONS = 0o7777;

export interface FamfsMkdirOptions {
  /** Permissions. Default: 0o755 for directories, 0o644 for files. */
  readonly mode?: number;
  /** Default: this process's effective user; for `gid`, its effective group. */
  readonly uid?: number;
  readonly gid?: number;
}

export interface FamfsCreateOptions extends FamfsMkdirOptions {
  /** The number of strips, 1 to 16, over which the bytes are distributed in turn, chunk by chunk. Default: not striped. */
  readonly stripes?: number;
  /** Bytes of a chunk: a power of two, 2 MiB (the default) or more. Files that do not fill one chunk are not striped. */
  readonly chunk?: number;
  /**
   * Fills the file before others can see it; bytes that it does not write are zeros. Called with the open file, which it must no
   * longer use after it returns. If it throws, the log stays as it was.
   */
  readonly fill?: (file: DaxFile) => void;
}

const MKDIR_OPTIONS: OptionNames<FamfsMkdirOptions> = { mode: true, uid: true, gid: true };
const CREATE_OPTIONS: OptionNames<FamfsCreateOptions> = { ...MKDIR_OPTIONS, stripes: true, chunk: true, fill: true };

export interface NewDirectory {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface NewFile extends NewDirectory {
  readonly size: number;
  readonly stripes: number;
  readonly chunk: number;
  readonly fill: ((file: DaxFile) => void) | undefined;
}

function number(value: number, name: string, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw argumentError('ERR_OUT_OF_RANGE', `${name} must be an integer from ${least} to ${most}, it is ${String(value)}`);
}

function newPath(path: Name, syscall: string): string {
  const text = toBytes(path).replace(/^\/+/, '').replace(/\/+$/, '');
  if (text === '') fail('EEXIST', syscall, 'the root is there');
  if (text.includes('\0')) fail('EINVAL', syscall, 'a path has no NUL in it');
  if (text.length > MAX_NEW_PATH) fail('ENAMETOOLONG', syscall, `the path has ${text.length} bytes, and famfs has room for ${MAX_NEW_PATH} from the root on`);
  const breach = checkPath(text);
  if (breach !== undefined) fail('EINVAL', syscall, breach.message);
  return text;
}

function owned({ mode, uid, gid }: FamfsMkdirOptions, usual: number): Omit<NewDirectory, 'path'> {
  return {
    mode: number(mode ?? usual, 'mode', 0, PERMISSIONS),
    uid: number(uid ?? process.geteuid?.() ?? 0, 'uid', 0, 0xffffffff),
    gid: number(gid ?? process.getegid?.() ?? 0, 'gid', 0, 0xffffffff),
  };
}

export function newDirectory(path: Name, options: FamfsMkdirOptions): NewDirectory {
  checkOptions(options, MKDIR_OPTIONS);
  return { path: newPath(path, 'mkdir'), ...owned(options, 0o755) };
}

export function newFile(path: Name, size: number, options: FamfsCreateOptions): NewFile {
  checkOptions(options, CREATE_OPTIONS);
  const { stripes, chunk = UNIT, fill } = options;
  if (!isPowerOfTwo(chunk) || chunk < UNIT) {
    throw argumentError('ERR_OUT_OF_RANGE', `chunk must be a power of two of at least ${UNIT} bytes, it is ${String(chunk)}`);
  }
  if (fill !== undefined && typeof fill !== 'function') throw argumentError('ERR_INVALID_ARG_TYPE', 'fill must be a function');
  return {
    path: newPath(path, 'create'),
    ...owned(options, 0o644),
    size: number(size, 'size', 1, Number.MAX_SAFE_INTEGER),
    stripes: stripes === undefined ? 0 : number(stripes, 'stripes', 1, MAX_EXTENTS),
    chunk,
    fill,
  };
}
