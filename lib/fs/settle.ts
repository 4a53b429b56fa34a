// Owns passing the outcome of a promise to a callback.

export type Done = (error: unknown, ...results: unknown[]) => void;

/** The value as the only result; no results if it is undefined. */
export function usual(value: unknown): unknown[] {
  return value === undefined ? [] : [value];
}

/**
 * Calls `done` with null and the results that `results` makes of the value, or with the error and `failed`. It is called outside
 * promise jobs, so an exception in it does not become a rejection.
 */
export function settle<T>(promise: Promise<T>, done: Done, results: (value: T) => unknown[] = usual, failed: readonly unknown[] = []): void {
  promise.then(
    (value) => { process.nextTick(done, null, ...results(value)); },
    (error: unknown) => { process.nextTick(done, error, ...failed); },
  );
}
