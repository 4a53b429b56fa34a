// Owns the blocks of extended attributes: inodes with the same attributes share one, which counts its users.

import type { BlockAllocator } from './balloc.js';
import { XATTR_HEADER, XATTR_HEADER_SIZE, XATTR_MAGIC, XATTR_REFCOUNT_MAX } from '../format/disk.js';
import { decode, encode } from '../format/layout.js';
import type { Super } from './super.js';

const MOST_KNOWN = 1000;

export class AttributeBlocks {
  readonly #sb: Super;
  readonly #blocks: BlockAllocator;
  // Blocks by the hash of their contents.
  readonly #known = new Map<number, number>();

  constructor(sb: Super, blocks: BlockAllocator) {
    this.#sb = sb;
    this.#blocks = blocks;
  }

  /**
   * Takes a block that holds `bytes`, whose hash is `hash`: an existing one, which counts one more user, or a new one near block
   * `goal`. The block and its allocation are durable on return. Throws `ENOSPC`.
   */
  take({ bytes, hash }: { bytes: Uint8Array; hash: number }, goal: number): number {
    const { medium, blockSize } = this.#sb;
    const shared = this.#known.get(hash);
    if (shared !== undefined) {
      const there = medium.load(shared * blockSize, blockSize);
      const { h_refcount: users } = decode(XATTR_HEADER, there);
      encode(XATTR_HEADER, { h_refcount: 1 }, there);
      if (users < XATTR_REFCOUNT_MAX && Buffer.compare(there, bytes) === 0) {
        medium.store32(shared * blockSize + XATTR_HEADER.h_refcount[1], users + 1);
        return shared;
      }
    }
    const { block } = this.#blocks.allocate(goal, 1, undefined);
    this.#blocks.flush();
    medium.store(block * blockSize, bytes);
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(hash, block);
    return block;
  }

  /** Counts one user fewer, after inode `ino` stopped referring to `block`; the last user frees it. Throws `EUCLEAN`. */
  release(block: number, ino: number): void {
    const { medium, blockSize } = this.#sb;
    const pos = block * blockSize;
    const header = decode(XATTR_HEADER, medium.load(pos, XATTR_HEADER_SIZE));
    if (header.h_magic !== XATTR_MAGIC || header.h_refcount === 0) {
      throw this.#sb.corrupt('is no block of extended attributes', { ino, block });
    }
    if (header.h_refcount > 1) {
      medium.store32(pos + XATTR_HEADER.h_refcount[1], header.h_refcount - 1);
      return;
    }
    for (const [hash, known] of this.#known) if (known === block) this.#known.delete(hash);
    this.#blocks.release({ block, count: 1 });
  }
}
