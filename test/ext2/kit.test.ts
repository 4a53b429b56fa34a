// ext2 passes the test kit of those who write filesystems.

import '../helpers/assert-locks.js';

import t from 'tap';
import type { BlockDevice } from 'node-dax';
import { mkfsSync, mount, type Ext2 } from 'node-dax/ext2';
import { checkFilesystem, format, type FilesystemUnderTest } from 'node-dax/testkit';
import { THOROUGH } from '../helpers/thorough.js';

function underTest(fs: Ext2): FilesystemUnderTest {
  return {
    operations: fs.operations,
    create: (name) => fs.create(fs.root, name),
    unlink: (name) => { fs.unlink(fs.root, name); },
    freeBlocks: () => fs.statfs().freeBlocks,
    lookup: (name) => fs.lookup(fs.root, name),
    mount: (device) => underTest(mount(device, { owner: { uid: 0, gid: 0 }, onWarning: () => undefined })),
  };
}

// Of a smaller device there is less to compare after each power cut.
const blockDeviceSize = (THOROUGH ? 4 : 2) * 1024 * 1024;

for (const blockSize of THOROUGH ? ([1024, 2048, 4096] as const) : ([4096] as const)) {
  t.test(`blocks of ${blockSize}`, { timeout: 600_000 }, async (t) => {
    const make = (device: BlockDevice) => {
      mkfsSync(device, { blockSize, force: true });
      return underTest(mount(device, { owner: { uid: 0, gid: 0 } }));
    };
    const report = await checkFilesystem(make, { operations: (blockSize === 4096 ? 2000 : 500) / (THOROUGH ? 1 : 5), blockDeviceSize });
    t.ok(report.ok, format(report));
    const skipped = report.checks.filter(({ status }) => status === 'skipped').map(({ detail }) => detail);
    // A run ends with the block of pointers that it is in: 256 KiB in blocks of 1024.
    const known = blockSize < 4096 ? [/cannot be mapped, only of 4096$/, /^its runs are too short for a copy on another thread$/] : [];
    t.strictSame(skipped.filter((detail) => !known.some((reason) => reason.test(detail ?? ''))), []);
  });
}
