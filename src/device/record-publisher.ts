// Owns record publishers: records, each with its checksum, that are durable before the word that publishes them is stored.

import { argumentError } from '../argument-error.js';
import type { Addon, NativeHandle, NativePublisher } from '../binding.js';
import type { RecordBatch, RecordPublisher } from './block-device.js';
import { checkAttached } from './memory.js';

/** Bytes of a record before its content. */
const HEADER_SIZE = 16;

type Fail = (errno: number, pos: number) => never;

class NativeRecordPublisher implements RecordPublisher {
  readonly #addon: Addon;
  readonly #publisher: NativePublisher;
  // The addon keeps the address of its memory, and this object keeps the memory.
  readonly #numbers: Float64Array;
  readonly #fail: Fail;

  constructor(addon: Addon, publisher: NativePublisher, numbers: Float64Array, fail: Fail) {
    this.#addon = addon;
    this.#publisher = publisher;
    this.#numbers = numbers;
    this.#fail = fail;
  }

  publish(content: NodeJS.ArrayBufferView, sequence: number, pos: number, word: number): number {
    const numbers = this.#numbers;
    numbers[0] = sequence;
    numbers[1] = pos;
    numbers[2] = word;
    const { byteLength } = content;
    if (byteLength === 0) checkAttached(content, 'the content');
    numbers[3] = HEADER_SIZE + byteLength;
    const done = this.#addon.publishRecord(this.#publisher, content);
    return done >= 0 ? done : this.#refuse(done, pos, HEADER_SIZE + byteLength);
  }

  publishMany(contents: readonly NodeJS.ArrayBufferView[], { from, to, size, sequence, pos, word }: RecordBatch): number {
    const numbers = this.#numbers;
    numbers[0] = sequence;
    numbers[1] = pos;
    numbers[2] = word;
    numbers[3] = size;
    const done = this.#addon.publishRecords(this.#publisher, contents, from, to);
    return done >= 0 ? done : this.#refuse(done, pos, size);
  }

  #refuse(errno: number, pos: number, size: number): never {
    if (errno !== -22) this.#fail(errno, pos);
    const hint = `${size} bytes at ${pos} are not those of the records, are more than can be published at once, or reach past the device`;
    throw argumentError('ERR_OUT_OF_RANGE', hint);
  }
}

/** Makes the publisher of a device. `wordPos` is a multiple of 8 in it; `fail` throws the error for an errno at a position. */
export function makeRecordPublisher(addon: Addon, handle: NativeHandle, wordPos: number, seed: number, fail: Fail): RecordPublisher {
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) throw argumentError('ERR_OUT_OF_RANGE', `seed must be a checksum, an integer from 0 to 2^32-1, got ${String(seed)}`);
  const numbers = new Float64Array(4);
  const publisher = addon.recordPublisher(handle, wordPos, seed, numbers);
  if (typeof publisher === 'number') fail(publisher, wordPos);
  return new NativeRecordPublisher(addon, publisher, numbers, fail);
}

/** The publisher of a part of a device. `place` gives the device's position for one of the part, and throws for bytes outside of it. */
export function publisherInside(publisher: RecordPublisher, place: (pos: number, length: number) => number): RecordPublisher {
  return {
    publish: (content, sequence, pos, word) => publisher.publish(content, sequence, place(pos, HEADER_SIZE + content.byteLength), word),
    publishMany: (contents, batch) => publisher.publishMany(contents, { ...batch, pos: place(batch.pos, batch.size) }),
  };
}
