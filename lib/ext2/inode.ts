// Owns the inode: its fields in memory, and the order in which they reach the medium.

import { Inode } from 'node-dax';
import type { BlockAllocator, BlockRun } from './balloc.js';
import { BlockMap } from './block-map.js';
import {
  EXT2_N_BLOCKS,
  EXT2_ROOT_INO,
  fileTypeOf,
  FOREIGN_INODE_FLAGS,
  FT,
  GOOD_OLD_INODE_SIZE,
  hasFlag,
  INODE,
  INODE_EXTRA,
  RO_COMPAT,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  typeOf,
  WANT_EXTRA_ISIZE,
} from './disk.js';
import { nowSeconds, type Super } from './super.js';
import { fromMilliseconds, toMilliseconds } from './timestamp.js';

const POINTERS = INODE.i_block[1];
const POINTERS_END = INODE.i_generation[1];
const TIMES = [
  ['atimeMs', 'i_atime', 'i_atime_extra'],
  ['ctimeMs', 'i_ctime', 'i_ctime_extra'],
  ['mtimeMs', 'i_mtime', 'i_mtime_extra'],
] as const;

type ExtraName = 'i_atime_extra' | 'i_ctime_extra' | 'i_mtime_extra' | 'i_crtime_extra';

// Files this large need the feature large_file (and so a high half of i_size).
const LARGE_FILE = 2 ** 31;

/** Where an inode is, and what it takes blocks from. */
export interface Home {
  readonly sb: Super;
  readonly blocks: BlockAllocator;
}

/** An inode of ext2. Its fields may be changed; `store` brings them to the medium. */
export class Ext2Inode extends Inode {
  declare readonly sb: Super;
  uid = 0;
  gid = 0;
  /** i_links_count. */
  nlink = 0;
  /** i_flags. */
  flags = 0;
  generation = 0;
  /** The block of extended attributes, or 0. */
  fileAcl = 0;
  /** When it was deleted, in seconds; while it is open without a name, the next such inode. */
  dtime = 0;
  /** When it was made, in milliseconds since 1970; undefined where the inode is too small to tell. */
  readonly birthtimeMs: number | undefined;
  readonly map: BlockMap;
  /** Blocks that its tree has no more in memory, but may have on the medium: nobody may have them before it is stored. */
  readonly unreleased: BlockRun[] = [];
  /** Handles that have it open. */
  opened = 0;
  /** It is not there any more: no entry leads to it, nobody had it open, and its blocks are free. */
  isDeleted = false;
  /** It is in memory no more, because it was not used: another object may stand for it. */
  isForgotten = false;
  /** Since it was last looked for inodes that are not. */
  wasUsed = false;
  readonly #blocks: BlockAllocator;
  // What the medium has, and the times in it as they were read.
  readonly #stored: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #storedTimes: [atimeMs: number, ctimeMs: number, mtimeMs: number];
  // The medium has nothing yet.
  #isNew = false;

