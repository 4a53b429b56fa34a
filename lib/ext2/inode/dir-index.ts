// Owns the index of one directory: the positions of entries by the hash of their names, in two words per name.

import type { ByteName } from '../format/name.js';

// Pairs of words: a hash, and the position of the entry in units of 4 bytes, plus 1; 0 for a free slot.
const WORDS = 2;
const LEAST = 16;
// The largest fraction of the slots that may be taken.
const MOST_TAKEN = 0.75;
const ENTRY_UNIT = 4;

// Random, so colliding names cannot be constructed without knowing it.
const SEED = Math.floor(Math.random() * 2 ** 32);
const PRIME = 0x01000193;

/** The hash of a name: FNV-1a from a seed of this process, followed by a mix of the bits. */
export function hashOf(name: ByteName): number {
  let hash = SEED;
  for (let at = 0; at < name.length; at++) hash = step(hash, name.charCodeAt(at));
  return mixed(hash);
}

/** As `hashOf`, for a name of `length` bytes from `start` on. */
export function hashOfBytes(bytes: Uint8Array, start: number, length: number): number {
  let hash = SEED;
  for (let at = start; at < start + length; at++) hash = step(hash, bytes[at] as number);
  return mixed(hash);
}

/* eslint-disable no-bitwise -- hashes are 32 bits */
function step(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, PRIME);
}

function mixed(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
/* eslint-enable no-bitwise */

/** A hash table with open addressing. The caller distinguishes entries with the same hash. */
export class DirIndex {
  #slots = new Uint32Array(LEAST * WORDS);
  #size = 0;

  /** The number of entries. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#slots.byteLength;
  }

  /** The slot of an entry with this hash: the first, or the next after slot `from`; -1 if there is none. */
  slotOf(hash: number, from = -1): number {
    const slots = this.#slots;
    for (let at = from < 0 ? this.#home(hash) : this.#after(from); slots[at + 1] !== 0; at = this.#after(at)) {
      if (slots[at] === hash) return at;
    }
    return -1;
  }

  /** The position of the entry in a slot. */
  posIn(slot: number): number {
    return posIn(this.#slots, slot);
  }

  /** Adds the entry at `pos`, a multiple of 4. */
  add(hash: number, pos: number): void {
    if ((this.#size + 1) * WORDS > this.#slots.length * MOST_TAKEN) this.#grow();
    this.#put(hash, pos / ENTRY_UNIT + 1);
    this.#size++;
  }

  /** Removes the entry at `pos`, which must be in the index. */
  remove(hash: number, pos: number): void {
    const slots = this.#slots;
    let free = this.#home(hash);
    while (slots[free] !== hash || posIn(slots, free) !== pos) {
      if (slots[free + 1] === 0) return;
      free = this.#after(free);
    }
    this.#size--;
    // Entries after the gap move up, except where that would put them before their home slot.
    for (let at = this.#after(free); slots[at + 1] !== 0; at = this.#after(at)) {
      const home = this.#home(slots[at] as number);
      const isBetween = free <= at ? home > free && home <= at : home > free || home <= at;
      if (isBetween) continue;
      slots[free] = slots[at] as number;
      slots[free + 1] = slots[at + 1] as number;
      free = at;
    }
    slots[free] = slots[free + 1] = 0;
  }

  #home(hash: number): number {
    // eslint-disable-next-line no-bitwise -- the lowest bits of a hash
    return (hash & (this.#slots.length / WORDS - 1)) * WORDS;
  }

  #after(at: number): number {
    return at + WORDS === this.#slots.length ? 0 : at + WORDS;
  }

  #put(hash: number, place: number): void {
    const slots = this.#slots;
    let at = this.#home(hash);
    while (slots[at + 1] !== 0) at = this.#after(at);
    slots[at] = hash;
    slots[at + 1] = place;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += WORDS) {
      const place = old[at + 1] as number;
      if (place !== 0) this.#put(old[at] as number, place);
    }
  }
}

function posIn(slots: Uint32Array, at: number): number {
  return ((slots[at + 1] as number) - 1) * ENTRY_UNIT;
}
