// Owns every load and store of metadata: each lies within the filesystem, is complete, and is durable when a store returns.

import { DaxError, readFullSync, writeAllSync, type BlockDevice } from 'node-dax';
import { corruption } from '../format/error.js';

const UNFLUSHED = { flush: false } as const;

/**
 * The part of a device that a filesystem occupies. Stores are made in the order of the calls, and each is durable before the next
 * begins; soft updates rely on this. After a power cut, a store of at most 8 bytes that does not cross a multiple of 8 is either
 * complete or absent; a longer one may be there in parts.
 */
export class Medium {
  readonly device: BlockDevice;
  /** The size of the filesystem in bytes; nothing is stored past it. */
  readonly size: number;
  // The range [from, to) of staged bytes that may not be durable yet.
  #stagedFrom = Number.POSITIVE_INFINITY;
  #stagedTo = 0;
  readonly #filesystem: { readonly readOnly: boolean };
  readonly #word = new DataView(new ArrayBuffer(4));

  /** Nothing can be stored while `filesystem` is read-only; by default, nothing ever. */
  constructor(device: BlockDevice, size: number, filesystem: { readonly readOnly: boolean } = { readOnly: true }) {
    this.device = device;
    this.size = size;
    this.#filesystem = filesystem;
  }

  load(pos: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    this.loadInto(bytes, pos);
    return bytes;
  }

  loadInto(bytes: Uint8Array, pos: number): void {
    this.#check(pos, bytes.length);
    readFullSync(this.device, bytes, pos);
  }

  store(pos: number, bytes: Uint8Array): void {
    this.#checkStore(pos, bytes.length);
    this.#settle();
    writeAllSync(this.device, bytes, pos);
  }

  /**
   * Stores bytes to which nothing refers until a later store. They are durable before the next `store` begins. Staged bytes may
   * become durable in any order. On a device that flushes with msync, one msync covers all of them.
   */
  stage(pos: number, bytes: Uint8Array): void {
    if (this.device.granularity !== 'page') {
      this.store(pos, bytes);
      return;
    }
    this.#checkStore(pos, bytes.length);
    this.#stagedFrom = Math.min(this.#stagedFrom, pos);
    this.#stagedTo = Math.max(this.#stagedTo, pos + bytes.length);
    writeAllSync(this.device, bytes, pos, UNFLUSHED);
  }

  store32(pos: number, value: number): void {
    this.#word.setUint32(0, value, true);
    this.store(pos, new Uint8Array(this.#word.buffer));
  }

  store16(pos: number, value: number): void {
    this.#word.setUint16(0, value, true);
    this.store(pos, new Uint8Array(this.#word.buffer, 0, 2));
  }

  #settle(): void {
    if (this.#stagedTo === 0) return;
    this.device.persist(this.#stagedFrom, this.#stagedTo - this.#stagedFrom);
    this.#stagedFrom = Number.POSITIVE_INFINITY;
    this.#stagedTo = 0;
  }

  #checkStore(pos: number, length: number): void {
    this.#check(pos, length);
    if (this.#filesystem.readOnly) throw new DaxError({ errno: 'EROFS', syscall: 'ext2', reason: 'READ_ONLY' });
  }

  #check(pos: number, length: number): void {
    if (pos < 0 || pos + length > this.size) throw corruption(`${length} bytes at ${pos} are not in the filesystem`, {});
  }
}
