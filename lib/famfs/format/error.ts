// Owns the errors of famfs.

import { DaxError } from 'node-dax';

/** Throws a `DaxError` for a rule of famfs. */
export function fail(errno: string, syscall: string, hint: string): never {
  throw new DaxError({ errno, syscall, hint });
}

/** A bad entry of the log, after which nothing is read. */
export interface FamfsDamage {
  /** The index of the entry; undefined if the header of the log is wrong. */
  readonly entry: number | undefined;
  /** The field that is wrong, as the format names it: `crc`, `path`, `extents[2].offset`. */
  readonly field: string;
  /** What is wrong with it. */
  readonly message: string;
}

/** A field that breaks a rule, and how. */
export interface Breach {
  readonly field: string;
  readonly message: string;
}

export function describeDamage({ entry, field, message }: FamfsDamage): string {
  return `${entry === undefined ? 'the header of the log' : `entry ${entry} of the log`}: ${field}: ${message}`;
}
