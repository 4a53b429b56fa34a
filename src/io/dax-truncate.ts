// Owns truncation and punching, in an order that never exposes bytes that are not the file's (TR-6 to TR-12).

import { daxTruncatePage, daxZeroPageRange } from './dax-zero.js';
import { DaxError } from '../errors.js';
import { type Inode, type InodeOperations, setSize, wouldBlock } from '../inode/inode.js';
import { PAGE_SIZE, roundUp } from '../units.js';

/** Runs `work` with `inval` held exclusively, because no fault may look up a block while blocks are freed. */
function invalidating<T>(inode: Inode, work: () => T): T {
  if (!inode.inval.tryExclusive()) throw wouldBlock(inode);
  try {
    return work();
  } finally {
    inode.inval.releaseExclusive();
  }
}

/**
 * Frees the blocks wholly past i_size. The cache forgets them first, so no lookup finds a block that is no longer the file's. If
 * the filesystem fails to free some blocks, `isFreeingDue` stays set, and the blocks are freed before the file grows over them
 * (TR-10).
 */
export function freePastEnd(inode: Inode, operations: InodeOperations): void {
  inode.isFreeingDue = true;
  inode.extents.invalidate(Math.ceil(inode.size / inode.sb.blockSize));
  operations.truncateBlocks(inode, inode.size);
  inode.isFreeingDue = false;
}

/** Call before i_size rises: zeroes what a mapping may have stored past the end, in the page that holds the end (TR-8). */
export function zeroPastEnd(inode: Inode, operations: InodeOperations): void {
  zeroTail(inode, inode.size, operations);
}

// Zeroes up to the end of the mapped page, because a device may map more than 4096 bytes at once.
function zeroTail(inode: Inode, from: number, operations: InodeOperations): void {
  daxTruncatePage(inode, from, operations.getBlock, operations);
  const mapped = inode.mappings?.pageSize ?? PAGE_SIZE;
  if (mapped > PAGE_SIZE) zeroRange(inode, roundUp(from, PAGE_SIZE), roundUp(from, mapped), operations);
}

/** Makes [from, to) read as zeros and leaves the blocks where they are. The caller holds `ilock` exclusively. */
export function zeroRange(inode: Inode, from: number, to: number, operations: InodeOperations): void {
  for (let pos = from; pos < to; ) {
    const end = Math.min(to, roundUp(pos + 1, PAGE_SIZE));
    daxZeroPageRange(inode, pos, end - pos, operations.getBlock, operations);
    pos = end;
  }
}

/**
 * Truncates or extends a file to `size` bytes. Zeroes the tail of the page in which the file ends, lowers the size, and only then
 * frees blocks (TR-7). The caller holds `ilock` exclusively and has waited for I/O under way.
 */
export function changeSize(inode: Inode, size: number, operations: InodeOperations): void {
  if (size > inode.size) {
    if (inode.isFreeingDue) freePastEnd(inode, operations);
    zeroPastEnd(inode, operations);
    setSize(inode, size);
    return;
  }
  zeroTail(inode, size, operations);
  invalidating(inode, () => {
    setSize(inode, size);
    freePastEnd(inode, operations);
  });
}

/**
 * Punches the bytes [from, to), which then read as zeros: frees whole blocks, and zeroes the rest (TR-12). The size stays. The
 * caller holds `ilock` exclusively and has waited for I/O under way.
 */
export function punchRange(inode: Inode, from: number, to: number, operations: InodeOperations): void {
  if (operations.punchBlocks === undefined) {
    throw new DaxError({ errno: 'EOPNOTSUPP', syscall: 'punchHole', hint: 'the filesystem has no punchBlocks' });
  }
  const { blockSize } = inode.sb;
  const first = Math.ceil(from / blockSize);
  const last = Math.floor(to / blockSize);
  if (first >= last) {
    zeroRange(inode, from, to, operations);
    return;
  }
  zeroRange(inode, from, first * blockSize, operations);
  zeroRange(inode, last * blockSize, to, operations);
  invalidating(inode, () => {
    inode.extents.invalidate(first, last - first);
    operations.punchBlocks?.(inode, first, last - first);
  });
}
