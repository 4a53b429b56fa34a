// Owns the memory that entries of the log are read into, some at a time. A log is first read by code that is not compiled yet. So
// the fields that are read of nearly every entry are read word by word, or by the engine's own searches and copies.

import { ENTRY_SIZE, FIELDS, haveChecksums, isSummed, MAX_PATH, MKDIR, readEntry, type Entry } from './entry.js';
import { wordsU64 } from './numbers.js';

const WORD = Uint32Array.BYTES_PER_ELEMENT;
/** The words of an entry, and where its type is among them. */
export const ENTRY_WORDS = ENTRY_SIZE / WORD;
export const TYPE_WORD = FIELDS.type / WORD;
// The entries whose checksums are checked together: one checksum of so many bytes finds every error of up to three bits.
const TOGETHER = 16;
/** The number of entries that there is memory for. The same is used again: to touch new memory costs more than to fill it. */
export const BATCH = 128;

/** Consecutive entries of the log, by their places from 0 on. */
export class Batch {
  /** Where they are to be read to. */
  readonly bytes = Buffer.allocUnsafeSlow(BATCH * ENTRY_SIZE);
  /** The same bytes: `ENTRY_WORDS` of each entry. */
  readonly words = new Uint32Array(this.bytes.buffer);
  // The same bytes: `indexOf` of a Buffer does more before it searches.
  readonly #array = new Uint8Array(this.bytes.buffer);

  /** The number of entries, from the first on, that are entry `index` and those after it: of `length` bytes that were read. */
  countSound(index: number, length: number): number {
    const { words } = this;
    const whole = Math.floor(length / ENTRY_SIZE);
    let count = 0;
    while (count < whole && wordsU64(words, count * ENTRY_WORDS) === index + count) count++;
    for (let from = 0; from < count; from += TOGETHER) {
      const to = Math.min(count, from + TOGETHER);
      if (haveChecksums(this.bytes.subarray(from * ENTRY_SIZE, to * ENTRY_SIZE))) continue;
      for (let place = from; place < to; place++) if (!isSummed(this.#entry(place))) return place;
    }
    return count;
  }

  /** The field that shows that the first is not entry `index`, when `length` bytes were read. */
  wrongField(index: number, length: number): 'entry' | 'seqnum' | 'crc' {
    if (length < ENTRY_SIZE) return 'entry';
    return wordsU64(this.words, 0) === index ? 'crc' : 'seqnum';
  }

  /** The path of a file or directory, one character per byte; undefined if no NUL ends it. */
  pathOf(place: number, type: number): string | undefined {
    const start = place * ENTRY_SIZE + (type === MKDIR ? FIELDS.directoryPath : FIELDS.filePath);
    const end = this.#array.indexOf(0, start);
    return end < 0 || end > start + MAX_PATH ? undefined : this.bytes.toString('latin1', start, end);
  }

  decode(place: number): Entry {
    return readEntry(this.#entry(place));
  }

  #entry(place: number): Buffer {
    return this.bytes.subarray(place * ENTRY_SIZE, (place + 1) * ENTRY_SIZE);
  }
}
