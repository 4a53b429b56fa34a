// Owns how words of the command line become values, and which of them are wrong usage.

import { InvalidArgumentError } from 'commander';

/** A commander parser of `parse`, whose `RangeError`s are wrong usage. */
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

/** A commander parser of whole numbers. */
export function parseCount(least: number): (text: string) => number {
  return checked((text) => {
    const count = /^[0-9]+$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(count) || count < least) throw new RangeError(`'${text}' is not a whole number from ${least} on`);
    return count;
  });
}
