// Owns repeatable randomness: every test prints the seed that NODE_DAX_TEST_SEED takes.

import type { Test } from 'tap';

export interface Random {
  /** An integer from 0 to `limit - 1`. */
  below(limit: number): number;
  bytes(length: number): Uint8Array;
  pick<T>(items: readonly T[]): T;
}

/** A generator whose seed is printed: another in each run, unless the test has one of its own. */
export function seeded(test: Test, own?: number): Random {
  const given = process.env['NODE_DAX_TEST_SEED'];
  const seed = given === undefined ? (own ?? (Date.now() % 0xffffffff || 1)) : Number(given);
  test.comment(`NODE_DAX_TEST_SEED=${seed}`);
  return randomFrom(seed);
}

/** A generator (xorshift32) of a seed that is not 0. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
  const below = (limit: number) => next() % limit;
  return {
    below,
    bytes: (length) => {
      const words = new Uint32Array(Math.ceil(length / 4));
      for (let i = 0; i < words.length; i++) words[i] = next();
      return new Uint8Array(words.buffer, 0, length);
    },
    pick: (items) => items[below(items.length)] as (typeof items)[number],
  };
}
