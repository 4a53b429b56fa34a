// mkfs makes what mke2fs makes, byte for byte, and what e2fsck accepts at every size; and it destroys nothing by mistake.

import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync as openFile, readFileSync, statSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import t, { type Test } from 'tap';
import { openSync, SIGNATURE_LENGTH, signatureOf, type BlockDevice, type Bytes } from 'node-dax';
import { mkfs, mkfsSync, type MkfsOptions } from 'node-dax/ext2';
import { crashImages, RecordingDevice } from 'node-dax/testkit';
import { scratchPath } from '../helpers/devices.js';
import { e2fsckMissing } from '../helpers/e2fsck.js';
import { seeded, type Random } from '../helpers/random.js';
import { amount, sample, THOROUGH } from '../helpers/thorough.js';

const KIB = 1024;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const TIB = 1024 ** 4;
const ROUNDS = Number(process.env['NODE_DAX_TEST_ROUNDS'] ?? amount({ short: 2, thorough: 8, long: 25 }));

const UUID = '00112233-4455-6677-8899-aabbccddeeff';
const SEED = 'ffeeddcc-bbaa-9988-7766-554433221100';
const CREATED = new Date(1_700_000_000_000);

const missing = e2fsckMissing() ?? false;

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, ...args: string[]): Ran {
  const env = { ...process.env, LC_ALL: 'C', E2FSPROGS_FAKE_TIME: String(CREATED.getTime() / 1000) };
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'latin1', env, maxBuffer: 64 * MIB });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** A sparse file in memory. */
function sparse(test: Test, size: number): string {
  const path = scratchPath(test, '/dev/shm');
  const fd = openFile(path, 'w');
  ftruncateSync(fd, size);
  closeSync(fd);
  return path;
}

interface Case {
  readonly size: number;
  readonly options: MkfsOptions;
}

const FLAGS: readonly (readonly [keyof MkfsOptions, string])[] = [
  ['blockSize', '-b'],
  ['inodeSize', '-I'],
  ['revision', '-r'],
  ['inodes', '-N'],
  ['bytesPerInode', '-i'],
  ['reservedPercent', '-m'],
  ['label', '-L'],
];

function flagsOf(options: MkfsOptions): string[] {
  return FLAGS.flatMap(([name, flag]) => (options[name] === undefined ? [] : [flag, String(options[name])]));
}

/** Formatted by mke2fs; undefined where it refuses. */
function theirs(test: Test, { size, options }: Case): string | undefined {
  const path = sparse(test, size);
  const flags = ['-q', '-F', '-t', 'ext2', '-U', UUID, '-E', `hash_seed=${SEED}`, ...flagsOf(options)];
  return run('mke2fs', ...flags, path).status === 0 ? path : undefined;
}

function ours(test: Test, { size, options }: Case): string {
  const path = sparse(test, size);
  using device = openSync(path);
  mkfsSync(device, { ...options, uuid: UUID, hashSeed: SEED, created: CREATED, zeroed: true });
  return path;
}

function refusal(action: () => unknown): { code?: string } | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof TypeError) throw error;
    return error as { code?: string };
  }
  return undefined;
}

function checkClean(test: Test, path: string, message: string): void {
  const { status, stdout, stderr } = run('e2fsck', '-fn', path);
  test.equal(status, 0, message, { stdout, stderr });
}

function draw(random: Random): Case {
  const nearGroup = random.pick([8 * MIB, ...(THOROUGH ? [32 * MIB, 128 * MIB] : [])]) * (1 + random.below(2));
  const size = random.pick([
    () => 128 * KIB + random.below(random.pick([MIB, 8 * MIB, 64 * MIB])),
    // Where the last group is too short to be one.
    () => nearGroup + random.below(900 * KIB) - 200 * KIB,
  ])();
  const revision = random.below(5) === 0 ? 0 : undefined;
  return {
    size,
    options: {
      ...(random.below(2) === 0 && { blockSize: random.pick([1024, 2048, 4096]) }),
      ...(revision !== undefined && { revision }),
      ...(revision === undefined && random.below(3) === 0 && { inodeSize: random.pick([128, 256]) }),
      ...random.pick([
        {},
        {},
        // mke2fs takes the inodes of revision 0 for larger than they are, and refuses too soon.
        revision === undefined ? { inodes: 1 + random.below(random.pick([1000, 30_000])) } : {},
        { bytesPerInode: 1024 + random.below(random.pick([2000, 100_000])) },
      ]),
      ...(random.below(3) === 0 && { reservedPercent: random.pick([0, 1, 2.5, 3.7, 10, 50]) }),
      ...(random.below(3) === 0 && { label: random.pick(['a', 'sixteen bytes 16', 'été']) }),
    },
  };
}

