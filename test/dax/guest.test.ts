// The numbered cases again, with the memory of a real devdax and of a DAX file under them.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openSync } from 'node-dax';

const SUITES = ['io', 'write', 'truncate', 'reflink'];
const MIB = 1024 * 1024;

const { NODE_DAX_TEST_DEVDAX: devdax, NODE_DAX_TEST_EXT4: ext4 } = process.env;
const skip = devdax === undefined || ext4 === undefined ? 'only the guest has these devices: npm run test:guest' : false;

// In one process: each takes seconds to start in an emulated machine.
function runOn(backing: string): void {
  t.test(`${SUITES.join(', ')} on ${backing}`, (test) => {
    const files = SUITES.map((suite) => ['--require', join(__dirname, `${suite}.test.js`)]).flat();
    const { stdout, status } = spawnSync(process.execPath, [...files, '--eval', ''], {
      encoding: 'utf8',
      env: { ...process.env, NODE_DAX_TEST_BACKING: backing },
    });
    test.equal(status, 0, stdout.split('\n').filter((line) => /^ *not ok/.test(line)).join('\n'));
    test.match(stdout, /# \{ total: \d+, pass: \d+ \}/, 'nothing was skipped');
    test.end();
  });
}

if (skip !== false) t.test('on real devices', { skip }, () => undefined);
else {
  const file = join(ext4 ?? '', 'backing');
  openSync(file, { size: 96 * MIB }).closeSync();
  t.teardown(() => {
    rmSync(file);
  });
  runOn(devdax ?? '');
  runOn(file);
}
