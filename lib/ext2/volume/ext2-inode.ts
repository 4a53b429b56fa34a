// Owns Ext2Inode: the identity of an inode, which is what users of a mounted filesystem hold.

import { argumentError } from 'node-dax';
import type { FileMappings, Inode } from 'node-dax';
import type { IncoreInode } from '../inode/inode.js';
import type { Super } from '../space/super.js';

type Activity = Inode['activity'];
type Locks = Pick<Inode, 'ilock' | 'inval' | 'extents' | 'pages'>;

/** Where an inode in memory is found by its identity. */
export interface InodeHome {
  readonly sb: Super;
  /** The inode as it is in memory, where it is read anew if need be. Throws `ESTALE` if it was deleted. */
  again(ino: number, generation: number): IncoreInode;
}

/**
 * The identity of an inode: its number, and the generation that tells it from others that had the number before. It may be
 * kept for any time, and stands for the inode until that is deleted; it keeps nothing in memory, and neither does the
 * filesystem for its sake. Every member is looked up when it is asked for, so that none is ever out of date. There may be
 * several for one inode: compare `ino` and `generation`, not objects.
 *
 * It is an `Inode` for `DaxFile`, `daxDoIo` and their like. The other members of an inode that was deleted throw `ESTALE`.
 */
export class Ext2Inode implements Inode {
  readonly sb: Super;
  readonly ino: number;
  /** i_generation. */
  readonly generation: number;
  readonly #home: InodeHome;
  // As it was found last.
  #incore: IncoreInode;

  /** @internal */
  constructor(home: InodeHome, incore: IncoreInode) {
    this.sb = home.sb;
    this.ino = incore.ino;
    this.generation = incore.generation;
    this.#home = home;
    this.#incore = incore;
  }

  /** @internal The inode in memory, if `inode` is one of the filesystem `home`. Throws `TypeError`, and `ESTALE`. */
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

  /** When it was made, in milliseconds since 1970; undefined where the inode is too small to tell. */
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
    // Work on one that was deleted meanwhile, and its mappings, end with what they began with.
    const isOver = incore.isForgotten || (incore.isDeleted && incore.isIdle);
    return isOver ? (this.#incore = this.#home.again(this.ino, this.generation)) : incore;
  }
}
