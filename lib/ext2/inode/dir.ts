// Owns directories: their entries in blocks, finding an entry by name, and adding, changing and removing one by a single store.

import { DirBlock, FILE_TYPE_AT, INODE_AT, NAME_LEN_AT, REC_LEN_AT } from '../format/dir-block.js';
import { DirIndex, hashOf, hashOfBytes } from './dir-index.js';
import {
  DIRENT_HEADER,
  direntLength,
  fileTypeOf,
  hasFlag,
  INODE_FLAGS,
  withFlag,
} from '../format/disk.js';
import type { IncoreInode } from './inode.js';
import type { ByteName } from '../format/name.js';
import type { Linked } from './use-order.js';

/** A directory entry. */
export interface Dirent {
  readonly name: ByteName;
  readonly ino: number;
  /** One of `FT`; unknown without the filetype feature. */
  readonly type: number;
  /** The byte of the directory at which the entry begins; it stays there until it is removed. */
  readonly pos: number;
}

// Approximate memory of a directory without its index and blocks, and of a block without its bytes.
const DIRECTORY_BYTES = 400;
const BLOCK_BYTES = 400;

/** Entries of one block, and the position at which the next block begins. */
export interface Batch {
  readonly entries: readonly Dirent[];
  readonly next: number;
}

/** The directory of an inode. An entry never moves, so a reader that goes block by block meets each lasting entry exactly once. */
export class Directory implements Linked<Directory> {
  readonly inode: IncoreInode;
  newer: Directory | undefined;
  older: Directory | undefined;
  /** The size in bytes that the cache last counted for it. */
  weight = 0;
  // The index of all names, and all blocks; undefined and empty until the first lookup.
  #index: DirIndex | undefined;
  #blocks: DirBlock[] = [];
  // The block in which room was last found, and the length of the shortest entry for which no block has room.
  #roomAt = 0;
  #tooLong = Number.POSITIVE_INFINITY;
  // While there is no index, the block most recently used.
  #block: DirBlock | undefined;

  constructor(inode: IncoreInode) {
    this.inode = inode;
  }

