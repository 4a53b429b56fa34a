// Owns how bytes of memory that hosts share are read, and how stores to it reach the others: nothing keeps caches coherent.

import { DaxError, writeAllSync, type BlockDevice } from 'node-dax';

/** The memory of one famfs, as this host sees it. */
export class Medium {
  readonly device: BlockDevice;

  constructor(device: BlockDevice) {
    this.device = device;
  }

  /** Drops what this host's caches have of a range, so that what is read next is what the memory holds. */
  invalidate(pos: number, length: number): void {
    this.device.invalidate?.(pos, length);
  }

  /** Reads what the memory holds now. Returns the bytes read: fewer before a page that cannot be read. */
  read(target: Buffer, pos: number): number {
    try {
      this.invalidate(pos, target.byteLength);
      return this.device.readSync(target, pos);
    } catch (error) {
      if (error instanceof DaxError && error.code === 'EIO') return 0;
      throw error;
    }
  }

  /** Stores, and returns when the others can see it, before anything that is stored later. */
  publish(source: Uint8Array, pos: number): void {
    writeAllSync(this.device, source, pos);
    this.writeBack(pos, source.byteLength);
  }

  /** Brings stores of this host to the memory. */
  writeBack(pos: number, length: number): void {
    // Where the caches would survive a power cut, a flush does nothing, and the others would see nothing.
    if (this.device.granularity === 'byte' && this.device.invalidate !== undefined) this.device.invalidate(pos, length);
    else this.device.persist(pos, length);
  }
}
