// Owns the in-memory state of a mounted filesystem: its allocators, its inodes, their references, and which of them are dirty.

import { DaxError, daxWritebackAll } from 'node-dax';
import { AttributeBlocks } from '../space/attribute-blocks.js';
import { BlockAllocator, type BlockRun } from '../space/balloc.js';
import type { Directory } from '../inode/dir.js';
import { fileTypeOf, FT } from '../format/disk.js';
import { checkInode } from '../inode/check-inode.js';
import { fail } from '../format/error.js';
import { Changes } from './changes.js';
import { Ext2Inode } from './ext2-inode.js';
import { InodeAllocator } from '../space/ialloc.js';
import { InodeCache } from './inode-cache.js';
import { IncoreInode } from '../inode/inode.js';
import { OrphanList } from '../inode/orphan.js';
import { nowSeconds, type Super } from '../space/super.js';

// The maximum number of dirty inodes that wait in memory for a sync.
const MOST_DIRTY = 1024;
// The maximum number of dirty indirect blocks of one file.
const MOST_INDIRECT = 256;

export class Volume {
  readonly sb: Super;
  readonly blocks: BlockAllocator;
  readonly inodes: InodeAllocator;
  readonly orphans: OrphanList;
  readonly attributes: AttributeBlocks;
  readonly changes = new Changes();
  readonly #cache: InodeCache;
  readonly #dirty = new Set<IncoreInode>();
  #openFiles = 0;
  readonly #holds = new Map<IncoreInode, number>();
  #isFrozen = false;
  #isMounted = true;
  readonly #whenEnded: (() => void)[] = [];

  /** `cacheBytes` is the memory for inodes and directories without references. */
  constructor(sb: Super, cacheBytes: number) {
    this.sb = sb;
    this.#cache = new InodeCache(cacheBytes, (inode) => this.#mayForget(inode));
    this.blocks = new BlockAllocator(sb);
    this.attributes = new AttributeBlocks(sb, this.blocks);
    this.inodes = new InodeAllocator(sb, this.blocks);
    this.orphans = new OrphanList(sb);
  }

  /** The number of open handles. */
  get openFiles(): number {
    return this.#openFiles;
  }

