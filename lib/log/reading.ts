// Owns reading records in their order: what is intact, what was lost, and what was overtaken.

import { DaxError } from 'node-dax';
import { fail } from './error.js';
import { HEADER_SIZE, unitsOf } from './format.js';
import type { Ring } from './ring.js';

/** A record. */
export interface LogRecord {
  /** Where it is: a number that only grows. Give it to `records` or `truncateBefore`. */
  readonly position: number;
  /** The first record of a log has 1, and each the next number. */
  readonly sequence: number;
  /** Its content, in place unless `copy` was asked for or the device gives no views. */
  readonly bytes: Uint8Array;
}

/** Where a record is, without its content. */
export interface LogEntry {
  readonly position: number;
  readonly sequence: number;
  /** Bytes. */
  readonly length: number;
}

/** Records that cannot be read any more. */
export interface Loss {
  /** From the first of them, or from where it should be. */
  readonly position: number;
  /** Up to here, where records go on. */
  readonly end: number;
  /** The byte of the device at `position`. */
  readonly byte: number;
  /** `EIO`: a page of the medium is bad. `EUCLEAN`: the bytes are not those that were appended. */
  readonly code: 'EIO' | 'EUCLEAN';
  /** How many there were; undefined if nobody knows, because none follows. */
  readonly records: number | undefined;
}

export type OnLoss = (loss: Loss) => void;

/** Goes from record to record. `header` of the ring is that of the record at `position`. */
export class Reading {
  position: number;
  readonly #ring: Ring;
  readonly #onLoss: OnLoss | undefined;
  // Up to here records were seen to be published.
  #tail: number;
  // Of the record at `position`; undefined before the first.
  #sequence: number | undefined;

  /** Throws `ESTALE` and `EINVAL` for a position that is none of the log. */
  constructor(ring: Ring, position: number, onLoss: OnLoss | undefined) {
    this.#ring = ring;
    this.position = position;
    this.#onLoss = onLoss;
    this.#tail = ring.tail;
    this.checkKept(position);
    if (position > this.#tail) {
      fail('EINVAL', 'records', `position ${position} is not of this log, which ends at ${this.#tail}`, { reason: 'OFFSET_OUT_OF_RANGE' });
    }
  }

  /** Throws `ESTALE` with reason `LOG_OVERTAKEN` if records before a position past `position` were given up. */
  checkKept(position: number): void {
    const { head } = this.#ring;
    if (position >= head) return;
    const hint = `records before position ${head} were truncated, and their memory may be used again: begin there`;
    fail('ESTALE', 'records', hint, { reason: 'LOG_OVERTAKEN', position: this.#ring.placeOf(position) });
  }

  /** Finds the next record, from `position` on; false if there is none now. `isWhole`: with the checksum of its content. */
  find(isWhole: boolean): boolean {
    for (;;) {
      if (this.position >= this.#tail) {
        this.#tail = this.#ring.tail;
        if (this.position >= this.#tail) return this.#atEnd();
      }
      if (!this.#isRecord(isWhole)) this.#resume();
      else if (!this.#ring.header.isSkip) return true;
      else this.pass();
    }
  }

  /** Goes past the record that `find` has found. */
  pass(): void {
    const { header } = this.#ring;
    this.position += unitsOf(header.length);
    this.#sequence = header.isSkip ? header.sequence : header.sequence + 1;
  }

  /** The content of the record that `find` has found. */
  content(isCopy: boolean): Uint8Array {
    const { memory, header } = this.#ring;
    const offset = memory.at(this.#ring.placeOf(this.position) + HEADER_SIZE, header.length);
    const { bytes } = memory;
    if (isCopy) return bytes.slice(offset, offset + header.length);
    return new Uint8Array(bytes.buffer, bytes.byteOffset + offset, header.length);
  }

  // A log that was made anew meanwhile begins at 0 again.
  #atEnd(): false {
    if (this.position > this.#tail) fail('ESTALE', 'records', 'the log was made anew meanwhile: open it again', { reason: 'LOG_OVERTAKEN' });
    return false;
  }

  #isRecord(isWhole: boolean): boolean {
    const ring = this.#ring;
    if (!ring.look(this.position, this.#tail)) return false;
    const { sequence } = ring.header;
    if (this.#sequence !== undefined) return sequence === this.#sequence && (!isWhole || ring.isIntact(this.position));
    // Nothing tells what the first record must be: its checksum, and that it was not overtaken meanwhile.
    return ring.isIntact(this.position) && this.position >= ring.head;
  }

  // Goes to where records go on. Nothing is lost where the writer has gone past a bad page.
  #resume(): void {
    const ring = this.#ring;
    const { position } = this;
    if (this.#isNextAtHead()) return;
    this.checkKept(position);
    const isKnown = this.#sequence !== undefined;
    const found = ring.find(position, this.#tail, this.#sequence ?? 1, isKnown ? 0 : Infinity);
    this.checkKept(position);
    const sequence = found === undefined ? undefined : ring.header.sequence;
    const isLoss = sequence === undefined || sequence !== this.#sequence;
    if (isLoss) this.#tell(position, found, sequence);
    this.position = found ?? this.#tail;
    this.#sequence = sequence;
  }

  // Whoever has read all that was truncated has lost nothing, and goes on at the head.
  #isNextAtHead(): boolean {
    const ring = this.#ring;
    const { head } = ring;
    if (this.position >= head || this.#sequence === undefined) return false;
    const isNext = ring.look(head, this.#tail) && ring.header.sequence === this.#sequence && ring.isIntact(head) && ring.head === head;
    if (isNext) this.position = head;
    return isNext;
  }

  #tell(position: number, found: number | undefined, sequence: number | undefined): void {
    const ring = this.#ring;
    const byte = ring.placeOf(position);
    // A header that cannot be one says nothing of a length.
    const length = ring.look(position, this.#tail) ? HEADER_SIZE + ring.header.length : HEADER_SIZE;
    const cause = ring.memory.mediaError(byte, length);
    const code = cause === undefined ? 'EUCLEAN' : 'EIO';
    const records = sequence === undefined || this.#sequence === undefined ? undefined : sequence - this.#sequence;
    const loss: Loss = { position, end: found ?? this.#tail, byte, code, records };
    if (this.#onLoss !== undefined) {
      this.#onLoss(loss);
      return;
    }
    const what = records === undefined ? 'records' : `${records} record${records === 1 ? '' : 's'}`;
    throw new DaxError({
      errno: code,
      syscall: 'records',
      reason: code === 'EIO' ? 'MEDIA_ERROR' : 'LOG_DAMAGED',
      position: byte,
      hint: `${what} from position ${position} to ${loss.end} cannot be read: with onLoss, reading goes on after them`,
      cause,
    });
  }
}
