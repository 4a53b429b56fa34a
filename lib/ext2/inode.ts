// Owns the inode: its fields in memory, and the order in which they reach the medium.

import { Inode } from 'node-dax';
import type { BlockAllocator, BlockRun } from './balloc.js';
import { BlockMap } from './block-map.js';
import {
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
import { decode } from './layout.js';
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
  /** Handles that have it open. */
  opened = 0;
  /** It is not there any more: no entry leads to it, nobody had it open, and its blocks are free. */
  isDeleted = false;
  readonly #blocks: BlockAllocator;
  // What the medium has.
  readonly #stored: Uint8Array<ArrayBuffer>;
  readonly #storedTimes: Record<string, number> = {};

  /** `raw` is the whole inode as it is on the medium. Nothing of it is believed yet: see `load`. */
  constructor({ sb, blocks }: Home, ino: number, raw: Uint8Array<ArrayBuffer>) {
    const fields = decode(INODE, raw);
    const high = typeOf(fields.i_mode) === S_IFREG ? fields.i_size_high : 0;
    super(sb, ino, high * 2 ** 32 + fields.i_size);
    this.#blocks = blocks;
    this.#stored = raw;
    this.mode = fields.i_mode;
    this.uid = fields.l_i_uid_high * 2 ** 16 + fields.i_uid;
    this.gid = fields.l_i_gid_high * 2 ** 16 + fields.i_gid;
    this.nlink = fields.i_links_count;
    this.flags = fields.i_flags;
    this.generation = fields.i_generation;
    this.fileAcl = fields.i_file_acl;
    this.dtime = fields.i_dtime;
    this.map = new BlockMap(sb, blocks, ino, fields.i_block, fields.i_blocks);
    for (const [name, seconds, extra] of TIMES) {
      this[name] = toMilliseconds(fields[seconds], this.#extra(extra));
      this.#storedTimes[name] = this[name];
    }
    const crtimeExtra = this.#extra('i_crtime_extra');
    if (crtimeExtra !== undefined) {
      this.birthtimeMs = toMilliseconds(this.#view().getInt32(INODE_EXTRA.i_crtime[1], true), crtimeExtra);
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

  /** A new inode `ino`, which is taken and to which nothing leads. On the medium it is no one's, durably, until `store`. */
  static make(home: Home, ino: number, mode: number): Ext2Inode {
    const { geometry, medium, groups } = home.sb;
    const raw = new Uint8Array(geometry.inodeSize);
    const view = new DataView(raw.buffer);
    view.setUint32(INODE.i_generation[1], Math.floor(Math.random() * 2 ** 32), true);
    const now = Date.now();
    if (raw.length > GOOD_OLD_INODE_SIZE) {
      const { seconds, extra } = fromMilliseconds(now, true);
      view.setUint16(INODE_EXTRA.i_extra_isize[1], WANT_EXTRA_ISIZE, true);
      view.setInt32(INODE_EXTRA.i_crtime[1], seconds, true);
      view.setUint32(INODE_EXTRA.i_crtime_extra[1], extra, true);
    }
    medium.store(groups.inodePos(ino), raw);
    const inode = new Ext2Inode(home, ino, raw);
    inode.mode = mode;
    inode.atimeMs = inode.mtimeMs = inode.ctimeMs = now;
    return inode;
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

  /** i_block as bytes: what it is in a fast symlink. */
  get inlineBytes(): Uint8Array {
    return new Uint8Array(this.map.top.buffer);
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
   * come before the size: what is within the file's end is always there.
   */
  store(): void {
    const next = this.#encode();
    if (this.isRegular && this.size >= LARGE_FILE) this.sb.addFeature('s_feature_ro_compat', RO_COMPAT.LARGE_FILE);
    this.#blocks.flush();
    this.map.storeIndirect();
    this.#put(next, POINTERS, POINTERS_END);
    this.#putFields(next);
  }

  /** Brings a smaller size to the medium, before blocks past it go: a file's end is never within what is gone. */
  storeSmallerSize(): void {
    if (this.size >= this.#storedSize()) return;
    const next = this.#stored.slice();
    this.#encodeSize(new DataView(next.buffer));
    this.#putFields(next);
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
    this.inlineBytes.fill(0);
    this.size = 0;
    this.map.sectors = 0;
    this.fileAcl = 0;
    this.dtime = nowSeconds();
    this.isDeleted = true;
    const next = this.#encode();
    this.#put(next, POINTERS, POINTERS_END);
    this.#putFields(next);
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

  #view(): DataView {
    return new DataView(this.#stored.buffer, this.#stored.byteOffset);
  }

  #extraSize(): number {
    return this.#view().getUint16(INODE_EXTRA.i_extra_isize[1], true);
  }

  #extra(name: ExtraName): number | undefined {
    const offset = INODE_EXTRA[name][1];
    if (!this.hasExtra || offset + 4 > GOOD_OLD_INODE_SIZE + this.#extraSize()) return undefined;
    return this.#view().getUint32(offset, true);
  }

  #storedSize(): number {
    const { i_size, i_size_high } = INODE;
    const high = this.isRegular ? this.#view().getUint32(i_size_high[1], true) : 0;
    return high * 2 ** 32 + this.#view().getUint32(i_size[1], true);
  }

  #encodeSize(view: DataView): void {
    view.setUint32(INODE.i_size[1], this.size % 2 ** 32, true);
    if (this.isRegular) view.setUint32(INODE.i_size_high[1], Math.floor(this.size / 2 ** 32), true);
  }

  #encode(): Uint8Array<ArrayBuffer> {
    const next = this.#stored.slice();
    const view = new DataView(next.buffer);
    const set16 = (field: readonly ['u16', number], value: number) => { view.setUint16(field[1], value, true); };
    const set32 = (field: readonly ['u32', number], value: number) => { view.setUint32(field[1], value, true); };
    set16(INODE.i_mode, this.mode);
    set16(INODE.i_uid, this.uid % 2 ** 16);
    set16(INODE.l_i_uid_high, Math.floor(this.uid / 2 ** 16));
    set16(INODE.i_gid, this.gid % 2 ** 16);
    set16(INODE.l_i_gid_high, Math.floor(this.gid / 2 ** 16));
    set16(INODE.i_links_count, this.nlink);
    set32(INODE.i_flags, this.flags);
    set32(INODE.i_blocks, this.map.storedSectors);
    set32(INODE.i_dtime, this.dtime);
    set32(INODE.i_file_acl, this.fileAcl);
    this.#encodeSize(view);
    next.set(new Uint8Array(this.map.storedTop.buffer), POINTERS);
    for (const [name, seconds, extra] of TIMES) {
      // What was not changed keeps the nanoseconds that memory cannot hold.
      if (this[name] !== this.#storedTimes[name]) this.#encodeTime(view, this[name], INODE[seconds][1], extra);
    }
    return next;
  }

  #encodeTime(view: DataView, ms: number, offset: number, extraName: ExtraName): void {
    const hasExtra = this.#extra(extraName) !== undefined;
    const { seconds, extra } = fromMilliseconds(ms, hasExtra);
    view.setInt32(offset, seconds, true);
    if (hasExtra) view.setUint32(INODE_EXTRA[extraName][1], extra, true);
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

  // Both sides of the pointers. The halves of a size beyond 4 GiB cannot change at once: between them it is too large,
  // never too small.
  #putFields(next: Uint8Array): void {
    const parts: [number, number][] = [
      [POINTERS_END, this.#stored.length],
      [0, POINTERS],
    ];
    if (this.size < this.#storedSize()) parts.reverse();
    for (const [from, to] of parts) this.#put(next, from, to);
    for (const [name] of TIMES) this.#storedTimes[name] = this[name];
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
  }
}

/** The pointers of a device's inode. */
export function encodeDevice(major: number, minor: number): [number, number] {
  if (major < 256 && minor < 256) return [major * 256 + minor, 0];
  return [0, (minor % 256) + major * 256 + Math.floor(minor / 256) * 2 ** 20];
}

/** Both numbers of a device, from the pointers of its inode. */
export function decodeDevice(top: Uint32Array): { major: number; minor: number } {
  const [old, extended] = [top[0] as number, top[1] as number];
  if (old !== 0) return { major: Math.floor(old / 256) % 256, minor: old % 256 };
  return { major: Math.floor(extended / 256) % 4096, minor: (extended % 256) + Math.floor(extended / 2 ** 20) * 256 };
}
