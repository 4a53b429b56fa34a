// Owns every load and store of metadata: inside the filesystem, whole, and durable when a store returns.

import { DaxError, readFullSync, writeAllSync, type BlockDevice } from 'node-dax';
import { corruption } from '../format/error.js';

const UNFLUSHED = { flush: false } as const;

/**
 * The part of a device that a filesystem has. Stores are made in the order of the calls, and each is durable before the
 * next begins: that is what the rules of soft updates are built on. One of at most 8 bytes that does not cross a
 * multiple of 8 is there wholly or not at all after a power cut; a longer one may be there in parts.
 */
export class Medium {
  readonly device: BlockDevice;
  /** Bytes of the filesystem: nothing is stored past them. */
  readonly size: number;
  #isSealed = true;
  // Where something is that was staged, and may not be durable yet: [from, to).
  #stagedFrom = Number.POSITIVE_INFINITY;
  #stagedTo = 0;
  readonly #word = new DataView(new ArrayBuffer(4));

  /** Sealed: nothing can be stored yet. */
  constructor(device: BlockDevice, size: number) {
    this.device = device;
    this.size = size;
  }

  get isSealed(): boolean {
    return this.#isSealed;
  }

  /** From now on what is checked may be changed. */
  unseal(): void {
    this.#isSealed = false;
  }

  /** From now on nothing is stored. */
  seal(): void {
    this.#isSealed = true;
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
   * Stores what nothing leads to until a later store: it is durable before the next `store` begins, and in any order with what
   * is staged besides. Where that takes an msync, one does for all of it.
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
    if (this.#isSealed) throw new DaxError({ errno: 'EROFS', syscall: 'ext2', reason: 'READ_ONLY' });
  }

  #check(pos: number, length: number): void {
    if (pos < 0 || pos + length > this.size) throw corruption(`${length} bytes at ${pos} are not in the filesystem`, {});
  }
}
