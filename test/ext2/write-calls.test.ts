// How long the path of a write is: the functions that one write of a new block calls, and the files that it enters, as V8 counts
// them. A reader of the code must follow the same path.

import { Session } from 'node:inspector/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openSync } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { scratchPath } from '../helpers/devices.js';

const MIB = 1024 ** 2;
const BLOCK = 4096;
// What it is now, and no more: with the checks of lock orders, and of a write that must look for a place.
const MOST_CALLS = { 'after the last block': 212, 'after a hole': 248 };
const MOST_FILES = 26;

/** The calls of each function of this package while `action` runs, by file and name. */
async function callsOf(action: () => void): Promise<{ file: string; name: string; calls: number }[]> {
  const root = join(__dirname, '..', '..');
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  await session.post('Profiler.takePreciseCoverage');
  action();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  session.disconnect();
  return result
    .filter(({ url }) => url.startsWith('file:') && /^(?:src|lib)\//.test(relative(root, fileURLToPath(url))))
    .flatMap(({ url, functions }) =>
      functions.map(({ functionName, ranges }) => ({ file: relative(root, fileURLToPath(url)), name: functionName, calls: ranges[0]?.count ?? 0 })),
    )
    .filter(({ calls }) => calls > 0);
}

t.test('a write that allocates', async (test) => {
  using device = openSync(scratchPath(test, '/dev/shm'), { size: 16 * MIB });
  mkfsSync(device, { blockSize: BLOCK });
  using fs = mount(device);
  using file = fs.open(fs.create(fs.root, 'file'));
  const block = Buffer.alloc(BLOCK, 'x');
  // What is done once, and blocks to which an indirect one leads.
  for (let index = 0; index < 20; index++) file.writeSync(block, index * BLOCK);
  for (const [where, index] of [['after the last block', 20], ['after a hole', 100]] as const) {
    const found = await callsOf(() => {
      file.writeSync(block, index * BLOCK);
    });
    const calls = found.reduce((sum, { calls }) => sum + calls, 0);
    const files = new Set(found.map(({ file }) => file));
    test.ok(calls > 20 && calls <= MOST_CALLS[where], `${where}: ${calls} calls`, { found });
    test.ok(files.size > 5 && files.size <= MOST_FILES, `${where}: ${files.size} files`, { files: [...files] });
  }
});
