// Owns the writer's stores: records, their publication, truncation, and checkpoints. docs/log.md gives their order and its reasons.

import { argumentError, crc32c, PAGE_SIZE, type BlockDevice, type RecordPublisher } from 'node-dax';
import { fail, isMediaError } from './error.js';
import {
  CHECKPOINT_POS,
  CHECKPOINT_SIZE,
  encodeCheckpoint,
  HEAD_POS,
  HEADER_SIZE,
  MAX_LENGTH,
  MAX_POSITION,
  NEXT_HEAD_POS,
  RING_POS,
  storeHeader,
  TAIL_POS,
  UNIT,
  unitsOf,
  type Checkpoint,
} from './format.js';
import { asBytes, storeWord } from './memory.js';
import { BATCH, BATCH_RECORDS, publisherOf } from './publisher.js';
import type { Ring } from './ring.js';

// The maximum distance from the last checkpoint, in units and in records, because opening has to walk over it.
const CHECKPOINT_UNITS = 2 ** 20 / UNIT;
const CHECKPOINT_RECORDS = 1024;

/** Checks a record from the user, and returns its length. */
function lengthOf(record: unknown): number {
  if (!ArrayBuffer.isView(record)) throw argumentError('ERR_INVALID_ARG_TYPE', 'a record must be a Buffer, TypedArray or DataView');
  const { byteLength } = record;
  if (byteLength > 0 || record.buffer.byteLength > 0) return byteLength;
  try {
    new Uint8Array(record.buffer);
  } catch {
    throw argumentError('ERR_INVALID_ARG_VALUE', 'the record is detached: it was transferred, or its device was closed');
  }
  return 0;
}

/** The writer of a log. Its position is the tail. An append allocates nothing. */
export class Writer {
  readonly #device: BlockDevice;
  readonly #ring: Ring;
  readonly #capacity: number;
  readonly #publisher: RecordPublisher;
  readonly #heads: DataView;
  #position: number;
  // The position within the ring. It is kept, because the remainder of a position above 2^31 takes as long as a store.
  #place: number;
  #sequence: number;
  #head: number;
  // Up to here records need no closer look.
  #limit = 0;
  #checkpoint: number;
  // Where the next checkpoint is due.
  #duePosition = 0;
  #dueSequence = 0;
  #slot: number;
  readonly #slotBytes = new Uint8Array(CHECKPOINT_SIZE);
  readonly #header = new Uint8Array(HEADER_SIZE);
  readonly #headerData = new DataView(this.#header.buffer);
  // The parts of a record, one after the other.
  readonly #joined = new Uint8Array(BATCH);

  /** `checkpoint` is the last checkpoint, in slot `slot`; `next` is where the next record goes. */
  constructor(device: BlockDevice, ring: Ring, next: Checkpoint, checkpoint: Checkpoint, slot: number) {
    this.#device = device;
    this.#ring = ring;
    this.#capacity = ring.capacity;
    this.#publisher = publisherOf(device, ring.seed);
    const { buffer, byteOffset, byteLength } = this.#publisher.heads;
    this.#heads = new DataView(buffer, byteOffset, byteLength);
    this.#position = next.position;
    this.#place = next.position % ring.capacity;
    this.#sequence = next.sequence;
    this.#head = ring.head;
    this.#checkpoint = checkpoint.position;
    this.#slot = slot;
    this.#setDue(checkpoint);
    this.#setLimit();
  }

