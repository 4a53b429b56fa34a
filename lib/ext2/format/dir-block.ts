// Owns one block of a directory: its entries as they lie in it, every length checked, and where it has room.

import { DIRENT, DIRENT_HEADER, direntLength } from './disk.js';
import type { ByteName } from './name.js';

export const INODE_AT = DIRENT.inode[1];
export const REC_LEN_AT = DIRENT.rec_len[1];
export const NAME_LEN_AT = DIRENT.name_len[1];
export const FILE_TYPE_AT = DIRENT.file_type[1];
const SLASH = 0x2f;

/** A block of a directory in memory, as on the medium, and every length in it checked. */
export class DirBlock {
  /** Where it begins in the directory, in bytes. */
  readonly start: number;
  /** Where it lies on the medium, in bytes. */
  readonly pos: number;
  readonly bytes: Buffer<ArrayBuffer>;
  readonly view: DataView;
  // The entry with the longest free part; undefined until it is asked for. No other has a longer one than `#nextRoom`.
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

  /** Bytes that the entry itself takes of its rec_len: none if it is unused. */
  usedAt(offset: number): number {
    return this.inoAt(offset) === 0 ? 0 : direntLength(this.bytes[offset + NAME_LEN_AT] as number);
  }

  nameAt(offset: number): ByteName {
    const start = offset + DIRENT_HEADER;
    return this.bytes.toString('latin1', start, start + (this.bytes[offset + NAME_LEN_AT] as number));
  }

  /** What is wrong with it, or undefined. */
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

  /** The longest entry that it has room for. */
  get room(): number {
    return this.roomAt(this.roomiest);
  }

  /** The longest entry that there is room for in the entry at `offset`. */
  roomAt(offset: number): number {
    return this.recLenAt(offset) - this.usedAt(offset);
  }

  /** The entry at `offset` was made in the free part of the roomiest one. */
  added(offset: number): void {
    this.#roomiest = this.roomAt(offset) >= this.#nextRoom ? offset : undefined;
  }

  /** The entry at `offset` was removed: it is a free part of the one at `before`, or, unused, is `before` itself. */
  removed(offset: number, before: number): void {
    if (this.#roomiest === undefined) return;
    if (this.#roomiest === offset) this.#roomiest = before;
    if (this.#roomiest === before) return;
    const [room, most] = [this.roomAt(before), this.room];
    if (room > most) this.#roomiest = before;
    this.#nextRoom = Math.max(this.#nextRoom, Math.min(room, most));
  }
}
