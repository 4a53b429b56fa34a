// Owns directories: their entries as they lie in blocks, finding one by its name, and adding, changing and removing one by
// a single store.

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

/** An entry. */
export interface Dirent {
  readonly name: ByteName;
  readonly ino: number;
  /** One of `FT`; unknown without the feature filetype. */
  readonly type: number;
  /** The byte of the directory where it begins: it stays there until it is removed. */
  readonly pos: number;
}

// What a directory takes beside its index and its blocks, and a block beside its bytes.
const DIRECTORY_BYTES = 400;
const BLOCK_BYTES = 400;

/** Entries one after the other, and where the next ones begin. */
export interface Batch {
  readonly entries: readonly Dirent[];
  readonly next: number;
}

/**
 * The directory of an inode. An entry never moves, so that whoever reads block by block meets each entry that stays
 * exactly once.
 */
export class Directory implements Linked<Directory> {
  readonly inode: IncoreInode;
  newer: Directory | undefined;
  older: Directory | undefined;
  /** The bytes that it was last counted with. */
  weight = 0;
  // All names, and all blocks; undefined and none until a name is looked for.
  #index: DirIndex | undefined;
  #blocks: DirBlock[] = [];
  // Where a block with room was found last, and the shortest entry that none has room for.
  #roomAt = 0;
  #tooLong = Number.POSITIVE_INFINITY;
  // Without those, the block that was used last.
  #block: DirBlock | undefined;

  constructor(inode: IncoreInode) {
    this.inode = inode;
  }

  /** Bytes of memory, roughly. */
  get bytes(): number {
    const blocks = this.#blocks.length + (this.#block === undefined ? 0 : 1);
    return DIRECTORY_BYTES + blocks * (BLOCK_BYTES + this.inode.sb.blockSize) + (this.#index?.bytes ?? 0);
  }

  find(name: ByteName): Dirent | undefined {
    const pos = this.#loaded().find(hashOf(name), (at) => this.#isNamed(at, name));
    return pos === undefined ? undefined : this.#entryIn(this.#blockOf(pos), pos % this.inode.sb.blockSize, name);
  }

  /** Whether it has nothing but itself and its parent. */
  get isEmpty(): boolean {
    const own = ['.', '..'].filter((name) => this.find(name) !== undefined);
    return this.#loaded().size === own.length;
  }

  /** The entries from byte `pos` on in one block, in their order there; undefined at the end. */
  batch(pos: number): Batch | undefined {
    const { blockSize } = this.inode.sb;
    const start = pos - (pos % blockSize);
    if (start >= this.inode.size) return undefined;
    const entries = this.#entriesOf(this.#load(start)).filter((entry) => entry.pos >= pos);
    return { entries, next: start + blockSize };
  }

  /** All entries, in their order on the medium, block by block as they are when the block is come to. */
  *entries(): Generator<Dirent> {
    for (let batch = this.batch(0); batch !== undefined; batch = this.batch(batch.next)) yield* batch.entries;
  }

  /** Makes sure that an entry of this name has room. Only this throws `ENOSPC`. */
  makeRoom(name: ByteName): void {
    this.#loaded();
    if (this.#roomFor(direntLength(name.length)) === undefined) this.#grow();
  }

  /**
   * Adds an entry, for which there is room and whose name is not there. What it leads to must be durable: so is the
   * entry on return, and before it nothing of it is seen.
   */
  add(name: ByteName, target: IncoreInode): void {
    this.place(name, target)();
  }

  /** As `add`, but nothing of the entry is seen before what this returns is called, which comes before any other change. */
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
   * Makes an entry lead to another inode, by one store. Where its type changes, and the header of the entry crosses a
   * multiple of 8 bytes, that takes three: meanwhile its type is unknown, and the inode tells.
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

  /** The first block of a new directory, to be stored where nothing leads yet. */
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
      // Of two entries with one name, which only corruption makes, the first counts.
      const isNamed = (pos: number) => this.#isNamed(pos, block.nameAt(offset));
      if (index.find(hash, isNamed) === undefined) index.add(hash, block.start + offset);
    }
  }

  #isNamed(pos: number, name: ByteName): boolean {
    const { bytes, start } = this.#blockOf(pos);
    const offset = pos - start;
    if (bytes[offset + NAME_LEN_AT] !== name.length) return false;
    const first = offset + DIRENT_HEADER;
    for (let at = 0; at < name.length; at++) if (bytes[first + at] !== name.charCodeAt(at)) return false;
    return true;
  }

  // The first block with room, from the one that had some before.
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
      // Memory must not have what the medium has not.
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

  // The unused slot keeps its length, and its inode comes last.
  #stageInUnused(block: DirBlock, offset: number, name: ByteName, target: IncoreInode): void {
    this.#put(block, offset, block.recLenAt(offset), name, target);
    block.view.setUint32(offset + INODE_AT, 0, true);
    this.#stage(block, offset + NAME_LEN_AT, direntLength(name.length) - NAME_LEN_AT);
  }

  #showUnused(block: DirBlock, offset: number, target: IncoreInode): void {
    block.view.setUint32(offset + INODE_AT, target.ino, true);
    this.#store(block, offset + INODE_AT, 4);
  }

  // Where in the free part of another an entry is made: at a multiple of 8, if there is room, so that its header can be
  // replaced by one store.
  #freeIn(block: DirBlock, slot: number, used: number, needed: number): number {
    const end = slot + block.recLenAt(slot);
    const aligned = Math.ceil((slot + used) / 8) * 8;
    return end - aligned >= needed ? aligned : slot + used;
  }

  #stageInFree(block: DirBlock, offset: number, slot: number, name: ByteName, target: IncoreInode): void {
    this.#put(block, offset, slot + block.recLenAt(slot) - offset, name, target);
    this.#stage(block, offset, direntLength(name.length));
  }

  // The rec_len of the other lets it be seen.
  #split(block: DirBlock, slot: number, offset: number): void {
    block.view.setUint16(slot + REC_LEN_AT, offset - slot, true);
    this.#store(block, slot + REC_LEN_AT, 2);
  }

  // One more block, with an unused entry. It is on the medium, then pointed to, then within the size.
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

  // An index that is not kept up to date must not be there: nothing is changed before it is gone.
  #dropIndex(): void {
    const { inode } = this;
    if (!hasFlag(inode.flags, INODE_FLAGS.INDEX)) return;
    inode.flags = withFlag(inode.flags, INODE_FLAGS.INDEX, false);
    inode.store();
  }
}