const RESERVED = 8;

// If a group would have more inodes than its bitmap has bits, groups get smaller, and mke2fs then loses a part of the reserve. Our
// mkfs keeps the whole reserve.
function withoutReserve(image: Buffer): Buffer {
  const blockSize = 1024 * 2 ** image.readUInt32LE(1048);
  const perGroup = image.readUInt32LE(1056);
  if (perGroup === 8 * blockSize) return image;
  for (let group = 0; group * perGroup * blockSize < image.length; group++) {
    const pos = group === 0 ? 1024 : (image.readUInt32LE(1044) + group * perGroup) * blockSize;
    if (image.length >= pos + 1024 && image.readUInt16LE(pos + 56) === 0xef53) image.writeUInt32LE(0, pos + RESERVED);
  }
  return image;
}

function compare(test: Test, drawn: Case): void {
  const what = `${drawn.size} ${JSON.stringify(drawn.options)}`;
  const expected = theirs(test, drawn);
  let found: string | undefined;
  const error = refusal(() => {
    found = ours(test, drawn);
  });
  if (found === undefined) {
    test.match(error?.code, /^(?:ENOSPC|EINVAL)$/, what);
    test.equal(expected, undefined, `mke2fs refuses ${what}`);
    return;
  }
  const image = readFileSync(found);
  // Ours has the first inodes in the first group; mke2fs gives fewer to a group, or none to lost+found.
  const isTiny = image.readUInt32LE(1064) === 16;
  if (isTiny && (expected === undefined || readFileSync(expected).readUInt32LE(1064) < 16)) {
    checkClean(test, found, what);
    return;
  }
  test.not(expected, undefined, `mke2fs makes ${what}`);
  if (expected === undefined) return;
  test.ok(withoutReserve(image).equals(withoutReserve(readFileSync(expected))), `the same: ${what}`);
}

t.test('images are mke2fs’s, byte for byte', { skip: missing }, (test) => {
  const fixed: Case[] = [
    ...[128 * KIB, 200 * KIB, 512 * KIB, 3 * MIB - 1, 3 * MIB, 8 * MIB, 8 * MIB + KIB, 20 * MIB + 3].map((size) => ({ size, options: {} })),
    ...[1024, 2048, 4096].map((blockSize) => ({ size: 40 * MIB, options: { blockSize } })),
    ...[1024, 2048, 4096].map((blockSize) => ({ size: 10 * MIB, options: { blockSize, revision: 0 as const } })),
    { size: 64 * KIB, options: { revision: 0 } },
    // Tables leave the first groups no block for the first files.
    ...[21_100, 21_225, 21_300].map((inodes) => ({ size: 5_702_829, options: { inodes } })),
    ...[40_000, 41_500, 42_500].map((inodes) => ({ size: 6 * MIB, options: { inodes, inodeSize: 128 as const } })),
    { size: 33 * MIB, options: { inodeSize: 128, label: 'label', reservedPercent: 0 } },
    { size: 64 * MIB, options: { bytesPerInode: 1024 } },
    // Eight inodes would go to each group, and lost+found would not be in the first.
    { size: 33 * MIB, options: { inodes: 12 } },
  ];
  for (const item of sample(fixed, 4)) compare(test, item);
  test.end();
});

t.test('random ones too', { skip: missing }, (test) => {
  const random = seeded(test);
  for (let round = 0; round < ROUNDS; round++) compare(test, draw(random));
  test.end();
});

t.test('large ones, as dumpe2fs shows them', { skip: missing }, (test) => {
  for (const size of sample([512 * MIB - 4096, 512 * MIB, 1.5 * GIB + 12345, 64 * GIB], 4)) {
    const expected = theirs(test, { size, options: {} });
    const found = ours(test, { size, options: {} });
    test.equal(run('dumpe2fs', found).stdout, run('dumpe2fs', expected ?? '').stdout, `${size}`);
    checkClean(test, found, `${size}`);
  }
  test.end();
});

