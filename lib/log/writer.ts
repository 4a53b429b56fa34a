// Owns the writer's stores: records, their publication, truncation, and checkpoints. docs/log.md gives their order and its reasons.

import { argumentError, crc32c, PAGE_SIZE, type BlockDevice } from 'node-dax';
import { fail, isMediaError } from './error.js';
import {
  CHECKPOINT_POS,
  encodeCheckpoint,
  HEAD_POS,
  HEADER_SIZE,
  MAX_LENGTH,
  MAX_POSITION,
  NEXT_HEAD_POS,
  storeHeader,
  TAIL_POS,
  UNIT,
  unitsOf,
  type Checkpoint,
} from './format.js';
import { storeWord } from './memory.js';
import type { Ring } from './ring.js';

/**
 * The maximum number of bytes that `appendMany` publishes at once. Opening a log clears as many bytes past the tail, where a power
 * cut may have left records.
 */
export const BATCH = 64 * 1024;
// The maximum distance from the last checkpoint, in units and in records, because opening has to walk over it.
const CHECKPOINT_UNITS = 2 ** 20 / UNIT;
const CHECKPOINT_RECORDS = 1024;

const NOTHING = new Uint8Array(0);

/** Checks a record from the user, and returns its length. */
function lengthOf(record: unknown): number {
  if (!ArrayBuffer.isView(record)) throw argumentError('ERR_INVALID_ARG_TYPE', 'a record must be a Buffer, TypedArray or DataView');
  const { byteLength } = record;
  if (byteLength > 0) return byteLength;
  try {
    new Uint8Array(record.buffer);
  } catch {
    throw argumentError('ERR_INVALID_ARG_VALUE', 'the record is detached: it was transferred, or its device was closed');
  }
  return 0;
}

