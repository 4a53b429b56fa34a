// The command that gives a devdax an alignment of one page, by what the devdax stands on.

import t from 'tap';
import { alignCommand } from '../../src/device/align-fix.js';
import type { RegionInfo } from '../../src/discovery/device-info.js';

const region = (readOnly: boolean): RegionInfo =>
  ({ dev: 'region3', size: 0, type: 'pmem', persistenceDomain: 'unknown', bus: 'ndbus0', provider: 'ACPI.NFIT', readOnly }) as RegionInfo;

t.test('a namespace is named, and left alone where nothing may be changed', (test) => {
  const devdax = { chardev: 'dax3.0', namespace: 'namespace3.0' };
  test.equal(alignCommand({ ...devdax, region: region(false) }), 'ndctl create-namespace -f -e namespace3.0 -m devdax -a 4096');
  test.equal(alignCommand({ ...devdax, region: region(true) }), undefined, 'ndctl says: read-only, re-configuration disabled');
  test.match(alignCommand({ chardev: 'dax0.0', namespace: undefined, region: undefined }), /^daxctl disable-device dax0\.0 && .*align && daxctl enable-device dax0\.0$/, 'memory without a namespace keeps its content');
  test.end();
});
