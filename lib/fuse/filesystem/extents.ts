// Owns finding the bytes of a file in the device's memory, and its holes.

import { BufferHead, DaxError, PAGE_SIZE, SECTOR_SIZE, type GetBlock, type Inode } from 'node-dax';

const ZEROS = new Uint8Array(64 * 1024);
// An answer of more pieces is copied instead: writev(2) limits their number, and a copy is faster than many small pieces.
const MOST_PIECES = 64;

function ask(inode: Inode, getBlock: GetBlock, pos: number, end: number): BufferHead {
  const { blockSize } = inode.sb;
  const bh = new BufferHead();
  const first = Math.floor(pos / blockSize);
  bh.ask((Math.ceil(end / blockSize) - first) * blockSize);
  const errno = getBlock(inode, first, bh, false);
  if (typeof errno === 'number' && errno < 0) throw new DaxError({ errno, syscall: 'read' });
  // An answer without flags is about one block.
  if (bh.state === 0) bh.size = blockSize;
  return bh;
}

function zeros(length: number): Uint8Array[] {
  const whole = Array<Uint8Array>(Math.floor(length / ZEROS.byteLength)).fill(ZEROS);
  return length % ZEROS.byteLength === 0 ? whole : [...whole, ZEROS.subarray(0, length % ZEROS.byteLength)];
}

function* windows(bh: BufferHead, blockSize: number, skip: number, length: number): Generator<Uint8Array> {
  const { bdev } = bh;
  if (bdev === undefined) throw new DaxError({ errno: 'EIO', syscall: 'read' });
  for (let at = bh.blocknr * blockSize + skip, left = length; left > 0; ) {
    const head = at % PAGE_SIZE;
    const { window } = bdev.directAccess((at - head) / SECTOR_SIZE, head + left);
    const bytes = Math.min(left, window.byteLength - head);
    yield window.subarray(head, head + bytes);
    at += bytes;
    left -= bytes;
  }
}

/**
 * Views of the `length` bytes of a file from `pos` on, up to its end, in the device's memory. Undefined if that is impossible, or
 * slower than a copy. They are valid until the next operation on the file: use them at once.
 */
export function viewsOf(inode: Inode, getBlock: GetBlock, pos: number, length: number): Uint8Array[] | undefined {
  // A writer has the lock, and a half-done write must not be seen.
  if (!inode.ilock.tryShared()) return undefined;
  try {
    const end = Math.min(pos + length, inode.size);
    const views: Uint8Array[] = [];
    for (let at = pos; at < end; ) {
      const bh = ask(inode, getBlock, at, end);
      const skip = at % inode.sb.blockSize;
      const bytes = Math.min(bh.size - skip, end - at);
      if (bh.isWritten) views.push(...windows(bh, inode.sb.blockSize, skip, bytes));
      else views.push(...zeros(bytes));
      if (views.length > MOST_PIECES) return undefined;
      at += bytes;
    }
    return views;
  } catch (error) {
    // The device gives no views, or a page is bad: a copy then reports the error.
    if (error instanceof DaxError) return undefined;
    throw error;
  } finally {
    inode.ilock.releaseShared();
  }
}

/** The first position from `pos` on where the file has data, or a hole; its end counts as a hole. Undefined if no data follows. */
export function seek(inode: Inode, getBlock: GetBlock, pos: number, forData: boolean): number | undefined {
  for (let at = pos; at < inode.size; ) {
    const bh = ask(inode, getBlock, at, inode.size);
    if (bh.isWritten === forData) return at;
    at += bh.size - (at % inode.sb.blockSize);
  }
  return forData ? undefined : inode.size;
}
