// Owns the errors of logs.

import { DaxError, type DaxErrorInit } from 'node-dax';

/** Throws an error of a log. */
export function fail(errno: string, syscall: string, hint: string, more: Pick<DaxErrorInit, 'reason' | 'position' | 'path' | 'cause'> = {}): never {
  throw new DaxError({ errno, syscall, hint, ...more });
}

/** Whether the medium, and not the log, is bad: a page of it cannot be read or written. */
export function isMediaError(error: unknown): error is DaxError {
  return error instanceof DaxError && error.code === 'EIO';
}

/** Throws the error for damage to the log, and not the medium, at byte `position`. */
export function damaged(syscall: string, position: number, hint: string): never {
  fail('EUCLEAN', syscall, hint, { position, reason: 'LOG_DAMAGED' });
}
