// Owns storing records and then the tail: by the device's own publisher, or by its copies.

import { crc32c, type BlockDevice, type RecordBatch, type RecordPublisher } from 'node-dax';
import { HEADER_SIZE, TAIL_POS, UNIT, unitsOf } from './format.js';
import { asBytes, storeWord } from './memory.js';

/** The maximum number of bytes that are published together, and of records. */
export const BATCH = 64 * 1024;
export const BATCH_RECORDS = 256;

const CACHE_LINE = 64;

/** The publisher of a device that has none of its own: the same stores, in the same order. */
class CopyingPublisher implements RecordPublisher {
  readonly heads = new Uint8Array(BATCH_RECORDS * HEADER_SIZE);
  readonly #device: BlockDevice;
  readonly #seed: number;
  readonly #headData = new DataView(this.heads.buffer);
  readonly #batch = new Uint8Array(BATCH);
  readonly #zeros = new Uint8Array(CACHE_LINE);

  constructor(device: BlockDevice, seed: number) {
    this.#device = device;
    this.#seed = seed;
  }

  publish(content: NodeJS.ArrayBufferView, pos: number, end: number, word: number): number {
    this.#putChecksum(0, content);
    return this.#store([this.heads.subarray(0, HEADER_SIZE), content], pos, end, word);
  }

  publishMany(contents: readonly NodeJS.ArrayBufferView[], { from, to, size, pos, end, word }: RecordBatch): number {
    const batch = this.#batch.fill(0, 0, size);
    let offset = 0;
    for (let index = from, head = 0; index < to; index++, head += HEADER_SIZE) {
      const content = asBytes(contents[index] as NodeJS.ArrayBufferView);
      this.#putChecksum(head, content);
      batch.set(this.heads.subarray(head, head + HEADER_SIZE), offset);
      batch.set(content, offset + HEADER_SIZE);
      offset += unitsOf(content.length) * UNIT;
    }
    return this.#store([batch.subarray(0, size)], pos, end, word);
  }

  stored(): void {
    // Every line is loaded as it is.
  }

  #putChecksum(head: number, content: NodeJS.ArrayBufferView): void {
    const before = crc32c(this.heads, this.#seed, head + 4, HEADER_SIZE - 4);
    this.#headData.setUint32(head, crc32c(content, before), true);
  }

  #store(parts: readonly NodeJS.ArrayBufferView[], pos: number, end: number, word: number): number {
    const device = this.#device;
    let done = 0;
    for (const part of parts) {
      const stored = part.byteLength === 0 ? 0 : device.writeSync(part, pos + done, { flush: false });
      done += stored;
      if (stored < part.byteLength) return done;
    }
    const rest = (CACHE_LINE - ((pos + done) % CACHE_LINE)) % CACHE_LINE;
    const zeros = rest > 0 && pos + done + rest <= end ? device.writeSync(this.#zeros, pos + done, { length: rest, flush: false }) : 0;
    device.persist(pos, done + zeros);
    storeWord(device, TAIL_POS, word);
    return done;
  }
}

/** What publishes the records of the log on `device` whose checksums begin with `seed`. */
export function publisherOf(device: BlockDevice, seed: number): RecordPublisher {
  return device.recordPublisher?.(TAIL_POS, { headSize: HEADER_SIZE, unit: UNIT, seed }) ?? new CopyingPublisher(device, seed);
}
