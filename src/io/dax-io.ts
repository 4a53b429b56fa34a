// Owns daxDoIo: it reads and writes files whose blocks a filesystem's getBlock places (dax_do_io; rules IO-1 to IO-11).

import { AbortError, checkAborted, movedAtAbort } from '../abort.js';
import { Walk, type Iter } from './dax-walk.js';
import { type EndIo, type GetBlock, type Inode, wouldBlock } from '../inode/inode.js';
import { asOperation } from '../locks/lock-order.js';
import { loopTurn } from '../locks/loop-turn.js';
import { readTogether } from './read-together.js';
import type { Bytes } from '../units.js';

/**
 * With this flag, `daxDoIo` takes the inode's lock for a read, and expects the caller of a write to hold it. Without it, it takes
 * no lock (IO-2).
 */
export const DIO_LOCKING = 0x1;
/** The caller counts the I/O itself (`dioBegin`). */
export const DIO_SKIP_DIO_COUNT = 0x8;

// Walks that are not in use. There are several if a getBlock does I/O of its own, or if I/O is asynchronous.
const walks: Walk[] = [];

/**
 * Reads or writes `iter` at byte `pos` of a file whose blocks `getBlock` places. Returns the bytes moved. A read ends at i_size,
 * and holes and unwritten extents read as zeros. A write is durable on return; it does not change i_size, which `DaxFile` raises
 * afterwards.
 *
 * Throws `DaxError` if no byte was moved: the error of getBlock or of the device, `EIO` for an answer that breaks the contract, or
 * `EAGAIN` if asynchronous work holds the lock that `DIO_LOCKING` asks for. An error of `endIo` replaces the result.
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
  const locks = isSet(flags, DIO_LOCKING);
  const counts = !isSet(flags, DIO_SKIP_DIO_COUNT);
  if (rw === 'read') {
    const moved = readTogether(inode, iter, pos, endIo, locks, counts);
    if (moved > 0) return moved;
  }
  const walk = walks.pop() ?? new Walk();
  try {
    walk.prepare(rw, inode, iter, pos, getBlock, endIo, locks, counts);
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
 * Reads or writes as `daxDoIo` does, but waits for the lock, copies large pieces on another thread, and gives way to the event
 * loop between small pieces. Once `signal` is aborted, it stops between two pieces, calls `endIo`, and rejects with an
 * `AbortError` whose `bytesMoved` says how far it came (IO-19).
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
    // A write is a part of the operation that holds the lock already.
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
    // These bytes belong to the piece that was aborted.
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
