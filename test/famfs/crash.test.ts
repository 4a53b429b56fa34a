// The power goes at every store of what a master does: the log is the one before or the one after, with the contents.

import t from 'tap';
import { mkfsFamfs, mountFamfs, type Famfs } from 'node-dax/famfs';
import { checkCrashes } from 'node-dax/testkit';
import { contentOf, MIB, systemUuidFile, walk } from '../helpers/famfs-image.js';
import { seeded } from '../helpers/random.js';
import { THOROUGH } from '../helpers/thorough.js';

const SIZES = [100, 700, 4000];

const contentFor = (path: string, size: number): Buffer => Buffer.alloc(size, `${path};`);

t.test('a power cut at any store of create and mkdir', { timeout: 600_000 }, async (test) => {
  const random = seeded(test);
  const uuid = systemUuidFile(test);
  const steps = ['d', 'd/a', 'e', 'b'].map((path, index) => ({ path, size: path.length === 1 && path !== 'b' ? 0 : (SIZES[index % 3] ?? 1) }));
  const report = await checkCrashes<Famfs>(
    {
      size: 18 * MIB,
      make: (device) => {
        mkfsFamfs(device, { systemUuidFile: uuid, force: true });
        return mountFamfs(device, { systemUuidFile: uuid });
      },
      operations: steps.map(({ path, size }) => ({
        name: `make ${path}`,
        run: (famfs) => {
          if (size === 0) return famfs.mkdir(path);
          return famfs.create(path, size, { fill: (file) => { file.writeSync(contentFor(path, size), 0); } });
        },
      })),
      mount: (device) => mountFamfs(device, { systemUuidFile: uuid, onWarning: (message) => { throw new Error(message); } }),
      check: (famfs, { completed, isUnderway }) => {
        const { entries } = famfs;
        if (entries !== completed && !(isUnderway && entries === completed + 1)) throw new Error(`${entries} entries`);
        const found = walk(famfs);
        for (const { path, size } of steps.slice(0, entries)) {
          const inode = found.get(path);
          if (inode === undefined) throw new Error(`${path} is not there`);
          if (size > 0 && !contentOf(famfs, inode).equals(contentFor(path, size))) throw new Error(`${path} has other contents`);
        }
      },
      goOn: (famfs) => {
        const inode = famfs.create('later', 10, { fill: (file) => { file.writeSync(contentFor('later', 10), 0); } });
        if (!contentOf(famfs, inode).equals(contentFor('later', 10))) throw new Error('what was created later is not there');
      },
    },
    { seed: 1 + random.below(1e9), limit: THOROUGH ? 256 : 12 },
  );
  const { failure } = report;
  test.ok(report.ok, failure === undefined ? 'no failure' : `${failure.operation ?? ''}: ${failure.description}: ${failure.error.message}`);
  test.equal(report.operations, steps.length);
  test.comment(`${report.images} images, ${report.checks} checks`);
  test.end();
});
