// A small read or write of a file with cached extents allocates nothing, which a heap profile shows.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { scratchPath } from '../helpers/devices.js';

const MAIN = join(__dirname, '..', 'helpers', 'allocation-main.js');

t.test('the synchronous path allocates nothing', (test) => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [MAIN, scratchPath(test, '/dev/shm')], {
    env: { ...process.env, NODE_DAX_ASSERT_LOCKS: undefined, NODE_OPTIONS: undefined },
    encoding: 'utf8',
  });
  test.equal(status, 0, stderr);
  const found = JSON.parse(stdout) as Record<string, number>;
  const bytes = (name: string) => found[name] ?? Infinity;
  test.ok(bytes('object') > 8, 'an object would be seen');
  for (const name of ['daxDoIo read', 'daxDoIo write']) test.ok(bytes(name) < 1, `${name}: ${bytes(name)} bytes a call`);
  // Of 16 bytes each: the time of the access, which Date.now makes.
  for (const name of ['DaxFile.readSync', 'DaxFile.writeSync']) {
    test.ok(bytes(name) < 24, `${name}: ${bytes(name)} bytes a call`);
  }
  test.end();
});
