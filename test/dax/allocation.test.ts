// A small read or write of a file with cached extents allocates nothing, which a heap profile shows.

import { Session } from 'node:inspector/promises';
import { setFlagsFromString } from 'node:v8';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { DaxFile, daxDoIo, Inode, openSync, type GetBlock } from 'node-dax';
import { scratchPath } from '../helpers/devices.js';

const CALLS = 20_000;
const SIZE = 256 * 1024;

interface ProfileNode {
  selfSize: number;
  children: ProfileNode[];
}

function sizeOf({ selfSize, children }: ProfileNode): number {
  return children.reduce((sum, child) => sum + sizeOf(child), selfSize);
}

// Until the compiler is done with it numbers are objects. On this thread: another may have to wait for a processor.
setFlagsFromString('--no-concurrent-recompilation');

async function profile(session: Session, run: (n: number) => unknown): Promise<number> {
  for (let n = 0; n < 5 * CALLS; n++) run(n);
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: 64,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  for (let n = 0; n < CALLS; n++) run(n);
  const { profile: found } = await session.post('HeapProfiler.stopSampling');
  return sizeOf(found.head) / CALLS;
}

/**
 * Bytes a call, also of what was collected: what every profile has. What runs before the compiler is done allocates, and on a
 * busy machine that takes a while: it is tried again until it is less than `wanted`.
 */
async function allocated(session: Session, run: (n: number) => unknown, wanted: number): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < 10 && !(least < wanted); round++) {
    least = Math.min(least, await profile(session, run));
    if (!(least < wanted)) await delay(100);
  }
  return least;
}

t.test('the synchronous path allocates nothing', async (test) => {
  const device = openSync(scratchPath(test, '/dev/shm'), { size: SIZE });
  test.teardown(() => device.close());
  const inode = new Inode({ blockSize: 4096, bdev: device }, 1, SIZE);
  const getBlock: GetBlock = (_inode, iblock, bh) => {
    bh.map(device, iblock, bh.size);
  };
  const file = new DaxFile(inode, { getBlock, truncateBlocks: () => undefined, fsync: () => undefined });
  const buffer = Buffer.alloc(4096);
  const session = new Session();
  session.connect();
  const posOf = (n: number) => (n * 4096) % SIZE;
  const kept: unknown[] = [];
  test.ok((await allocated(session, (n) => (kept[0] = { n }), 0)) > 8, 'an object would be seen');
  for (const rw of ['read', 'write'] as const) {
    const bytes = await allocated(session, (n) => daxDoIo(rw, inode, buffer, posOf(n), getBlock), 1);
    test.ok(bytes < 1, `daxDoIo, ${rw}: ${bytes} bytes a call`);
  }
  // Of 16 bytes each: the time of the access, which Date.now makes.
  for (const form of ['readSync', 'writeSync'] as const) {
    const bytes = await allocated(session, (n) => file[form](buffer, posOf(n)), 24);
    test.ok(bytes < 24, `DaxFile.${form}: ${bytes} bytes a call`);
  }
  session.disconnect();
});
