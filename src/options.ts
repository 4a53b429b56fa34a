// Owns the refusal of options that nobody knows: a misspelt one would be ignored, and what it asks for would not be done.

import { argumentError } from './argument-error.js';

/** The names of the options of `T`: all of them, which the compiler sees to. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/**
 * Throws `TypeError` for `options` that are no object, or have a name that is none of `known`; it says which one is meant.
 * `what` is what the caller calls them.
 */
export function checkOptions<T extends object>(options: T | undefined, known: OptionNames<T>, what = 'options'): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || (options as unknown) === null) throw argumentError('ERR_INVALID_ARG_TYPE', `${what} must be an object`);
  // Inherited ones count as they do where the options are read.
  for (const name in options) if (!Object.hasOwn(known, name)) refuse(name, Object.keys(known), what);
}

function refuse(name: string, known: readonly string[], what: string): never {
  const distances = known.map((other) => distance(name.toLowerCase(), other.toLowerCase()));
  const least = Math.min(...distances);
  const meant = least <= Math.max(2, name.length / 3) ? known[distances.indexOf(least)] : undefined;
  const hint = meant === undefined ? `there are ${known.join(', ')}` : `${meant} is meant?`;
  throw argumentError('ERR_INVALID_ARG_VALUE', `${what}: there is no ${name}: ${hint}`);
}

// How many letters must be added, taken away or changed (Levenshtein), row by row.
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [line, letter] of Array.from(from).entries()) {
    const next = [line + 1];
    for (let column = 0; column < to.length; column++) {
      const changed = (row[column] as number) + (to[column] === letter ? 0 : 1);
      next.push(Math.min(changed, (row[column + 1] as number) + 1, (next[column] as number) + 1));
    }
    row = next;
  }
  return row.at(-1) as number;
}
