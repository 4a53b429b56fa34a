// Owns directories: their entries as they lie in blocks, an index of the names in memory, and adding, changing and
// removing one by a single store.

import {
  DIRENT,
  DIRENT_HEADER,
  direntLength,
  fileTypeOf,
  hasFlag,
  INODE_FLAGS,
  withFlag,
} from './disk.js';
import type { Ext2Inode } from './inode.js';
import { bytesOf, isEntryName, type ByteName } from './name.js';

/** An entry. */
export interface Dirent {
  readonly name: ByteName;
  readonly ino: number;
  /** One of `FT`; unknown without the feature filetype. */
  readonly type: number;
  /** The byte of the directory where it begins: it stays there until it is removed. */
  readonly pos: number;
}

/** An entry as it lies in a block, used or not. */
interface Slot {
  offset: number;
  recLen: number;
  ino: number;
  /** Bytes that it takes itself: what is left of `recLen` is free. */
  length: number;
}

const { inode: INODE_FIELD, rec_len: REC_LEN, name_len: NAME_LEN, file_type: FILE_TYPE } = DIRENT;

/**
 * The directory of an inode. An entry never moves, so that whoever reads block by block meets each entry that stays
 * exactly once.
 */
export class Directory {
  readonly inode: Ext2Inode;
  #index: Map<ByteName, Dirent> | undefined;
  // The longest entry that each block has room for.
  readonly #room: number[] = [];

  constructor(inode: Ext2Inode) {
    this.inode = inode;
  }

  /** Entries that are kept in memory. */
  get cached(): number {
    return this.#index?.size ?? 0;
  }

  /** Forgets the index, which is made again when it is needed. */
  forget(): void {
    this.#index = undefined;
  }

  find(name: ByteName): Dirent | undefined {
    return this.#loaded().get(name);
  }

