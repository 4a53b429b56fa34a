// A power cut at any store leaves every acknowledged record and a clean end: every image that a power cut may leave is opened,
// read, compared with what was acknowledged, appended to, and opened again.

import t from 'tap';
import { checkCrashes, formatCrashes } from 'node-dax/testkit';
import { logCrashTest } from '../helpers/log-crash.js';
import type { OrderFault } from '../helpers/log-order.js';
import { amount, THOROUGH } from '../helpers/thorough.js';

const IMAGES = Number(process.env['NODE_DAX_TEST_IMAGES'] ?? amount({ short: 500, thorough: 8000, long: 30000 }));
const BASE = Number(process.env['NODE_DAX_TEST_SEED'] ?? Date.now() % 1_000_000);
const OPERATIONS = 40;
// Of each kind of image, at each point.
const LIMIT = THOROUGH ? 64 : 8;

t.setTimeout(3_600_000);

t.test('every image of a power cut keeps what was acknowledged, and ends cleanly', async (t) => {
  t.comment(`NODE_DAX_TEST_SEED=${BASE}`);
  const seen = new Set<number>();
  let recoveries = 0;
  for (let run = 0; seen.size < IMAGES; run++) {
    const seed = BASE + run + 1;
    const report = await checkCrashes(logCrashTest(seed, OPERATIONS).test, { seed, seen, recoveryEvery: THOROUGH ? 100 : 500, limit: LIMIT });
    recoveries += report.recoveries;
    if (!t.ok(report.ok, formatCrashes(report))) break;
  }
  t.comment(`${seen.size} images, ${recoveries} after a second power cut`);
});

const FAULTS: readonly OrderFault[] = [
  'forgets to flush records',
  'publishes before the record is durable',
  'acknowledges before the tail is durable',
  'uses room again before the head is durable',
  'moves the head before its copy',
  'clears nothing at recovery',
];

for (const fault of FAULTS) {
  t.test(`one that ${fault} is caught`, async (t) => {
    let isCaught = false;
    for (let seed = 1; seed <= 40 && !isCaught; seed++) {
      isCaught = !(await checkCrashes(logCrashTest(seed, OPERATIONS, { fault }).test, { seed, limit: LIMIT })).ok;
    }
    t.ok(isCaught);
  });
}
