// The checks of node-dax/testkit that apply to files whose places and sizes never change: random reads and writes, by calls and by
// mappings, compared with byte arrays, with power cuts, and with a witness of `getBlock`; and runs that agree with their blocks.
// The other checks grow, truncate, punch or remove files. crash.test.ts tests what a power cut leaves of a new file.

import '../helpers/assert-locks.js';

import t, { type Test } from 'tap';
import type { BlockDevice } from 'node-dax';
import { mkfsFamfs, mountFamfs, type Famfs } from 'node-dax/famfs';
import type { FilesystemUnderTest } from 'node-dax/testkit';
import { Files } from '../../lib/famfs/files/file.js';
import { Medium } from '../../lib/famfs/medium.js';
import { FileMappings } from '../../lib/testkit/filesystem/file-mappings.js';
import { Session } from '../../lib/testkit/filesystem/session.js';
import { chooseOperation, compare, describe, endStage, perform, type Stage } from '../../lib/testkit/runs/operation.js';
import { MIB, systemUuidFile } from '../helpers/famfs-image.js';
import { seeded } from '../helpers/random.js';
import { amount } from '../helpers/thorough.js';

const SIZE = 32 * MIB;
// Names as the kit has them. The first lies in one piece, the second in chunks that are at three places in turn.
const FILES = [{ name: 'a', size: 3 * 4096 + 100, stripes: undefined }, { name: 'b', size: 5 * MIB + 77, stripes: 3 }] as const;
const APPLY = ['write', 'writev', 'read', 'readv', 'zero', 'mapread', 'mapwrite', 'mappast', 'fsync', 'remount'];

const never = (): never => { throw new Error('files are not made or removed here'); };

function underTest(device: BlockDevice, famfs: Famfs, mount: (later: BlockDevice) => Famfs): FilesystemUnderTest {
  const files = new Files(new Medium(device), false);
  return {
    operations: files.operations,
    create: never,
    unlink: never,
    freeBlocks: () => famfs.statfs().freeBlocks,
    lookup: (name) => files.openFile(famfs.resolve(name), {}).inode,
    mount: (later) => underTest(later, mount(later), mount),
  };
}

function begin(test: Test): Session {
  const host = { systemUuidFile: systemUuidFile(test) };
  const mount = (device: BlockDevice): Famfs => mountFamfs(device, { ...host, onWarning: (message) => { throw new Error(message); } });
  return Session.beginMapped((device) => {
    mkfsFamfs(device, { ...host, force: true });
    const famfs = mount(device);
    for (const { name, size, stripes } of FILES) famfs.create(name, size, { ...(stripes !== undefined && { stripes }) });
    return underTest(device, famfs, mount);
  }, SIZE);
}

t.test('random operations, of calls and mappings, give what a byte array gives', { timeout: 600_000 }, async (test) => {
  const random = seeded(test);
  const session = begin(test);
  const files = FILES.map(({ name, size }) => {
    const open = session.find(name);
    return { open, model: new Uint8Array(size), mappings: new FileMappings(session, open), hasTail: false };
  });
  const stage: Stage = { session, files, canMap: true };
  const done = new Map<string, number>();
  const operations = amount({ short: 250, thorough: 500, long: 15_000 });
  for (let step = 0; step < operations; ) {
    const file = random.below(FILES.length);
    const operation = { ...chooseOperation((limit) => random.below(limit), 1, FILES[file]?.size ?? 1), file };
    if (!APPLY.includes(operation.kind)) continue;
    const one = stage.files[file];
    // What getBlock answers in the middle of a run is asked for only where it is not known.
    if (one?.mappings.isMapped === false) one.open.inode.extents.invalidate();
    perform(stage, operation);
    compare(stage);
    const [broken] = stage.session.witness.failures.values();
    if (broken !== undefined) throw new Error(`${broken.rule}: ${broken.message}, after: ${describe(operation)}`);
    done.set(operation.kind, (done.get(operation.kind) ?? 0) + 1);
    step++;
    // Memory of mappings that ended is freed when the event loop turns.
    if (step % 50 === 0) await new Promise(setImmediate);
  }
  test.strictSame([...done.keys()].sort(), [...APPLY].sort(), 'each was done');
  endStage(stage);
});

t.test('a run says of each of its blocks what that block says by itself (GB-3)', (test) => {
  const session = begin(test);
  for (const { name, size } of FILES) {
    const { inode } = session.find(name);
    const { blockSize } = inode.sb;
    const blocks = Math.ceil(size / blockSize);
    for (let iblock = 0; iblock < blocks; iblock += 61) {
      const run = session.witness.run(inode, iblock, blocks - iblock);
      const last = run.size / blockSize - 1;
      for (const at of [0, Math.floor(last / 2), last]) {
        const single = session.witness.run(inode, iblock + at, 1);
        if (run.isHole || single.blocknr !== run.blocknr + at) test.fail(`a run of ${name} from ${iblock} on says otherwise of block ${iblock + at}`);
      }
    }
  }
  test.equal(session.witness.failures.size, 0);
  session.end();
  test.end();
});
