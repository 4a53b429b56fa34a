// Owns how much the long suites do: little in `npm test`, for which somebody waits, and all of it in `.ci/run`.

/** Whether suites run their long halves: NODE_DAX_TEST_THOROUGH=1, which `.ci/run` and `npm run test:long` set. */
export const THOROUGH = process.env['NODE_DAX_TEST_THOROUGH'] === '1';

/** All of `items` in a thorough run, else one in `share` of them. */
export function sample<T>(items: readonly T[], share: number): readonly T[] {
  return THOROUGH ? items : items.filter((_item, index) => index % share === 0);
}
