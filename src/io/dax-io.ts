// Owns daxDoIo: reading and writing a file whose blocks a filesystem's getBlock places (dax_do_io; rules IO-1 to IO-11).

import { AbortError, checkAborted, movedAtAbort } from '../abort.js';
import { Walk, type Iter } from './dax-walk.js';
import type { EndIo, GetBlock, Inode } from '../inode/inode.js';
import { asOperation } from '../locks/lock-order.js';
import { loopTurn } from '../locks/loop-turn.js';
import type { Bytes } from '../units.js';
import { wouldBlock } from '../inode/would-block.js';

/** A read takes the inode's lock, shared, by itself; a writer holds it already. Without it the filesystem locks. */
export const DIO_LOCKING = 0x1;
/** The caller has counted the I/O (`dioBegin`) by itself. */
export const DIO_SKIP_DIO_COUNT = 0x8;

// Those at rest. There is more than one when a getBlock does I/O of its own, or I/O is asynchronous.
const walks: Walk[] = [];

/**
 * Reads or writes `iter` at byte `pos` of a file, whose blocks `getBlock` names. Returns the bytes moved: a read ends at
 * i_size, and holes and unwritten extents read as zeros. A write does not change i_size: `DaxFile` does, after it. What
 * was stored is durable on return.
 *
 * Throws `DaxError` if nothing moved: what getBlock or the device said, `EIO` for an answer against the contract,
 * `EAGAIN` where asynchronous work holds the lock that `DIO_LOCKING` asks for. `endIo` may replace the result.
 */
export function daxDoIo(
  rw: 'read' | 'write',
  inode: Inode,
  iter: Iter,
  pos: Bytes,
  getBlock: GetBlock,
  endIo?: EndIo,
  flags = 0,
): number {
  const walk = walks.pop() ?? new Walk();
  try {
    walk.prepare(rw, inode, iter, pos, getBlock, endIo, isSet(flags, DIO_LOCKING), !isSet(flags, DIO_SKIP_DIO_COUNT));
    if (!walk.enterSync()) throw wouldBlock(inode);
    let error: unknown;
    try {
      while (walk.next()) walk.advance(walk.copySync());
    } catch (caught) {
      error = caught;
      walk.fail();
    }
    return walk.finish(error);
  } finally {
    walk.leave();
    walks.push(walk);
  }
}

/**
 * As `daxDoIo`, but it waits for the lock, copies large pieces on another thread, and gives way to the event loop between
 * small ones. `signal` ends it between pieces: it rejects with an `AbortError`, whose `bytesMoved` tells how far it came
 * (IO-19); `endIo` is told as well.
 */
export async function daxDoIoAsync(
  rw: 'read' | 'write',
  inode: Inode,
  iter: Iter,
  pos: Bytes,
  getBlock: GetBlock,
  endIo?: EndIo,
  flags = 0,
  signal?: AbortSignal,
): Promise<number> {
  const walk = walks.pop() ?? new Walk();
  try {
    const locks = isSet(flags, DIO_LOCKING);
    walk.prepare(rw, inode, iter, pos, getBlock, endIo, locks, !isSet(flags, DIO_SKIP_DIO_COUNT));
    // A write is a part of the operation that has the lock already.
    const run = () => runAsync(walk, signal);
    return await (locks && rw === 'read' ? asOperation(run) : run());
  } finally {
    walk.leave();
    walks.push(walk);
  }
}

async function runAsync(walk: Walk, signal: AbortSignal | undefined): Promise<number> {
  await walk.enter(signal);
  let error: unknown;
  try {
    checkAborted(signal);
    while (walk.next()) {
      const moved = await walk.copy(signal);
      walk.advance(moved);
      if (walk.isDone) break;
      const turn = loopTurn(moved);
      if (turn !== undefined) await turn;
      checkAborted(signal);
    }
  } catch (caught) {
    const moved = movedAtAbort(caught, signal);
    // Of the piece that was aborted.
    if (moved !== undefined && moved > 0) walk.advance(moved);
    error = moved === undefined ? caught : new AbortError(signal as AbortSignal, walk.moved);
    walk.fail();
  }
  return walk.finish(error);
}

function isSet(flags: number, flag: number): boolean {
  // eslint-disable-next-line no-bitwise -- a flag
  return (flags & flag) !== 0;
}
