// Owns how ext2 fails: an errno of POSIX, the operation as its user called it, and a sentence.

import { DaxError } from 'node-dax';

/** Throws the `DaxError` of an operation that was refused. */
export function fail(errno: string, syscall: string, hint?: string): never {
  throw new DaxError({ errno, syscall, hint });
}

/** Where on the medium something cannot be as it is. */
export interface Place {
  ino?: number;
  block?: number;
  group?: number;
}

/** The `EUCLEAN` of a filesystem that needs e2fsck. */
export function corruption(what: string, { ino, block, group }: Place): DaxError {
  const where = [
    ...(group === undefined ? [] : [`group ${group}`]),
    ...(ino === undefined ? [] : [`inode ${ino}`]),
    ...(block === undefined ? [] : [`block ${block}`]),
  ];
  const hint = `${where.join(', ')}: ${what}; unmount it and run e2fsck`;
  return new DaxError({ errno: 'EUCLEAN', syscall: 'ext2', hint });
}
