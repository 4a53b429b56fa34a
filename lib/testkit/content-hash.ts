// Owns the hash of an image, which follows its changes: a sum over its words, so that one that changes is taken out and put
// back in.

/* eslint-disable no-bitwise -- a hash mixes 32 bits; no offset or length is cut */

const LANES = 2;
const SEEDS = [0x9e3779b1, 0x85ebca77] as const;

function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** Of `bytes`, whose length is a multiple of 8. Tell it of every word before it changes, and after. */
export class ContentHash {
  readonly #words: Uint32Array;
  readonly #sums = new Uint32Array(LANES);

  constructor(bytes: Uint8Array) {
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    for (let word = 0; word < this.#words.length / 2; word++) this.add(word);
  }

  /** The word of 8 bytes with that index changed to what it is now. */
  add(word: number): void {
    for (let lane = 0; lane < LANES; lane++) this.#sums[lane] = this.#sum(lane) + this.#of(word, lane);
  }

  /** The word is about to change. */
  remove(word: number): void {
    for (let lane = 0; lane < LANES; lane++) this.#sums[lane] = this.#sum(lane) - this.#of(word, lane);
  }

  /** What `bytes` hold now, as a number: equal for equal content, and else different for all that one can try. */
  get value(): number {
    return this.#sum(0) * 0x200000 + (this.#sum(1) >>> 11);
  }

  /** To come back to. */
  save(): Uint32Array {
    return this.#sums.slice();
  }

  restore(saved: Uint32Array): void {
    this.#sums.set(saved);
  }

  #sum(lane: number): number {
    return this.#sums[lane] as number;
  }

  #of(word: number, lane: number): number {
    const seed = SEEDS[lane] as number;
    const low = mix(Math.imul(word + 1, seed) ^ (this.#words[2 * word] as number));
    return mix(low ^ (this.#words[2 * word + 1] as number) ^ seed);
  }
}
