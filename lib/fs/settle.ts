// Owns how a promise ends in a callback.

export type Done = (error: unknown, ...results: unknown[]) => void;

/** A value, if there is one. */
export function usual(value: unknown): unknown[] {
  return value === undefined ? [] : [value];
}

/**
 * Calls `done` with null and what `results` makes of the value, or with the error and `failed`. It is called outside of
 * promises: what it throws is nobody's rejection.
 */
export function settle<T>(promise: Promise<T>, done: Done, results: (value: T) => unknown[] = usual, failed: readonly unknown[] = []): void {
  promise.then(
    (value) => { process.nextTick(done, null, ...results(value)); },
    (error: unknown) => { process.nextTick(done, error, ...failed); },
  );
}
