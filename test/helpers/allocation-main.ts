// Measures what a small read or write of a file with cached extents allocates, and prints it as JSON: bytes a call, by name. Its
// argument is the path of a file to make. It is a separate program, because the assertion of locks, with which tests run,
// allocates.

import { Session } from 'node:inspector/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { DaxFile, daxDoIo, Inode, openSync, type GetBlock } from 'node-dax';

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
 * Bytes allocated by a call, including garbage that was already collected, as every profile has them. Code that runs before the
 * compiler is done allocates more, and on a busy machine that takes a while: so it tries again until the result is less than
 * `wanted`.
 */
async function allocated(session: Session, run: (n: number) => unknown, wanted: number): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < 10 && !(least < wanted); round++) {
    if (round > 0) await delay(100);
    least = Math.min(least, await profile(session, run));
  }
  return least;
}

async function main(path: string): Promise<Record<string, number>> {
  using device = openSync(path, { size: SIZE });
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
  const found: Record<string, number> = { object: await allocated(session, (n) => (kept[0] = { n }), Infinity) };
  for (const rw of ['read', 'write'] as const) {
    found[`daxDoIo ${rw}`] = await allocated(session, (n) => daxDoIo(rw, inode, buffer, posOf(n), getBlock), 1);
  }
  for (const form of ['readSync', 'writeSync'] as const) {
    found[`DaxFile.${form}`] = await allocated(session, (n) => file[form](buffer, posOf(n)), 24);
  }
  session.disconnect();
  return found;
}

void main(process.argv[2] as string).then((found) => { console.log(JSON.stringify(found)); });
