// Owns the inode in memory: its fields, and the order in which they reach the medium.

import { Inode } from 'node-dax';
import type { BlockAllocator, BlockRun } from '../space/balloc.js';
import { BlockMap } from './block-map.js';
import { checkInode } from './check-inode.js';
import type { InodeImage } from '../space/inode-image.js';
import {
  CREATOR_HURD,
  EXT2_N_BLOCKS,
  EXT2_ROOT_INO,
  GOOD_OLD_INODE_SIZE,
  INODE,
  INODE_EXTRA,
  RO_COMPAT,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  typeOf,
  WANT_EXTRA_ISIZE,
  XATTR_IBODY_HEADER_SIZE,
} from '../format/disk.js';
import { nowSeconds, type Super } from '../space/super.js';
import {
  ATIME,
  copyTime,
  CRTIME,
  CTIME,
  gidIn,
  hasExtra,
  MTIME,
  nanosecondsIn,
  pointersIn,
  POINTERS,
  putNanoseconds,
  putOwner,
  putPointers,
  putSize,
  putTime,
  sizeIn,
  timeIn,
  uidIn,
  type TimeField,
} from '../format/inode-fields.js';
import { nanosecondsOf } from '../format/timestamp.js';
import type { Linked } from './use-order.js';

// Byte offsets of the fields that are one number.
const MODE = INODE.i_mode[1];
const LINKS = INODE.i_links_count[1];
const SECTORS = INODE.i_blocks[1];
const FLAGS = INODE.i_flags[1];
const DTIME = INODE.i_dtime[1];
const GENERATION = INODE.i_generation[1];
const TRANSLATOR = INODE.i_osd1[1];
const FILE_ACL = INODE.i_file_acl[1];
const POINTERS_END = INODE.i_generation[1];

// Files of this size or larger need the large_file feature, and with it the high half of i_size.
const LARGE_FILE = 2 ** 31;

/** The filesystem that an inode belongs to, and the allocator of its blocks. */
export interface Home {
  readonly sb: Super;
  readonly blocks: BlockAllocator;
}

/** The times of an inode in nanoseconds since 1970, exactly. */
export interface Ext2Times {
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** Undefined if the inode is too small to store it. */
  readonly birthtimeNs: bigint | undefined;
}

// Approximate bytes of memory of an inode, of its block map, and of the state that its first I/O creates.
const INODE_BYTES = 480;
const MAP_BYTES = 480;
const ACTIVITY_BYTES = 900;

/**
 * An inode in memory: while it has references, the only object for its inode of the medium. Its fields may be changed; `store`
 * stores them on the medium. Users get an `Ext2Inode`, an identity that finds this object.
 */
export class IncoreInode extends Inode implements Linked<IncoreInode> {
  declare readonly sb: Super;
  uid = 0;
  gid = 0;
  /** i_links_count. */
  nlink = 0;
  /** i_flags. */
  flags = 0;
  generation = 0;
  /** Where its fields end, in bytes: 128, and what i_extra_isize adds in a larger inode. */
  fieldsEnd = GOOD_OLD_INODE_SIZE;
  /** The block of extended attributes, or 0. */
  fileAcl = 0;
  /** The block of the passive translator on a GNU/Hurd filesystem, or 0. */
  translator = 0;
  /** i_dtime: the time of deletion in seconds; while the inode is open without a name, the number of the next such inode. */
  dtime = 0;
  /** When the inode was created, in milliseconds since 1970; undefined if it is too small to store that. */
  birthtimeMs: number | undefined;
  /**
   * Blocks removed from the tree in memory, but perhaps not yet on the medium: they must not be reused before the inode is stored.
   */
  unreleased: BlockRun[] | undefined;
  /** The number of open handles, holds, and operations that need the inode beyond their own end. */
  references = 0;
  /** The inode was deleted: it had no name and no reference, and its blocks are free. */
  isDeleted = false;
  /** The inode was made without a name, and has not got one yet. */
  isTemporary = false;
  /** The inode was evicted: another object may stand for it now, and this one must not be used. */
  isForgotten = false;
  /** The inode was read again soon after it was evicted (see `InodeCache`). */
  isKept = false;
  /** The next inode in the same row of an `InodeTable`. */
  nextInRow: IncoreInode | undefined;
  newer: IncoreInode | undefined;
  older: IncoreInode | undefined;
  /** The size in bytes that the cache last counted for it. */
  weight = 0;
  readonly #blocks: BlockAllocator;
  // Made on first use: reading the inode's attributes needs no map.
  #map: BlockMap | undefined;
  // i_blocks, until there is a map.
  #sectors: number;
  // Nothing of the inode is on the medium yet.
  #isNew = false;

