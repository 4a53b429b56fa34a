// Owns the error of synchronous calls that meet asynchronous work.

import { DaxError } from '../errors.js';
import type { Inode } from './inode.js';

/** The `EAGAIN` of a synchronous call that cannot wait for asynchronous work. */
export function wouldBlock(inode: Inode): DaxError {
  return new DaxError({
    errno: 'EAGAIN',
    syscall: 'lock',
    hint: `asynchronous work has inode ${inode.ino}: await it, or use the asynchronous form, which waits`,
  });
}
