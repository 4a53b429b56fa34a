// Owns the summaries of latencies that fio prints for a whole job: the percentage of operations up to each of its bounds.

import type { Bins } from '../trials/bins.js';

// fio's bounds, the same in each unit. Milliseconds have two more.
const BOUNDS = [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000];
const LAST = 2000;

/** `latency_ns`, `latency_us` and `latency_ms`: all zero if bins are not known. */
export function latencyShares(all: readonly Bins[]): Record<string, Record<string, number>> {
  const limits = ['ns', 'us', 'ms'].flatMap((unit, power) => [...BOUNDS, ...(unit === 'ms' ? [LAST] : [])].map((bound) => ({ unit, bound, limit: bound * 1000 ** power })));
  const shares: Record<string, Record<string, number>> = { latency_ns: {}, latency_us: {}, latency_ms: {} };
  const name = (unit: string): Record<string, number> => (shares[`latency_${unit}`] ??= {});
  for (const { unit, bound } of limits) name(unit)[`${bound}`] = 0;
  name('ms')[`>=${LAST}`] = 0;
  const counts = all.flatMap((bins) => Object.entries(bins).map(([nanoseconds, count]) => ({ nanoseconds: Number(nanoseconds), count })));
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  for (const { nanoseconds, count } of counts) {
    const found = limits.find(({ limit }) => nanoseconds <= limit);
    const share = name(found?.unit ?? 'ms');
    const bound = found === undefined ? `>=${LAST}` : `${found.bound}`;
    share[bound] = (share[bound] ?? 0) + (100 * count) / total;
  }
  return shares;
}

const LEVELS = [1, 2, 4, 8, 16, 32];

/** `iodepth_level` for a driver that always has `depth` operations under way. */
export function depthShares(depth: number): Record<string, number> {
  const level = LEVELS.find((most) => depth <= most);
  return { ...Object.fromEntries(LEVELS.map((most) => [`${most}`, most === level ? 100 : 0])), '>=64': level === undefined ? 100 : 0 };
}