  private constructor({ sb, blocks }: Home, ino: number, size: number, mode: number, sectors: number) {
    super(sb, ino, size);
    this.mode = mode;
    this.#blocks = blocks;
    this.#sectors = sectors;
  }

  /** Reads an inode that is in use. Throws `EUCLEAN` if it is not in use or is invalid. */
  static load(home: Home, ino: number): IncoreInode {
    if (!IncoreInode.isNumber(home.sb, ino)) throw home.sb.corrupt('is no inode for files', { ino });
    const inode = IncoreInode.read(home, ino);
    checkInode(inode);
    return inode;
  }

  /** Whether a file can have this number. */
  static isNumber({ geometry }: Super, ino: number): boolean {
    return ino === EXT2_ROOT_INO || (ino >= geometry.firstIno && ino <= geometry.inodesCount);
  }

  /** Reads an inode without checking it. */
  static read(home: Home, ino: number): IncoreInode {
    const { sb } = home;
    sb.image.begin(sb.groups.inodePos(ino));
    const { found: view, size } = sb.image;
    const mode = view.getUint16(MODE, true);
    const inode = new IncoreInode(home, ino, sizeIn(view, mode), mode, view.getUint32(SECTORS, true));
    if (size > GOOD_OLD_INODE_SIZE) inode.fieldsEnd += view.getUint16(INODE_EXTRA.i_extra_isize[1], true);
    inode.uid = uidIn(view);
    inode.gid = gidIn(view);
    inode.nlink = view.getUint16(LINKS, true);
    inode.flags = view.getUint32(FLAGS, true);
    inode.generation = view.getUint32(GENERATION, true);
    inode.fileAcl = view.getUint32(FILE_ACL, true);
    if (sb.fields.s_creator_os === CREATOR_HURD) inode.translator = view.getUint32(TRANSLATOR, true);
    inode.dtime = view.getUint32(DTIME, true);
    inode.atimeMs = timeIn(view, ATIME, inode.fieldsEnd);
    inode.ctimeMs = timeIn(view, CTIME, inode.fieldsEnd);
    inode.mtimeMs = timeIn(view, MTIME, inode.fieldsEnd);
    if (hasExtra(view, CRTIME, inode.fieldsEnd)) inode.birthtimeMs = timeIn(view, CRTIME, inode.fieldsEnd);
    return inode;
  }

  /** Makes a new inode with the allocated number `ino`, which has no name yet. On the medium it stays unused until `store`. */
  static make(home: Home, ino: number, mode: number): IncoreInode {
    const inode = new IncoreInode(home, ino, 0, mode, 0);
    inode.generation = Math.floor(Math.random() * 2 ** 32);
    inode.atimeMs = inode.mtimeMs = inode.ctimeMs = Date.now();
    if (home.sb.image.size > GOOD_OLD_INODE_SIZE) {
      inode.fieldsEnd += WANT_EXTRA_ISIZE;
      inode.birthtimeMs = inode.ctimeMs;
    }
    inode.#isNew = true;
    return inode;
  }