/** A device of any size, that keeps the last bytes that were stored at each position and counts its stores. */
class Ledger implements BlockDevice {
  readonly granularity = 'byte';
  readonly size: number;
  stores = 0;
  readonly #kept = new Map<number, Uint8Array>();

  constructor(size: number) {
    this.size = size;
  }

  directAccess(): never {
    throw new Error('not asked for');
  }

  readSync(target: NodeJS.ArrayBufferView, pos: Bytes): number {
    const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
    const kept = this.#kept.get(Number(pos));
    if (kept !== undefined && kept.length <= bytes.length) bytes.set(kept);
    return bytes.byteLength;
  }

  writeSync(source: NodeJS.ArrayBufferView, pos: Bytes): number {
    this.stores++;
    if (Number(pos) === 1024) this.#kept.set(1024, new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice());
    return source.byteLength;
  }

  zeroSync(_pos: Bytes, length: Bytes): number {
    this.stores++;
    return Number(length);
  }

  flush(): void {
    this.stores++;
  }

  drain(): void {
    this.stores++;
  }

  persist(): void {
    this.stores++;
  }
}

t.test('the numbers of mke2fs, up to the largest', { skip: missing }, (test) => {
  for (const size of sample([15.9 * TIB, 4 * TIB, 3.9 * TIB], 3)) {
    const whole = Math.floor(size / 4096) * 4096;
    const sb = mkfsSync(new Ledger(whole), { zeroed: true });
    const { stdout } = run('mke2fs', '-n', '-F', '-t', 'ext2', sparse(test, whole));
    test.match(stdout, `${sb.s_blocks_count} 4k blocks and ${sb.s_inodes_count} inodes`);
  }
  test.end();
});

t.test('the empty part of a sparse file takes no room, and garbage in it goes', { skip: missing }, (test) => {
  const size = 2 * GIB;
  const blocksOf = (path: string | undefined) => statSync(path ?? '').blocks;
  const expected = blocksOf(theirs(test, { size, options: {} }));
  const path = sparse(test, size);
  const format = (): void => {
    using device = openSync(path);
    mkfsSync(device, { force: true });
  };
  format();
  test.ok(blocksOf(path) <= 1.2 * expected, `${blocksOf(path)} sectors, mke2fs takes ${expected}`);
  checkClean(test, path, 'sparse');
  const fd = openFile(path, 'r+');
  // Within tables of inodes, at and across the ends of their blocks.
  for (const pos of [70 * 4096, 128 * MIB + 600 * 4096 + 77, 5 * 128 * MIB + 400 * 4096 - 3]) writeSync(fd, Buffer.alloc(5000, 0xa5), 0, 5000, pos);
  closeSync(fd);
  test.not(run('e2fsck', '-fn', path).status, 0, 'garbage is found');
  format();
  checkClean(test, path, 'garbage is gone');
  test.ok(blocksOf(path) <= 1.3 * expected, `${blocksOf(path)} sectors after that`);
  test.end();
});

t.test('what cannot be is refused before anything is stored', (test) => {
  const refused: [size: number, options: MkfsOptions, code: string][] = [
    [0, {}, 'ENOSPC'],
    [4096, {}, 'ENOSPC'],
    [56 * KIB, {}, 'ENOSPC'],
    [64 * KIB, { blockSize: 4096 }, 'ENOSPC'],
    [16 * TIB, {}, 'EFBIG'],
    [4 * TIB, { blockSize: 1024 }, 'EFBIG'],
    [MIB, { inodes: 100_000 }, 'EINVAL'],
    [64 * MIB, { inodes: 260_000 }, 'EINVAL'],
  ];
  for (const [size, options, code] of refused) {
    const device = new Ledger(size);
    test.match(refusal(() => mkfsSync(device, options)), { code }, `${size} ${JSON.stringify(options)}`);
    test.equal(device.stores, 0);
  }
  const wrong: MkfsOptions[] = [
    { blockSize: 8192 },
    { blockSize: 1000 },
    { inodeSize: 64 },
    { revision: 0, inodeSize: 256 },
    { revision: 2 as 0 },
    { inodes: 0 },
    { inodes: 1.5 },
    { bytesPerInode: 512 },
    { reservedPercent: 51 },
    { reservedPercent: NaN },
    { label: 'seventeen bytes 1' },
    { label: 'a\0b' },
    { uuid: 'none' },
    { hashSeed: 'none' },
    { created: new Date(NaN) },
  ];
  for (const options of wrong) {
    const device = new Ledger(8 * MIB);
    test.throws(() => mkfsSync(device, options), RangeError, JSON.stringify(options));
    test.equal(device.stores, 0);
  }
  for (const options of [{ inodes: 100, bytesPerInode: 4096 }, { force: true, onProgress: 'bar' as unknown as () => void }]) {
    const device = new Ledger(8 * MIB);
    test.throws(() => mkfsSync(device, options), TypeError, JSON.stringify(options));
    test.equal(device.stores, 0);
  }
  test.end();
});

