// Owns the errors of arguments that are of no use: the language's classes, with Node's codes.

const CLASSES = { ERR_INVALID_ARG_TYPE: TypeError, ERR_INVALID_ARG_VALUE: TypeError, ERR_OUT_OF_RANGE: RangeError };

/** Node's code: a wrong type; a value that is none of those allowed, or in a wrong state; a number out of its range. */
export type ArgumentErrorCode = keyof typeof CLASSES;

/**
 * A `TypeError` or `RangeError` with a `code` as Node's own have it. For filesystems whose callers shall not see a difference;
 * it is thrown before anything happens.
 */
export function argumentError(code: ArgumentErrorCode, message: string): TypeError | RangeError {
  return Object.assign(new CLASSES[code](message), { code });
}
