// Owns the errors for conditions that node:fs detects itself, with an `info` as a system call would have given.

import { constants } from 'node:os';
import type { Call } from './failure.js';

/** The codes of these errors, and the beginnings of their messages. */
const WORDS = {
  ERR_FS_EISDIR: 'Path is a directory',
  ERR_FS_CP_DIR_TO_NON_DIR: 'Cannot overwrite non-directory with directory',
  ERR_FS_CP_EEXIST: 'Target already exists',
  ERR_FS_CP_EINVAL: 'Invalid src or dest',
  ERR_FS_CP_FIFO_PIPE: 'Cannot copy a FIFO pipe',
  ERR_FS_CP_NON_DIR_TO_DIR: 'Cannot overwrite directory with non-directory',
  ERR_FS_CP_SOCKET: 'Cannot copy a socket file',
  ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY: 'Cannot overwrite symlink in subdirectory of self',
  ERR_FS_CP_UNKNOWN: 'Cannot copy an unknown file type',
} as const;

export type SystemErrorCode = keyof typeof WORDS;

/**
 * The error `code` of a call that failed with errno `reason`, described by `message`. Give `errno` if Node uses another number than
 * that of `reason`.
 */
export function systemError(code: SystemErrorCode, reason: string, message: string, { syscall, path }: Call, errno?: number): Error {
  // As Node writes it, also for a Uint8Array that is not a Buffer.
  const where = path === undefined ? {} : { path: String(path) };
  // The path as it was given: bytes stay bytes.
  const given = path === undefined ? {} : { path };
  const number = errno ?? (constants.errno as Readonly<Record<string, number>>)[reason];
  const words = `${WORDS[code]}: ${syscall} returned ${reason} (${message})${path === undefined ? '' : ` ${where.path}`}`;
  const error = Object.assign(new Error(words), { code, info: { code: reason, message, ...given, syscall, errno: number }, errno: number, syscall, ...where });
  return Object.defineProperty(error, 'name', { value: 'SystemError', writable: true, configurable: true });
}
