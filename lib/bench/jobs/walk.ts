// Owns the positions and directions of a job's operations: sequential, random, zipf or pareto, repeatable by a seed.

import { blocksOf, isMixed, isRandom, reads, type Distribution, type Job } from './job.js';

/** A number from 0 up to but not including 1. */
type Random = () => number;

// Lehmer's generator with Schrage's parameters, whose products stay below 2^53.
const MULTIPLIER = 48271;
const MODULUS = 2147483647;

function seeded(seed: number): Random {
  let state = (Math.abs(Math.trunc(seed)) % (MODULUS - 1)) + 1;
  const next = (): number => (state = (state * MULTIPLIER) % MODULUS);
  // Similar seeds give similar first numbers, so those are skipped.
  for (let i = 0; i < 4; i++) next();
  return () => (next() - 1) / (MODULUS - 1);
}

// The number of terms of the sum below that matter to four digits even for a flat distribution.
const ZETA_TERMS = 10_000_000;

function zeta(count: number, theta: number): number {
  let sum = 0;
  for (let rank = 1; rank <= Math.min(count, ZETA_TERMS); rank++) sum += rank ** -theta;
  return sum;
}

// Gray et al., "Quickly generating billion-record synthetic databases" (1994), section 3.
function zipfRanks(count: number, theta: number, random: Random): () => number {
  const zetaCount = zeta(count, theta);
  const exponent = 1 / (1 - theta);
  const eta = (1 - (2 / count) ** (1 - theta)) / (1 - zeta(2, theta) / zetaCount);
  return () => {
    const u = random();
    const z = u * zetaCount;
    if (z < 1) return 0;
    if (z < 1 + 0.5 ** theta) return 1;
    return count * (eta * u - eta + 1) ** exponent;
  };
}

function ranks(count: number, distribution: Distribution, random: Random): () => number {
  if (distribution.kind === 'zipf') return count < 3 ? () => random() * count : zipfRanks(count, distribution.theta, random);
  if (distribution.kind === 'pareto') {
    const exponent = Math.log(distribution.h) / Math.log(1 - distribution.h);
    return () => count * random() ** exponent;
  }
  return () => count * random();
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

// Hot ranks are adjacent, but their blocks should not be. A stride that is coprime to the count permutes the blocks.
function strideOf(count: number): number {
  let stride = Math.max(1, Math.floor(count * 0.618));
  while (gcd(stride, count) !== 1) stride += 1;
  return stride;
}

/**
 * The operations of one thread of a job, one after the other. In jobs on files, the position of a file is its number times `bs`.
 * Positions of random jobs may repeat (fio: `norandommap`).
 */
export class Walk {
  readonly #next: Record<'read' | 'write', () => number>;
  readonly #writes: () => boolean;

  /** `thread` counts from 0. Threads of a random job have different positions. */
  constructor(job: Job, thread: number) {
    const { bs, randseed, rwmixread, random_distribution: distribution } = job;
    const random = seeded(randseed * 1_000 + thread);
    const count = blocksOf(job);
    if (isRandom(job)) {
      const rank = ranks(count, distribution, random);
      const stride = distribution.kind === 'random' ? 1 : strideOf(count);
      const next = (): number => ((Math.min(Math.floor(rank()), count - 1) * stride) % count) * bs;
      this.#next = { read: next, write: next };
    } else {
      // Each direction of a mixed job begins at the start and advances independently.
      const sequence = (): (() => number) => {
        let block = -1;
        return () => (block = (block + 1) % count) * bs;
      };
      this.#next = { read: sequence(), write: sequence() };
    }
    const always = !reads(job);
    this.#writes = isMixed(job) ? () => random() * 100 >= rwmixread : () => always;
  }

  /** Fills in the positions of the next operations, and 1 for those that write. */
  fill(positions: Float64Array, isWrite: Uint8Array, count: number): void {
    for (let i = 0; i < count; i++) {
      const write = this.#writes();
      isWrite[i] = write ? 1 : 0;
      positions[i] = write ? this.#next.write() : this.#next.read();
    }
  }
}
