// Owns reading memory that hosts share, and making stores visible to other hosts: nothing keeps their caches coherent.

import { DaxError, writeAllSync, type BlockDevice } from 'node-dax';

/** The memory of one famfs, as this host sees it. */
export class Medium {
  readonly device: BlockDevice;
  /** Bytes of the memory: more than those of `device`, where that shows superblock and log alone. */
  readonly size: number;

  constructor(device: BlockDevice, size = device.size) {
    this.device = device;
    this.size = size;
  }

  /** Drops a range from this host's caches, so the next read returns what the memory holds. */
  invalidate(pos: number, length: number): void {
    this.device.invalidate?.(pos, length);
  }

  /** Reads what the memory holds now. Returns the number of bytes read: fewer if a page cannot be read. */
  read(target: Buffer, pos: number): number {
    try {
      this.invalidate(pos, target.byteLength);
      return this.device.readSync(target, pos);
    } catch (error) {
      if (error instanceof DaxError && error.code === 'EIO') return 0;
      throw error;
    }
  }

  /** Stores bytes, and returns once other hosts can see them. Later stores become visible only after them. */
  publish(source: Uint8Array, pos: number): void {
    writeAllSync(this.device, source, pos);
    this.writeBack(pos, source.byteLength);
  }

  /** Writes this host's stores back to the memory. */
  writeBack(pos: number, length: number): void {
    // If the caches survive a power cut, a flush does nothing, and other hosts would not see the stores.
    if (this.device.granularity === 'byte' && this.device.invalidate !== undefined) this.device.invalidate(pos, length);
    else this.device.persist(pos, length);
  }
}
