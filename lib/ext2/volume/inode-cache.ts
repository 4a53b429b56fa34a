// Owns the cache of inodes and directories: one object for each inode while it has references, and unreferenced ones in order of
// use until they take too much memory.

import { CameBefore } from './came-before.js';
import { Directory } from '../inode/dir.js';
import type { IncoreInode } from '../inode/inode.js';
import { InodeTable } from './inode-table.js';
import { ASSERTING_CACHES, poison } from './poison.js';
import { UseOrder } from '../inode/use-order.js';

/** How much may stay in memory without references. */
interface Limits {
  readonly bytes: number;
  readonly fresh: number;
  readonly inodes: number;
  readonly directories: number;
}

// V8 collects old objects only when there is some three times as much garbage among them as live data. Evicted inodes are such
// garbage, so each inode counts this many times its size.
const HEAP_FACTOR = 4;
// The maximum number of busy inodes that one trim skips. Inodes of open files do not count: their reference keeps them out of the
// order.
const MOST_BUSY = 8;
const TINY: Limits = { bytes: Number.POSITIVE_INFINITY, fresh: 4, inodes: 4, directories: 2 };
// With 64 MiB, 2048 inodes may be fresh: few enough to be evicted before V8 promotes them to the old objects.
const BYTES_PER_FRESH = 32 * 1024;

function limitsOf(bytes: number): Limits {
  if (ASSERTING_CACHES) return TINY;
  const fresh = Math.min(2048, Math.floor(bytes / BYTES_PER_FRESH));
  return { bytes, fresh, inodes: Number.POSITIVE_INFINITY, directories: Number.POSITIVE_INFINITY };
}

/**
 * Referenced inodes (open, held by a user, in use by an operation) are only in the table; unreferenced ones are also in one of two
 * orders of use. `trim` evicts the oldest of these. It is called between operations only, so an inode found during an operation
 * stays valid until the operation ends.
 *
 * The two orders follow 2Q. An inode that is read for the first time is fresh, and evicted after some 2000 others however often it
 * is used meanwhile; one that is read again soon after its eviction is kept, in order of use. So one pass over a million files
 * evicts no inode in regular use, and leaves no garbage among old objects.
 */
export class InodeCache {
  readonly #limits: Limits;
  readonly #bring: (inode: IncoreInode) => boolean;
  readonly #known = new InodeTable();
  readonly #fresh = new UseOrder<IncoreInode>();
  readonly #kept = new UseOrder<IncoreInode>();
  readonly #cameBefore = new CameBefore();
  #inodeBytes = 0;
  readonly #directories = new Map<IncoreInode, Directory>();
  readonly #directoryOrder = new UseOrder<Directory>();
  #directoryBytes = 0;
  // The directory most recently used.
  #latest: Directory | undefined;

  /**
   * `bytes` limits the memory of unreferenced inodes and of directories. `bring` stores an inode that is about to be evicted if it
   * differs from the medium; it returns false if that is impossible now and the inode must stay.
   */
  constructor(bytes: number, bring: (inode: IncoreInode) => boolean) {
    this.#limits = limitsOf(bytes);
    this.#bring = bring;
  }

  /** All inodes in memory. */
  get inodes(): Iterable<IncoreInode> {
    return this.#known;
  }

  /** The number of inodes in memory. */
  get size(): number {
    return this.#known.size;
  }

  /** The bytes of everything that could be evicted. */
  get bytes(): number {
    return this.#inodeBytes + this.#directoryBytes;
  }

  /** The inode with number `ino`, if it is in memory; counts as a use. */
  get(ino: number): IncoreInode | undefined {
    const inode = this.#known.get(ino);
    if (inode?.references === 0) {
      if (inode.isKept) this.#kept.touch(inode);
      this.#weigh(inode);
    }
    return inode;
  }

  /** Adds an inode that was just read or made and is not in memory yet. */
  add(inode: IncoreInode): void {
    this.#known.add(inode);
    inode.isKept = this.#cameBefore.has(inode.ino);
    this.#orderOf(inode).add(inode);
    this.#weigh(inode);
  }

