// Owns Ext2Inode: the identity of an inode, which the public API gives out instead of the inode in memory.

import { argumentError } from 'node-dax';
import type { FileMappings, Inode } from 'node-dax';
import type { IncoreInode } from '../inode/inode.js';
import type { Super } from '../space/super.js';

type Activity = Inode['activity'];
type Locks = Pick<Inode, 'ilock' | 'inval' | 'extents' | 'pages'>;

/** Where an identity finds its inode in memory. */
export interface InodeHome {
  readonly sb: Super;
  /** The inode in memory, read from the medium if it is not there. Throws `ESTALE` if it was deleted. */
  again(ino: number, generation: number): IncoreInode;
}

/**
 * The identity of an inode: its number, and its generation, which distinguishes it from earlier inodes of the same number. It may
 * be kept for any length of time and stands for the inode until that is deleted; it does not keep the inode in memory. Every member
 * is looked up on access and so never out of date. Several objects may stand for one inode: compare `ino` and `generation`, not
 * objects.
 *
 * It can be used as the `Inode` of `DaxFile`, `daxDoIo` and the like. Once the inode was deleted, all members but `sb`, `ino` and
 * `generation` throw `ESTALE`.
 */
export class Ext2Inode implements Inode {
  readonly sb: Super;
  readonly ino: number;
  /** i_generation. */
  readonly generation: number;
  readonly #home: InodeHome;
  // The inode as last looked up.
  #incore: IncoreInode;

  /** @internal */
  constructor(home: InodeHome, incore: IncoreInode) {
    this.sb = home.sb;
    this.ino = incore.ino;
    this.generation = incore.generation;
    this.#home = home;
    this.#incore = incore;
  }

  /** @internal The inode in memory of `inode`. Throws `TypeError` if it does not belong to the filesystem `home`, and `ESTALE`. */
  static incore(inode: unknown, home: InodeHome): IncoreInode {
    if (inode instanceof Ext2Inode && inode.#home === home) return inode.#now();
    throw argumentError('ERR_INVALID_ARG_VALUE', 'the inode is none of this filesystem');
  }

  /** Type and permissions, as in `fs.Stats`. */
  get mode(): number {
    return this.#now().mode;
  }

  set mode(mode: number) {
    this.#now().mode = mode;
  }

  get uid(): number {
    return this.#now().uid;
  }

  get gid(): number {
    return this.#now().gid;
  }

  /** i_links_count. */
  get nlink(): number {
    return this.#now().nlink;
  }

  /** i_flags. */
  get flags(): number {
    return this.#now().flags;
  }

  /** Bytes. */
  get size(): number {
    return this.#now().size;
  }

  set size(size: number) {
    this.#now().size = size;
  }

  /** Milliseconds since 1970. */
  get atimeMs(): number {
    return this.#now().atimeMs;
  }

  set atimeMs(ms: number) {
    this.#now().atimeMs = ms;
  }

  get mtimeMs(): number {
    return this.#now().mtimeMs;
  }

  set mtimeMs(ms: number) {
    this.#now().mtimeMs = ms;
  }

  get ctimeMs(): number {
    return this.#now().ctimeMs;
  }

  set ctimeMs(ms: number) {
    this.#now().ctimeMs = ms;
  }

  /** When the inode was created, in milliseconds since 1970; undefined if it is too small to store that. */
  get birthtimeMs(): number | undefined {
    return this.#now().birthtimeMs;
  }

  get isDirectory(): boolean {
    return this.#now().isDirectory;
  }

  get isRegular(): boolean {
    return this.#now().isRegular;
  }

  get isSymlink(): boolean {
    return this.#now().isSymlink;
  }

  get activity(): Activity {
    return this.#now().activity;
  }

  set activity(activity: Activity) {
    this.#now().activity = activity;
  }

  get isFreeingDue(): boolean {
    return this.#now().isFreeingDue;
  }

  set isFreeingDue(isDue: boolean) {
    this.#now().isFreeingDue = isDue;
  }

  get mappings(): FileMappings | undefined {
    return this.#now().mappings;
  }

  set mappings(mappings: FileMappings | undefined) {
    this.#now().mappings = mappings;
  }

  get unmapped(): FileMappings | undefined {
    return this.#now().unmapped;
  }

  set unmapped(mappings: FileMappings | undefined) {
    this.#now().unmapped = mappings;
  }

  get ilock(): Locks['ilock'] {
    return this.#now().ilock;
  }

  get inval(): Locks['inval'] {
    return this.#now().inval;
  }

  get extents(): Locks['extents'] {
    return this.#now().extents;
  }

  get pages(): Locks['pages'] {
    return this.#now().pages;
  }

  get isIdle(): boolean {
    return this.#now().isIdle;
  }

  get dioCount(): number {
    return this.#now().dioCount;
  }

  dioBegin(): void {
    this.#now().dioBegin();
  }

  dioEnd(): void {
    this.#now().dioEnd();
  }

  async dioWait(): Promise<void> {
    await this.#now().dioWait();
  }

  #now(): IncoreInode {
    const incore = this.#incore;
    // Operations under way and mappings keep using the object they began with even if the inode is deleted in the meantime.
    const isOver = incore.isForgotten || (incore.isDeleted && incore.isIdle);
    return isOver ? (this.#incore = this.#home.again(this.ino, this.generation)) : incore;
  }
}
