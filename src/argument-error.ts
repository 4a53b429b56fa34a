// Owns the errors for wrong arguments, the language's classes with Node's codes, and the refusal of objects of the wrong kind.

const CLASSES = { ERR_INVALID_ARG_TYPE: TypeError, ERR_INVALID_ARG_VALUE: TypeError, ERR_OUT_OF_RANGE: RangeError };

/** Node's codes: for a wrong type, for a value that is not allowed or in the wrong state, and for a number out of range. */
export type ArgumentErrorCode = keyof typeof CLASSES;

/**
 * Makes a `TypeError` or `RangeError` with a `code`, as Node's own errors have one. Filesystems throw it before they do anything,
 * as Node's own functions do.
 */
export function argumentError(code: ArgumentErrorCode, message: string): TypeError | RangeError {
  return Object.assign(new CLASSES[code](message), { code });
}

/**
 * Throws `TypeError` unless `value` is an object that has all of `methods`. `name` is the argument's; `kind` says what it must be and
 * where it comes from. A promise is most often a call without `await`, and the message says so.
 */
export function checkMethods(value: unknown, methods: readonly string[], name: string, kind: string): void {
  const fault = faultOf(value, methods);
  if (fault !== undefined) throw argumentError('ERR_INVALID_ARG_TYPE', `${name} must be ${kind}: ${fault}`);
}

function faultOf(value: unknown, methods: readonly string[]): string | undefined {
  if (value === null) return 'it is null';
  if (typeof value !== 'object') return `it is ${value === undefined ? 'undefined' : `a ${typeof value}`}`;
  if (value instanceof Promise) return 'it is a promise: await it';
  const missing = methods.find((method) => typeof (value as Record<string, unknown>)[method] !== 'function');
  return missing === undefined ? undefined : `it has no ${missing}()`;
}