  /** Whether it has nothing but itself and its parent. */
  get isEmpty(): boolean {
    for (const name of this.#loaded().keys()) if (name !== '.' && name !== '..') return false;
    return true;
  }

  /** Entries from byte `pos` on, in their order on the medium, block by block as they are when the block is come to. */
  *entries(pos = 0): Generator<Dirent> {
    const { blockSize } = this.inode.sb;
    for (let start = pos - (pos % blockSize); start < this.inode.size; start += blockSize) {
      const entries = this.#entriesOf(this.#load(start), start);
      for (const entry of entries) if (entry.pos >= pos) yield entry;
    }
  }

  /** Makes sure that an entry of this name has room. Only this throws `ENOSPC`. */
  makeRoom(name: ByteName): void {
    this.#loaded();
    const needed = direntLength(name.length);
    if (!this.#room.some((room) => room >= needed)) this.#grow();
  }

  /**
   * Adds an entry, for which there is room and whose name is not there. What it leads to must be durable: so is the
   * entry on return, and before it nothing of it is seen.
   */
  add(name: ByteName, target: Ext2Inode): void {
    this.#dropIndex();
    this.#loaded();
    const { blockSize } = this.inode.sb;
    const needed = direntLength(name.length);
    const start = this.#room.findIndex((room) => room >= needed) * blockSize;
    const block = this.#load(start);
    const slot = this.#slots(block, start).find((candidate) => candidate.recLen - candidate.length >= needed);
    if (slot === undefined) throw this.#corrupt('has no room where there was', start);
    const entry = this.#encode(name, target);
    const offset = slot.ino === 0 ? this.#reuse(block, slot, entry, start) : this.#split(block, slot, entry, start);
    this.#room[start / blockSize] = roomOf(this.#slots(block, start));
    this.#remember({ name, ino: target.ino, type: this.#typeOf(target), pos: start + offset });
  }

  /** Removes an entry, durably on return. */
  remove({ name, pos }: Dirent): void {
    this.#dropIndex();
    const { blockSize } = this.inode.sb;
    const start = pos - (pos % blockSize);
    const block = this.#load(start);
    const slots = this.#slots(block, start);
    const index = slots.findIndex((slot) => start + slot.offset === pos);
    const slot = slots[index];
    if (slot === undefined) throw this.#corrupt('lost an entry', start);
    const before = slots[index - 1];
    const view = viewOf(block);
    if (before === undefined) {
      view.setUint32(slot.offset + INODE_FIELD[1], 0, true);
      this.#store(block, start, slot.offset + INODE_FIELD[1], 4);
    } else {
      view.setUint16(before.offset + REC_LEN[1], before.recLen + slot.recLen, true);
      this.#store(block, start, before.offset + REC_LEN[1], 2);
    }
    this.#room[start / blockSize] = roomOf(this.#slots(block, start));
    this.#loaded().delete(name);
  }

  /**
   * Makes an entry lead to another inode, by one store. Where its type changes, and the header of the entry crosses a
   * multiple of 8 bytes, that takes three: meanwhile its type is unknown, and the inode tells.
   */
  replace(entry: Dirent, target: Ext2Inode): void {
    const { name, pos } = entry;
    this.#dropIndex();
    const start = pos - (pos % this.inode.sb.blockSize);
    const offset = pos - start;
    const block = this.#load(start);
    const view = viewOf(block);
    const type = this.#typeOf(target);
    const hasType = this.inode.sb.geometry.hasFileType;
    if (!hasType || type === entry.type) {
      view.setUint32(offset + INODE_FIELD[1], target.ino, true);
      this.#store(block, start, offset, 4);
    } else if (offset % 8 === 0) {
      view.setUint32(offset + INODE_FIELD[1], target.ino, true);
      view.setUint8(offset + FILE_TYPE[1], type);
      this.#store(block, start, offset, DIRENT_HEADER);
    } else {
      view.setUint8(offset + FILE_TYPE[1], 0);
      this.#store(block, start, offset + FILE_TYPE[1], 1);
      view.setUint32(offset + INODE_FIELD[1], target.ino, true);
      this.#store(block, start, offset, 4);
      view.setUint8(offset + FILE_TYPE[1], type);
      this.#store(block, start, offset + FILE_TYPE[1], 1);
    }
    this.#remember({ name, ino: target.ino, type, pos });
  }

  /** The first block of a new directory, to be stored where nothing leads yet. */
  static firstBlock(inode: Ext2Inode, parent: Ext2Inode): Uint8Array<ArrayBuffer> {
    const directory = new Directory(inode);
    const block = new Uint8Array(inode.sb.blockSize);
    const self = directory.#encode('.', inode);
    const up = directory.#encode('..', parent);
    putEntry(block, 0, self, self.length);
    putEntry(block, self.length, up, block.length - self.length);
    return block;
  }

  #loaded(): Map<ByteName, Dirent> {
    if (this.#index !== undefined) return this.#index;
    const index = new Map<ByteName, Dirent>();
    const { blockSize } = this.inode.sb;
    this.#room.length = 0;
    for (let start = 0; start < this.inode.size; start += blockSize) {
      const block = this.#load(start);
      // Of two entries with one name, which only corruption makes, the first counts.
      for (const entry of this.#entriesOf(block, start)) if (!index.has(entry.name)) index.set(entry.name, entry);
      this.#room.push(roomOf(this.#slots(block, start)));
    }
    return (this.#index = index);
  }

  #remember(entry: Dirent): void {
    this.#loaded().set(entry.name, entry);
  }

  #blockOf(start: number): number {
    const { block } = this.inode.map.find(start / this.inode.sb.blockSize, 1);
    if (block === 0) throw this.#corrupt('has no block', start);
    return block;
  }

  #load(start: number): Uint8Array<ArrayBuffer> {
    const { medium, blockSize } = this.inode.sb;
    return medium.load(this.#blockOf(start) * blockSize, blockSize);
  }

  #store(block: Uint8Array, start: number, offset: number, length: number): void {
    const { medium, blockSize } = this.inode.sb;
    medium.store(this.#blockOf(start) * blockSize + offset, block.subarray(offset, offset + length));
  }

  #entriesOf(block: Uint8Array, start: number): Dirent[] {
    const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
    const { hasFileType } = this.inode.sb.geometry;
    const entries: Dirent[] = [];
    for (const { offset, ino } of this.#slots(block, start)) {
      if (ino === 0) continue;
      const nameLength = bytes[offset + NAME_LEN[1]] as number;
      const name = bytes.toString('latin1', offset + DIRENT_HEADER, offset + DIRENT_HEADER + nameLength);
      if (!isEntryName(name)) throw this.#corrupt('has an entry with no name, or one with a slash or NUL', start);
      const type = hasFileType ? (bytes[offset + FILE_TYPE[1]] as number) : 0;
      entries.push({ name, ino, type, pos: start + offset });
    }
    return entries;
  }

  // The block cut into its slots, every length checked.
  #slots(block: Uint8Array, start: number): Slot[] {
    const view = viewOf(block);
    const { geometry } = this.inode.sb;
    const slots: Slot[] = [];
    for (let offset = 0; offset < block.length; ) {
      if (offset + DIRENT_HEADER > block.length) throw this.#corrupt(`ends within an entry at ${offset}`, start);
      const ino = view.getUint32(offset + INODE_FIELD[1], true);
      const recLen = view.getUint16(offset + REC_LEN[1], true);
      const nameLength = view.getUint8(offset + NAME_LEN[1]);
      const length = direntLength(nameLength);
      if (recLen < direntLength(1) || recLen % 4 !== 0 || offset + recLen > block.length || (ino !== 0 && length > recLen)) {
        throw this.#corrupt(`has an entry at ${offset} with rec_len ${recLen} and name_len ${nameLength}`, start);
      }
      if (ino > geometry.inodesCount) throw this.#corrupt(`has an entry at ${offset} to inode ${ino}`, start);
      slots.push({ offset, recLen, ino, length: ino === 0 ? 0 : length });
      offset += recLen;
    }
    return slots;
  }

