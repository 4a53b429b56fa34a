// Owns the hash of an image, which follows its changes: a sum over its words, so a word that changes is subtracted and added again.

/* eslint-disable no-bitwise -- a hash mixes 32 bits; no offset or length is cut */

const LANES = 2;
const SEEDS = [0x9e3779b1, 0x85ebca77] as const;

function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** A hash of bytes, whose number is a multiple of 8. Call `remove` before each change of a word, and `add` after it. */
export class ContentHash {
  readonly #words: Uint32Array;
  readonly #original: Uint8Array;
  // The sums of the changes alone. Those of the original are computed when `value` is read, which may never happen.
  readonly #sums = new Uint32Array(LANES);
  #base: Uint32Array | undefined;

  /** Hashes `bytes`, which must equal `original` now. `original` must not change. */
  constructor(bytes: Uint8Array, original: Uint8Array) {
    this.#words = wordsOf(bytes);
    this.#original = original;
  }

  /** The 8-byte word with this index has changed to its present value. */
  add(word: number): void {
    for (let lane = 0; lane < LANES; lane++) this.#sums[lane] = at(this.#sums, lane) + wordHash(this.#words, word, lane);
  }

  /** The word with this index is about to change. */
  remove(word: number): void {
    for (let lane = 0; lane < LANES; lane++) this.#sums[lane] = at(this.#sums, lane) - wordHash(this.#words, word, lane);
  }

  /** The hash of `bytes` as they are now: equal for equal content, and in practice different for different content. */
  get value(): number {
    this.#base ??= sumsOf(this.#original);
    const [high, low] = [at(this.#base, 0) + at(this.#sums, 0), at(this.#base, 1) + at(this.#sums, 1)];
    return (high >>> 0) * 0x200000 + (low >>> 11);
  }

  /** The state of the hash, for `restore`. */
  save(): Uint32Array {
    return this.#sums.slice();
  }

  restore(saved: Uint32Array): void {
    this.#sums.set(saved);
  }
}

const at = (numbers: Uint32Array, index: number) => numbers[index] as number;

// The bytes as 32-bit words; a copy if they are not aligned.
function wordsOf(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

function wordHash(words: Uint32Array, word: number, lane: number): number {
  const seed = SEEDS[lane] as number;
  const low = mix(Math.imul(word + 1, seed) ^ at(words, 2 * word));
  return mix(low ^ at(words, 2 * word + 1) ^ seed);
}

function sumsOf(bytes: Uint8Array): Uint32Array {
  const words = wordsOf(bytes);
  const sums = new Uint32Array(LANES);
  for (let word = 0; word < words.length / 2; word++) {
    for (let lane = 0; lane < LANES; lane++) sums[lane] = at(sums, lane) + wordHash(words, word, lane);
  }
  return sums;
}
