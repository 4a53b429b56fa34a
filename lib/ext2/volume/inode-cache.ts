// Owns which inodes and directories are in memory: one object for each inode, for as long as anybody has a reference to
// it, and the rest in the order of use until they have too much memory.

import { CameBefore } from './came-before.js';
import { Directory } from '../inode/dir.js';
import type { IncoreInode } from '../inode/inode.js';
import { InodeTable } from './inode-table.js';
import { ASSERTING_CACHES, poison } from './poison.js';
import { UseOrder } from '../inode/use-order.js';

/** What may stay in memory though nobody has a reference to it. */
interface Limits {
  readonly bytes: number;
  readonly fresh: number;
  readonly inodes: number;
  readonly directories: number;
}

// V8 looks for garbage among old objects when there is some three times as much as what is alive, and inodes that are
// forgotten are such garbage: so much memory goes with one.
const HEAP_FACTOR = 4;
// Inodes at work that one trim passes by: a reference keeps those of open files out of its way.
const MOST_BUSY = 8;
const TINY: Limits = { bytes: Number.POSITIVE_INFINITY, fresh: 4, inodes: 4, directories: 2 };
// Of 64 MiB, 2048 inodes may be fresh: few enough to be garbage before V8 counts them among old objects.
const BYTES_PER_FRESH = 32 * 1024;

function limitsOf(bytes: number): Limits {
  if (ASSERTING_CACHES) return TINY;
  const fresh = Math.min(2048, Math.floor(bytes / BYTES_PER_FRESH));
  return { bytes, fresh, inodes: Number.POSITIVE_INFINITY, directories: Number.POSITIVE_INFINITY };
}

/**
 * Inodes that are referenced (open, held by a user, worked on) are here and nowhere else; those that are not are also in an
 * order. `trim` forgets the oldest of these. It is called between operations only, so that whoever found an inode during an
 * operation has the inode until its end.
 *
 * There are two orders (after 2Q). What comes for the first time is fresh, and forgotten after some 2000 others, however it is used
 * meanwhile; what comes again soon after that is kept, in the order of use. So who goes through a million files once pushes out
 * nothing that is used, and leaves no garbage among old objects.
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
  // The directory that was used last.
  #latest: Directory | undefined;

  /**
   * `bytes` is what may be kept of inodes without a reference, and of directories. `bring` brings to the medium what it has
   * not of an inode that is about to be forgotten; false where that cannot be now, and the inode must stay.
   */
  constructor(bytes: number, bring: (inode: IncoreInode) => boolean) {
    this.#limits = limitsOf(bytes);
    this.#bring = bring;
  }

  /** All inodes in memory. */
  get inodes(): Iterable<IncoreInode> {
    return this.#known;
  }

  /** Inodes in memory. */
  get size(): number {
    return this.#known.size;
  }

  /** The bytes of what would be forgotten if there were too many. */
  get bytes(): number {
    return this.#inodeBytes + this.#directoryBytes;
  }

  /** The inode of that number if it is in memory: it was used just now. */
  get(ino: number): IncoreInode | undefined {
    const inode = this.#known.get(ino);
    if (inode?.references === 0) {
      if (inode.isKept) this.#kept.touch(inode);
      this.#weigh(inode);
    }
    return inode;
  }

  /** One that was read or made just now, and is not in memory yet. */
  add(inode: IncoreInode): void {
    this.#known.add(inode);
    inode.isKept = this.#cameBefore.has(inode.ino);
    this.#orderOf(inode).add(inode);
    this.#weigh(inode);
  }

  /** One reference more: the object stays until as many are given back. */
  hold(inode: IncoreInode): void {
    if (inode.references++ > 0) return;
    this.#orderOf(inode).remove(inode);
    this.#inodeBytes -= inode.weight;
    inode.weight = 0;
  }

  /** Gives references back. Whether the last one is among them. */
  release(inode: IncoreInode, count: number): boolean {
    inode.references -= count;
    if (inode.references > 0 || count === 0) return false;
    this.#orderOf(inode).add(inode);
    this.#weigh(inode);
    return true;
  }

  /** An inode that has no reference goes: it was deleted, or is forgotten. */
  remove(inode: IncoreInode): void {
    if (this.#known.get(inode.ino) !== inode) return;
    this.#known.delete(inode);
    this.#orderOf(inode).remove(inode);
    this.#inodeBytes -= inode.weight;
    this.#dropDirectory(this.#directories.get(inode));
  }

  /** The directory of an inode, used just now: the same one until the end of the operation. */
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
    // What the last operation left in it counts from now on.
    if (this.#latest !== undefined) this.#weighDirectory(this.#latest);
    return (this.#latest = directory);
  }

  /** Forgets what was not used for longest, as long as there is too much. Between operations only. */
  trim(): void {
    if (this.#latest !== undefined) this.#weighDirectory(this.#latest);
    for (let busy = 0; busy < MOST_BUSY; ) {
      const { bytes, fresh, inodes, directories } = this.#limits;
      const hasMostBytes = this.bytes > bytes;
      // The directory that is in use stays, however large: it would be read again at once.
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

  // One that is worked on, by who has no reference, is used: its turn comes again.
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
