// Owns finding data and holes: of a file in an image by asking for its blocks, and in a buffer by looking for zeros.

import { BufferHead } from 'node-dax';
import type { Ext2, Ext2Inode } from 'node-dax/ext2';

export interface Range {
  readonly pos: number;
  readonly length: number;
}

/** The ranges, up to its end, in which an open file of an image has blocks. */
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

// The largest block.
const ZEROS = Buffer.alloc(4096);

/** The runs of blocks in `bytes` that are not all zeros. `bytes` must begin at a block boundary. */
export function* nonZeroOf(bytes: Uint8Array, blockSize: number): Generator<Range> {
  let start = -1;
  for (let pos = 0; pos < bytes.byteLength; pos += blockSize) {
    const length = Math.min(blockSize, bytes.byteLength - pos);
    // For most blocks the first or the last byte decides without a comparison of the rest.
    const isZero = bytes[pos] === 0 && bytes[pos + length - 1] === 0 && ZEROS.compare(bytes, pos, pos + length, 0, length) === 0;
    if (!isZero && start < 0) start = pos;
    if (isZero && start >= 0) {
      yield { pos: start, length: pos - start };
      start = -1;
    }
  }
  if (start >= 0) yield { pos: start, length: bytes.byteLength - start };
}
