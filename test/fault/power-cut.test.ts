// What MAP_SYNC promises (MS-3; after generic/470 of xfstests): after a power cut, without fsync, the file still has the block that
// was stored to through a mapping, and its size. The recording device tells what a power cut leaves, so this can be tested on every
// kind of device.

import '../helpers/assert-locks.js';
import type { Test } from 'tap';
import { DaxError, MAP_PRIVATE, MAP_SHARED, MAP_SYNC } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { GARBAGE, RecordingDevice } from 'node-dax/testkit';
import { onDevices, type TestDevice } from '../helpers/devices.js';
import { e2fsck, e2fsprogsMissing } from '../helpers/ext2-image.js';
import { FaultWorker } from '../helpers/fault-worker.js';
import { withMapSync } from '../helpers/map-sync.js';
import { watch } from '../helpers/watchdog.js';

const MIB = 1024 * 1024;
const SIZE = 4 * MIB;
const PAGE = 4096;
const SYNCHRONOUS = MAP_SHARED | MAP_SYNC;
const DEVICES = ['an ordinary file', 'a tmpfs file', 'a file on ext4 -o dax', 'a file on virtio-pmem', 'devdax of 4 KiB'];

class Device extends RecordingDevice {
  /** No fence succeeds. */
  isBroken = false;

  override drain(): void {
    if (this.isBroken) throw new DaxError({ errno: 'EIO', syscall: 'fsync' });
    super.drain();
  }
}

function filesystem(test: Test, wanted: TestDevice, mapSync = true) {
  watch(test);
  const opened = withMapSync(wanted.open(), mapSync);
  const device = new Device(SIZE, opened.view(0, SIZE).fill(GARBAGE), opened);
  mkfsSync(device, { blockSize: PAGE });
  const fs = mount(device);
  const file = fs.open(fs.create(fs.root, 'f'));
  file.truncateSync(MIB);
  test.teardown(() => {
    file.closeSync();
    fs.unmount();
  });
  return { device, file };
}

for (const order of ['upwards', 'downwards'] as const) {
  onDevices(`a file that is stored to ${order} is there after a power cut (MS-3)`, DEVICES, async (test, wanted) => {
    const { device, file } = filesystem(test, wanted);
    const mapping = file.mmap({ populate: false, flags: SYNCHRONOUS });
    const worker = await FaultWorker.start(test, mapping.handle);
    const pages = [...Array.from({ length: MIB / PAGE }).keys()];
    if (order === 'downwards') pages.reverse();
    for (const n of pages) await worker.call('fill', 0, n * PAGE, PAGE, n % 251);
    await worker.call('persist', 0);
    test.strictSame(worker.losses, []);
    test.match(await worker.call('info', 0), { major: pages.length });

    // The mapping has made the data durable; of the rest that is what the filesystem has fenced, and nothing else.
    const later = device.afterPowerCut();
    for (const n of pages) {
      const extent = file.inode.extents.find(n);
      if (extent === undefined) throw new Error(`nobody knows where page ${n} is`);
      later.writeSync(Buffer.alloc(PAGE, n % 251), (extent.blocknr + n - extent.iblock) * PAGE);
    }
    const found = mount(later, { onWarning: () => undefined });
    const inode = found.resolve('/f');
    const content = Buffer.alloc(MIB);
    const again = found.open(inode);
    test.strictSame([inode.size, again.readSync(content, 0)], [MIB, MIB]);
    again.closeSync();
    const wrong = pages.filter((n) => !Buffer.alloc(PAGE, n % 251).equals(content.subarray(n * PAGE, (n + 1) * PAGE)));
    test.strictSame(wrong, [], 'every page');
    test.ok(found.stat(inode).blocks >= MIB / 512, 'it is allocated');
    found.unmount();
    const image = Buffer.alloc(SIZE);
    later.readSync(image, 0);
    if (e2fsprogsMissing() === undefined) test.equal(e2fsck(image), undefined);
  });
}

onDevices('a store whose block cannot be made durable is refused (MS-2)', DEVICES, async (test, wanted) => {
  const { device, file } = filesystem(test, wanted);
  const mapping = file.mmap({ populate: false, flags: SYNCHRONOUS });
  const worker = await FaultWorker.start(test, mapping.handle);
  device.isBroken = true;
  await worker.store(0, 1);
  test.match(await worker.lost(1), [{ code: 'EIO', position: 0 }]);
  device.isBroken = false;
  await worker.store(PAGE, 1);
  test.equal(await worker.load(PAGE), 1, 'and the next is not');
  test.equal(worker.losses.length, 1);
  // A refusal that is forgiven before the thread has met it is asked for once more.
  const { major, refused } = await worker.call('info', 0);
  test.ok(refused >= 1, `it was refused (${refused})`);
  test.equal(major, refused + 1, 'what was to be allocated counts, whatever came of it');
});

onDevices('MAP_SYNC is refused where the kernel does not promise it, and only there (MS-1)', DEVICES, (test, wanted) => {
  const { file } = filesystem(test, wanted, wanted.open().mapSync);
  if (wanted.granularities.includes('page')) {
    test.throws(() => file.mmap({ flags: SYNCHRONOUS }), { code: 'EOPNOTSUPP', reason: 'NO_MAP_SYNC' });
  } else {
    test.doesNotThrow(() => file.mmap({ flags: SYNCHRONOUS }));
  }
  test.throws(() => file.mmap({ flags: MAP_SYNC | MAP_PRIVATE }), { message: /MAP_SHARED \| MAP_SYNC/ });
});
