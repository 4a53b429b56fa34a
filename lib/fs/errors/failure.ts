// Owns the errors of the facade: those of the filesystem, with the call and the paths that node:fs would name.

import { AbortError, DaxError } from 'node-dax';
import type { FsPath } from '../arguments/arguments.js';

/** What an error says about the call. */
export interface Call {
  readonly syscall: string;
  readonly path?: FsPath | undefined;
  readonly dest?: FsPath | undefined;
}

/** A path as text. */
export function shown(path: FsPath): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString();
}

/** Throws the error of a call, with the properties of Node's errors. */
export function fail(errno: string | number, { syscall, path, dest }: Call, cause?: DaxError): never {
  // Node never throws EAGAIN for a file, so only this error's message may go on with a hint.
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

/** Calls `action`, and rethrows its errors as those of `call`. */
export function attempt<T>(call: Call, action: () => T): T {
  try {
    return action();
  } catch (error) {
    return relabel(error, call);
  }
}

/** As `attempt`, for work that yields between its steps. */
export function* attemptSteps<T>(call: Call, steps: Generator<undefined, T, undefined>): Generator<undefined, T, undefined> {
  try {
    return yield* steps;
  } catch (error) {
    return relabel(error, call);
  }
}

/** As `attempt`, for an asynchronous action. */
export async function attemptAsync<T>(call: Call, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    return relabel(error, call);
  }
}

/** Throws Node's `AbortError` if the signal of a call is aborted. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new AbortError(signal);
}
