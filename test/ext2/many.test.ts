// Many files, handles and identities, in caches of every size: ext2 answers as a model does, and after a mount too.

import t from 'tap';
import { mkfsSync, mount } from 'node-dax/ext2';
import { e2fsck, e2fsprogsMissing, ImageDevice } from '../helpers/ext2-image.js';
import { ManyFilesModel } from '../helpers/many-files-model.js';
import { randomFrom, seeded } from '../helpers/random.js';
import { amount } from '../helpers/thorough.js';

// The long run has two million with the default cache. With less, directories are read again and again: they have as many as that allows.
const OPERATIONS = Number(process.env['NODE_DAX_TEST_OPERATIONS'] ?? amount({ short: 1500, thorough: 8000, long: 15000 }));
const MOST_WITH_LESS = 300_000;
const MIB = 1024 * 1024;
const OWNER = { uid: 0, gid: 0 };

for (const [what, cacheBytes] of [['no cache', 0], ['a small cache', MIB], ['the default cache', undefined]] as const) {
  const operations = cacheBytes === undefined ? OPERATIONS : Math.min(OPERATIONS, MOST_WITH_LESS);
  t.test(`${operations} operations on many files, with ${what}`, { skip: e2fsprogsMissing() ?? false, timeout: 7_200_000 }, (t) => {
    const own = 1 + seeded(t).below(1_000_000);
    // A third of the operations make a file, and one in thirteen writes to one.
    const inodes = Math.ceil(operations * 0.4) + 1000;
    const size = Math.ceil(operations / 1024) * MIB + 64 * MIB;
    // Memory that nothing is stored to is none of the machine's: mke2fs would give all 2 GiB of the long run, twice.
    const device = new ImageDevice(new Uint8Array(size));
    mkfsSync(device, { blockSize: 4096, inodes });
    const options = { owner: OWNER, ...(cacheBytes !== undefined && { cacheBytes }) };
    let fs = mount(device, options);
    const model = new ManyFilesModel(fs, randomFrom(own), 100);
    let step = 0;
    try {
      for (; step < operations; step++) model.step();
      model.compare(fs);
      model.settle();
      fs.unmount();
      fs = mount(device, options);
      model.compare(fs);
      fs.unmount();
      t.equal(e2fsck(device.content), undefined, 'e2fsck finds nothing');
    } catch (error) {
      t.fail(`seed ${own}, operation ${step}: ${String(error instanceof Error ? error.stack : error)}`);
    }
    t.end();
  });
}