  /** Where its blocks are. */
  get map(): BlockMap {
    return (this.#map ??= new BlockMap(this.sb, this.#blocks, this.ino, this.#loadPointers(), this.#sectors));
  }

  /** i_blocks, in units of 512 bytes. */
  get sectors(): number {
    return this.#map?.sectors ?? this.#sectors;
  }

  /** The number of indirect blocks that differ from the medium. */
  get dirtyIndirect(): number {
    return this.#map?.dirtyIndirect ?? 0;
  }

  /** Approximate bytes of memory. */
  get bytes(): number {
    const map = this.#map === undefined ? 0 : MAP_BYTES + this.#map.indirect * this.sb.blockSize;
    return INODE_BYTES + map + (this.activity === undefined ? 0 : ACTIVITY_BYTES + this.extents.bytes);
  }

  /** Gives back the blocks that were kept for this file's growth. */
  closeWindow(): void {
    this.#map?.closeWindow();
  }

  /** Evicts the inode, which must be on the medium. Drops its large parts, because callers may still reference the object. */
  forget(): void {
    this.closeWindow();
    this.#map = undefined;
    this.activity = undefined;
    this.isForgotten = true;
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

  /** The block group that contains the inode. */
  get group(): number {
    return Math.floor((this.ino - 1) / this.sb.geometry.inodesPerGroup);
  }

  /** i_block as bytes, as a fast symlink uses it. */
  get inlineBytes(): Uint8Array {
    return new Uint8Array(Uint32Array.from(this.map.top).buffer);
  }

  set inlineBytes(bytes: Uint8Array) {
    const words = new Uint32Array(EXT2_N_BLOCKS);
    new Uint8Array(words.buffer).set(bytes);
    for (const [index, word] of words.entries()) this.map.top[index] = word;
  }

  /**
   * The part of the inode that may hold extended attributes. Empty if there is no room, or if i_extra_isize is 0: if i_extra_isize
   * is raised later, fields such as times go there.
   */
  get attributeArea(): { offset: number; bytes: Uint8Array<ArrayBuffer> } {
    const { image, medium } = this.sb;
    const offset = this.#attributesAt;
    return { offset, bytes: medium.load(this.#pos + offset, image.size - offset) };
  }

  /** Whether it may have extended attributes. */
  get mayHaveAttributes(): boolean {
    if (this.fileAcl !== 0) return true;
    const { image, medium } = this.sb;
    const offset = this.#attributesAt;
    const room = Math.min(XATTR_IBODY_HEADER_SIZE, image.size - offset);
    return medium.load(this.#pos + offset, room).some((byte) => byte !== 0);
  }

  /** Whether its access time in memory differs from that on the medium. */
  get wasRead(): boolean {
    if (this.activity === undefined) return false;
    const { image } = this.sb;
    image.begin(this.#pos);
    return timeIn(image.found, ATIME, this.fieldsEnd) !== this.atimeMs;
  }

  /** Whether the inode differs from the medium in more than its access time. */
  get isDirty(): boolean {
    if (this.dirtyIndirect > 0) return true;
    const image = this.#encode();
    copyTime(image.next, ATIME, this.fieldsEnd, image.found);
    return image.differs;
  }

  /**
   * Stores the inode on the medium, after the bitmaps and the indirect blocks that it relies on. Its pointers are stored before its
   * size, so blocks within the size always exist. A new inode is first stored as unused.
   */
  store(): void {
    if (this.isRegular && this.size >= LARGE_FILE) this.sb.addFeature('s_feature_ro_compat', RO_COMPAT.LARGE_FILE);
    this.#blocks.flush();
    this.#map?.storeIndirect();
    const image = this.#encode();
    if (this.#isNew) this.#stageUnused(image);
    // The two halves of a size beyond 4 GiB cannot change at once: between the stores the size may be too large, never too small.
    image.put(POINTERS, image.size);
    image.put(0, POINTERS);
  }

  /** Stores a smaller size on the medium before the blocks past it are freed, so the size never includes freed blocks. */
  storeSmallerSize(): void {
    const { image } = this.sb;
    image.begin(this.#pos);
    if (this.size >= sizeIn(image.found, this.mode)) return;
    putSize(image.next, this.mode, this.size);
    image.put(0, POINTERS);
    image.put(POINTERS_END, image.size);
  }

  /** The times to the nanosecond. Memory holds milliseconds only; the nanoseconds of an unchanged time are read from the medium. */
  get times(): Ext2Times {
    const { image } = this.sb;
    if (this.#isNew) image.beginNew(this.#pos);
    else image.begin(this.#pos);
    const exact = (ms: number, time: TimeField) =>
      timeIn(image.found, time, this.fieldsEnd) === ms ? nanosecondsIn(image.found, time, this.fieldsEnd) : nanosecondsOf(ms);
    return {
      atimeNs: exact(this.atimeMs, ATIME),
      mtimeNs: exact(this.mtimeMs, MTIME),
      ctimeNs: exact(this.ctimeMs, CTIME),
      birthtimeNs: this.birthtimeMs === undefined ? undefined : exact(this.birthtimeMs, CRTIME),
    };
  }

  /**
   * Stores times to the nanosecond, or the nearest times that can be stored. They go straight to the medium, because memory holds
   * milliseconds only.
   */
  storeTimes(atimeNs: bigint | undefined, mtimeNs: bigint | undefined): void {
    const { image } = this.sb;
    image.begin(this.#pos);
    const put = (ns: bigint, time: TimeField): number => {
      putNanoseconds(image.next, time, this.fieldsEnd, ns);
      return timeIn(image.next, time, this.fieldsEnd);
    };
    if (atimeNs !== undefined) this.atimeMs = put(atimeNs, ATIME);
    if (mtimeNs !== undefined) this.mtimeMs = put(mtimeNs, MTIME);
    image.put(POINTERS_END, image.size);
    image.put(0, POINTERS);
  }

  /** Stores a part of the inode outside its fields, such as extended attributes. */
  storePart(offset: number, bytes: Uint8Array): void {
    this.sb.medium.store(this.#pos + offset, bytes);
  }

  /** Deletes an inode without links: no pointer is left on the medium. Returns its blocks, for the caller to release. */
  erase(): BlockRun[] {
    if (this.activity !== undefined) this.extents.invalidate();
    this.closeWindow();
    const { map } = this;
    const freed = this.hasTree ? map.cut(0) : [];
    if (this.translator !== 0) freed.push({ block: this.translator, count: 1 });
    this.translator = 0;
    map.top.fill(0);
    this.size = 0;
    map.sectors = 0;
    this.fileAcl = 0;
    this.dtime = nowSeconds();
    this.isDeleted = true;
    const image = this.#encode();
    image.put(POINTERS, image.size);
    image.put(0, POINTERS);
    return freed;
  }

  /** Whether i_block contains pointers, rather than a target, a device number, or nothing. */
  get hasTree(): boolean {
    if (this.isRegular || this.isDirectory) return true;
    return this.isSymlink && !this.isFastSymlink;
  }

  /** The number of blocks that i_blocks counts but that are not in the tree: of extended attributes and of a translator. */
  get blocksBeside(): number {
    return Number(this.fileAcl !== 0) + Number(this.translator !== 0);
  }

  /** Whether it is a symlink with its target in the inode: it has no blocks but those outside its tree. */
  get isFastSymlink(): boolean {
    return this.isSymlink && this.sectors === this.blocksBeside * (this.sb.blockSize / 512);
  }

  get #attributesAt(): number {
    return this.fieldsEnd > GOOD_OLD_INODE_SIZE ? this.fieldsEnd : this.sb.image.size;
  }

  get #pos(): number {
    return this.sb.groups.inodePos(this.ino);
  }

  #loadPointers(): number[] {
    if (this.#isNew) return [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    return pointersIn(new DataView(this.sb.medium.load(this.#pos + POINTERS, EXT2_N_BLOCKS * 4).buffer));
  }

  // Encodes the inode for the medium. The image is valid until another inode is encoded.
  #encode(): InodeImage {
    const { image } = this.sb;
    const { next: view } = image;
    if (this.#isNew) this.#encodeNew(image);
    else image.begin(this.#pos);
    view.setUint16(MODE, this.mode, true);
    putOwner(view, this.uid, this.gid);
    view.setUint16(LINKS, this.nlink, true);
    view.setUint32(FLAGS, this.flags, true);
    view.setUint32(DTIME, this.dtime, true);
    view.setUint32(FILE_ACL, this.fileAcl, true);
    if (this.sb.fields.s_creator_os === CREATOR_HURD) view.setUint32(TRANSLATOR, this.translator, true);
    putSize(view, this.mode, this.size);
    if (this.#map !== undefined) {
      view.setUint32(SECTORS, this.#map.storedSectors, true);
      putPointers(view, this.#map.storedTop);
    }
    this.#encodeTime(image, ATIME, this.atimeMs);
    this.#encodeTime(image, CTIME, this.ctimeMs);
    this.#encodeTime(image, MTIME, this.mtimeMs);
    return image;
  }

  #encodeNew(image: InodeImage): void {
    image.beginNew(this.#pos);
    const { next: view } = image;
    view.setUint32(GENERATION, this.generation, true);
    if (this.birthtimeMs === undefined) return;
    view.setUint16(INODE_EXTRA.i_extra_isize[1], WANT_EXTRA_ISIZE, true);
    this.#encodeTime(image, CRTIME, this.birthtimeMs);
  }

  // An unchanged time keeps its nanoseconds on the medium, which memory does not hold.
  #encodeTime({ found, next }: InodeImage, time: TimeField, ms: number): void {
    if (timeIn(found, time, this.fieldsEnd) !== ms) putTime(next, time, this.fieldsEnd, ms);
  }

  // Stages the inode with mode and link count 0, which mark it as unused. All other fields may be stored before these two.
  #stageUnused(image: InodeImage): void {
    image.next.setUint16(MODE, 0, true);
    image.next.setUint16(LINKS, 0, true);
    image.stage();
    this.#isNew = false;
    image.next.setUint16(MODE, this.mode, true);
    image.next.setUint16(LINKS, this.nlink, true);
  }
}
