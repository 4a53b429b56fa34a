// Owns how much the suites do: little in `npm test`, for which somebody waits; every case in `.ci/run`; and in `npm run test:long`
// more repetitions: seeds, rounds, images, files.

/** Whether suites repeat what they do as often as `npm run test:long` wants it: NODE_DAX_TEST_LONG=1. */
export const LONG = process.env['NODE_DAX_TEST_LONG'] === '1';

/** Whether suites try every case: NODE_DAX_TEST_THOROUGH=1, which `.ci/run` sets. The long run is thorough too. */
export const THOROUGH = LONG || process.env['NODE_DAX_TEST_THOROUGH'] === '1';

/** All of `items` in a thorough run, else one in `share` of them. */
export function sample<T>(items: readonly T[], share: number): readonly T[] {
  return THOROUGH ? items : items.filter((_item, index) => index % share === 0);
}

/** How often something is repeated: by `npm test`, by `.ci/run`, and by `npm run test:long`. */
export function amount({ short, thorough, long }: { short: number; thorough: number; long: number }): number {
  if (LONG) return long;
  return THOROUGH ? thorough : short;
}
