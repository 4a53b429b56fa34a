// Owns the errors of the facade: what the filesystem throws, with the call and the paths that node:fs would name.

import { AbortError, DaxError } from 'node-dax';
import type { FsPath } from '../arguments/arguments.js';

/** What an error tells of the call. */
export interface Call {
  readonly syscall: string;
  readonly path?: FsPath | undefined;
  readonly dest?: FsPath | undefined;
}

/** A path in words. */
export function shown(path: FsPath): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString();
}

/** Throws the error of a call: to whom looks at its properties, one of node's. */
export function fail(errno: string | number, { syscall, path, dest }: Call, cause?: DaxError): never {
  // Node never says this one of a file: only here do the words go on.
  const hint = cause?.code === 'EAGAIN' ? cause.hint : undefined;
  const paths = { path: path === undefined ? undefined : shown(path), dest: dest === undefined ? undefined : shown(dest) };
  const error = new DaxError({ errno, syscall, ...paths, hint, cause });
  Object.defineProperty(error, 'name', { value: 'Error', enumerable: false });
  for (const name of ['hint', 'reason', 'position'] as const) {
    const value = cause?.[name];
    if (value !== undefined) Object.defineProperty(error, name, { value, writable: true, configurable: true });
  }
  throw error;
}

function relabel(error: unknown, call: Call): never {
  if (error instanceof DaxError) fail(error.errno, call, error);
  throw error;
}

/** Calls `action`, and words its errors as those of `call`. */
export function attempt<T>(call: Call, action: () => T): T {
  try {
    return action();
  } catch (error) {
    return relabel(error, call);
  }
}

/** As `attempt`, for what is under way. */
export async function attemptAsync<T>(call: Call, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    return relabel(error, call);
  }
}

/** Throws node's error of a call whose signal was aborted. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new AbortError(signal);
}
