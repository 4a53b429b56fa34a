// Owns where a file has data and where it has holes: in an image by asking for its blocks, in bytes by looking for zeros.

import { BufferHead } from 'node-dax';
import type { Ext2, Ext2Inode } from 'node-dax/ext2';

export interface Range {
  readonly pos: number;
  readonly length: number;
}

/** Where an open file of an image has blocks, up to its end. */
export function* dataOf(fs: Ext2, inode: Ext2Inode): Generator<Range> {
  const { blockSize } = fs;
  for (let pos = 0; pos < inode.size; ) {
    const bh = new BufferHead();
    bh.size = Math.ceil((inode.size - pos) / blockSize) * blockSize;
    fs.operations.getBlock(inode, pos / blockSize, bh, false);
    if (!bh.isHole) yield { pos, length: Math.min(bh.size, inode.size - pos) };
    pos += bh.size;
  }
}

/** Runs of `blockSize` bytes that are not all zeros, in bytes that begin with a block. */
export function* nonZeroOf(bytes: Uint8Array, blockSize: number): Generator<Range> {
  const zeros = Buffer.alloc(blockSize);
  let start = -1;
  for (let pos = 0; pos < bytes.byteLength; pos += blockSize) {
    const length = Math.min(blockSize, bytes.byteLength - pos);
    // Most blocks are told by one byte, without a look at the rest.
    const isZero = bytes[pos] === 0 && bytes[pos + length - 1] === 0 && zeros.compare(bytes, pos, pos + length, 0, length) === 0;
    if (!isZero && start < 0) start = pos;
    if (isZero && start >= 0) {
      yield { pos: start, length: pos - start };
      start = -1;
    }
  }
  if (start >= 0) yield { pos: start, length: bytes.byteLength - start };
}