  append(record: NodeJS.ArrayBufferView): number {
    const length = lengthOf(record);
    const units = unitsOf(length);
    for (;;) {
      if (units > this.#capacity - this.#place || this.#position + units > this.#limit || length > MAX_LENGTH) this.#makeRoom(length, units);
      const position = this.#position;
      const stored = this.#publish(record, units);
      if (stored === HEADER_SIZE + length) {
        this.#advance(units, 1);
        return position;
      }
      this.#passBadPage(stored);
    }
  }

  appendv(parts: readonly NodeJS.ArrayBufferView[]): number {
    let length = 0;
    for (const part of parts) length += lengthOf(part);
    if (length <= BATCH) {
      let offset = 0;
      for (const part of parts) {
        this.#joined.set(asBytes(part), offset);
        offset += part.byteLength;
      }
      return this.append(this.#joined.subarray(0, length));
    }
    const units = unitsOf(length);
    for (;;) {
      this.#makeRoom(length, units);
      const position = this.#position;
      storeHeader(this.#headerData, 0, length, this.#sequence, false);
      const stored = this.#storeParts(parts);
      if (stored === HEADER_SIZE + length && this.#storeHeader(position + units)) {
        this.#advance(units, 1);
        return position;
      }
      this.#passBadPage(stored === HEADER_SIZE + length ? 0 : stored);
    }
  }

  appendMany(records: readonly NodeJS.ArrayBufferView[]): number[] {
    const lengths = this.#lengthsIfRoomFor(records);
    const positions = new Array<number>(records.length);
    for (let from = 0; from < records.length; ) {
      const to = this.#appendBatch(records, lengths, from, positions);
      if (to === from) positions[from] = this.append(records[from] as NodeJS.ArrayBufferView);
      from = Math.max(to, from + 1);
    }
    return positions;
  }

  // Publishes together the records from `from` on that fit into one contiguous batch. Returns the index of the first one that is
  // not published.
  #appendBatch(records: readonly NodeJS.ArrayBufferView[], lengths: readonly number[], from: number, positions: number[]): number {
    const most = Math.min(BATCH / UNIT, this.#capacity - this.#place, this.#limit - this.#position);
    const last = Math.min(records.length, from + BATCH_RECORDS);
    let units = 0;
    let to = from;
    for (; to < last; to++) {
      const length = lengths[to] as number;
      const more = unitsOf(length);
      if (units + more > most) break;
      positions[to] = this.#position + units;
      storeHeader(this.#heads, (to - from) * HEADER_SIZE, length, this.#sequence + to - from, false);
      units += more;
    }
    // A single record, or a batch that meets a bad page, is left to `append`, which gets past the page.
    if (to - from < 2) return from;
    const pos = RING_POS + this.#place * UNIT;
    const batch = { from, to, size: units * UNIT, pos, end: this.#end(pos), word: this.#position + units };
    try {
      if (this.#publisher.publishMany(records, batch) < batch.size) return from;
    } catch (error) {
      if (isMediaError(error)) return from;
      throw error;
    }
    this.#advance(units, to - from);
    return to;
  }

  /**
   * Removes the records before `position`: their room is free, and readers at one of them get an error. Nothing is stored in that
   * room before the new head is durable, because a power cut would bring the old head back.
   */
  truncateBefore(position: number): void {
    if (position === this.#head) return;
    // Opening begins at the checkpoint, which must not lie before the head.
    if (position > this.#checkpoint) this.checkpoint();
    storeWord(this.#device, NEXT_HEAD_POS, position);
    storeWord(this.#device, HEAD_POS, position);
    this.#head = position;
    this.#setLimit();
  }

  /** Stores a checkpoint, from which opening may begin. */
  checkpoint(): void {
    const position = this.#position;
    // Two checkpoints with the same position would not show which is newer.
    if (position === this.#checkpoint) return;
    this.#slot = 1 - this.#slot;
    const now = { position, sequence: this.#sequence };
    encodeCheckpoint(now, this.#ring.seed, this.#slotBytes);
    this.#device.writeSync(this.#slotBytes, CHECKPOINT_POS[this.#slot] as number);
    this.#checkpoint = position;
    this.#setDue(now);
  }

  #setDue({ position, sequence }: Checkpoint): void {
    this.#duePosition = position + CHECKPOINT_UNITS;
    this.#dueSequence = sequence + CHECKPOINT_RECORDS;
  }

  #setLimit(): void {
    this.#limit = Math.min(this.#head + this.#capacity, MAX_POSITION - 2 * this.#capacity);
  }

  #move(units: number): void {
    this.#position += units;
    this.#place += units;
    if (this.#place === this.#capacity) this.#place = 0;
  }

  #advance(units: number, records: number): void {
    this.#move(units);
    this.#sequence += records;
    if (this.#position >= this.#duePosition || this.#sequence >= this.#dueSequence) this.checkpoint();
  }

  // Where the free units from `pos` on end, which is the place of the position.
  #end(pos: number): number {
    return pos + Math.min(this.#capacity - this.#place, this.#head + this.#capacity - this.#position) * UNIT;
  }

  #free(): number {
    return this.#capacity - (this.#position - this.#head);
  }

  // Moves the position, if necessary, to one with `units` contiguous units. Throws `ENOSPC`, and stores nothing, if they do not
  // fit.
  #makeRoom(length: number, units: number): void {
    const capacity = this.#capacity;
    if (length > MAX_LENGTH || units > capacity) {
      const most = Math.min(MAX_LENGTH, capacity * UNIT - HEADER_SIZE);
      fail('EMSGSIZE', 'append', `a record of this log has at most ${most} bytes, and this one ${length}`);
    }
    if (this.#position > MAX_POSITION - 2 * capacity) {
      fail('EOVERFLOW', 'append', 'the positions of this log are used up: read what is in it, and make it anew');
    }
    const toEnd = capacity - this.#place;
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

  // The lengths of records, of which all are appended or none: throws now what would otherwise be thrown half-way.
  #lengthsIfRoomFor(records: readonly NodeJS.ArrayBufferView[]): number[] {
    const lengths = new Array<number>(records.length);
    const capacity = this.#capacity;
    let place = this.#place;
    let taken = this.#position - this.#head;
    for (let index = 0; index < records.length; index++) {
      const length = (lengths[index] = lengthOf(records[index]));
      const units = unitsOf(length);
      const skipped = units > capacity - place ? capacity - place : 0;
      taken += skipped + units;
      if (taken > capacity && records.length > 1) this.#full(length);
      place = skipped > 0 ? units : place + units;
      if (place === capacity) place = 0;
    }
    return lengths;
  }

  // Skips units in which no record will begin.
  #skip(units: number): void {
    storeHeader(this.#headerData, 0, (units - 1) * UNIT, this.#sequence, true);
    this.#headerData.setUint32(0, crc32c(this.#header, this.#ring.seed, 4, HEADER_SIZE - 4), true);
    const next = this.#position + units;
    // The header is not essential: readers find by themselves where records continue.
    if (!this.#storeHeader(next)) storeWord(this.#device, TAIL_POS, next);
    this.#move(units);
  }

  // Skips the bad page, which holds the byte that is `stored` bytes after the position.
  #passBadPage(stored: number): void {
    const start = RING_POS + this.#place * UNIT;
    const bad = start + stored;
    const pastIt = bad - (bad % PAGE_SIZE) + PAGE_SIZE - start;
    const units = Math.min(pastIt / UNIT, this.#capacity - this.#place);
    if (units >= this.#free()) this.#full(stored);
    this.#skip(units);
  }

  // Publishes a record at the position. Returns how many of its bytes could be stored; it is published if that is all of them.
  #publish(record: NodeJS.ArrayBufferView, units: number): number {
    const pos = RING_POS + this.#place * UNIT;
    storeHeader(this.#heads, 0, record.byteLength, this.#sequence, false);
    try {
      return this.#publisher.publish(record, pos, this.#end(pos), this.#position + units);
    } catch (error) {
      if (isMediaError(error)) return 0;
      throw error;
    }
  }

  // Stores the header at the position, durably, and then the tail. Returns false if the page is bad.
  #storeHeader(tail: number): boolean {
    if (this.#storePart(this.#header, RING_POS + this.#place * UNIT, 0) < HEADER_SIZE) return false;
    storeWord(this.#device, TAIL_POS, tail);
    return true;
  }

  // Stores the parts of a record as its content, durably, and puts the checksum into its header in memory. Returns how many bytes of
  // the record can be stored, counting the header.
  #storeParts(parts: readonly NodeJS.ArrayBufferView[]): number {
    const start = RING_POS + this.#place * UNIT;
    let checksum = crc32c(this.#header, this.#ring.seed, 4);
    let offset = HEADER_SIZE;
    for (const part of parts) {
      checksum = crc32c(part, checksum);
      for (let done = 0; done < part.byteLength; ) {
        const stored = this.#storePart(part, start + offset + done, done);
        done += stored;
        if (stored === 0) return offset + done;
      }
      offset += part.byteLength;
    }
    this.#headerData.setUint32(0, checksum, true);
    return offset;
  }

  #storePart(part: NodeJS.ArrayBufferView, pos: number, offset: number): number {
    this.#publisher.stored();
    try {
      return this.#device.writeSync(part, pos, { offset });
    } catch (error) {
      if (isMediaError(error)) return 0;
      throw error;
    }
  }
}
