// Owns the name hashes that order an indexed directory: legacy, half MD4 and TEA.
/* eslint-disable no-bitwise -- arithmetic of 32-bit words */

import type { ByteName } from './name.js';

/** Hash versions as stored in the root of an index. */
export const HASH_VERSION = { LEGACY: 0, HALF_MD4: 1, TEA: 2 } as const;

export type HashVersion = (typeof HASH_VERSION)[keyof typeof HASH_VERSION];

export function isHashVersion(version: number): version is HashVersion {
  return version <= HASH_VERSION.TEA;
}

/** How a filesystem hashes names. */
export interface NameHashing {
  /** s_hash_seed; all zeros stand for the algorithm's built-in seed. */
  readonly seed: readonly number[];
  /** Whether bytes from 0x80 on count as negative, as on machines where `char` is signed. */
  readonly isSigned: boolean;
}

const LEGACY_FACTOR = 7_152_373;
const LEGACY_START = [0x12a3fe2d, 0x37abe8f9] as const;
const OWN_SEED: readonly number[] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
const TEA_DELTA = 0x9e3779b9;
const TEA_ROUNDS = 16;

// The three rounds of half MD4: the constant added, the order of the words, the rotations, and the mixing function.
const MD4_ROUNDS = [
  { added: 0, order: [0, 1, 2, 3, 4, 5, 6, 7], shifts: [3, 7, 11, 19], mix: (x: number, y: number, z: number) => z ^ (x & (y ^ z)) },
  { added: 0x5a827999, order: [1, 3, 5, 7, 0, 2, 4, 6], shifts: [3, 5, 9, 13], mix: (x: number, y: number, z: number) => (x & y) | (z & (x | y)) },
  { added: 0x6ed9eba1, order: [3, 7, 2, 6, 1, 5, 0, 4], shifts: [3, 9, 11, 15], mix: (x: number, y: number, z: number) => x ^ y ^ z },
] as const;

// The largest hash marks the end of a directory.
const END = 0xfffffffe;

/** The hash of a name: 32 bits. The lowest bit is 0. */
export function nameHash(version: HashVersion, name: ByteName, { seed, isSigned }: NameHashing): number {
  const byteAt = isSigned ? signedAt : unsignedAt;
  let hash: number;
  if (version === HASH_VERSION.LEGACY) hash = legacyHash(name, byteAt);
  else {
    const state = Uint32Array.from(seed.some((word) => word !== 0) ? seed : OWN_SEED);
    const isTea = version === HASH_VERSION.TEA;
    const words = new Uint32Array(isTea ? 4 : 8);
    for (let at = 0; at < name.length; at += 4 * words.length) {
      fillWords(words, name, at, byteAt);
      if (isTea) stirTea(state, words);
      else stirHalfMd4(state, words);
    }
    hash = state[isTea ? 0 : 1] as number;
  }
  const even = (hash & ~1) >>> 0;
  return even === END ? END - 2 : even;
}

function unsignedAt(name: ByteName, at: number): number {
  return name.charCodeAt(at);
}

function signedAt(name: ByteName, at: number): number {
  return (name.charCodeAt(at) << 24) >> 24;
}

function legacyHash(name: ByteName, byteAt: typeof unsignedAt): number {
  let [last, before] = LEGACY_START as readonly [number, number];
  for (let at = 0; at < name.length; at++) {
    let hash = (before + (last ^ Math.imul(byteAt(name, at), LEGACY_FACTOR))) >>> 0;
    if (hash >= 2 ** 31) hash -= 2 ** 31 - 1;
    [last, before] = [hash, last];
  }
  return (last << 1) >>> 0;
}

// Fills the words with the bytes of the name from `from` on, most significant byte first, and pads with the remaining length.
function fillWords(words: Uint32Array, name: ByteName, from: number, byteAt: typeof unsignedAt): void {
  const left = name.length - from;
  const padding = Math.imul(left, 0x01010101);
  for (let index = 0; index < words.length; index++) {
    let word = padding;
    const start = from + 4 * index;
    for (let at = start; at < Math.min(start + 4, name.length); at++) word = byteAt(name, at) + (word << 8);
    words[index] = word;
  }
}

function stirTea(state: Uint32Array, words: Uint32Array): void {
  const [a, b, c, d] = words as unknown as readonly [number, number, number, number];
  let [first, second] = state as unknown as readonly [number, number];
  let sum = 0;
  for (let round = 0; round < TEA_ROUNDS; round++) {
    sum = (sum + TEA_DELTA) >>> 0;
    first = (first + (((second << 4) + a) ^ (second + sum) ^ ((second >>> 5) + b))) >>> 0;
    second = (second + (((first << 4) + c) ^ (first + sum) ^ ((first >>> 5) + d))) >>> 0;
  }
  state[0] = (state[0] as number) + first;
  state[1] = (state[1] as number) + second;
}

function stirHalfMd4(state: Uint32Array, words: Uint32Array): void {
  let [a, b, c, d] = state as unknown as readonly [number, number, number, number];
  for (const { added, order, shifts, mix } of MD4_ROUNDS) {
    for (const [step, index] of order.entries()) {
      const sum = (a + mix(b, c, d) + (words[index] as number) + added) | 0;
      const shift = shifts[step % shifts.length] as number;
      [a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c];
    }
  }
  state[0] = (state[0] as number) + a;
  state[1] = (state[1] as number) + b;
  state[2] = (state[2] as number) + c;
  state[3] = (state[3] as number) + d;
}
