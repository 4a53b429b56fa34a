// Owns what becomes of an operation whose signal is aborted: it rejects, and says how far it came.

/**
 * What an asynchronous operation rejects with once its signal was aborted: named and coded as node's own is, with the
 * signal's reason as its `cause`.
 */
export class AbortError extends Error {
  readonly code = 'ABORT_ERR';
  /**
   * Bytes that were read or written before it ended, from the start of what was asked for. Written ones are as durable as
   * those of a write that was not aborted. 0 where nothing happened.
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

/** How many bytes had moved where `error` is what a device says of an abort by `signal`; undefined for all other errors. */
export function movedAtAbort(error: unknown, signal: AbortSignal | undefined): number | undefined {
  if (signal?.aborted !== true) return undefined;
  if (error instanceof AbortError) return error.bytesMoved;
  return error === signal.reason ? 0 : undefined;
}