  /** Approximate bytes of memory. */
  get bytes(): number {
    const blocks = this.#blocks.length + (this.#block === undefined ? 0 : 1);
    return DIRECTORY_BYTES + blocks * (BLOCK_BYTES + this.inode.sb.blockSize) + (this.#index?.bytes ?? 0);
  }

  find(name: ByteName): Dirent | undefined {
    const pos = this.#posOf(this.#loaded(), hashOf(name), name);
    return pos === undefined ? undefined : this.#entryIn(this.#blockOf(pos), pos % this.inode.sb.blockSize, name);
  }

  /** Whether it has no entries but `.` and `..`. */
  get isEmpty(): boolean {
    const own = ['.', '..'].filter((name) => this.find(name) !== undefined);
    return this.#loaded().size === own.length;
  }

  /** The entries of one block from byte `pos` on, in their order there; undefined at the end of the directory. */
  batch(pos: number): Batch | undefined {
    const { blockSize } = this.inode.sb;
    const start = pos - (pos % blockSize);
    if (start >= this.inode.size) return undefined;
    const entries = this.#entriesOf(this.#load(start)).filter((entry) => entry.pos >= pos);
    return { entries, next: start + blockSize };
  }

  /** All entries, in their order on the medium; each block is read when the iteration reaches it. */
  *entries(): Generator<Dirent> {
    for (let batch = this.batch(0); batch !== undefined; batch = this.batch(batch.next)) yield* batch.entries;
  }

  /** The names of all entries, in their order on the medium. */
  names(): ByteName[] {
    const names: ByteName[] = [];
    const { blockSize } = this.inode.sb;
    for (let start = 0; start < this.inode.size; start += blockSize) this.#load(start).addNames(names);
    return names;
  }

  /** Makes room for an entry of this name. Only this method throws `ENOSPC`. */
  makeRoom(name: ByteName): void {
    this.#loaded();
    if (this.#roomFor(direntLength(name.length)) === undefined) this.#grow();
  }

  /**
   * Adds an entry. The directory must have room for it and no entry of the same name, and its target must be durable. The entry
   * becomes visible and durable by one store, as the last step.
   */
  add(name: ByteName, target: IncoreInode): void {
    this.place(name, target)();
  }

  /**
   * As `add`, but the entry becomes visible only when the returned function is called, which must happen before any other change.
   */
  place(name: ByteName, target: IncoreInode): () => void {
    this.#dropIndex();
    this.#loaded();
    const needed = direntLength(name.length);
    const index = this.#roomFor(needed) ?? 0;
    const block = this.#load(index * this.inode.sb.blockSize);
    const slot = block.roomiest;
    if (block.room < needed) throw this.#corrupt('has no room where there was', block.start);
    const used = block.usedAt(slot);
    const offset = used === 0 ? slot : this.#freeIn(block, slot, used, needed);
    if (used === 0) this.#stageInUnused(block, slot, name, target);
    else this.#stageInFree(block, offset, slot, name, target);
    return () => {
      if (used === 0) this.#showUnused(block, slot, target);
      else this.#split(block, slot, offset);
      block.added(offset);
      this.#index?.add(hashOf(name), block.start + offset);
    };
  }

  /** Removes an entry, durably on return. */
  remove({ name, pos }: Dirent): void {
    this.#dropIndex();
    const block = this.#load(pos - (pos % this.inode.sb.blockSize));
    const offset = pos - block.start;
    let before: number | undefined;
    let at = 0;
    for (; at < offset; at += block.recLenAt(at)) before = at;
    if (at !== offset) throw this.#corrupt('lost an entry', block.start);
    if (before === undefined) {
      block.view.setUint32(offset + INODE_AT, 0, true);
      this.#store(block, offset + INODE_AT, 4);
    } else {
      block.view.setUint16(before + REC_LEN_AT, block.recLenAt(before) + block.recLenAt(offset), true);
      this.#store(block, before + REC_LEN_AT, 2);
    }
    block.removed(offset, before ?? offset);
    this.#tooLong = Number.POSITIVE_INFINITY;
    this.#index?.remove(hashOf(name), pos);
  }

  /**
   * Makes an entry refer to another inode, by one store. If the type changes and the entry's header crosses a multiple of 8 bytes,
   * it takes three stores: between them the entry's type is "unknown", and readers take the type from the inode.
   */
  replace({ pos, type: oldType }: Dirent, target: IncoreInode): void {
    this.#dropIndex();
    const block = this.#load(pos - (pos % this.inode.sb.blockSize));
    const { bytes, view } = block;
    const offset = pos - block.start;
    const type = this.#typeOf(target);
    if (type === oldType) {
      view.setUint32(offset + INODE_AT, target.ino, true);
      this.#store(block, offset + INODE_AT, 4);
    } else if (offset % 8 === 0) {
      view.setUint32(offset + INODE_AT, target.ino, true);
      bytes[offset + FILE_TYPE_AT] = type;
      this.#store(block, offset, DIRENT_HEADER);
    } else {
      bytes[offset + FILE_TYPE_AT] = 0;
      this.#store(block, offset + FILE_TYPE_AT, 1);
      view.setUint32(offset + INODE_AT, target.ino, true);
      this.#store(block, offset + INODE_AT, 4);
      bytes[offset + FILE_TYPE_AT] = type;
      this.#store(block, offset + FILE_TYPE_AT, 1);
    }
  }

  /** The first block of a new directory, to be stored before anything refers to it. */
  static firstBlock(inode: IncoreInode, parent: IncoreInode): Uint8Array<ArrayBuffer> {
    const directory = new Directory(inode);
    const bytes = new Uint8Array(inode.sb.blockSize);
    const block = new DirBlock(0, 0, bytes);
    directory.#put(block, 0, direntLength(1), '.', inode);
    directory.#put(block, direntLength(1), bytes.length - direntLength(1), '..', parent);
    return bytes;
  }

  #loaded(): DirIndex {
    if (this.#index !== undefined) return this.#index;
    const index = new DirIndex();
    const { blockSize } = this.inode.sb;
    this.#blocks = [];
    try {
      for (let start = 0; start < this.inode.size; start += blockSize) {
        const block = this.#load(start);
        this.#blocks.push(block);
        this.#indexBlock(index, block);
      }
    } catch (error) {
      this.#forget();
      throw error;
    }
    this.#block = undefined;
    this.#roomAt = 0;
    this.#tooLong = Number.POSITIVE_INFINITY;
    return (this.#index = index);
  }

  #forget(): void {
    this.#index = this.#block = undefined;
    this.#blocks = [];
  }

  #blockOf(pos: number): DirBlock {
    return this.#blocks[Math.floor(pos / this.inode.sb.blockSize)] as DirBlock;
  }

  #entryIn(block: DirBlock, offset: number, name: ByteName): Dirent {
    const type = this.inode.sb.geometry.hasFileType ? (block.bytes[offset + FILE_TYPE_AT] as number) : 0;
    return { name, ino: block.inoAt(offset), type, pos: block.start + offset };
  }

