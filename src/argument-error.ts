// Owns the errors for wrong arguments: the language's classes, with Node's codes.

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
