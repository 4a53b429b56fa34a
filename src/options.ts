// Owns the refusal of unknown options. Without it a misspelt option would be ignored.

import { argumentError } from './argument-error.js';

/** The names of all options of `T`; the compiler checks that none is missing. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/**
 * Throws `TypeError` if `options` is not an object or has a name that is not in `known`; the message says which known name was
 * probably meant. `what` is the caller's name for the options.
 */
export function checkOptions<T extends object>(options: T | undefined, known: OptionNames<T>, what = 'options'): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || (options as unknown) === null) throw argumentError('ERR_INVALID_ARG_TYPE', `${what} must be an object`);
  // Inherited options count, as they do when the options are read.
  for (const name in options) if (!Object.hasOwn(known, name)) refuse(name, Object.keys(known), what);
}

function refuse(name: string, known: readonly string[], what: string): never {
  const distances = known.map((other) => distance(name.toLowerCase(), other.toLowerCase()));
  const least = Math.min(...distances);
  const meant = least <= Math.max(2, name.length / 3) ? known[distances.indexOf(least)] : undefined;
  const hint = meant === undefined ? `there are ${known.join(', ')}` : `${meant} is meant?`;
  throw argumentError('ERR_INVALID_ARG_VALUE', `${what}: there is no ${name}: ${hint}`);
}

// The number of letters that must be added, removed or changed (Levenshtein), computed row by row.
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
