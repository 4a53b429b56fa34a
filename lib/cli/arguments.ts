// Owns the parsing of command-line words into values. Words that cannot be parsed are wrong usage.

import { InvalidArgumentError } from 'commander';

/** Makes a commander parser of `parse`. A `RangeError` of `parse` becomes wrong usage. */
export function checked<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof RangeError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}

/** A commander parser of whole numbers from `least` on. */
export function parseCount(least: number): (text: string) => number {
  return checked((text) => {
    const count = /^[0-9]+$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(count) || count < least) throw new RangeError(`'${text}' is not a whole number from ${least} on`);
    return count;
  });
}
