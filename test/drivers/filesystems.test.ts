// Filesystems on every driver: ext2 with e2fsck as the judge, the tutorial's with the test kit, and what power cuts leave of it.

import '../helpers/assert-locks.js';

import t, { type Test } from 'tap';
import { partition, SECTOR_SIZE, type BlockDevice, type DriverDevice } from 'node-dax';
import { check, mkfsSync, mount } from 'node-dax/ext2';
import { checkCrashes, checkFilesystem, format, formatCrashes, seeded, type FilesystemUnderTest } from 'node-dax/testkit';
import { TinyFs } from '../../docs/examples/tiny-fs.js';
import { DRIVERS, onEveryDriver } from '../helpers/drivers.js';
import { e2fsck, e2fsprogsMissing } from '../helpers/ext2-image.js';
import { applyTo, treeOf } from '../helpers/ext2-tree.js';
import { randomOperations } from '../helpers/random-tree.js';
import { TreeModel, type Tree } from '../helpers/tree-model.js';

const MIB = 1024 * 1024;
// The kit takes seconds on each: all of it, with power cuts, is for the long run, as are the others' crash tests.
const isLong = process.env['NODE_DAX_TEST_DRIVERS'] === 'all';
// What drivers make their sizes of.
const UNIT = 128 * 1024;

function inWords(tree: Tree): string[] {
  return [...tree].map(([path, { kind, content, attributes }]) => `${path} ${kind} ${attributes ?? ''} ${Buffer.from(content).toString('base64')}`).sort();
}

t.test('ext2: a tree of files is found again, checked, and shown to e2fsck', (parent) => {
  onEveryDriver(parent, 8 * MIB, (test, device) => {
    mkfsSync(device, { blockSize: 4096 });
    const model = new TreeModel();
    const limits = { blockSize: 4096, largestWrite: 60_000, blocks: 40, attributes: true };
    const fs = mount(device, { owner: { uid: 0, gid: 0 } });
    for (const operation of randomOperations(seeded(7), model, 100, limits)) applyTo(fs, operation);
    fs.unmount();
    const again = mount(device, { readOnly: true });
    test.strictSame(inWords(treeOf(again)), inWords(model.tree));
    again.unmount();
    const { findings } = check(device);
    test.strictSame(findings, []);
    const image = new Uint8Array(device.size);
    test.equal(device.readSync(image, 0), image.length);
    if (e2fsprogsMissing() === undefined) test.equal(e2fsck(image), undefined);
  });
  parent.end();
});

function underTest(fs: TinyFs, over: (device: BlockDevice) => BlockDevice): FilesystemUnderTest {
  return {
    operations: fs.operations,
    create: (name) => fs.create(name).inode,
    unlink: (name) => { fs.unlink(name); },
    freeBlocks: () => fs.freeBlocks(),
    lookup: (name) => fs.lookup(name)?.inode,
    ...(isLong && { mount: (device) => underTest(TinyFs.mount(over(device)), over) }),
  };
}

/** The parts of `device`, one after the other, as the memory that a driver lies on. */
function parts(device: BlockDevice): (size: number) => BlockDevice {
  let next = 0;
  return (size) => {
    const part = partition(device, next / SECTOR_SIZE, size / SECTOR_SIZE);
    next += size;
    return part;
  };
}

/** What makes a driver over a device: drivers that lie on something. */
function overs(test: Test): [string, (device: BlockDevice, size: number) => DriverDevice][] {
  const chosen = DRIVERS.filter(([name, , isOver]) => isOver && (isLong || name === 'striped'));
  return chosen.map(([name, make]) => [name, (device, size) => make(test, size, parts(device))]);
}

t.test("the test kit finds nothing in the tutorial's filesystem", async (parent) => {
  for (const [name, over] of overs(parent)) {
    await parent.test(name, async (test) => {
      const make = (device: BlockDevice) => {
        const driver = over(device, device.size - UNIT);
        TinyFs.mkfs(driver);
        return underTest(TinyFs.mount(driver), (image) => over(image, image.size - UNIT));
      };
      const report = await checkFilesystem(make, { operations: 100, blockDeviceSize: 2 * MIB });
      test.ok(report.ok, format(report));
    });
  }
});

t.test("every power cut leaves the tutorial's filesystem as it was promised", async (parent) => {
  for (const [name, over] of overs(parent)) {
    await parent.test(name, async (test) => {
      const size = 4 * UNIT;
      const contents = new Map<string, string[]>();
      const write = (file: string, text: string) => ({
        name: `write ${file}`,
        run(fs: TinyFs) {
          const open = fs.lookup(file) ?? fs.create(file);
          contents.set(file, [...(contents.get(file) ?? ['']), text]);
          open.writeSync(Buffer.from(text.repeat(3000)), 0);
          open.fsync();
        },
      });
      const report = await checkCrashes<TinyFs>(
        {
          size: size + UNIT,
          make(device) {
            const driver = over(device, size);
            TinyFs.mkfs(driver);
            return TinyFs.mount(driver);
          },
          operations: [write('a', 'one'), write('b', 'two'), write('c', 'six')],
          mount: (device) => TinyFs.mount(over(device, size)),
          check(fs, { completed }) {
            for (const [index, [file, text]] of [['a', 'one'], ['b', 'two'], ['c', 'six']].entries()) {
              if (index >= completed) continue;
              const found = fs.lookup(file as string);
              const content = Buffer.alloc(9000);
              if (found?.readSync(content, 0) !== 9000 || content.toString() !== text?.repeat(3000)) throw new Error(`${file ?? ''} is not what was synced`);
            }
          },
        },
        { seed: 5, limit: 4 },
      );
      test.ok(report.ok, formatCrashes(report));
      test.ok(report.images > 20, `${report.images} images`);
    });
  }
});