  /** Takes a reference: the object stays until all references are given back. */
  hold(inode: IncoreInode): void {
    if (inode.references++ > 0) return;
    this.#orderOf(inode).remove(inode);
    this.#inodeBytes -= inode.weight;
    inode.weight = 0;
  }

  /** Gives references back. Returns whether the last one was among them. */
  release(inode: IncoreInode, count: number): boolean {
    inode.references -= count;
    if (inode.references > 0 || count === 0) return false;
    this.#orderOf(inode).add(inode);
    this.#weigh(inode);
    return true;
  }

  /** Removes an inode without references that was deleted or is evicted. */
  remove(inode: IncoreInode): void {
    if (this.#known.get(inode.ino) !== inode) return;
    this.#known.delete(inode);
    this.#orderOf(inode).remove(inode);
    this.#inodeBytes -= inode.weight;
    this.#dropDirectory(this.#directories.get(inode));
  }

  /** The `Directory` of an inode; counts as a use. The same object until the operation ends. */
  directory(inode: IncoreInode): Directory {
    if (this.#latest?.inode === inode) return this.#latest;
    let directory = this.#directories.get(inode);
    if (directory === undefined) {
      directory = new Directory(inode);
      this.#directories.set(inode, directory);
      this.#directoryOrder.add(directory);
    } else {
      this.#directoryOrder.touch(directory);
    }
    // The previous directory may have grown in the last operation, so its bytes are counted again.
    if (this.#latest !== undefined) this.#weighDirectory(this.#latest);
    return (this.#latest = directory);
  }

  /** Evicts the least recently used inodes and directories until the limits are met. Call it only between operations. */
  trim(): void {
    if (this.#latest !== undefined) this.#weighDirectory(this.#latest);
    for (let busy = 0; busy < MOST_BUSY; ) {
      const { bytes, fresh, inodes, directories } = this.#limits;
      const hasMostBytes = this.bytes > bytes;
      // The last directory stays, however large, because it would be read again at once.
      const isDirectoryNext = this.#directoryBytes > this.#inodeBytes && this.#directoryOrder.size > 1;
      if (this.#directoryOrder.size > directories || (hasMostBytes && isDirectoryNext)) {
        this.#dropDirectory(this.#directoryOrder.oldest);
      } else if (this.#fresh.size > fresh || this.#kept.size > inodes || hasMostBytes) {
        const oldest = (this.#fresh.size > fresh ? undefined : this.#kept.oldest) ?? this.#fresh.oldest;
        if (oldest === undefined) return;
        if (!this.#forget(oldest)) busy++;
      } else {
        return;
      }
    }
  }

  // An inode that is busy without a reference counts as used and returns to the end of its order.
  #forget(inode: IncoreInode): boolean {
    if (!inode.isIdle || !this.#bring(inode)) {
      this.#orderOf(inode).touch(inode);
      this.#weigh(inode);
      return false;
    }
    if (!inode.isKept) this.#cameBefore.add(inode.ino);
    this.remove(inode);
    inode.forget();
    poison(inode, 'isForgotten');
    return true;
  }

  #orderOf(inode: IncoreInode): UseOrder<IncoreInode> {
    return inode.isKept ? this.#kept : this.#fresh;
  }

  #weigh(inode: IncoreInode): void {
    const bytes = inode.bytes * HEAP_FACTOR;
    this.#inodeBytes += bytes - inode.weight;
    inode.weight = bytes;
  }

  #weighDirectory(directory: Directory): void {
    const { bytes } = directory;
    this.#directoryBytes += bytes - directory.weight;
    directory.weight = bytes;
  }

  #dropDirectory(directory: Directory | undefined): void {
    if (directory === undefined) return;
    if (this.#latest === directory) this.#latest = undefined;
    this.#directories.delete(directory.inode);
    this.#directoryOrder.remove(directory);
    this.#directoryBytes -= directory.weight;
    poison(directory);
  }
}
