// Owns write-back: what a command stores to an image in the page cache is flushed all together at the command's end.

import {
  lockDevice,
  type BlockDevice,
  type BufferRange,
  type Bytes,
  type DeviceLock,
  type DirectAccess,
  type FlushOption,
  type Granularity,
  type LockMode,
  type WriteOptions,
} from 'node-dax';

/**
 * A device whose flushes can be held back, because they take most of the time if each is an msync. Meanwhile a power cut may keep
 * any of the stores and lose the others, as with the kernel's ext2. The end of the process loses none.
 */
export class WriteBack implements BlockDevice {
  readonly size: number;
  readonly granularity: Granularity;
  readonly pageOffset: number | undefined;
  readonly persistent: boolean | undefined;
  readonly #device: BlockDevice;
  #isHeld = false;

  constructor(device: BlockDevice) {
    this.#device = device;
    this.size = device.size;
    this.granularity = device.granularity;
    this.pageOffset = device.pageOffset;
    this.persistent = device.persistent;
  }

  /** Holds back flushes from now on, if a flush is an msync. */
  hold(): void {
    this.#isHeld = this.granularity === 'page';
  }

  /** Makes all stores durable. Flushes are no longer held back. */
  release(): void {
    if (this.#isHeld) this.#device.persist(0, this.size);
    this.#isHeld = false;
  }

  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    return this.#device.directAccess(sector, size);
  }

  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange): number {
    return this.#device.readSync(target, pos, options);
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number {
    return this.#device.writeSync(source, pos, this.#isHeld ? { ...options, flush: false } : options);
  }

  zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number {
    return this.#device.zeroSync(pos, length, this.#isHeld ? { flush: false } : options);
  }

  flush(pos: Bytes, length: Bytes): void {
    if (!this.#isHeld) this.#device.flush(pos, length);
  }

  drain(): void {
    if (!this.#isHeld) this.#device.drain();
  }

  persist(pos: Bytes, length: Bytes): void {
    if (!this.#isHeld) this.#device.persist(pos, length);
  }

  lock(mode: LockMode, pos?: Bytes, length?: Bytes): DeviceLock {
    return lockDevice(this.#device, mode, pos, length);
  }
}
