// Owns the end of an I/O: what its `endIo` is told, and what its caller gets.

import { DaxError } from '../errors.js';
import type { EndIo, Inode } from '../inode/inode.js';
import { checkAnswer } from '../inode/map-blocks.js';

const EIO = -5;
const EINTR = -4;

/**
 * Calls `endIo`, and returns the bytes moved, or throws `error` if none were. An error after progress comes with the next call
 * (IO-6); but an error that is not a `DaxError` is a bug in a callback and is always thrown.
 */
export function concluded(inode: Inode, pos: number, moved: number, error: unknown, endIo: EndIo | undefined, cookie: unknown): number {
  if (endIo !== undefined) {
    const result = moved > 0 || error === undefined ? moved : errnoIn(error);
    checkAnswer(endIo(inode, pos, result, cookie), 'endIo', inode);
  }
  if (error !== undefined && (moved === 0 || !(error instanceof DaxError))) throw error as Error;
  return moved;
}

function errnoIn(error: unknown): number {
  if (error instanceof DaxError) return error.errno;
  return (error as { name?: unknown } | null)?.name === 'AbortError' ? EINTR : EIO;
}
