// The same random operations on a DaxFile and on a file of the kernel: on ext4 or xfs with DAX in the guest, elsewhere on the
// filesystem of the temporary folder. Every count, size and byte must be the same.

import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, openSync as openFile, readSync, readvSync, writeSync, writevSync } from 'node:fs';
import { partition, type DaxFile } from 'node-dax';
import { onEveryKind, scratchPath } from '../helpers/devices.js';
import { IN_GUEST } from '../helpers/guest.js';
import { seeded, type Random } from '../helpers/random.js';
import { Tfs } from '../helpers/tfs.js';

// In all, as in the model's test: the long run of `npm run test:long` asks for more. A guest has up to nine devices.
const OPERATIONS = Math.ceil(Number(process.env['NODE_DAX_TEST_OPERATIONS'] ?? (IN_GUEST ? 2700 : 9000)) / 9);
const LARGEST = 200_000;

// Random bytes to take parts of, and as many others: an emulated processor makes few in a second.
const POOL_SIZE = 256 * 1024;

interface Source extends Random {
  take(length: number): Uint8Array;
}

function sourceOf(random: Random): Source {
  const pool = random.bytes(POOL_SIZE);
  return {
    ...random,
    take: (length) => {
      const at = random.below(POOL_SIZE - length);
      return pool.subarray(at, at + length);
    },
  };
}

interface Pair {
  file: DaxFile;
  fd: number;
  path: string;
}

/** Does one thing to both and returns what each answered. */
type Operation = (pair: Pair, random: Source) => [ours: Outcome, kernel: Outcome];

/** What was answered, and what was read. */
type Outcome = readonly [count: number, ...read: readonly Uint8Array[]];

function isSame([ours, ...our]: Outcome, [kernel, ...their]: Outcome): boolean {
  return ours === kernel && our.every((bytes, index) => Buffer.compare(bytes, their[index] ?? Buffer.alloc(0)) === 0);
}

function buffers(random: Source): Uint8Array[] {
  return Array.from({ length: random.below(5) }, () => random.take(random.below(9000)));
}

const OPERATION_TABLE: readonly Operation[] = [
  ({ file, fd }, random) => {
    const bytes = random.take(random.below(20_000));
    const pos = random.below(LARGEST);
    return [[file.writeSync(bytes, pos)], [writeSync(fd, bytes, 0, bytes.length, pos)]];
  },
  ({ file, fd }, random) => {
    const parts = buffers(random);
    const pos = random.below(LARGEST);
    return [[file.writeSync(parts, pos)], [parts.length === 0 ? 0 : writevSync(fd, parts, pos)]];
  },
  ({ file, fd }, random) => {
    const length = random.below(30_000);
    const pos = random.below(LARGEST);
    const ours = Buffer.alloc(length, 1);
    const kernel = Buffer.alloc(length, 1);
    return [[file.readSync(ours, pos), ours], [readSync(fd, kernel, 0, length, pos), kernel]];
  },
  ({ file, fd }, random) => {
    const lengths = Array.from({ length: 1 + random.below(4) }, () => random.below(5000));
    const pos = random.below(LARGEST);
    const ours = lengths.map((length) => Buffer.alloc(length, 1));
    const kernel = lengths.map((length) => Buffer.alloc(length, 1));
    return [[file.readSync(ours, pos), ...ours], [readvSync(fd, kernel, pos), ...kernel]];
  },
  ({ file, fd }, random) => {
    const size = random.below(LARGEST);
    file.truncateSync(size);
    ftruncateSync(fd, size);
    return [[file.size], [fstatSync(fd).size]];
  },
  ({ file, fd }, random) => {
    const bytes = random.take(random.below(3000));
    return [[file.appendSync(bytes)], [writeSync(fd, bytes, 0, bytes.length, fstatSync(fd).size)]];
  },
];

const punch: Operation = ({ file, path }, random) => {
  const pos = random.below(LARGEST);
  const length = 1 + random.below(30_000);
  file.punchHoleSync(pos, length);
  execFileSync('fallocate', ['--punch-hole', '--offset', String(pos), '--length', String(length), path]);
  return [[0], [0]];
};

// A process for each punch: few, so a run stays short.
const PUNCH_EVERY = Math.max(150, Math.floor(OPERATIONS / 100));

onEveryKind('a DaxFile does what a file of the kernel does, on', (test, wanted) => {
  const device = wanted.open();
  const random = sourceOf(seeded(test));
  const blockSize = random.pick([512, 1024, 2048, 4096]);
  const [zeroOnAlloc, holeLen, unwritten] = [0, 0, 0].map(() => random.below(2) === 0) as [boolean, boolean, boolean];
  const tfs = new Tfs({
    devices: [partition(device, 0, Math.floor(Math.min(device.size, 4 * 1024 * 1024) / 512))],
    blockSize,
    zeroOnAlloc,
    holeLen,
    unwritten: unwritten && !zeroOnAlloc,
    maxRun: 1 + random.below(64),
  });
  const path = scratchPath(test, process.env['NODE_DAX_TEST_EXT4']);
  const fd = openFile(path, 'wx+');
  test.teardown(() => {
    closeSync(fd);
  });
  const pair = { file: tfs.file(), fd, path };
  let differences = 0;
  for (let step = 0; step < OPERATIONS && differences === 0; step++) {
    const operation = step % PUNCH_EVERY === PUNCH_EVERY - 1 ? punch : random.pick(OPERATION_TABLE);
    const [ours, kernel] = operation(pair, random);
    const same = isSame(ours, kernel) && pair.file.size === fstatSync(fd).size;
    if (!same) {
      differences++;
      test.fail(`step ${step}, operation ${OPERATION_TABLE.indexOf(operation)}, blocks of ${blockSize}`);
    }
  }
  const ours = Buffer.alloc(pair.file.size);
  const kernel = Buffer.alloc(pair.file.size);
  pair.file.readSync(ours, 0);
  readSync(fd, kernel, 0, kernel.length, 0);
  test.ok(ours.equals(kernel), `${OPERATIONS} operations, ${differences} differences`);
});
