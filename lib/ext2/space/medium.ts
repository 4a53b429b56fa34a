// Owns every load and store of metadata: inside the filesystem, whole, and durable when a store returns.

import { DaxError, readFullSync, writeAllSync, type BlockDevice } from 'node-dax';
import { corruption } from '../format/error.js';

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
    this.#check(pos, bytes.length);
    if (this.#isSealed) throw new DaxError({ errno: 'EROFS', syscall: 'ext2', reason: 'READ_ONLY' });
    writeAllSync(this.device, bytes, pos);
  }

  store32(pos: number, value: number): void {
    this.#word.setUint32(0, value, true);
    this.store(pos, new Uint8Array(this.#word.buffer));
  }

  store16(pos: number, value: number): void {
    this.#word.setUint16(0, value, true);
    this.store(pos, new Uint8Array(this.#word.buffer, 0, 2));
  }

  #check(pos: number, length: number): void {
    if (pos < 0 || pos + length > this.size) throw corruption(`${length} bytes at ${pos} are not in the filesystem`, {});
  }
}
