// Owns the bins in which latencies are counted, the same as fio's: one for each nanosecond up to 128, then 64 for each power of
// two, each named by its middle.

const PER_POWER = 64;
const POWERS = 36;

/** The counts of all bins, each 0. */
export function emptyBins(): Float64Array {
  return new Float64Array(PER_POWER * POWERS);
}

/** Counts a latency in nanoseconds, a positive whole number. Latencies above two minutes go into the last bin. */
export function countLatency(bins: Float64Array, nanoseconds: number): void {
  const shift = nanoseconds < 2 * PER_POWER ? 0 : Math.floor(Math.log2(nanoseconds)) - 6;
  const index = shift === 0 ? nanoseconds : shift * PER_POWER + Math.floor(nanoseconds / 2 ** shift);
  const bin = Math.min(index, bins.length - 1);
  bins[bin] = (bins[bin] ?? 0) + 1;
}

/** The middle of a bin in nanoseconds. */
function middleOf(bin: number): number {
  const shift = Math.max(0, Math.floor(bin / PER_POWER) - 1);
  return shift === 0 ? bin : (PER_POWER + (bin % PER_POWER) + 0.5) * 2 ** shift;
}

/** Counts by the nanoseconds in the middle of a bin, as fio prints them; empty bins are left out. */
export type Bins = Readonly<Record<string, number>>;

export function addBins(all: readonly Bins[]): Bins {
  const sum: Record<string, number> = {};
  for (const bins of all) for (const [nanoseconds, count] of Object.entries(bins)) sum[nanoseconds] = (sum[nanoseconds] ?? 0) + count;
  return sum;
}

export function namedBins(bins: Float64Array): Bins {
  return Object.fromEntries([...bins].flatMap((count, bin) => (count === 0 ? [] : [[`${middleOf(bin)}`, count]])));
}
