// Files may be opened with O_DIRECT, which asks for nothing: there is no cache to go past, and no alignment to keep (ST-29).

import '../helpers/assert-locks.js';

import { constants } from 'node:fs';
import t from 'tap';
import { openScratch } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';

const { O_CREAT, O_DIRECT, O_RDONLY, O_RDWR } = constants;

t.test('a file that is opened with O_DIRECT is read and written at any position, by any length, into any memory', async (test) => {
  const device = openScratch(4 * 1024 * 1024);
  mkfsSync(device);
  const ext2 = mount(device);
  const fs = createFs(ext2);
  const fd = fs.openSync('/f', O_RDWR + O_CREAT + O_DIRECT);
  test.equal(fs.writeSync(fd, Buffer.from('-unaligned').subarray(1), 0, 9, 4093), 9);
  const found = Buffer.alloc(12).subarray(1);
  test.equal(fs.readSync(fd, found, 1, 9, 4093), 9);
  test.equal(found.toString('latin1', 1, 10), 'unaligned');
  fs.closeSync(fd);
  const handle = await fs.promises.open('/f', O_RDONLY + O_DIRECT);
  const { bytesRead } = await handle.read(found, 0, 3, 4093);
  test.equal(bytesRead, 3);
  await handle.close();
  ext2.unmount();
  await device.close();
});
