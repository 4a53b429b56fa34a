// Owns repeatable randomness: the same seed gives the same numbers on every machine.

/** An integer from 0 to `limit - 1`. */
export type Random = (limit: number) => number;

// Lehmer's generator with Schrage's parameters, whose products stay below 2^53.
const MULTIPLIER = 48271;
const MODULUS = 2147483647;

export function seeded(seed: number): Random {
  let state = (Math.abs(Math.trunc(seed)) % (MODULUS - 1)) + 1;
  const next = () => (state = (state * MULTIPLIER) % MODULUS);
  // Similar seeds give similar first numbers, so those are skipped.
  for (let i = 0; i < 4; i++) next();
  return (limit) => Math.floor((next() / MODULUS) * limit);
}
