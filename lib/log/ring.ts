// Owns the ring: where a position lies, and whether a record is there.

import { crc32c } from 'node-dax';
import { isMediaError } from './error.js';
import { HEAD_POS, Header, HEADER_SIZE, MAX_LENGTH, RING_POS, TAIL_POS, UNIT, unitsOf, type Superblock } from './format.js';
import type { LogMemory } from './memory.js';

/** The memory of a log, as records. Positions are units of `UNIT` bytes since the log was created, and only grow. */
export class Ring {
  readonly memory: LogMemory;
  /** The size of the ring in units. */
  readonly capacity: number;
  readonly seed: number;
  /** The header that `look` loaded last. */
  readonly header = new Header();

  constructor(memory: LogMemory, { capacity }: Superblock, seed: number) {
    this.memory = memory;
    this.capacity = capacity;
    this.seed = seed;
  }

  /** The byte of the device at which a position lies. */
  placeOf(position: number): number {
    return RING_POS + (position % this.capacity) * UNIT;
  }

  /** Units from a position to the end of the ring. */
  toEnd(position: number): number {
    return this.capacity - (position % this.capacity);
  }

  get tail(): number {
    return this.memory.word(TAIL_POS);
  }

  get head(): number {
    return this.memory.word(HEAD_POS);
  }

  /**
   * Loads the header at `position`. Returns whether it is plausible: its record ends by `limit` and within the ring. Its contents
   * may still be wrong; `isIntact` checks them.
   */
  look(position: number, limit: number): boolean {
    const { header, memory } = this;
    try {
      const offset = memory.at(this.placeOf(position), HEADER_SIZE);
      header.load(memory.data, offset);
    } catch (error) {
      if (!isMediaError(error)) throw error;
      return false;
    }
    if (header.length > MAX_LENGTH && !header.isSkip) return false;
    const units = unitsOf(header.length);
    return position + units <= limit && units <= this.toEnd(position);
  }

  /** Whether the checksum of the record that `look` found at `position` is right. */
  isIntact(position: number): boolean {
    const { header, memory } = this;
    const length = HEADER_SIZE + (header.isSkip ? 0 : header.length);
    try {
      const offset = memory.at(this.placeOf(position), length);
      return crc32c(memory.bytes, this.seed, offset + 4, length - 4) === header.checksum;
    } catch (error) {
      if (!isMediaError(error)) throw error;
      return false;
    }
  }

  /**
   * The first position from `position` on, before `limit`, that holds an intact record with a possible sequence, given that the
   * record at `position` should have `sequence`; undefined if there is none. Records from an earlier round of the ring have lower
   * sequences. `slack` is added to the number of records that the units in between can have held.
   */
  find(position: number, limit: number, sequence: number, slack = 0): number | undefined {
    for (let at = position; at < limit; at++) {
      if (!this.look(at, limit)) continue;
      const { header } = this;
      if (header.sequence < sequence || header.sequence > sequence + slack + (at - position)) continue;
      if (this.isIntact(at)) return at;
    }
    return undefined;
  }
}