t.test('a device that carries something is left alone, unless forced', async (test) => {
  const carried: [name: string, pos: number, bytes: string][] = [
    ['ext2, ext3 or ext4', 1080, '\x53\xef'],
    ['xfs', 0, 'XFSB'],
    ['btrfs', 0x10040, '_BHRfS_M'],
    ['GPT', 512, 'EFI PART'],
    ['libpmemobj pool', 0, 'PMEMOBJ\0'],
  ];
  for (const [name, pos, bytes] of carried) {
    const content = new Uint8Array(MIB);
    content.set(Buffer.from(bytes, 'latin1'), pos);
    const before = content.slice();
    const device = new RecordingDevice(MIB, content);
    await test.rejects(mkfs(device), { code: 'EEXIST', message: new RegExp(`carries ${name}.*force`) });
    test.ok(Buffer.from(content).equals(before), name);
    await mkfs(device, { force: true });
    test.equal(signatureOf(content.subarray(0, SIGNATURE_LENGTH)), 'ext2, ext3 or ext4', `${name} is gone`);
  }
});

t.test('garbage becomes a clean filesystem, that a power cut leaves whole', { skip: missing }, (test) => {
  const random = seeded(test);
  for (let round = 0; round < ROUNDS; round++) {
    const { size, options } = draw(random);
    const device = new RecordingDevice(Math.max(60 * KIB, Math.floor((size % (24 * MIB)) / 4096) * 4096));
    const error = refusal(() => mkfsSync(device, options));
    if (error !== undefined) {
      test.match(error.code, /^(?:ENOSPC|EINVAL)$/, `${device.size} ${JSON.stringify(options)}`);
      continue;
    }
    const path = scratchPath(test, '/dev/shm');
    const found = new Uint8Array(device.size);
    device.afterPowerCut().readSync(found, 0);
    writeFileSync(path, found);
    checkClean(test, path, `${device.size} ${JSON.stringify(options)}`);
    unlinkSync(path);
  }
  test.end();
});

t.test('cut off anywhere, there is the former filesystem, none, or the new one', { skip: missing }, (test) => {
  const former = ours(test, { size: 256 * KIB, options: { label: 'former' } });
  const device = new RecordingDevice(256 * KIB, readFileSync(former));
  device.startTrace();
  mkfsSync(device, { force: true, label: 'new', blockSize: 1024 });
  const trace = device.endTrace();
  const found = new Map<string, number>();
  const path = scratchPath(test, '/dev/shm');
  const seen = new Set<unknown>();
  for (const image of crashImages(trace)) {
    const bytes = image.content;
    const what = bytes[1080] === 0 && bytes[1081] === 0 ? 'none' : Buffer.from(bytes).toString('latin1', 1144, 1150);
    found.set(what, (found.get(what) ?? 0) + 1);
    if (what === 'none' || seen.has(image.hash)) continue;
    seen.add(image.hash);
    writeFileSync(path, bytes);
    checkClean(test, path, image.describe());
  }
  test.ok((found.get('none') ?? 0) > 100);
  test.strictSame([...found.keys()].sort(), ['former', 'new\0\0\0', 'none']);
  test.end();
});

t.test('it tells how far it is, and gives way to others', async (test) => {
  const device = new RecordingDevice(32 * MIB);
  const told: number[] = [];
  let others = 0;
  const other = setInterval(() => others++, 0);
  await mkfs(device, { onProgress: (done) => told.push(done) });
  clearInterval(other);
  test.strictSame(told, [...told].sort((a, b) => a - b));
  test.ok(told.length >= 5 && (told[0] ?? 1) < 1);
  test.equal(told.at(-1), 1);
  test.ok(others > 0);
});
