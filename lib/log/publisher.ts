// Owns storing records and then the tail: by the device's own publisher, or by its copies.

import { crc32c, type BlockDevice, type RecordBatch, type RecordPublisher } from 'node-dax';
import { HEADER_SIZE, storeHeader, TAIL_POS, UNIT, unitsOf } from './format.js';
import { asBytes, storeWord } from './memory.js';

/** The maximum number of bytes that are published together. */
export const BATCH = 64 * 1024;

const NOTHING = new Uint8Array(0);

/** The publisher of a device that has none of its own: the same stores, in the same order. */
class CopyingPublisher implements RecordPublisher {
  readonly #device: BlockDevice;
  readonly #seed: number;
  readonly #header = new Uint8Array(HEADER_SIZE);
  readonly #headerData = new DataView(this.#header.buffer);
  readonly #batch = new Uint8Array(BATCH);
  readonly #batchData = new DataView(this.#batch.buffer);

  constructor(device: BlockDevice, seed: number) {
    this.#device = device;
    this.#seed = seed;
  }

  publish(content: NodeJS.ArrayBufferView, sequence: number, pos: number, word: number): number {
    storeHeader(this.#headerData, 0, content.byteLength, sequence, false);
    this.#headerData.setUint32(0, crc32c(content, crc32c(this.#header, this.#seed, 4)), true);
    return this.#store(this.#header, content, pos, word);
  }

  publishMany(contents: readonly NodeJS.ArrayBufferView[], { from, to, size, sequence, pos, word }: RecordBatch): number {
    let offset = 0;
    for (let index = from; index < to; index++) {
      const content = asBytes(contents[index] as NodeJS.ArrayBufferView);
      storeHeader(this.#batchData, offset, content.length, sequence + index - from, false);
      this.#batch.set(content, offset + HEADER_SIZE);
      this.#batchData.setUint32(offset, crc32c(this.#batch, this.#seed, offset + 4, HEADER_SIZE - 4 + content.length), true);
      offset += unitsOf(content.length) * UNIT;
    }
    return this.#store(this.#batch.subarray(0, size), NOTHING, pos, word);
  }

  #store(head: Uint8Array, body: NodeJS.ArrayBufferView, pos: number, word: number): number {
    const device = this.#device;
    const length = head.byteLength + body.byteLength;
    let done = device.writeSync(head, pos, { flush: false });
    if (done === head.byteLength && body.byteLength > 0) done += device.writeSync(body, pos + done, { flush: false });
    if (done < length) return done;
    device.persist(pos, length);
    storeWord(device, TAIL_POS, word);
    return length;
  }
}

/** What publishes the records of the log on `device` whose checksums begin with `seed`. */
export function publisherOf(device: BlockDevice, seed: number): RecordPublisher {
  return device.recordPublisher?.(TAIL_POS, seed) ?? new CopyingPublisher(device, seed);
}
