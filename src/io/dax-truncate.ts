// Owns changing a file's size and punching holes, in the order that lets no one see what is not the file's (TR-6 to TR-12).

import { daxTruncatePage, daxZeroPageRange } from './dax-zero.js';
import { DaxError } from '../errors.js';
import type { Inode, InodeOperations } from '../inode/inode.js';
import { PAGE_SIZE, roundUp } from '../units.js';
import { wouldBlock } from '../inode/would-block.js';

/** Runs `work` with `inval` held alone: no fault may look for a block while blocks go. */
function invalidating<T>(inode: Inode, work: () => T): T {
  if (!inode.inval.tryExclusive()) throw wouldBlock(inode);
  try {
    return work();
  } finally {
    inode.inval.releaseExclusive();
  }
}

/**
 * Frees what lies wholly past i_size. The cache forgets first: nobody may find a block that is no longer the file's. What
 * the filesystem fails to free stays out of reach: `finishFreeing` comes before the file grows over it.
 */
export function freePastEnd(inode: Inode, operations: InodeOperations): void {
  inode.isFreeingDue = true;
  inode.extents.invalidate(Math.ceil(inode.size / inode.sb.blockSize));
  operations.truncateBlocks(inode, inode.size);
  inode.isFreeingDue = false;
}

/** Before the file may grow: blocks past the end that could not be freed hold what is not the file's any more (TR-10). */
export function finishFreeing(inode: Inode, operations: InodeOperations): void {
  if (inode.isFreeingDue) freePastEnd(inode, operations);
}

/** Before i_size rises past the old end: what a mapping stored beyond it, in its page, must read as zeros (TR-8). */
export function zeroPastEnd(inode: Inode, operations: InodeOperations): void {
  zeroTail(inode, inode.size, operations);
}

// To the end of the page that is mapped: a device may map more than 4096 bytes at once.
function zeroTail(inode: Inode, from: number, operations: InodeOperations): void {
  daxTruncatePage(inode, from, operations.getBlock, operations);
  const mapped = inode.mappings?.pageSize ?? PAGE_SIZE;
  if (mapped > PAGE_SIZE) zeroRange(inode, roundUp(from, PAGE_SIZE), roundUp(from, mapped), operations);
}

/** Sets i_size, for every mapping too: what lies past it is gone from them when this returns. */
export function setSize(inode: Inode, size: number): void {
  inode.size = size;
  inode.mappings?.resized();
}

/** Makes [from, to) read as zeros and leaves the blocks where they are. The caller holds `ilock` alone. */
export function zeroRange(inode: Inode, from: number, to: number, operations: InodeOperations): void {
  for (let pos = from; pos < to; ) {
    const end = Math.min(to, roundUp(pos + 1, PAGE_SIZE));
    daxZeroPageRange(inode, pos, end - pos, operations.getBlock, operations);
    pos = end;
  }
}

/**
 * Sets i_size. The caller holds `ilock` alone and has waited for I/O under way. Zeroes the tail of the page in which the
 * file ends, lowers the size, and only then frees blocks (TR-7).
 */
export function changeSize(inode: Inode, size: number, operations: InodeOperations): void {
  if (size > inode.size) {
    finishFreeing(inode, operations);
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
 * Frees the whole blocks in [from, to), whose bytes then read as zeros, and zeroes the rest (TR-12). The caller holds
 * `ilock` alone and has waited for I/O under way. The size stays.
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
