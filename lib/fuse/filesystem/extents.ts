// Owns where the bytes of a file lie: in the device's memory, and in holes.

import { BufferHead, DaxError, PAGE_SIZE, SECTOR_SIZE, type GetBlock, type Inode } from 'node-dax';

const ZEROS = new Uint8Array(64 * 1024);
// A write(2) of more pieces is refused, and copies are faster than many small pieces.
const MOST_PIECES = 64;

function ask(inode: Inode, getBlock: GetBlock, pos: number, end: number): BufferHead {
  const { blockSize } = inode.sb;
  const bh = new BufferHead();
  const first = Math.floor(pos / blockSize);
  bh.ask((Math.ceil(end / blockSize) - first) * blockSize);
  const errno = getBlock(inode, first, bh, false);
  if (typeof errno === 'number' && errno < 0) throw new DaxError({ errno, syscall: 'read' });
  // No flag means one block.
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
 * The bytes of a file from `pos` on, up to its end, as they lie in the device's memory. Undefined where that cannot be, or is
 * not worth it. They are valid until something is done with the file: use them at once.
 */
export function viewsOf(inode: Inode, getBlock: GetBlock, pos: number, length: number): Uint8Array[] | undefined {
  // Somebody is writing: what is half done must not be seen.
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
    // A device that gives no views, a bad page: a copy says what is wrong.
    if (error instanceof DaxError) return undefined;
    throw error;
  } finally {
    inode.ilock.releaseShared();
  }
}

/** Where from `pos` on the file has data, or a hole: its end is one. Undefined where there is no data up to its end. */
export function seek(inode: Inode, getBlock: GetBlock, pos: number, forData: boolean): number | undefined {
  for (let at = pos; at < inode.size; ) {
    const bh = ask(inode, getBlock, at, inode.size);
    if (bh.isWritten === forData) return at;
    at += bh.size - (at % inode.sb.blockSize);
  }
  return forData ? undefined : inode.size;
}