  /** `raw` is the whole inode as it is on the medium. Nothing of it is believed yet: see `load`. */
  constructor({ sb, blocks }: Home, ino: number, raw: Uint8Array<ArrayBuffer>) {
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    const mode = view.getUint16(INODE.i_mode[1], true);
    super(sb, ino, sizeIn(view, mode));
    this.#blocks = blocks;
    this.#stored = raw;
    this.#view = view;
    this.mode = mode;
    this.uid = view.getUint16(INODE.l_i_uid_high[1], true) * 2 ** 16 + view.getUint16(INODE.i_uid[1], true);
    this.gid = view.getUint16(INODE.l_i_gid_high[1], true) * 2 ** 16 + view.getUint16(INODE.i_gid[1], true);
    this.nlink = view.getUint16(INODE.i_links_count[1], true);
    this.flags = view.getUint32(INODE.i_flags[1], true);
    this.generation = view.getUint32(INODE.i_generation[1], true);
    this.fileAcl = view.getUint32(INODE.i_file_acl[1], true);
    this.dtime = view.getUint32(INODE.i_dtime[1], true);
    const top: number[] = [];
    for (let index = 0; index < EXT2_N_BLOCKS; index++) top.push(view.getUint32(POINTERS + 4 * index, true));
    this.map = new BlockMap(sb, blocks, ino, top, view.getUint32(INODE.i_blocks[1], true));
    for (const [name, seconds, extra] of TIMES) {
      this[name] = toMilliseconds(view.getInt32(INODE[seconds][1], true), this.#extra(extra));
    }
    this.#storedTimes = [this.atimeMs, this.ctimeMs, this.mtimeMs];
    const crtimeExtra = this.#extra('i_crtime_extra');
    if (crtimeExtra !== undefined) {
      this.birthtimeMs = toMilliseconds(view.getInt32(INODE_EXTRA.i_crtime[1], true), crtimeExtra);
    }
  }

  /** Reads an inode that is in use. Throws `EUCLEAN` for one that is not, or cannot be. */
  static load(home: Home, ino: number): Ext2Inode {
    const { sb } = home;
    const { geometry, medium, groups } = sb;
    const isOwn = ino < geometry.firstIno && ino !== EXT2_ROOT_INO;
    if (isOwn || ino > geometry.inodesCount) throw sb.corrupt('is no inode for files', { ino });
    const inode = new Ext2Inode(home, ino, medium.load(groups.inodePos(ino), geometry.inodeSize));
    inode.#check();
    return inode;
  }

  /** A new inode `ino`, which is taken and to which nothing leads. On the medium it is no one's until `store`. */
  static make(home: Home, ino: number, mode: number): Ext2Inode {
    const raw = Buffer.allocUnsafe(home.sb.geometry.inodeSize).fill(0);
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    view.setUint16(INODE.i_mode[1], mode, true);
    view.setUint32(INODE.i_generation[1], Math.floor(Math.random() * 2 ** 32), true);
    const now = Date.now();
    if (raw.length > GOOD_OLD_INODE_SIZE) {
      const { seconds, extra } = fromMilliseconds(now, true);
      view.setUint16(INODE_EXTRA.i_extra_isize[1], WANT_EXTRA_ISIZE, true);
      view.setInt32(INODE_EXTRA.i_crtime[1], seconds, true);
      view.setUint32(INODE_EXTRA.i_crtime_extra[1], extra, true);
    }
    const inode = new Ext2Inode(home, ino, raw);
    inode.atimeMs = inode.mtimeMs = inode.ctimeMs = now;
    inode.#isNew = true;
    return inode;
  }

  /** Whether the medium still has the inode that `inode` was made of. */
  static isThere(sb: Super, inode: Ext2Inode): boolean {
    const raw = sb.medium.load(sb.groups.inodePos(inode.ino), GOOD_OLD_INODE_SIZE);
    const view = new DataView(raw.buffer);
    const isUsed = view.getUint16(INODE.i_links_count[1], true) > 0;
    return isUsed && view.getUint32(INODE.i_generation[1], true) === inode.generation;
  }

  get isDirectory(): boolean {
    return typeOf(this.mode) === S_IFDIR;
  }

  get isRegular(): boolean {
    return typeOf(this.mode) === S_IFREG;
  }

  get isSymlink(): boolean {
    return typeOf(this.mode) === S_IFLNK;
  }

  get hasExtra(): boolean {
    return this.#stored.length > GOOD_OLD_INODE_SIZE;
  }

  /** i_block as bytes, which is what it is in a fast symlink. */
  get inlineBytes(): Uint8Array {
    return new Uint8Array(Uint32Array.from(this.map.top).buffer);
  }

  set inlineBytes(bytes: Uint8Array) {
    const words = new Uint32Array(EXT2_N_BLOCKS);
    new Uint8Array(words.buffer).set(bytes);
    for (const [index, word] of words.entries()) this.map.top[index] = word;
  }

  /** Where extended attributes may be in the inode itself; empty where there is no room. */
  get attributeArea(): { offset: number; bytes: Uint8Array<ArrayBuffer> } {
    const offset = this.hasExtra ? GOOD_OLD_INODE_SIZE + this.#extraSize() : this.#stored.length;
    return { offset, bytes: this.#stored.subarray(offset) };
  }

  /** Whether the medium has something else than memory. A time of access alone does not count. */
  get isDirty(): boolean {
    return this.map.dirtyIndirect > 0 || this.#differs();
  }

  /**
   * Brings the inode to the medium, and before it the blocks of pointers and the bitmaps that it relies on. Pointers
   * come before the size: what is within the file's end is always there. A new inode is there as no one's first.
   */
  store(): void {
    if (this.isRegular && this.size >= LARGE_FILE) this.sb.addFeature('s_feature_ro_compat', RO_COMPAT.LARGE_FILE);
    this.#blocks.flush();
    this.map.storeIndirect();
    const next = this.#encode();
    if (this.#isNew) this.#storeUnused(next);
    // The halves of a size beyond 4 GiB cannot change at once: between them it is too large, never too small.
    this.#put(next, POINTERS, next.length);
    this.#put(next, 0, POINTERS);
  }

  /** Brings a smaller size to the medium, before blocks past it go: a file's end is never within what is gone. */
  storeSmallerSize(): void {
    if (this.size >= sizeIn(this.#view, this.mode)) return;
    const next = this.#scratch();
    next.set(this.#stored);
    this.#encodeSize(scratchView);
    this.#put(next, 0, POINTERS);
    this.#put(next, POINTERS_END, next.length);
  }

  /** Stores part of the inode beside its fields: extended attributes. */
  storePart(offset: number, bytes: Uint8Array): void {
    this.sb.medium.store(this.sb.groups.inodePos(this.ino) + offset, bytes);
    this.#stored.set(bytes, offset);
  }

  /**
   * Ends an inode without links: no pointer is left on the medium. Returns what it had, to be released.
   */
  erase(): BlockRun[] {
    this.extents.invalidate();
    this.map.closeWindow();
    const freed = this.hasTree ? this.map.cut(0) : [];
    this.map.top.fill(0);
    this.size = 0;
    this.map.sectors = 0;
    this.fileAcl = 0;
    this.dtime = nowSeconds();
    this.isDeleted = true;
    const next = this.#encode();
    this.#put(next, POINTERS, next.length);
    this.#put(next, 0, POINTERS);
    return freed;
  }

  /** i_block has pointers, and not a target, a device, or nothing. */
  get hasTree(): boolean {
    if (this.isRegular || this.isDirectory) return true;
    return this.isSymlink && !this.isFastSymlink;
  }

  /** The target is in the inode: it has no block but, maybe, one of extended attributes. */
  get isFastSymlink(): boolean {
    const ownSectors = this.fileAcl === 0 ? 0 : this.sb.blockSize / 512;
    return this.isSymlink && this.map.sectors === ownSectors;
  }

  #check(): void {
    const corrupt = (what: string) => this.sb.corrupt(what, { ino: this.ino });
    if (this.nlink === 0) throw corrupt('is deleted, and an entry leads to it');
    if (fileTypeOf(this.mode) === FT.UNKNOWN) throw corrupt(`has mode ${this.mode.toString(8)}`);
    const foreign = Object.entries(FOREIGN_INODE_FLAGS).find(([, flag]) => hasFlag(this.flags, flag));
    if (foreign !== undefined) throw corrupt(`has the flag ${foreign[0]}, which ext2 does not know`);
    if (this.hasExtra && (this.#extraSize() % 4 !== 0 || GOOD_OLD_INODE_SIZE + this.#extraSize() > this.#stored.length)) {
      throw corrupt(`has i_extra_isize ${this.#extraSize()}`);
    }
    if (this.isRegular && this.size > this.sb.maxBytes) throw corrupt(`has ${this.size} bytes: more than a file can`);
    if (this.isDirectory) this.#checkDirectorySize();
    if (this.fileAcl !== 0) this.sb.checkData(this.fileAcl, 1, this.ino);
  }

  // Every block of a directory is there, and none is there twice.
  #checkDirectorySize(): void {
    const { blockSize, geometry } = this.sb;
    const blocks = this.size / blockSize;
    if (!Number.isInteger(blocks) || blocks === 0 || blocks > geometry.blocksCount) {
      throw this.sb.corrupt(`is a directory of ${this.size} bytes`, { ino: this.ino });
    }
  }

  #extraSize(): number {
    return this.#view.getUint16(INODE_EXTRA.i_extra_isize[1], true);
  }

  #extra(name: ExtraName): number | undefined {
    const offset = INODE_EXTRA[name][1];
    if (!this.hasExtra || offset + 4 > GOOD_OLD_INODE_SIZE + this.#extraSize()) return undefined;
    return this.#view.getUint32(offset, true);
  }

  #scratch(): Uint8Array {
    return scratch.subarray(0, this.#stored.length);
  }

  #encodeSize(view: DataView): void {
    view.setUint32(INODE.i_size[1], this.size % 2 ** 32, true);
    if (this.isRegular) view.setUint32(INODE.i_size_high[1], Math.floor(this.size / 2 ** 32), true);
  }

  // The inode as it shall be on the medium. It is there until the next one is encoded.
  #encode(): Uint8Array {
    const next = this.#scratch();
    next.set(this.#stored);
    const view = scratchView;
    view.setUint16(INODE.i_mode[1], this.mode, true);
    view.setUint16(INODE.i_uid[1], this.uid % 2 ** 16, true);
    view.setUint16(INODE.l_i_uid_high[1], Math.floor(this.uid / 2 ** 16), true);
    view.setUint16(INODE.i_gid[1], this.gid % 2 ** 16, true);
    view.setUint16(INODE.l_i_gid_high[1], Math.floor(this.gid / 2 ** 16), true);
    view.setUint16(INODE.i_links_count[1], this.nlink, true);
    view.setUint32(INODE.i_flags[1], this.flags, true);
    view.setUint32(INODE.i_blocks[1], this.map.storedSectors, true);
    view.setUint32(INODE.i_dtime[1], this.dtime, true);
    view.setUint32(INODE.i_file_acl[1], this.fileAcl, true);
    this.#encodeSize(view);
    const top = this.map.storedTop;
    for (let index = 0; index < top.length; index++) view.setUint32(POINTERS + index * 4, top[index] as number, true);
    for (let index = 0; index < TIMES.length; index++) this.#encodeTime(view, index);
    return next;
  }

  // A time that was not changed keeps the nanoseconds that memory cannot hold.
  #encodeTime(view: DataView, index: number): void {
    const [name, secondsField, extraField] = TIMES[index] as (typeof TIMES)[number];
    if (this[name] === this.#storedTimes[index]) return;
    const hasExtra = this.#extra(extraField) !== undefined;
    const { seconds, extra } = fromMilliseconds(this[name], hasExtra);
    view.setInt32(INODE[secondsField][1], seconds, true);
    if (hasExtra) view.setUint32(INODE_EXTRA[extraField][1], extra, true);
  }

  #differs(): boolean {
    const next = this.#encode();
    const { i_atime } = INODE;
    next.set(this.#stored.subarray(i_atime[1], i_atime[1] + 4), i_atime[1]);
    if (this.#extra('i_atime_extra') !== undefined) {
      const offset = INODE_EXTRA.i_atime_extra[1];
      next.set(this.#stored.subarray(offset, offset + 4), offset);
    }
    return Buffer.compare(next, this.#stored) !== 0;
  }

  // A mode and links of 0 say that it is no one's. All of the rest can be there before them.
  #storeUnused(next: Uint8Array): void {
    scratchView.setUint16(INODE.i_mode[1], 0, true);
    scratchView.setUint16(INODE.i_links_count[1], 0, true);
    this.sb.medium.store(this.sb.groups.inodePos(this.ino), next);
    this.#stored.set(next);
    this.#isNew = false;
    scratchView.setUint16(INODE.i_mode[1], this.mode, true);
    scratchView.setUint16(INODE.i_links_count[1], this.nlink, true);
  }

  // Stores what differs from the medium between two bytes, in whole units of 8.
  #put(next: Uint8Array, from: number, to: number): void {
    const stored = this.#stored;
    let first = from;
    while (first < to && next[first] === stored[first]) first++;
    if (first === to) return;
    let end = to;
    while (next[end - 1] === stored[end - 1]) end--;
    first = Math.max(from, first - (first % 8));
    end = Math.min(to, Math.ceil(end / 8) * 8);
    const bytes = next.subarray(first, end);
    this.sb.medium.store(this.sb.groups.inodePos(this.ino) + first, bytes);
    stored.set(bytes, first);
    this.#storedTimes = [this.atimeMs, this.ctimeMs, this.mtimeMs];
  }
}

// Where inodes are encoded: one after the other, and none larger than the largest block.
const scratch = new Uint8Array(4096);
const scratchView = new DataView(scratch.buffer);

function sizeIn(view: DataView, mode: number): number {
  const high = typeOf(mode) === S_IFREG ? view.getUint32(INODE.i_size_high[1], true) : 0;
  return high * 2 ** 32 + view.getUint32(INODE.i_size[1], true);
}

/** The pointers of a device's inode. */
export function encodeDevice(major: number, minor: number): [number, number] {
  if (major < 256 && minor < 256) return [major * 256 + minor, 0];
  return [0, (minor % 256) + major * 256 + Math.floor(minor / 256) * 2 ** 20];
}

/** Both numbers of a device, from the pointers of its inode. */
export function decodeDevice(top: readonly number[]): { major: number; minor: number } {
  const [old, extended] = [top[0] as number, top[1] as number];
  if (old !== 0) return { major: Math.floor(old / 256) % 256, minor: old % 256 };
  return { major: Math.floor(extended / 256) % 4096, minor: (extended % 256) + Math.floor(extended / 2 ** 20) * 256 };
}
