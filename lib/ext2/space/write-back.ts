// Owns write-back: on a device in the page cache, where each flush is an msync, all that was stored is flushed together when somebody
// asks for it to be durable.

import type {
  Abortable,
  Backing,
  BlockDevice,
  BufferRange,
  Bytes,
  DeviceRun,
  DirectAccess,
  Granularity,
  WriteOptions,
} from 'node-dax';

const UNFLUSHED = { flush: false } as const;

/**
 * A device whose flushes are held back until `settle`. Meanwhile a power cut may keep any of the stores and lose the others, as with
 * the kernel's ext2. The end of the process loses none. It has no `lock`: lock the device that it is made of.
 */
export class WriteBack implements BlockDevice {
  readonly size: number;
  readonly granularity: Granularity;
  readonly pageOffset: number | undefined;
  readonly persistent: boolean | undefined;
  readonly readOnly: boolean | undefined;
  readonly pageSize: number | undefined;
  readonly read?: NonNullable<BlockDevice['read']>;
  readonly write?: NonNullable<BlockDevice['write']>;
  readonly seekData?: (pos: number, length: number) => DeviceRun | undefined;
  readonly backing?: (pos: number, length: number) => Backing;
  readonly #device: BlockDevice;
  // Whether there are stores that may not be durable.
  #isDirty = false;

  constructor(device: BlockDevice) {
    this.#device = device;
    this.size = device.size;
    this.granularity = device.granularity;
    this.pageOffset = device.pageOffset;
    this.persistent = device.persistent;
    this.readOnly = device.readOnly;
    this.pageSize = device.pageSize;
    // The optional methods that its device has; callers that can do without them check.
    const read = device.read?.bind(device);
    if (read !== undefined) this.read = read;
    const write = device.write?.bind(device);
    if (write !== undefined) this.write = (source, pos, options) => this.#writeLater(write, source, pos, options);
    const seekData = device.seekData?.bind(device);
    if (seekData !== undefined) this.seekData = seekData;
    const backing = device.backing?.bind(device);
    if (backing !== undefined) this.backing = backing;
  }

  /** Makes all stores durable. */
  settle(): void {
    if (!this.#isDirty) return;
    this.#device.persist(0, this.size);
    this.#isDirty = false;
  }

  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    return this.#device.directAccess(sector, size);
  }

  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, options?: BufferRange): number {
    return this.#device.readSync(target, pos, options);
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options?: WriteOptions): number {
    this.#isDirty = true;
    return this.#device.writeSync(source, pos, options === undefined ? UNFLUSHED : { ...options, flush: false });
  }

  zeroSync(pos: Bytes, length: Bytes): number {
    this.#isDirty = true;
    return this.#device.zeroSync(pos, length, UNFLUSHED);
  }

  /** Stores through windows are known only by the call to flush them. */
  flush(): void {
    this.#isDirty = true;
  }

  drain(): void {
    // What was flushed waits for `settle`.
  }

  persist(): void {
    this.#isDirty = true;
  }

  async #writeLater(
    write: NonNullable<BlockDevice['write']>,
    source: NodeJS.ArrayBufferView,
    pos: Bytes,
    options?: WriteOptions & Abortable,
  ): Promise<number> {
    try {
      return await write(source, pos, { ...options, flush: false });
    } finally {
      // Only now: what was stored while somebody settled counts too.
      this.#isDirty = true;
    }
  }
}
