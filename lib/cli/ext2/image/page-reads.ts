// Owns the reads of commands that change nothing: small ones are made a page at a time, by calls.

import {
  lockDevice,
  PAGE_SIZE,
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

// A listing in the order of names goes to and fro between a few places of the tables of inodes.
const PAGES = 256;

/**
 * A device that keeps the pages that small reads lie in, up to 1 MiB of them. Read one by one through a mapping, the inodes of a
 * directory would make all their pages count as memory of the process. Only for a device in the page cache that nobody changes.
 */
export class PageReads implements BlockDevice {
  readonly size: number;
  readonly granularity: Granularity;
  readonly pageOffset: number | undefined;
  readonly persistent: boolean | undefined;
  readonly #device: BlockDevice;
  // A page has one place, by its number. Each place has the number of its page.
  readonly #numbers = new Float64Array(PAGES).fill(-1);
  readonly #bytes = new Uint8Array(PAGES * PAGE_SIZE);

  constructor(device: BlockDevice) {
    this.#device = device;
    this.size = device.size;
    this.granularity = device.granularity;
    this.pageOffset = device.pageOffset;
    this.persistent = device.persistent;
  }

  readSync(target: Uint8Array, pos: Bytes, options?: BufferRange): number {
    const page = Math.floor(Number(pos) / PAGE_SIZE);
    const at = Number(pos) - page * PAGE_SIZE;
    const { length } = target;
    if (options !== undefined || length === PAGE_SIZE || at + length > PAGE_SIZE) return this.#device.readSync(target, pos, options);
    const place = page % PAGES;
    const base = place * PAGE_SIZE;
    if (this.#numbers[place] !== page) {
      this.#numbers[place] = -1;
      // A page at the end of the device may be shorter.
      if (this.#device.readSync(this.#bytes.subarray(base, base + PAGE_SIZE), page * PAGE_SIZE) < PAGE_SIZE) return this.#device.readSync(target, pos);
      this.#numbers[place] = page;
    }
    target.set(this.#bytes.subarray(base + at, base + at + length));
    return length;
  }

  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    return this.#device.directAccess(sector, size);
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number {
    return this.#device.writeSync(source, pos, options);
  }

  zeroSync(pos: Bytes, length: Bytes, options?: FlushOption): number {
    return this.#device.zeroSync(pos, length, options);
  }

  flush(pos: Bytes, length: Bytes): void {
    this.#device.flush(pos, length);
  }

  drain(): void {
    this.#device.drain();
  }

  persist(pos: Bytes, length: Bytes): void {
    this.#device.persist(pos, length);
  }

  lock(mode: LockMode, pos?: Bytes, length?: Bytes): DeviceLock {
    return lockDevice(this.#device, mode, pos, length);
  }
}