  #corrupt(what: string, start: number): Error {
    const { sb, ino } = this.inode;
    return sb.corrupt(`the directory ${what}, in its block ${start / sb.blockSize}`, { ino });
  }

  #typeOf(target: Ext2Inode): number {
    return this.inode.sb.geometry.hasFileType ? fileTypeOf(target.mode) : 0;
  }

  // Without rec_len, which the place decides.
  #encode(name: ByteName, target: Ext2Inode): Uint8Array<ArrayBuffer> {
    const entry = new Uint8Array(direntLength(name.length));
    const view = viewOf(entry);
    view.setUint32(INODE_FIELD[1], target.ino, true);
    view.setUint8(NAME_LEN[1], name.length);
    view.setUint8(FILE_TYPE[1], this.#typeOf(target));
    entry.set(bytesOf(name), DIRENT_HEADER);
    return entry;
  }

  // The unused slot keeps its length, and its inode comes last.
  #reuse(block: Uint8Array, { offset, recLen }: Slot, entry: Uint8Array, start: number): number {
    const target = viewOf(entry).getUint32(INODE_FIELD[1], true);
    putEntry(block, offset, entry, recLen);
    this.#store(block, start, offset + NAME_LEN[1], entry.length - NAME_LEN[1]);
    viewOf(block).setUint32(offset + INODE_FIELD[1], target, true);
    this.#store(block, start, offset + INODE_FIELD[1], 4);
    return offset;
  }

  // The entry is made in the free part of another, whose rec_len then lets it be seen. At a multiple of 8, if there is
  // room, so that its header can be replaced by one store.
  #split(block: Uint8Array, slot: Slot, entry: Uint8Array, start: number): number {
    const end = slot.offset + slot.recLen;
    const first = slot.offset + slot.length;
    const aligned = Math.ceil(first / 8) * 8;
    const offset = end - aligned >= entry.length ? aligned : first;
    putEntry(block, offset, entry, end - offset);
    this.#store(block, start, offset, entry.length);
    viewOf(block).setUint16(slot.offset + REC_LEN[1], offset - slot.offset, true);
    this.#store(block, start, slot.offset + REC_LEN[1], 2);
    return offset;
  }

  // One more block, with an unused entry. It is on the medium, then pointed to, then within the size.
  #grow(): void {
    const { inode } = this;
    const { medium, blockSize } = inode.sb;
    this.#dropIndex();
    const iblock = inode.size / blockSize;
    const { block } = inode.map.create(iblock, 1, groupOf(inode));
    const empty = new Uint8Array(blockSize);
    viewOf(empty).setUint16(REC_LEN[1], blockSize, true);
    medium.store(block * blockSize, empty);
    inode.map.settle(iblock, iblock + 1);
    inode.size += blockSize;
    inode.store();
    this.#room.push(blockSize);
  }

  // An index that is not kept up to date must not be there: nothing is changed before it is gone.
  #dropIndex(): void {
    const { inode } = this;
    if (!hasFlag(inode.flags, INODE_FLAGS.INDEX)) return;
    inode.flags = withFlag(inode.flags, INODE_FLAGS.INDEX, false);
    inode.store();
  }
}

/** The group that an inode is in. */
export function groupOf({ ino, sb }: Ext2Inode): number {
  return Math.floor((ino - 1) / sb.geometry.inodesPerGroup);
}

function putEntry(block: Uint8Array, offset: number, entry: Uint8Array, recLen: number): void {
  block.set(entry, offset);
  const view = viewOf(block);
  view.setUint16(offset + REC_LEN[1], recLen, true);
  new DataView(entry.buffer, entry.byteOffset).setUint16(REC_LEN[1], recLen, true);
}

function roomOf(slots: readonly Slot[]): number {
  return slots.reduce((most, { recLen, length }) => Math.max(most, recLen - length), 0);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
