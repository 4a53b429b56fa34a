// The crash test of ext2 with blocks of 2048 and 4096 bytes: see crash. Two suites, so they run beside each other.

import t from 'tap';
import { CRASH_IMAGES, randomCrashes } from '../helpers/ext2-crash-suite.js';
import { e2fsprogsMissing } from '../helpers/ext2-image.js';

t.setTimeout(3_600_000);

t.test('random operations', { skip: e2fsprogsMissing() ?? false }, async (t) => {
  await randomCrashes(t, CRASH_IMAGES / 2, [
    { blockSize: 2048, inodeSize: 256, synchronous: true },
    { blockSize: 4096, inodeSize: 128, synchronous: false },
    { blockSize: 4096, inodeSize: 256, synchronous: true },
  ]);
});
