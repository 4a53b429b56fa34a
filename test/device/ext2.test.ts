// ext2 on every kind of device: made, used, mapped, mounted again, and shown to e2fsck.

import '../helpers/assert-locks.js';
import * as nodeFs from 'node:fs';
import { join } from 'node:path';
import { PAGE_SIZE, partition, type DaxDevice } from 'node-dax';
import { mkfsSync, mount, type Ext2 } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { FILE_SIZE, onEveryDevice, onEveryKind } from '../helpers/devices.js';
import { e2fsck, e2fsprogsMissing, shm } from '../helpers/ext2-image.js';
import { FaultWorker } from '../helpers/fault-worker.js';
import { seeded } from '../helpers/random.js';
import { describeTree, SharedTree } from '../helpers/shared-tree.js';

const FILES = 12;
const CHANGES = 10;
const PAGES = 20;

const ours = (mounted: Ext2) => ({ fs: createFs(mounted, { umask: 0 }), root: '' });

function contentOf(device: DaxDevice): Uint8Array {
  const content = new Uint8Array(FILE_SIZE);
  device.readSync(content, 0);
  return content;
}

function mountOn(device: DaxDevice): Ext2 {
  return mount(partition(device, 0, FILE_SIZE / 512), { owner: { uid: 0, gid: 0 }, readOnly: device.readOnly });
}

function format(device: DaxDevice): Ext2 {
  // What is there from other suites.
  device.writeSync(Buffer.alloc(FILE_SIZE, 0xa5), 0);
  mkfsSync(partition(device, 0, FILE_SIZE / 512), { blockSize: 4096, inodes: 256 });
  return mountOn(device);
}

onEveryDevice('a tree of ext2', (test, wanted) => {
  const device = wanted.open();
  const folder = nodeFs.mkdtempSync(join(shm, 'node-dax-ext2-'));
  test.teardown(() => { nodeFs.rmSync(folder, { recursive: true }); });
  const reference = { fs: nodeFs, root: folder };
  const tree = new SharedTree(seeded(test));
  const first = format(device);
  test.equal(first.persistent, device.persistent);
  tree.make([reference, ours(first)], FILES);
  first.unmount();
  const second = mountOn(device);
  tree.change([reference, ours(second)], CHANGES);
  second.unmount();
  const third = mountOn(wanted.open({ readOnly: true }));
  test.strictSame(describeTree(ours(third)), describeTree(reference));
  third.unmount();
  if (e2fsprogsMissing() === undefined) test.equal(e2fsck(contentOf(device)), undefined);
});

onEveryKind('a mapping of a file of ext2', async (test, wanted) => {
  const device = wanted.open();
  const mounted = format(device);
  const file = mounted.open(mounted.create(mounted.root, 'mapped'));
  file.truncateSync(PAGES * PAGE_SIZE);
  // Out of order, and with a block of pointers: bytes that are contiguous in the mapping are not on the device.
  for (const page of [14, 2, 9]) file.writeSync(Buffer.alloc(PAGE_SIZE, page), page * PAGE_SIZE);
  if (device.alignment > PAGE_SIZE) {
    test.throws(() => file.mmap(), { reason: 'UNALIGNED_EXTENT', message: /ndctl create-namespace/ }, 'a page of the device has many blocks');
    await file.close();
    mounted.unmount();
    return;
  }
  const expected = new Uint8Array(PAGES * PAGE_SIZE);
  for (const page of [14, 2, 9]) expected.fill(page, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  const mapping = file.mmap({ populate: false });
  const worker = await FaultWorker.start(test, mapping.handle);
  for (const [pos, value] of [[5, 1], [2 * PAGE_SIZE + 7, 77], [15 * PAGE_SIZE - 1, 78], [17 * PAGE_SIZE, 79]] as const) {
    await worker.store(pos, value);
    expected[pos] = value;
    test.equal(await worker.load(pos), value);
  }
  const view = new Uint8Array(mapping.buffer);
  view.set(Buffer.from('over the end of a page'), 3 * PAGE_SIZE - 9);
  expected.set(Buffer.from('over the end of a page'), 3 * PAGE_SIZE - 9);
  mapping.persist();
  await worker.terminate();
  const content = new Uint8Array(PAGES * PAGE_SIZE);
  file.readSync(content, 0);
  test.ok(Buffer.compare(content, expected) === 0, 'a read has what was stored');
  mapping.unmap();
  await file.close();
  mounted.unmount();
  const again = mountOn(device);
  const reopened = again.open(again.resolve('/mapped'));
  reopened.readSync(content, 0);
  test.ok(Buffer.compare(content, expected) === 0, 'and so has the medium');
  await reopened.close();
  again.unmount();
  if (e2fsprogsMissing() === undefined) test.equal(e2fsck(contentOf(device)), undefined);
});

onEveryKind('unmounting takes the mappings of files away', async (test, wanted) => {
  const device = wanted.open();
  const mounted = format(device);
  const inode = mounted.create(mounted.root, 'mapped');
  const file = mounted.open(inode);
  file.writeSync(Buffer.alloc(2 * PAGE_SIZE, 1), 0);
  if (device.alignment > PAGE_SIZE) {
    await file.close();
    mounted.unmount();
    return;
  }
  const mapping = file.mmap();
  const view = new Uint8Array(mapping.buffer);
  const worker = await FaultWorker.start(test, mapping.handle);
  test.equal(await worker.load(0), 1);
  view[0] = 2;
  await file.close();
  mounted.unmount();
  test.equal(view.byteLength, 0, 'the buffer is detached');
  test.throws(() => mapping.buffer, { code: 'EBADF' });
  const content = contentOf(device);
  await worker.store(0, 3);
  await worker.store(PAGE_SIZE, 3);
  test.match(await worker.lost(2), [{ code: 'EBADF' }, { code: 'EBADF' }]);
  test.ok(Buffer.compare(contentOf(device), content) === 0, 'a store reaches nothing');
  mapping.unmap();
  await worker.terminate();
  const again = mountOn(device);
  const reopened = again.open(again.resolve('/mapped'));
  const byte = Buffer.alloc(1);
  reopened.readSync(byte, 0);
  test.equal(byte[0], 2, 'what was stored before is there');
  await reopened.close();
  again.unmount();
});
