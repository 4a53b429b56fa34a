// Owns the errors of ext2: a POSIX errno, the operation that the user called, and a sentence.

import { DaxError } from 'node-dax';

/** Throws the `DaxError` of a refused operation. */
export function fail(errno: string, syscall: string, hint?: string): never {
  throw new DaxError({ errno, syscall, hint });
}

/** The place of corruption on the medium. */
export interface ErrorLocation {
  ino?: number;
  block?: number;
  group?: number;
}

/** The `EUCLEAN` error for a filesystem that needs e2fsck. */
export function corruption(what: string, { ino, block, group }: ErrorLocation): DaxError {
  const where = [
    ...(group === undefined ? [] : [`group ${group}`]),
    ...(ino === undefined ? [] : [`inode ${ino}`]),
    ...(block === undefined ? [] : [`block ${block}`]),
  ];
  const hint = `${where.join(', ')}: ${what}; unmount it and run e2fsck`;
  return new DaxError({ errno: 'EUCLEAN', syscall: 'ext2', hint });
}
