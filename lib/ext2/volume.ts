// Owns what is in memory of a mounted filesystem: its allocators, the inodes that are in use, and which of them changed.

import { daxWritebackAll, type Inode } from 'node-dax';
import { BlockAllocator, type BlockRun } from './balloc.js';
import { Directory } from './dir.js';
import { fail } from './error.js';
import { InodeAllocator } from './ialloc.js';
import { Ext2Inode } from './inode.js';
import { OrphanList } from './orphan.js';
import { nowSeconds, type Super } from './super.js';
import { releaseAttributes, SharedAttributes } from './xattr.js';

// Inodes that changed and wait in memory for a sync.
const MOST_DIRTY = 1024;
// Inodes that are kept in memory, though nobody has them open.
const MOST_INODES = 16_384;
// Directories, and names in them, that are kept in memory.
const MOST_DIRECTORIES = 256;
const MOST_NAMES = 500_000;
// Blocks of pointers of one file that wait.
const MOST_INDIRECT = 256;

export class Volume {
  readonly sb: Super;
  readonly blocks: BlockAllocator;
  readonly inodes: InodeAllocator;
  readonly orphans: OrphanList;
  readonly attributes = new SharedAttributes();
  // Inodes that are in memory: whoever uses one uses the same, because its locks are in it. Weak references are no way to
  // keep them: what is reached by one stays in memory until the program waits for something, which may be never.
  readonly #known = new Map<number, Ext2Inode>();
  readonly #dirty = new Set<Ext2Inode>();
  readonly #open = new Set<Ext2Inode>();
  readonly #directories = new WeakMap<Ext2Inode, Directory>();
  // Those whose names are kept, the least recently used first.
  readonly #recent = new Set<Directory>();
  // The last of these.
  #latest: Directory | undefined;
  #isFrozen = false;
  #isMounted = true;

  constructor(sb: Super) {
    this.sb = sb;
    this.blocks = new BlockAllocator(sb);
    this.inodes = new InodeAllocator(sb, this.blocks);
    this.orphans = new OrphanList(sb);
  }

  /** Files that have a handle. */
  get openFiles(): number {
    return this.#open.size;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  set isFrozen(isFrozen: boolean) {
    this.#isFrozen = isFrozen;
  }

  get isMounted(): boolean {
    return this.#isMounted;
  }

