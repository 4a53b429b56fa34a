// The power goes at every store of what a master does: the log is the one before or the one after, with the contents.

import t from 'tap';
import { DaxError, type BlockDevice } from 'node-dax';
import { mkfsFamfs, mountFamfs, type Famfs } from 'node-dax/famfs';
import { checkCrashes } from 'node-dax/testkit';
import { contentOf } from '../helpers/famfs-content.js';
import { MIB, systemUuidFile, walk } from '../helpers/famfs-image.js';
import { seeded } from '../helpers/random.js';
import { THOROUGH } from '../helpers/thorough.js';

const SIZES = [100, 700, 4000];

const contentFor = (path: string, size: number): Buffer => Buffer.alloc(size, `${path};`);

interface Memory {
  readonly device: BlockDevice;
  /** Undefined: there is no famfs. */
  readonly famfs: Famfs | undefined;
}

// A famfs with one file lies there: what comes after it must never be mixed with it.
t.test('a power cut at any store of mkfs leaves the famfs before, none, or the new one', { timeout: 600_000 }, async (test) => {
  const random = seeded(test);
  const uuid = systemUuidFile(test);
  const options = { systemUuidFile: uuid, onWarning: (message: string) => { throw new Error(message); } };
  const uuids: string[] = [];
  const report = await checkCrashes<Memory>(
    {
      size: 18 * MIB,
      make: (device) => {
        uuids.push(mkfsFamfs(device, { systemUuidFile: uuid, force: true }).uuid);
        const famfs = mountFamfs(device, options);
        famfs.create('old', 5000, { fill: (file) => { file.writeSync(contentFor('old', 5000), 0); } });
        famfs.unmount();
        return { device, famfs: undefined };
      },
      operations: [{ name: 'mkfs', run: ({ device }) => { uuids.push(mkfsFamfs(device, { systemUuidFile: uuid, force: true }).uuid); } }],
      mount: (device) => {
        try {
          return { device, famfs: mountFamfs(device, options) };
        } catch (error) {
          if (!(error instanceof DaxError) || error.code !== 'EINVAL') throw error;
          return { device, famfs: undefined };
        }
      },
      check: ({ famfs }, { completed, isUnderway }) => {
        if (famfs === undefined) {
          if (!isUnderway) throw new Error('there is no famfs');
          return;
        }
        const isNew = famfs.superblock.uuid === uuids[1];
        if (!isUnderway && isNew !== (completed === 1)) throw new Error(`the ${isNew ? 'new' : 'old'} one is there`);
        const found = walk(famfs);
        const old = found.get('old');
        if (isNew ? found.size > 0 : found.size !== 1 || old === undefined) throw new Error(`${found.size} files are in the ${isNew ? 'new' : 'old'} one`);
        if (old !== undefined && !contentOf(famfs, old).equals(contentFor('old', 5000))) throw new Error('the file has other contents');
      },
      goOn: ({ device, famfs }) => {
        famfs?.unmount();
        mkfsFamfs(device, { systemUuidFile: uuid, force: true });
        if (walk(mountFamfs(device, options)).size > 0) throw new Error('what is made anew is not empty');
      },
    },
    { seed: 1 + random.below(1e9), limit: THOROUGH ? 64 : 6 },
  );
  const { failure } = report;
  test.ok(report.ok, failure === undefined ? 'no failure' : `${failure.operation ?? ''}: ${failure.description}: ${failure.error.message}`);
  test.ok(report.images > 5, `${report.images} images, ${report.checks} checks`);
  test.end();
});

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