const asBytes = ({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView) => new Uint8Array(buffer, byteOffset, byteLength);

/** The writer of a log. Its position is the tail. */
export class Writer {
  readonly #device: BlockDevice;
  readonly #ring: Ring;
  #position: number;
  #sequence: number;
  #head: number;
  #checkpoint: Checkpoint;
  #slot: number;
  // The header of a record that is appended alone.
  readonly #one = new Uint8Array(HEADER_SIZE);
  readonly #oneData = new DataView(this.#one.buffer);
  // Records that are published together.
  readonly #batch = new Uint8Array(BATCH);
  readonly #batchData = new DataView(this.#batch.buffer);

  /** `checkpoint` is the last checkpoint, in slot `slot`; `next` is where the next record goes. */
  constructor(device: BlockDevice, ring: Ring, next: Checkpoint, checkpoint: Checkpoint, slot: number) {
    this.#device = device;
    this.#ring = ring;
    this.#position = next.position;
    this.#sequence = next.sequence;
    this.#head = ring.head;
    this.#checkpoint = checkpoint;
    this.#slot = slot;
  }

  append(record: NodeJS.ArrayBufferView): number {
    const length = lengthOf(record);
    const units = unitsOf(length);
    for (;;) {
      this.#makeRoom(length, units);
      const position = this.#position;
      storeHeader(this.#oneData, 0, length, this.#sequence, false);
      if (!this.#publish(this.#one, record as Uint8Array, position + units, this.#ring.seed)) continue;
      this.#advance(units, 1);
      return position;
    }
  }

  appendv(parts: readonly NodeJS.ArrayBufferView[]): number {
    let length = 0;
    for (const part of parts) length += lengthOf(part);
    if (length <= BATCH) {
      let offset = 0;
      for (const part of parts) {
        this.#batch.set(asBytes(part), offset);
        offset += part.byteLength;
      }
      return this.append(this.#batch.subarray(0, length));
    }
    const units = unitsOf(length);
    for (;;) {
      this.#makeRoom(length, units);
      const position = this.#position;
      storeHeader(this.#oneData, 0, length, this.#sequence, false);
      if (!this.#storeParts(parts) || !this.#publish(this.#one, NOTHING, position + units)) continue;
      this.#advance(units, 1);
      return position;
    }
  }

  appendMany(records: readonly NodeJS.ArrayBufferView[]): number[] {
    this.#checkRoomFor(records);
    const positions = new Array<number>(records.length);
    for (let from = 0; from < records.length; ) {
      const to = this.#appendBatch(records, from, positions);
      if (to === from) positions[from] = this.append(records[from] as NodeJS.ArrayBufferView);
      from = Math.max(to, from + 1);
    }
    return positions;
  }

  // Publishes at once the records from `from` on that fit into one contiguous batch. Returns the index of the first one that is not
  // published.
  #appendBatch(records: readonly NodeJS.ArrayBufferView[], from: number, positions: number[]): number {
    const most = Math.min(BATCH, this.#ring.toEnd(this.#position) * UNIT, this.#free() * UNIT);
    const { seed } = this.#ring;
    let offset = 0;
    let to = from;
    for (; to < records.length; to++) {
      const record = records[to] as NodeJS.ArrayBufferView;
      const length = record.byteLength;
      const size = unitsOf(length) * UNIT;
      if (offset + size > most) break;
      storeHeader(this.#batchData, offset, length, this.#sequence + (to - from), false);
      this.#batch.set(record instanceof Uint8Array ? record : asBytes(record), offset + HEADER_SIZE);
      this.#batchData.setUint32(offset, crc32c(this.#batch, seed, offset + 4, HEADER_SIZE - 4 + length), true);
      positions[to] = this.#position + offset / UNIT;
      offset += size;
    }
    // A single record, or a batch that meets a bad page, is left to `append`, which gets past the page.
    if (to - from < 2 || !this.#publish(this.#batch.subarray(0, offset), NOTHING, this.#position + offset / UNIT)) return from;
    this.#advance(offset / UNIT, to - from);
    return to;
  }

  /**
   * Removes the records before `position`: their room is free, and readers at one of them get an error. Nothing is stored in that
   * room before the new head is durable, because a power cut would bring the old head back.
   */
  truncateBefore(position: number): void {
    if (position === this.#head) return;
    // Opening begins at the checkpoint, which must not lie before the head.
    if (position > this.#checkpoint.position) this.checkpoint();
    storeWord(this.#device, NEXT_HEAD_POS, position);
    storeWord(this.#device, HEAD_POS, position);
    this.#head = position;
  }

  /** Stores a checkpoint, from which opening may begin. */
  checkpoint(): void {
    const now = { position: this.#position, sequence: this.#sequence };
    // Two checkpoints with the same position would not show which is newer.
    if (now.position === this.#checkpoint.position) return;
    this.#slot = 1 - this.#slot;
    this.#device.writeSync(encodeCheckpoint(now, this.#ring.seed), CHECKPOINT_POS[this.#slot] as number);
    this.#checkpoint = now;
  }

  #advance(units: number, records: number): void {
    this.#position += units;
    this.#sequence += records;
    const { position, sequence } = this.#checkpoint;
    if (this.#position - position >= CHECKPOINT_UNITS || this.#sequence - sequence >= CHECKPOINT_RECORDS) this.checkpoint();
  }

  #free(): number {
    return this.#ring.capacity - (this.#position - this.#head);
  }

  // Moves the position, if necessary, to one with `units` contiguous units. Throws `ENOSPC`, and stores nothing, if they do not
  // fit.
  #makeRoom(length: number, units: number): void {
    const ring = this.#ring;
    if (length > MAX_LENGTH || units > ring.capacity) {
      const most = Math.min(MAX_LENGTH, ring.capacity * UNIT - HEADER_SIZE);
      fail('EMSGSIZE', 'append', `a record of this log has at most ${most} bytes, and this one ${length}`);
    }
    if (this.#position > MAX_POSITION - 2 * ring.capacity) {
      fail('EOVERFLOW', 'append', 'the positions of this log are used up: read what is in it, and make it anew');
    }
    const toEnd = ring.toEnd(this.#position);
    const isWrapped = units > toEnd;
    const isEmpty = this.#position === this.#head;
    if (units + (isWrapped && !isEmpty ? toEnd : 0) > this.#free()) this.#full(length);
    if (!isWrapped) return;
    this.#skip(toEnd);
    // In an empty log the whole ring is free, wherever it begins, so the head follows.
    if (isEmpty) this.truncateBefore(this.#position);
  }

  #full(length: number): never {
    fail('ENOSPC', 'append', `a record of ${length} bytes does not fit into what is free: truncateBefore gives room`, { reason: 'DEVICE_FULL' });
  }

  // Appends all records or none: throws now what would otherwise be thrown half-way.
  #checkRoomFor(records: readonly NodeJS.ArrayBufferView[]): void {
    let position = this.#position;
    for (const record of records) {
      const length = lengthOf(record);
      const units = unitsOf(length);
      const toEnd = this.#ring.toEnd(position);
      position += units > toEnd ? toEnd + units : units;
      if (position - this.#head > this.#ring.capacity && records.length > 1) this.#full(length);
    }
  }

  // Skips units in which no record will begin.
  #skip(units: number): void {
    storeHeader(this.#oneData, 0, (units - 1) * UNIT, this.#sequence, true);
    this.#oneData.setUint32(0, crc32c(this.#one, this.#ring.seed, 4, HEADER_SIZE - 4), true);
    const next = this.#position + units;
    // The header is not essential: readers find by themselves where records continue.
    if (this.#store(this.#one, NOTHING, next, undefined) < HEADER_SIZE) storeWord(this.#device, TAIL_POS, next);
    this.#position = next;
  }

  // Returns false if a page is bad; the position then lies past it.
  #publish(head: Uint8Array, body: Uint8Array, tail: number, seed?: number): boolean {
    const stored = this.#store(head, body, tail, seed);
    const isWhole = stored === head.byteLength + body.byteLength;
    if (!isWhole) this.#passBadPage(stored);
    return isWhole;
  }

  // Skips the bad page, which holds the byte that is `stored` bytes after the position.
  #passBadPage(stored: number): void {
    const start = this.#ring.placeOf(this.#position);
    const bad = start + stored;
    const pastIt = bad - (bad % PAGE_SIZE) + PAGE_SIZE - start;
    const units = Math.min(pastIt / UNIT, this.#ring.toEnd(this.#position));
    if (units >= this.#free()) this.#full(stored);
    this.#skip(units);
  }

  // Stores `head` and `body` at the position, durably, and then the tail. Returns how many bytes could be stored; the tail is
  // stored only after all of them.
  #store(head: Uint8Array, body: Uint8Array, tail: number, seed: number | undefined): number {
    const device = this.#device;
    const pos = this.#ring.placeOf(this.#position);
    const length = head.byteLength + body.byteLength;
    try {
      if (device.publishSync !== undefined) return device.publishSync(head, body, pos, TAIL_POS, tail, seed);
      if (seed !== undefined) {
        const checksum = crc32c(body, crc32c(head, seed, 4));
        new DataView(head.buffer, head.byteOffset).setUint32(0, checksum, true);
      }
      let done = device.writeSync(head, pos, { flush: false });
      if (done === head.byteLength && body.byteLength > 0) done += device.writeSync(body, pos + done, { flush: false });
      if (done < length) return done;
      device.persist(pos, length);
    } catch (error) {
      if (isMediaError(error)) return 0;
      throw error;
    }
    storeWord(device, TAIL_POS, tail);
    return length;
  }

  // Stores the parts of a record as its content, durably, and puts the checksum into its header in memory. Returns false as
  // `#publish` does.
  #storeParts(parts: readonly NodeJS.ArrayBufferView[]): boolean {
    let checksum = crc32c(this.#one, this.#ring.seed, 4);
    let offset = HEADER_SIZE;
    for (const part of parts) {
      checksum = crc32c(part, checksum);
      for (let done = 0; done < part.byteLength; ) {
        const stored = this.#storePart(part, this.#ring.placeOf(this.#position) + offset + done, done);
        done += stored;
        if (stored > 0) continue;
        this.#passBadPage(offset + done);
        return false;
      }
      offset += part.byteLength;
    }
    this.#oneData.setUint32(0, checksum, true);
    return true;
  }

  #storePart(part: NodeJS.ArrayBufferView, pos: number, offset: number): number {
    try {
      return this.#device.writeSync(part, pos, { offset });
    } catch (error) {
      if (isMediaError(error)) return 0;
      throw error;
    }
  }
}
