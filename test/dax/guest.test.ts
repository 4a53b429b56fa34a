// The numbered cases again, with the memory of a real devdax and of a DAX file under them.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openSync } from 'node-dax';
import { takeMemoryFrom } from '../helpers/memory-device.js';

const SUITES = ['io', 'write', 'truncate', 'reflink'].map((name) => join(__dirname, `${name}.test.js`));
const MIB = 1024 * 1024;

const { NODE_DAX_TEST_DEVDAX: devdax, NODE_DAX_TEST_EXT4: ext4 } = process.env;
const skip = devdax === undefined || ext4 === undefined ? 'only the guest has these devices: npm run test:guest' : false;

// Tests run in the order in which they are declared. In this process: another takes an emulated machine long to start.
function declareOn(backing: string): void {
  t.test(`what follows is on ${backing}`, (test) => {
    if (backing.startsWith(ext4 ?? '')) openSync(backing, { size: 96 * MIB }).closeSync();
    takeMemoryFrom(backing);
    test.end();
  });
  for (const suite of SUITES) {
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- it is loaded once for each device
    delete require.cache[suite];
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import would not load it a second time
    require(suite);
  }
}

if (skip !== false) t.test('on real devices', { skip }, () => undefined);
else {
  const file = join(ext4 ?? '', 'backing');
  for (const backing of [devdax ?? '', file]) declareOn(backing);
  t.test('what follows is in memory again', (test) => {
    takeMemoryFrom(undefined);
    rmSync(file);
    test.end();
  });
}
