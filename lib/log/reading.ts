// Owns reading records in order, and telling which are intact, which are lost, and which were truncated before they were read.

import { DaxError } from 'node-dax';
import { fail } from './error.js';
import { HEADER_SIZE, unitsOf } from './format.js';
import type { Ring } from './ring.js';

/** A record. */
export interface LogRecord {
  /** The record's position, for `records` and `truncateBefore`. Positions only grow. */
  readonly position: number;
  /** 1 for the first record of a log, and one more for each record after it. */
  readonly sequence: number;
  /** The content: a view of the memory, or a copy if `copy` was given or the device provides no views. */
  readonly bytes: Uint8Array;
}

/** Where a record is, without its content. */
export interface LogEntry {
  readonly position: number;
  readonly sequence: number;
  /** Bytes. */
  readonly length: number;
}

/** Records that can no longer be read. */
export interface Loss {
  /** The position at which the first of them is, or should be. */
  readonly position: number;
  /** The position at which intact records continue, or the tail. */
  readonly end: number;
  /** The byte of the device at `position`. */
  readonly byte: number;
  /** `EIO`: a page of the medium is bad. `EUCLEAN`: the bytes are not those that were appended. */
  readonly code: 'EIO' | 'EUCLEAN';
  /** How many there were; undefined if that is unknown, because no record follows or none was read before. */
  readonly records: number | undefined;
}

export type OnLoss = (loss: Loss) => void;

/** Walks from record to record. The ring's `header` is that of the record at `position`. */
export class Reading {
  position: number;
  readonly #ring: Ring;
  readonly #onLoss: OnLoss | undefined;
  // The tail as last loaded: records before it are published.
  #tail: number;
  // The sequence of the record at `position`; undefined before the first record is read.
  #sequence: number | undefined;

  /** Throws `ESTALE` for a position that was truncated, and `EINVAL` for one past the tail. */
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

  /** Throws `ESTALE` with reason `LOG_OVERTAKEN` if `position` was truncated. */
  checkKept(position: number): void {
    const { head } = this.#ring;
    if (position >= head) return;
    const hint = `records before position ${head} were truncated, and their memory may be used again: begin there`;
    fail('ESTALE', 'records', hint, { reason: 'LOG_OVERTAKEN', position: this.#ring.placeOf(position) });
  }

  /**
   * Finds the next record, from `position` on. Returns false if there is none now. `isWhole` checks the checksum of its content
   * too.
   */
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

  /** Moves past the record that `find` found. */
  pass(): void {
    const { header } = this.#ring;
    this.position += unitsOf(header.length);
    this.#sequence = header.isSkip ? header.sequence : header.sequence + 1;
  }

  /** The content of the record that `find` found. */
  content(isCopy: boolean): Uint8Array {
    const { memory, header } = this.#ring;
    const offset = memory.at(this.#ring.placeOf(this.position) + HEADER_SIZE, header.length);
    const { bytes } = memory;
    if (isCopy) return bytes.slice(offset, offset + header.length);
    return new Uint8Array(bytes.buffer, bytes.byteOffset + offset, header.length);
  }

  // If the log was recreated meanwhile, its positions begin at 0 again.
  #atEnd(): false {
    if (this.position > this.#tail) fail('ESTALE', 'records', 'the log was made anew meanwhile: open it again', { reason: 'LOG_OVERTAKEN' });
    return false;
  }

  #isRecord(isWhole: boolean): boolean {
    const ring = this.#ring;
    if (!ring.look(this.position, this.#tail)) return false;
    const { sequence } = ring.header;
    if (this.#sequence !== undefined) return sequence === this.#sequence && (!isWhole || ring.isIntact(this.position));
    // The sequence of the first record is not known: it must have a right checksum, and not have been truncated meanwhile.
    return ring.isIntact(this.position) && this.position >= ring.head;
  }

  // Moves to where records continue. No record is lost if the writer has merely skipped a bad page.
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

  // A reader that has read everything that was truncated has lost nothing, and continues at the head.
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
    // An implausible header does not tell the record's length.
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
