// The end of a program or worker that has files open: what it wrote is there, and the filesystem is sound.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { openSync } from 'node-dax';
import { check, mount } from 'node-dax/ext2';
import { createFs } from 'node-dax/fs';
import { e2fsck, e2fsprogsMissing } from '../helpers/ext2-image.js';
import { imageFile, inProcess, inWorker, inWorkerOfProcess, mountingProcess, mountingWorker } from '../helpers/mounting.js';
import { CONTENT, type End } from '../helpers/mount-main.js';
import { sample, THOROUGH } from '../helpers/thorough.js';

const skip = e2fsprogsMissing() ?? false;

/** What is in `/file`. The filesystem must be sound, whoever judges, before and after it is mounted again. */
function contentOf(test: Test, image: string, isWhole = true): Buffer {
  using device = openSync(image);
  const { isSound, findings } = check(device);
  test.ok(isSound, findings.map(({ what }) => what).join());
  if (isWhole) test.strictSame(check(device).totals, { error: 0, leak: 0, count: 0, unclean: 1 }, 'and lacks nothing but an unmount');
  const warnings: string[] = [];
  const ext2 = mount(device, { reclaim: true, onWarning: (message) => { warnings.push(message); } });
  test.match(warnings, [/not cleanly unmounted/], 'it does not say that it was');
  const content = createFs(ext2).readFileSync('/file');
  ext2.unmount();
  test.equal(e2fsck(readFileSync(image)), undefined);
  return content;
}

const STATUS: Readonly<Partial<Record<End, number>>> = { throw: 1, reject: 1 };

const ENDS = ['return', 'exit', 'throw', 'reject', 'late write', 'while it writes', 'handle', 'stream', 'no name'] as const;

for (const [index, end] of ENDS.entries()) {
  // Counts may lag after these, a write that was cut off may leave blocks taken, and a file without a name takes some until the next mount.
  const isWhole = end !== 'while it writes' && end !== 'late write' && end !== 'no name';
  // A short run has every end, of a process or of a worker.
  const [ofProcess, ofWorker] = THOROUGH ? [true, true] : [index % 2 === 0, index % 2 === 1];
  if (ofProcess) t.test(`a process ends by: ${end}`, { skip }, async (test) => {
    const image = imageFile(test);
    test.equal(await inProcess({ image, end }), STATUS[end] ?? 0);
    test.ok(contentOf(test, image, isWhole).equals(CONTENT));
  });
  if (ofWorker) t.test(`a worker ends by: ${end}`, { skip }, async (test) => {
    const image = imageFile(test);
    await inWorker({ image, end });
    test.ok(contentOf(test, image, isWhole).equals(CONTENT));
  });
}

t.test('where no JavaScript runs at the end, what was not synced is lost, and no more', { skip }, async (test) => {
  for (const synchronous of sample([true, false], 2)) {
    const [first, second] = [imageFile(test), imageFile(test)];
    const worker = await mountingWorker(test, { image: first, synchronous });
    await worker.terminate();
    const child = await mountingProcess(test, { image: second, synchronous });
    child.kill('SIGKILL');
    await once(child, 'exit');
    // The main thread ends while a worker has it mounted.
    const third = imageFile(test);
    test.equal(await inWorkerOfProcess({ image: third, synchronous, end: 'wait' }), 0);
    for (const image of [first, second, third]) {
      const content = contentOf(test, image, false);
      if (synchronous) test.ok(content.equals(CONTENT), 'with synchronous: true nothing');
      else test.ok(CONTENT.subarray(0, content.length).equals(content), `${content.length} bytes`);
    }
  }
});
