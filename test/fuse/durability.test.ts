// What is durable when a program's call returns, of a filesystem that is written back.

import { mkfsSync, mount } from 'node-dax/ext2';
import { mountFuse } from 'node-dax/fuse';
import { RecordingDevice } from 'node-dax/testkit';
import { fuseTest, mountPoint, runIn } from '../helpers/fuse.js';

class PageDevice extends RecordingDevice {
  override readonly granularity = 'page';
}

fuseTest('programs make durable what they wrote by fsync, of files and directories, and by O_SYNC', async (test) => {
  const device = new PageDevice(16 * 2 ** 20);
  mkfsSync(device, { blockSize: 4096 });
  const fs = mount(device, { writeBack: true });
  const directory = mountPoint(test);
  const served = await mountFuse(fs, directory);
  const survives = (path: string): boolean => {
    const after = mount(device.afterPowerCut(), { onWarning: () => undefined });
    try {
      return after.stat(after.resolve(path)).size > 0;
    } catch {
      return false;
    }
  };
  let last: string | undefined;
  for (const [path, script] of [
    ['/file', 'dd if=/dev/zero of=file bs=10k count=1 conv=fsync status=none'],
    ['/directory', 'mkdir directory; sync .'],
    ['/synchronous', 'dd if=/dev/zero of=synchronous bs=10k count=1 oflag=dsync status=none'],
  ] as const) {
    const unsynced = `${path}-unsynced`;
    await runIn(test, directory, `${script}; echo not yet > .${unsynced}`);
    test.ok(survives(path), path);
    test.notOk(survives(unsynced), unsynced);
    if (last !== undefined) test.ok(survives(last), last);
    last = unsynced;
  }
  await served.unmount();
  fs.unmount();
  test.ok(survives(last as string), 'by unmounting');
});