  /** The number of held inodes. */
  get held(): number {
    return this.#holds.size;
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

  /**
   * Begins a user's operation. Inodes are evicted only here, so every inode that the operation finds keeps its one object until the
   * operation ends. Throws `EBADF` after unmounting.
   */
  begin(syscall: string): void {
    this.checkMounted(syscall);
    this.trim();
  }

  /** As `begin`, for an operation that changes something; throws as `checkChange` does. */
  beginChange(syscall: string): void {
    this.checkChange(syscall);
    this.trim();
  }

  /** Throws `EBADF` after unmounting. */
  checkMounted(syscall: string): void {
    if (!this.#isMounted) fail('EBADF', syscall, 'the filesystem was unmounted');
  }

  /** Throws if the filesystem cannot be changed: `EBADF` after unmounting, `EROFS`, `EAGAIN` while it is frozen. */
  checkChange(syscall: string): void {
    this.checkMounted(syscall);
    this.checkWritable(syscall);
    if (this.#isFrozen) fail('EAGAIN', syscall, 'the filesystem is frozen: thaw it first');
  }

  /** Throws `EROFS` if the filesystem is read-only. */
  checkWritable(syscall: string): void {
    if (this.sb.readOnly) throw new DaxError({ errno: 'EROFS', syscall, reason: 'READ_ONLY' });
  }

  /** Ends the use of the volume. Mappings of its files that still exist no longer show their contents. */
  end(): void {
    this.#isMounted = false;
    for (const inode of this.#cache.inodes) if (inode.activity !== undefined) inode.extents.invalidate();
    for (const action of this.#whenEnded.splice(0)) action();
  }

  /** Calls `action` when the use of the volume ends. */
  onEnd(action: () => void): void {
    this.#whenEnded.push(action);
  }

  /** Evicts the least recently used inodes without references, if there are too many. Call it only between operations. */
  trim(): void {
    this.#cache.trim();
  }

  /** The inode `ino` that an entry refers to. */
  inode(ino: number): IncoreInode {
    return this.#cache.get(ino) ?? this.#remember(IncoreInode.load(this, ino));
  }

  /**
   * The inode with a number and, if given, a generation that a user supplied; no entry need refer to it. Throws `ENOENT` for a
   * number that no file can have, and `ESTALE` for an inode that no longer exists.
   */
  again(ino: number, generation?: number, syscall = 'inode'): IncoreInode {
    this.checkMounted(syscall);
    const known = this.#cache.get(ino);
    if (known === undefined && !IncoreInode.isNumber(this.sb, ino)) fail('ENOENT', syscall, `${ino} is no inode for files`);
    const inode = known ?? (this.inodes.isTaken(ino) ? IncoreInode.read(this, ino) : undefined);
    const isThere = inode !== undefined && (known !== undefined || inode.nlink > 0);
    if (!isThere || (generation !== undefined && inode.generation !== generation)) {
      fail('ESTALE', syscall, `inode ${ino} was deleted`);
    }
    if (known !== undefined) return known;
    checkInode(inode);
    return this.#remember(inode);
  }

  /** The identity of an inode, to be given to users. */
  identityOf(inode: IncoreInode): Ext2Inode {
    return new Ext2Inode(this, inode);
  }

  /**
   * The inode in memory that `inode` stands for: an identity that a user has, or the inode in memory itself, which open files use.
   * Throws `ESTALE` if it was deleted, `TypeError` for one of another filesystem.
   */
  current(inode: unknown, syscall: string): IncoreInode {
    const current = inode instanceof IncoreInode && inode.sb === this.sb ? inode : Ext2Inode.incore(inode, this);
    if (current.isDeleted) fail('ESTALE', syscall, `inode ${current.ino} was deleted`);
    return current;
  }

  #remember(inode: IncoreInode): IncoreInode {
    if (!this.sb.wasClean && !this.sb.readOnly) this.#prune(inode);
    this.#cache.add(inode);
    return inode;
  }

  // Brings the inode to the medium before it is evicted. An inode that cannot be stored stays in memory.
  #mayForget(inode: IncoreInode): boolean {
    const isChanged = this.#dirty.has(inode) || inode.unreleased !== undefined;
    if (!isChanged && (this.sb.readOnly || !inode.wasRead)) return true;
    if (this.sb.readOnly || this.#isFrozen) return false;
    try {
      this.#bring(inode);
      return true;
    } catch (error) {
      // The inode stays dirty, so the next sync reports the error.
      if (error instanceof DaxError) return false;
      throw error;
    }
  }

  /**
   * Makes a new inode in the directory `parent`. Its number is allocated, but on the medium the inode is unused until it is stored.
   */
  makeInode(parent: IncoreInode, mode: number, isDirectory: boolean): IncoreInode {
    const ino = this.inodes.allocate(parent.ino, isDirectory);
    if (this.#cache.get(ino) !== undefined) throw this.sb.corrupt('is marked as free, and a name leads to it', { ino });
    const inode = IncoreInode.make(this, ino, mode);
    this.#cache.add(inode);
    return inode;
  }

  /** The `Directory` of an inode; the same object until the operation ends. */
  directory(inode: IncoreInode): Directory {
    return this.#cache.directory(inode);
  }

  /** Marks the inode as changed, to be stored by the next sync at the latest. */
  markDirty(inode: IncoreInode): void {
    this.#dirty.add(inode);
    if (this.changes.isHeard) this.changes.tell({ ino: inode.ino });
    if (inode.dirtyIndirect > MOST_INDIRECT) this.#bring(inode);
    if (this.#dirty.size <= MOST_DIRTY) return;
    for (const oldest of this.#dirty) {
      this.#bring(oldest);
      break;
    }
  }

  /** Brings a changed inode to the medium. */
  store(inode: IncoreInode): void {
    if (this.changes.isHeard) this.changes.tell({ ino: inode.ino });
    this.#bring(inode);
  }

  #bring(inode: IncoreInode): void {
    if (!inode.isDeleted) inode.store();
    this.#dirty.delete(inode);
    this.#release(inode);
  }

  /** Brings everything to the medium: stores through mappings, inodes, bitmaps, counts. */
  sync(): void {
    try {
      daxWritebackAll(this.sb);
    } finally {
      this.#syncMetadata();
    }
  }

  #syncMetadata(): void {
    for (const inode of [...this.#dirty]) this.#bring(inode);
    this.blocks.flush();
    this.inodes.flush();
    this.sb.groups.flush();
    this.sb.store({
      s_free_blocks_count: this.blocks.free,
      s_free_inodes_count: this.inodes.free,
      s_wtime: nowSeconds(),
    });
    this.sb.settle();
  }

  /** Counts a new handle: the inode exists until the last reference is given back, even without a name. */
  open(inode: IncoreInode): void {
    this.#openFiles++;
    this.#cache.hold(inode);
  }

  /**
   * Counts a closed handle. The last one stores a changed inode, even one that is held, because servers hold files that nobody has
   * open.
   */
  close(inode: IncoreInode): void {
    this.#openFiles--;
    this.#giveBack(inode);
    const holds = this.#holds.get(inode);
    if (holds === inode.references && inode.nlink > 0 && this.#isMounted && this.#dirty.has(inode)) this.#bring(inode);
  }

  /** Takes a reference without a handle. */
  hold(inode: IncoreInode): void {
    this.#holds.set(inode, (this.#holds.get(inode) ?? 0) + 1);
    this.#cache.hold(inode);
  }

  /** Gives back `count` references of `hold`. Throws `EINVAL` if there are fewer. */
  release(inode: IncoreInode, count = 1): void {
    const holds = this.#holds.get(inode) ?? 0;
    if (count > holds) fail('EINVAL', 'release', `inode ${inode.ino} is held ${holds} times, not ${count}`);
    if (count === holds) this.#holds.delete(inode);
    else this.#holds.set(inode, holds - count);
    this.#giveBack(inode, count);
  }

  // Giving back the last reference stores a changed inode, or deletes one without a name.
  #giveBack(inode: IncoreInode, count = 1): void {
    if (!this.#cache.release(inode, count)) return;
    inode.closeWindow();
    if (this.sb.readOnly || !this.#isMounted) return;
    if (inode.nlink === 0) {
      this.orphans.remove(inode);
      this.#delete(inode);
    } else if (this.#dirty.has(inode)) {
      this.#bring(inode);
    }
  }

  /** After the last name of an inode was removed from the medium: deletes the inode, or makes it an orphan if it has references. */
  loseLast(inode: IncoreInode): void {
    inode.nlink = 0;
    this.store(inode);
    if (inode.references > 0) this.orphans.add(inode);
    else this.#delete(inode);
  }

  /** After an inode that was made without a name got one: it is no orphan any more. */
  becomesLasting(inode: IncoreInode): void {
    inode.isTemporary = false;
    this.orphans.remove(inode);
    this.store(inode);
  }

  /** Deletes an inode without links and references: its pointers are erased on the medium first, then its blocks are freed. */
  #delete(inode: IncoreInode): void {
    const { isDirectory } = inode;
    this.#dirty.delete(inode);
    const attributes = inode.fileAcl;
    owe(inode, inode.erase());
    this.#release(inode);
    if (attributes !== 0) this.attributes.release(attributes, inode.ino);
    this.inodes.release(inode.ino, isDirectory);
    this.#cache.remove(inode);
  }

  /** Deletes the orphans: inodes that had lost their last name but were still open when a power cut or the like ended the mount. */
  recoverOrphans(): number {
    const mayBe = (ino: number) => this.inodes.isTaken(ino) && fileTypeOf(IncoreInode.read(this, ino).mode) !== FT.UNKNOWN;
    return this.orphans.recover(mayBe, (ino) => {
      const inode = IncoreInode.read(this, ino);
      inode.dtime = 0;
      // The inode got a name again, or was on the list only for a truncation: keep it.
      if (inode.nlink > 0) inode.store();
      else this.#delete(inode);
    });
  }

  // Frees blocks past the end of the file and corrects i_blocks, which a power cut during a write or truncation may leave behind.
  #prune(inode: IncoreInode): void {
    if (!inode.hasTree) return;
    const first = Math.ceil(inode.size / this.sb.blockSize);
    if (inode.map.hasFrom(first)) this.cut(inode, first);
    if (inode.map.recount(inode.blocksBeside)) this.store(inode);
  }

  /** Frees every block from `first` on. The size must be smaller already. */
  cut(inode: IncoreInode, first: number): void {
    inode.storeSmallerSize();
    this.#free(inode, () => inode.map.cut(first));
  }

  /** Frees `count` blocks from `iblock` on, which become a hole. */
  punch(inode: IncoreInode, iblock: number, count: number): void {
    this.#free(inode, () => inode.map.punch(iblock, count));
  }

  // Stores the pointers durably before other files may get the blocks. If the medium fails, the next store tries again.
  #free(inode: IncoreInode, take: () => BlockRun[]): void {
    inode.closeWindow();
    owe(inode, take());
    if (inode.unreleased === undefined) return;
    this.#dirty.add(inode);
    this.store(inode);
  }

  #release(inode: IncoreInode): void {
    const { unreleased } = inode;
    inode.unreleased = undefined;
    for (const run of unreleased ?? []) this.blocks.release(run);
  }
}

// Adds blocks that the inode gave up, but may still point to on the medium.
function owe(inode: IncoreInode, runs: readonly BlockRun[]): void {
  if (runs.length > 0) (inode.unreleased ??= []).push(...runs);
}
