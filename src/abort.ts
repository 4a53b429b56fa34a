// Owns the error of an operation whose signal was aborted, which says how far the operation came.

import { argumentError } from './argument-error.js';

/**
 * The error of an asynchronous operation whose signal was aborted. It has the name and the code of Node's own AbortError, and
 * the signal's reason as its `cause`.
 */
export class AbortError extends Error {
  readonly code = 'ABORT_ERR';
  /**
   * The bytes that were read or written before the operation ended, counted from the first byte asked for. Written bytes are as
   * durable as those of a write that was not aborted. 0 if nothing happened.
   */
  bytesMoved: number;

  constructor(signal: AbortSignal, bytesMoved = 0) {
    super('The operation was aborted', { cause: signal.reason });
    this.name = 'AbortError';
    this.bytesMoved = bytesMoved;
  }
}

/** Throws the `AbortError` of an operation that has not begun. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new AbortError(signal);
}

/** The bytes that were moved, if a device threw `error` because `signal` was aborted; undefined for all other errors. */
export function movedAtAbort(error: unknown, signal: AbortSignal | undefined): number | undefined {
  if (signal?.aborted !== true) return undefined;
  if (error instanceof AbortError) return error.bytesMoved;
  return error === signal.reason ? 0 : undefined;
}

/**
 * The signal of an asynchronous operation. Throws `TypeError` if the value is not a signal, and `AbortError` if it is aborted
 * already.
 */
export function toSignal(options: { signal?: AbortSignal | undefined } | undefined): AbortSignal | undefined {
  const signal: unknown = options?.signal;
  if (signal === undefined) return undefined;
  if (!(signal instanceof AbortSignal)) throw argumentError('ERR_INVALID_ARG_TYPE', 'signal must be an AbortSignal');
  checkAborted(signal);
  return signal;
}
