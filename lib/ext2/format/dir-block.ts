// Owns one block of a directory: access to its entries, the check of their lengths, and where it has room.

import { DIRENT, DIRENT_HEADER, direntLength } from './disk.js';
import type { ByteName } from './name.js';

export const INODE_AT = DIRENT.inode[1];
export const REC_LEN_AT = DIRENT.rec_len[1];
export const NAME_LEN_AT = DIRENT.name_len[1];
export const FILE_TYPE_AT = DIRENT.file_type[1];
const SLASH = 0x2f;

/** A block of a directory in memory, with the bytes of the medium. Use its entries only if `fault` returns undefined. */
export class DirBlock {
  /** The byte of the directory at which the block begins. */
  readonly start: number;
  /** The byte of the medium at which the block begins. */
  readonly pos: number;
  readonly bytes: Buffer<ArrayBuffer>;
  readonly view: DataView;
  // The entry with the longest free part; undefined until first needed. No other entry has more than `#nextRoom` free.
  #roomiest: number | undefined;
  #nextRoom = 0;

  constructor(start: number, pos: number, bytes: Uint8Array<ArrayBuffer>) {
    this.start = start;
    this.pos = pos;
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  inoAt(offset: number): number {
    return this.view.getUint32(offset + INODE_AT, true);
  }

  recLenAt(offset: number): number {
    return this.view.getUint16(offset + REC_LEN_AT, true);
  }

  /** How many bytes of its rec_len the entry itself needs: 0 if it is unused. */
  usedAt(offset: number): number {
    return this.inoAt(offset) === 0 ? 0 : direntLength(this.bytes[offset + NAME_LEN_AT] as number);
  }

  nameAt(offset: number): ByteName {
    const start = offset + DIRENT_HEADER;
    return this.bytes.toString('latin1', start, start + (this.bytes[offset + NAME_LEN_AT] as number));
  }

  /** Adds the names of all entries to `names`: they are parts of one string, which is made once. */
  addNames(names: ByteName[]): void {
    const text = this.bytes.toString('latin1');
    for (let offset = 0; offset < this.bytes.length; offset += this.recLenAt(offset)) {
      if (this.inoAt(offset) === 0) continue;
      const start = offset + DIRENT_HEADER;
      names.push(text.slice(start, start + (this.bytes[offset + NAME_LEN_AT] as number)));
    }
  }

  /** What is wrong with the block; undefined if nothing is. */
  fault(inodesCount: number): string | undefined {
    const { length } = this.bytes;
    for (let offset = 0; offset < length; offset += this.recLenAt(offset)) {
      if (offset + DIRENT_HEADER > length) return `ends within an entry at ${offset}`;
      const recLen = this.recLenAt(offset);
      if (recLen < direntLength(1) || recLen % 4 !== 0 || offset + recLen > length || this.usedAt(offset) > recLen) {
        return `has an entry at ${offset} with rec_len ${recLen} and name_len ${this.bytes[offset + NAME_LEN_AT] ?? 0}`;
      }
      const ino = this.inoAt(offset);
      if (ino > inodesCount) return `has an entry at ${offset} to inode ${ino}`;
      if (ino !== 0 && !this.#hasName(offset)) return `has an entry at ${offset} with no name, a slash or NUL`;
    }
    return undefined;
  }

  #hasName(offset: number): boolean {
    const { bytes } = this;
    const length = bytes[offset + NAME_LEN_AT] as number;
    const start = offset + DIRENT_HEADER;
    for (let at = start; at < start + length; at++) if (bytes[at] === SLASH || bytes[at] === 0) return false;
    return length > 0;
  }

  /** The entry with the longest free part. */
  get roomiest(): number {
    if (this.#roomiest !== undefined) return this.#roomiest;
    let roomiest = 0;
    let most = this.roomAt(0);
    let next = 0;
    for (let offset = this.recLenAt(0); offset < this.bytes.length; offset += this.recLenAt(offset)) {
      const room = this.roomAt(offset);
      if (room <= most) {
        if (room > next) next = room;
        continue;
      }
      next = most;
      most = room;
      roomiest = offset;
    }
    this.#nextRoom = next;
    return (this.#roomiest = roomiest);
  }

  /** The length of the longest entry for which the block has room. */
  get room(): number {
    return this.roomAt(this.roomiest);
  }

  /** The length of the longest entry for which the free part of the entry at `offset` has room. */
  roomAt(offset: number): number {
    return this.recLenAt(offset) - this.usedAt(offset);
  }

  /** Call after an entry was made at `offset`, in the free part of the roomiest one. */
  added(offset: number): void {
    this.#roomiest = this.roomAt(offset) >= this.#nextRoom ? offset : undefined;
  }

  /**
   * Call after the entry at `offset` was removed: its space now belongs to the entry at `before` or, if `before` is `offset`, the
   * entry is unused.
   */
  removed(offset: number, before: number): void {
    if (this.#roomiest === undefined) return;
    if (this.#roomiest === offset) this.#roomiest = before;
    if (this.#roomiest === before) return;
    const [room, most] = [this.roomAt(before), this.room];
    if (room > most) this.#roomiest = before;
    this.#nextRoom = Math.max(this.#nextRoom, Math.min(room, most));
  }
}
