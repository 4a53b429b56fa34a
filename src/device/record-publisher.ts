// Owns record publishers: records, each with its checksum, that are durable before the word that publishes them is stored.

import { argumentError } from '../argument-error.js';
import type { Addon, NativeHandle, NativePublisher } from '../binding.js';
import type { PublisherOptions, RecordBatch, RecordPublisher } from './block-device.js';
import { checkAttached } from './memory.js';

/** Most bytes of records that are published together, and most records. */
const BATCH = 64 * 1024;
const BATCH_RECORDS = 256;
// A head begins with the checksum, and is no longer than a cache line.
const LEAST_HEAD = 4;
const MOST_HEAD = 64;

type Fail = (errno: number, pos: number) => never;

class NativeRecordPublisher implements RecordPublisher {
  readonly heads: Uint8Array;
  readonly #addon: Addon;
  readonly #publisher: NativePublisher;
  readonly #headSize: number;
  // The addon keeps the address of its memory, and this object keeps the memory.
  readonly #numbers: Float64Array;
  readonly #fail: Fail;

  constructor(addon: Addon, publisher: NativePublisher, headSize: number, heads: Uint8Array, numbers: Float64Array, fail: Fail) {
    this.heads = heads;
    this.#addon = addon;
    this.#publisher = publisher;
    this.#headSize = headSize;
    this.#numbers = numbers;
    this.#fail = fail;
  }

  publish(content: NodeJS.ArrayBufferView, pos: number, end: number, word: number): number {
    const { byteLength } = content;
    if (byteLength === 0) checkAttached(content, 'the content');
    const size = this.#headSize + byteLength;
    this.#set(pos, end, word, size);
    const done = this.#addon.publishRecord(this.#publisher, content);
    return done >= 0 ? done : this.#refuse(done, pos, size);
  }

  publishMany(contents: readonly NodeJS.ArrayBufferView[], { from, to, size, pos, end, word }: RecordBatch): number {
    this.#set(pos, end, word, size);
    const own = from === 0 && to === contents.length ? contents : contents.slice(from, to);
    // The addon takes no more contents, and too many arguments would exceed the engine's limit.
    if (own.length !== to - from || own.length > BATCH_RECORDS) this.#refuse(-22, pos, size);
    const done = this.#addon.publishRecords(this.#publisher, ...own);
    return done >= 0 ? done : this.#refuse(done, pos, size);
  }

  stored(): void {
    this.#numbers[4] = 1;
  }

  #set(pos: number, end: number, word: number, size: number): void {
    const numbers = this.#numbers;
    numbers[0] = pos;
    numbers[1] = end;
    numbers[2] = word;
    numbers[3] = size;
  }

  #refuse(errno: number, pos: number, size: number): never {
    if (errno !== -22) this.#fail(errno, pos);
    const hint = `${size} bytes at ${pos} are not those of the records, are more than can be published at once, or reach past the device`;
    throw argumentError('ERR_OUT_OF_RANGE', hint);
  }
}

function checkInteger(name: string, value: unknown, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw argumentError('ERR_OUT_OF_RANGE', `${name} must be an integer from ${least} to ${most}, got ${String(value)}`);
}

/** Makes the publisher of a device. `wordPos` is a multiple of 8 in it; `fail` throws the error for an errno at a position. */
export function makeRecordPublisher(addon: Addon, handle: NativeHandle, wordPos: number, options: PublisherOptions, fail: Fail): RecordPublisher {
  const { headSize, unit = 1, seed = 0 } = options;
  checkInteger('headSize', headSize, LEAST_HEAD, MOST_HEAD);
  checkInteger('unit', unit, 1, BATCH);
  checkInteger('seed, a checksum,', seed, 0, 2 ** 32 - 1);
  const numbers = new Float64Array(5);
  // The addon keeps the address of this memory. Shared memory cannot be detached.
  const heads = new Uint8Array(new SharedArrayBuffer(BATCH_RECORDS * headSize));
  const publisher = addon.recordPublisher(handle, wordPos, seed, headSize, unit, numbers, heads);
  if (typeof publisher === 'number') fail(publisher, wordPos);
  return new NativeRecordPublisher(addon, publisher, headSize, heads, numbers, fail);
}

/** The publisher of a part of a device. `place` gives the device's position for one of the part, and throws for bytes outside of it. */
export function publisherInside(publisher: RecordPublisher, headSize: number, place: (pos: number, length: number) => number): RecordPublisher {
  const endIn = (pos: number, at: number, end: number): number => Math.max(at + (end - pos), 0);
  return {
    heads: publisher.heads,
    stored: () => { publisher.stored(); },
    publish: (content, pos, end, word) => {
      const at = place(pos, headSize + content.byteLength);
      return publisher.publish(content, at, endIn(pos, at, end), word);
    },
    publishMany: (contents, batch) => {
      const { pos, end, size } = batch;
      const at = place(pos, size);
      return publisher.publishMany(contents, { ...batch, pos: at, end: endIn(pos, at, end) });
    },
  };
}
