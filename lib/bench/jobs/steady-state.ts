// Owns the steady state of a job: fio's `steadystate`, its criteria, and whether samples meet one.

/** fio's criteria: the greatest deviation of a sample from their mean, or the slope of their line of least squares. */
export const CRITERIA = ['iops', 'iops_slope', 'bw', 'bw_slope'] as const;

/** What steady is. */
export interface SteadyState {
  readonly criterion: (typeof CRITERIA)[number];
  /** In percent of the mean of the samples, or else in their unit, a sample: operations or bytes a second. */
  readonly limit: number;
  readonly isPercent: boolean;
}

/** How far samples are from being steady. */
export interface Steadiness {
  /** The means of the samples: operations and bytes a second. */
  readonly iopsMean: number;
  readonly bwMean: number;
  /** In the unit of the samples; 0 for a slope. */
  readonly maxDeviation: number;
  /** In the unit of the samples, a sample; 0 for a deviation. */
  readonly slope: number;
  /** What is compared with the limit. A slope has its sign. */
  readonly value: number;
  readonly isSteady: boolean;
}

// fio prints a limit with six digits behind the point.
const LEAST_LIMIT = 1e-6;

const NOTATION = new RegExp(`^(${CRITERIA.join('|')}):([0-9]*\\.?[0-9]+)(%?)$`);

/** Parses `iops:5%` or `bw_slope:1000`, as fio does. Throws `RangeError`. */
export function parseSteadyState(text: string): SteadyState {
  const [, criterion, limit, percent] = NOTATION.exec(text) ?? [];
  const found = CRITERIA.find((one) => one === criterion);
  if (found === undefined || Number(limit) < LEAST_LIMIT) throw new RangeError(`'${text}' is no steady state: ${CRITERIA.join(', ')} with a limit above 0, such as iops:5% or bw_slope:0.1%`);
  return { criterion: found, limit: Number(limit), isPercent: percent === '%' };
}

export function formatSteadyState({ criterion, limit, isPercent }: SteadyState): string {
  return `${criterion}:${limit}${isPercent ? '%' : ''}`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const squares = values.reduce((sum, _, index) => sum + (index - middle) ** 2, 0);
  return values.reduce((sum, value, index) => sum + (index - middle) * value, 0) / squares;
}

/** Judges samples of operations a second, of operations of `bytes` bytes. Fewer than two are not steady. */
export function steadinessOf({ criterion, limit, isPercent }: SteadyState, iops: readonly number[], bytes: number): Steadiness {
  if (iops.length < 2) return { iopsMean: mean(iops), bwMean: mean(iops) * bytes, maxDeviation: 0, slope: 0, value: 0, isSteady: false };
  const samples = criterion.startsWith('bw') ? iops.map((one) => one * bytes) : iops;
  const average = mean(samples);
  const isSlope = criterion.endsWith('_slope');
  const slope = isSlope ? slopeOf(samples) : 0;
  const maxDeviation = isSlope ? 0 : Math.max(...samples.map((sample) => Math.abs(sample - average)));
  const value = ((isSlope ? slope : maxDeviation) * (isPercent ? 100 : 1)) / (isPercent ? average : 1);
  return { iopsMean: mean(iops), bwMean: mean(iops) * bytes, maxDeviation, slope, value, isSteady: Math.abs(value) < limit };
}