  #indexBlock(index: DirIndex, block: DirBlock): void {
    for (let offset = 0; offset < block.bytes.length; offset += block.recLenAt(offset)) {
      if (block.inoAt(offset) === 0) continue;
      const length = block.bytes[offset + NAME_LEN_AT] as number;
      const hash = hashOfBytes(block.bytes, offset + DIRENT_HEADER, length);
      // Of two entries with one name, which only corruption can cause, the first counts.
      const isKnown = index.slotOf(hash) >= 0 && this.#posOf(index, hash, block.nameAt(offset)) !== undefined;
      if (!isKnown) index.add(hash, block.start + offset);
    }
  }

  #posOf(index: DirIndex, hash: number, name: ByteName): number | undefined {
    for (let slot = index.slotOf(hash); slot >= 0; slot = index.slotOf(hash, slot)) {
      const pos = index.posIn(slot);
      if (this.#isNamed(pos, name)) return pos;
    }
    return undefined;
  }

  #isNamed(pos: number, name: ByteName): boolean {
    const { bytes, start } = this.#blockOf(pos);
    const offset = pos - start;
    if (bytes[offset + NAME_LEN_AT] !== name.length) return false;
    const first = offset + DIRENT_HEADER;
    for (let at = 0; at < name.length; at++) if (bytes[first + at] !== name.charCodeAt(at)) return false;
    return true;
  }

  // The first block with room, searched from the one that last had some.
  #roomFor(needed: number): number | undefined {
    if (needed >= this.#tooLong) return undefined;
    const blocks = this.#blocks;
    for (let step = 0; step < blocks.length; step++) {
      const index = (this.#roomAt + step) % blocks.length;
      if ((blocks[index] as DirBlock).room >= needed) return (this.#roomAt = index);
    }
    this.#tooLong = needed;
    return undefined;
  }

  #load(start: number): DirBlock {
    const known = this.#index === undefined ? this.#block : this.#blockOf(start);
    if (known?.start === start) return known;
    const { medium, blockSize, geometry } = this.inode.sb;
    const { block: blocknr } = this.inode.map.find(start / blockSize, 1);
    if (blocknr === 0) throw this.#corrupt('has no block', start);
    const pos = blocknr * blockSize;
    const block = new DirBlock(start, pos, medium.load(pos, blockSize));
    const fault = block.fault(geometry.inodesCount);
    if (fault !== undefined) throw this.#corrupt(fault, start);
    return (this.#block = block);
  }

  #stage(block: DirBlock, offset: number, length: number): void {
    this.#bring(() => { this.inode.sb.medium.stage(block.pos + offset, block.bytes.subarray(offset, offset + length)); });
  }

  #store(block: DirBlock, offset: number, length: number): void {
    this.#bring(() => { this.inode.sb.medium.store(block.pos + offset, block.bytes.subarray(offset, offset + length)); });
  }

  #bring(store: () => void): void {
    try {
      store();
    } catch (error) {
      // Memory must not hold a change that did not reach the medium.
      this.#forget();
      throw error;
    }
  }

  #entriesOf(block: DirBlock): Dirent[] {
    const entries: Dirent[] = [];
    for (let offset = 0; offset < block.bytes.length; offset += block.recLenAt(offset)) {
      if (block.inoAt(offset) !== 0) entries.push(this.#entryIn(block, offset, block.nameAt(offset)));
    }
    return entries;
  }

  #corrupt(what: string, start: number): Error {
    const { sb, ino } = this.inode;
    this.#forget();
    return sb.corrupt(`the directory ${what}, in its block ${start / sb.blockSize}`, { ino });
  }

  #typeOf(target: IncoreInode): number {
    return this.inode.sb.geometry.hasFileType ? fileTypeOf(target.mode) : 0;
  }

  #put(block: DirBlock, offset: number, recLen: number, name: ByteName, target: IncoreInode): void {
    const { bytes, view } = block;
    const end = offset + direntLength(name.length);
    view.setUint32(offset + INODE_AT, target.ino, true);
    view.setUint16(offset + REC_LEN_AT, recLen, true);
    bytes[offset + NAME_LEN_AT] = name.length;
    bytes[offset + FILE_TYPE_AT] = this.#typeOf(target);
    bytes.fill(0, offset + DIRENT_HEADER, end);
    bytes.write(name, offset + DIRENT_HEADER, 'latin1');
  }

  // The unused entry keeps its length, and its inode number is stored last.
  #stageInUnused(block: DirBlock, offset: number, name: ByteName, target: IncoreInode): void {
    this.#put(block, offset, block.recLenAt(offset), name, target);
    block.view.setUint32(offset + INODE_AT, 0, true);
    this.#stage(block, offset + NAME_LEN_AT, direntLength(name.length) - NAME_LEN_AT);
  }

  #showUnused(block: DirBlock, offset: number, target: IncoreInode): void {
    block.view.setUint32(offset + INODE_AT, target.ino, true);
    this.#store(block, offset + INODE_AT, 4);
  }

  // The offset of a new entry in the free part of another: a multiple of 8 if there is room, so one store can replace its header.
  #freeIn(block: DirBlock, slot: number, used: number, needed: number): number {
    const end = slot + block.recLenAt(slot);
    const aligned = Math.ceil((slot + used) / 8) * 8;
    return end - aligned >= needed ? aligned : slot + used;
  }

  #stageInFree(block: DirBlock, offset: number, slot: number, name: ByteName, target: IncoreInode): void {
    this.#put(block, offset, slot + block.recLenAt(slot) - offset, name, target);
    this.#stage(block, offset, direntLength(name.length));
  }

  // Shortens the rec_len of the preceding entry, which makes the new entry visible.
  #split(block: DirBlock, slot: number, offset: number): void {
    block.view.setUint16(slot + REC_LEN_AT, offset - slot, true);
    this.#store(block, slot + REC_LEN_AT, 2);
  }

  // Adds a block with one unused entry. The block is stored first, then the pointer to it, then the new size.
  #grow(): void {
    const { inode } = this;
    const { medium, blockSize } = inode.sb;
    this.#dropIndex();
    const iblock = inode.size / blockSize;
    const { block } = inode.map.create(iblock, 1, inode.group);
    const empty = Buffer.alloc(blockSize);
    empty.writeUInt16LE(blockSize, REC_LEN_AT);
    medium.store(block * blockSize, empty);
    inode.map.settle(iblock, iblock + 1);
    inode.size += blockSize;
    inode.store();
    this.#roomAt = this.#blocks.push(new DirBlock(iblock * blockSize, block * blockSize, empty)) - 1;
    this.#tooLong = Number.POSITIVE_INFINITY;
  }

  // Drops the hashed index on the medium before any change, because it would not be kept up to date.
  #dropIndex(): void {
    const { inode } = this;
    if (!hasFlag(inode.flags, INODE_FLAGS.INDEX)) return;
    inode.flags = withFlag(inode.flags, INODE_FLAGS.INDEX, false);
    inode.store();
  }
}
