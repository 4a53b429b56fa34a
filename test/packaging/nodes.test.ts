// The suites that compare the facade with node:fs, on the later Nodes of the registry: each has calls and answers of its own.

import { join } from 'node:path';
import t from 'tap';
import { ALL, isMusl, ROOT, testWith } from './consumer.js';

const PLATFORM = `node-linux-${process.arch}`;
const SUITES = ['sweep', 'walk', 'below', 'keys'];

for (const major of [22, 24, 26]) {
  if (isMusl() || !ALL) {
    t.pass(`node:fs of Node ${major}`, { skip: isMusl() ? 'the registry has it for glibc' : `NODE_DAX_TEST_PACKAGING=all fetches Node ${major}` });
    continue;
  }
  testWith(t, `node:fs of Node ${major}`, `node-${major}`, [`${PLATFORM}@${major}`], (t, modules) => {
    const node = join(modules, PLATFORM, 'bin', 'node');
    for (const suite of SUITES) void t.spawn(node, [join(ROOT, 'dist', 'test', 'fs', `${suite}.test.js`)], {}, suite);
  });
}
