// Appending leaves nothing for the garbage collector. What a checkpoint leaves, some hundred bytes after 1024 records or a MiB, is not counted.

import { spawnSync } from 'node:child_process';
import t from 'tap';
import { scratchPath } from '../helpers/devices.js';

const APPENDS = 200;

// A separate process, with a young generation that is not collected during the measurement. Most of the rounds contain no
// checkpoint. The allocations of the measurement itself are measured in the same way.
const PROGRAM = `
  const { openLog } = require('node-dax/log');
  const log = openLog(process.argv[1], { create: true, size: 16 * 1024 * 1024 });
  const record = Buffer.alloc(8192, 1).subarray(0, Number(process.argv[2]));
  const append = (count) => {
    for (let i = 0; i < count; i++) log.append(record);
  };
  const grown = new Float64Array(101);
  const medianGrowth = (count) => {
    for (let round = 0; round < grown.length; round++) {
      const before = process.memoryUsage().heapUsed;
      append(count);
      grown[round] = process.memoryUsage().heapUsed - before;
      log.truncateBefore(log.tail);
    }
    return grown.toSorted()[50];
  };
  medianGrowth(${APPENDS});
  medianGrowth(${APPENDS});
  gc();
  console.log(medianGrowth(${APPENDS}) - medianGrowth(0));
`;

for (const length of [0, 64, 128, 4096]) {
  t.test(`an append of ${length} bytes leaves no garbage`, (test) => {
    const path = scratchPath(test, '/dev/shm');
    const args = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64', '--single-threaded-gc', '-e', PROGRAM, path, `${length}`];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, TAP: '', NODE_OPTIONS: '' } });
    // The smallest object has 16 bytes.
    test.ok(stdout !== '' && Number(stdout) < 8 * APPENDS, `${stdout.trim()} bytes after ${APPENDS} appends`, { stderr });
    test.end();
  });
}