  /** Begins an operation. Throws `EBADF` after unmounting. */
  checkMounted(syscall: string): void {
    if (!this.#isMounted) fail('EBADF', syscall, 'the filesystem was unmounted');
    this.trim();
  }

  /** Throws unless something may be changed: `EBADF` after unmounting, `EROFS`, `EAGAIN` while it is frozen. */
  checkChange(syscall: string): void {
    this.checkMounted(syscall);
    this.sb.checkWritable(syscall);
    if (this.#isFrozen) fail('EAGAIN', syscall, 'the filesystem is frozen: thaw it first');
  }

  /** Nothing is done with it any more. Whoever still has a file mapped sees nothing of it from now on. */
  end(): void {
    this.#isMounted = false;
    for (const inode of this.#known.values()) inode.extents.invalidate();
  }

  /** Forgets inodes that nobody has open and that were not used lately, if there are many. Between operations only. */
  trim(): void {
    let left = this.#known.size;
    if (left <= MOST_INODES) return;
    for (const [ino, inode] of this.#known) {
      if (this.#known.size <= MOST_INODES / 2 || left-- === 0) break;
      this.#known.delete(ino);
      const isMapped = inode.mappings !== undefined || inode.unmapped !== undefined;
      if (inode.wasUsed || inode.opened > 0 || inode.dioCount > 0 || isMapped || this.#dirty.has(inode)) {
        inode.wasUsed = false;
        this.#known.set(ino, inode);
        continue;
      }
      inode.isForgotten = true;
      const directory = this.#directories.get(inode);
      if (directory !== undefined) this.#recent.delete(directory);
    }
  }

  /** The inode `ino`, which an entry leads to. */
  inode(ino: number): Ext2Inode {
    const known = this.#known.get(ino);
    if (known !== undefined) {
      known.wasUsed = true;
      return known;
    }
    const inode = Ext2Inode.load(this, ino);
    if (!this.sb.wasClean && !this.sb.readOnly) this.#prune(inode);
    this.#known.set(ino, inode);
    return inode;
  }

  /**
   * The inode that someone has had for a while: it may have been forgotten since, and is then read again. Throws `ESTALE`
   * if it was deleted, `TypeError` for one of another filesystem.
   */
  current(inode: Inode, syscall: string): Ext2Inode {
    if (!(inode instanceof Ext2Inode) || inode.sb !== this.sb) {
      throw new TypeError('the inode is none of this filesystem');
    }
    if (inode.isDeleted) fail('ESTALE', syscall, `inode ${inode.ino} was deleted`);
    if (!inode.isForgotten) {
      inode.wasUsed = true;
      return inode;
    }
    const known = this.#known.get(inode.ino);
    if (known === undefined && !Ext2Inode.isThere(this.sb, inode)) fail('ESTALE', syscall, `inode ${inode.ino} was deleted`);
    const again = known ?? this.inode(inode.ino);
    if (again.generation !== inode.generation) fail('ESTALE', syscall, `inode ${inode.ino} was deleted`);
    return again;
  }

  /** A new inode in the directory `parent`: taken, in memory; on the medium no one's until it is stored. */
  makeInode(parent: Ext2Inode, mode: number, isDirectory: boolean): Ext2Inode {
    const ino = this.inodes.allocate(parent.ino, isDirectory);
    const inode = Ext2Inode.make(this, ino, mode);
    this.#known.set(ino, inode);
    return inode;
  }

  /** The directory of an inode: always the same one. */
  directory(inode: Ext2Inode): Directory {
    if (this.#latest?.inode === inode) return this.#latest;
    const known = this.#directories.get(inode);
    if (known !== undefined && this.#recent.delete(known)) {
      this.#recent.add(known);
      return (this.#latest = known);
    }
    const directory = known ?? new Directory(inode);
    this.#directories.set(inode, directory);
    this.#recent.add(directory);
    this.#latest = directory;
    let names = 0;
    for (const { cached } of this.#recent) names += cached;
    for (const oldest of this.#recent) {
      if (oldest === directory || (names <= MOST_NAMES && this.#recent.size <= MOST_DIRECTORIES)) break;
      names -= oldest.cached;
      oldest.forget();
      this.#recent.delete(oldest);
    }
    return directory;
  }

  /** Something of the inode changed, and must be on the medium after the next sync. */
  markDirty(inode: Ext2Inode): void {
    this.#dirty.add(inode);
    if (inode.map.dirtyIndirect > MOST_INDIRECT) this.store(inode);
    if (this.#dirty.size <= MOST_DIRTY) return;
    for (const oldest of this.#dirty) {
      this.store(oldest);
      break;
    }
  }

  /** Brings an inode to the medium. */
  store(inode: Ext2Inode): void {
    if (!inode.isDeleted) inode.store();
    this.#dirty.delete(inode);
    this.#release(inode);
  }

  /** Brings everything to the medium: what was stored through mappings, inodes, bitmaps, counts. */
  sync(): void {
    try {
      daxWritebackAll(this.sb);
    } finally {
      this.#syncMetadata();
    }
  }

  #syncMetadata(): void {
    for (const inode of [...this.#dirty]) this.store(inode);
    this.blocks.flush();
    this.inodes.flush();
    this.sb.groups.flush();
    this.sb.store({
      s_free_blocks_count: this.blocks.free,
      s_free_inodes_count: this.inodes.free,
      s_wtime: nowSeconds(),
    });
  }

  /** A handle was made: the inode stays until the last one is closed, whatever becomes of its names. */
  open(inode: Ext2Inode): void {
    inode.opened++;
    this.#open.add(inode);
  }

  /** A handle was closed. The last one brings the inode to the medium, or takes it away if it has no name. */
  close(inode: Ext2Inode): void {
    inode.opened--;
    if (inode.opened > 0) return;
    this.#open.delete(inode);
    inode.map.closeWindow();
    if (this.sb.readOnly || !this.#isMounted) return;
    if (inode.nlink === 0) {
      this.orphans.remove(inode);
      this.#delete(inode);
    } else if (this.#dirty.has(inode)) {
      this.store(inode);
    }
  }

  /** The last name of an inode is gone from the medium. What nobody has open goes too. */
  loseLast(inode: Ext2Inode): void {
    inode.nlink = 0;
    this.store(inode);
    if (inode.opened > 0) this.orphans.add(inode);
    else this.#delete(inode);
  }

  /** Deletes an inode that has no link and no handle: first the medium forgets where its blocks are, then they are free. */
  #delete(inode: Ext2Inode): void {
    const { isDirectory } = inode;
    this.#dirty.delete(inode);
    const directory = this.#directories.get(inode);
    if (directory !== undefined) this.#recent.delete(directory);
    const attributes = inode.fileAcl;
    inode.unreleased.push(...inode.erase());
    this.#release(inode);
    if (attributes !== 0) releaseAttributes(this, inode, attributes);
    this.inodes.release(inode.ino, isDirectory);
    this.#known.delete(inode.ino);
  }

  /** Deletes inodes that lost their last name while they were open, before the filesystem was cut off. */
  recoverOrphans(): number {
    return this.orphans.recover((ino) => {
      const inode = Ext2Inode.read(this, ino);
      inode.dtime = 0;
      // A name came back, or it was only being truncated: nothing of it is lost.
      if (inode.nlink > 0) inode.store();
      else this.#delete(inode);
    });
  }

  // A power cut between two steps of a write or a truncation leaves blocks past the end of the file, and i_blocks as it
  // was before the pointers changed.
  #prune(inode: Ext2Inode): void {
    if (!inode.hasTree) return;
    const first = Math.ceil(inode.size / this.sb.blockSize);
    if (inode.map.hasFrom(first)) this.cut(inode, first);
    if (inode.map.recount(inode.fileAcl === 0 ? 0 : 1)) this.store(inode);
  }

  /** Frees every block from `first` on. The size must be smaller already. */
  cut(inode: Ext2Inode, first: number): void {
    inode.storeSmallerSize();
    this.#free(inode, () => inode.map.cut(first));
  }

  /** Frees `count` blocks from `iblock` on, which become a hole. */
  punch(inode: Ext2Inode, iblock: number, count: number): void {
    this.#free(inode, () => inode.map.punch(iblock, count));
  }

  // Pointers first, durably; only then may another file have the blocks. If the medium fails, the next store goes on.
  #free(inode: Ext2Inode, take: () => BlockRun[]): void {
    inode.map.closeWindow();
    inode.unreleased.push(...take());
    if (inode.unreleased.length === 0) return;
    this.#dirty.add(inode);
    this.store(inode);
  }

  #release(inode: Ext2Inode): void {
    if (inode.unreleased.length === 0) return;
    for (const run of inode.unreleased.splice(0)) this.blocks.release(run);
  }
}
