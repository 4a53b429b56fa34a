// Owns a block device made of memory.

import {
  bdevDirectAccess,
  checkOptions,
  SECTOR_SIZE,
  type BlockDevice,
  type BufferRange,
  type Bytes,
  type DirectAccess,
  type FlushOption,
  type Granularity,
  type OptionNames,
  type WriteOptions,
} from 'node-dax';

export const RANGE: OptionNames<BufferRange> = { offset: true, length: true };
const FLUSHING: OptionNames<FlushOption> = { flush: true };
export const WRITING: OptionNames<WriteOptions> = { ...RANGE, ...FLUSHING };

/** A device in memory. Nothing outlives the process, and flushing does nothing. */
export class MemoryDevice implements BlockDevice {
  readonly size: number;
  readonly granularity: Granularity = 'cache_line';
  protected readonly memory: Uint8Array;

  /** `memory` is the device's content, and changes with it. Its length is a multiple of 4096 bytes. */
  constructor(memory: Uint8Array) {
    this.memory = bytesOf(memory, {});
    this.size = memory.byteLength;
  }

  directAccess(sector: Bytes, size: Bytes): DirectAccess {
    const op = (first: number) => {
      const pos = first * SECTOR_SIZE;
      return { bytes: this.size - pos, window: this.memory.subarray(pos), pfn: undefined };
    };
    return bdevDirectAccess(op, this.size / SECTOR_SIZE, sector, size);
  }

  readSync(target: NodeJS.ArrayBufferView, pos: Bytes, range: BufferRange = {}): number {
    checkOptions(range, RANGE);
    const bytes = bytesOf(target, range);
    const from = this.memory.subarray(Number(pos), Number(pos) + bytes.byteLength);
    bytes.set(from);
    return from.byteLength;
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes, options: WriteOptions = {}): number {
    checkOptions(options, WRITING);
    const bytes = bytesOf(source, options).subarray(0, this.size - Number(pos));
    this.store(Number(pos), bytes, options);
    return bytes.byteLength;
  }

  zeroSync(pos: Bytes, length: Bytes, options: FlushOption = {}): number {
    checkOptions(options, FLUSHING);
    const bytes = new Uint8Array(Math.min(Number(length), this.size - Number(pos)));
    this.store(Number(pos), bytes, options);
    return bytes.byteLength;
  }

  /* eslint-disable @typescript-eslint/no-unused-vars, @typescript-eslint/no-empty-function -- memory needs no flushing */
  flush(_pos: Bytes, _length: Bytes): void {}

  drain(): void {}
  /* eslint-enable @typescript-eslint/no-unused-vars, @typescript-eslint/no-empty-function */

  persist(pos: Bytes, length: Bytes): void {
    this.flush(pos, length);
    this.drain();
  }

  protected store(pos: number, bytes: Uint8Array, options: FlushOption): void {
    this.memory.set(bytes, pos);
    if (options.flush !== false) this.persist(pos, bytes.byteLength);
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView, range: BufferRange): Uint8Array {
  const offset = range.offset ?? 0;
  return new Uint8Array(buffer, byteOffset + offset, range.length ?? byteLength - offset);
}
