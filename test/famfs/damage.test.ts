// Damaged memories: each wrong field is reported with its entry, entries before it stay readable, and no file ever has bytes of
// another. Seeded; a thorough run has all mutations.

import t, { type Test } from 'tap';
import { DaxError } from 'node-dax';
import { mkfsFamfs, mountFamfs, type Famfs } from 'node-dax/famfs';
import { MemoryDevice } from 'node-dax/testkit';
import { crc32, storeChecksum } from '../../lib/famfs/format/crc.js';
import { positionOf } from '../../lib/famfs/format/log-header.js';
import { MIB, systemUuidFile, walk } from '../helpers/famfs-image.js';
import { seeded } from '../helpers/random.js';
import { amount, sample as some } from '../helpers/thorough.js';

const SIZE = 40 * MIB;
const ENTRY = 544;
const HEADER = 2 * MIB;
const PROBE = 64;
const PAGE = 4096;

const device = (memory: Uint8Array): MemoryDevice => new MemoryDevice(memory);

// What byte `pos` of the file with this number is.
const tagOf = (ino: number, length: number): Buffer => Buffer.alloc(length, `<${String(ino).padStart(6, '0')}>`);

interface Sample {
  memory: Buffer;
  uuidFile: string;
  /** Of the files, by their numbers. */
  sizes: Map<number, number>;
  entries: number;
}

const FILES: [path: string, size: number, stripes?: number][] = [['a', 10], ['d/b', 5000], ['d/striped', 5 * MIB, 3], ['two', 2 * MIB], ['d/e/c', 3 * MIB + 1], ['last', 4096, 1]];

function sampleFor(test: Test): Sample {
  const memory = Buffer.alloc(SIZE, 0xa5);
  const uuidFile = systemUuidFile(test);
  mkfsFamfs(device(memory), { systemUuidFile: uuidFile, force: true });
  const famfs = mountFamfs(device(memory), { systemUuidFile: uuidFile });
  for (const path of ['d', 'd/e']) famfs.mkdir(path);
  const sizes = new Map<number, number>();
  for (const [path, size, stripes] of FILES) {
    const ino = famfs.entries + 2;
    famfs.create(path, size, { fill: (file) => file.writeSync(tagOf(ino, size), 0), ...(stripes !== undefined && { stripes }) });
    sizes.set(ino, size);
  }
  const { entries } = famfs;
  famfs.unmount();
  return { memory, uuidFile, sizes, entries };
}

const mounted = (memory: Buffer, { uuidFile }: Sample): Famfs => mountFamfs(device(memory), { systemUuidFile: uuidFile, onWarning: () => undefined });

// What is wrong with a file that claims to be as it was.
function wrongContent(famfs: Famfs, ino: number, path: string, size: number): string | undefined {
  using file = famfs.open(path, { readOnly: true });
  if (file.size !== size) return `${path} has ${file.size} bytes`;
  const bytes = Buffer.alloc(Math.min(PROBE, size));
  for (const pos of [0, Math.floor((size - bytes.length) / 16) * 8, size - bytes.length]) {
    file.readSync(bytes, pos);
    if (!bytes.equals(tagOf(ino, pos % 8 + bytes.length).subarray(pos % 8))) return `${path} holds ${bytes.toString('latin1')} at ${pos}`;
  }
  return undefined;
}

function checkApart(famfs: Famfs): string | undefined {
  const ranges = [...walk(famfs).values()].flatMap(({ entry, path }) => (entry?.extents ?? []).map(({ offset, length }) => ({ offset, end: offset + length, path })));
  ranges.sort((a, b) => a.offset - b.offset);
  let end = 10 * MIB;
  for (const range of ranges) {
    if (range.offset < end || range.end > SIZE) return `${range.path} lies at ${range.offset}, before ${end}, or past the end`;
    ({ end } = range);
  }
  return undefined;
}

const PATH = 40;

const WRONG: [entry: number, field: string, change: (entry: Buffer) => void][] = [
  [2, 'seqnum', (entry) => entry.writeUInt32LE(9, 0)],
  [2, 'seqnum', (entry) => entry.writeUInt32LE(1, 4)],
  [2, 'path', (entry) => entry.fill(0, PATH, PATH + 80)],
  [2, 'path', (entry) => entry.fill('x', PATH, PATH + 80)],
  [2, 'path', (entry) => entry.write('/a', PATH)],
  [2, 'path', (entry) => entry.write('d/../a', PATH)],
  [2, 'path', (entry) => entry.write('d/./a', PATH)],
  [2, 'path', (entry) => entry.write('d//a', PATH)],
  [2, 'path', (entry) => entry.write('d/', PATH)],
  [2, 'path', (entry) => entry.write('none/a', PATH)],
  [2, 'path', (entry) => entry.write('.meta/a', PATH)],
  [2, 'size', (entry) => entry.fill(0, 16, 24)],
  [2, 'size', (entry) => entry.writeUInt32LE(2 * MIB + 1, 16)],
  [2, 'size', (entry) => entry.writeUInt32LE(0x80000000, 20)],
  [2, 'ext_type', (entry) => entry.writeUInt32LE(2, 120)],
  [2, 'extents', (entry) => entry.writeUInt32LE(0, 128)],
  [2, 'extents', (entry) => entry.writeUInt32LE(17, 128)],
  [2, 'extents[0].devindex', (entry) => entry.writeUInt32LE(1, 136)],
  [2, 'extents[0].offset', (entry) => entry.writeUInt32LE(11 * MIB, 144)],
  [2, 'extents[0].offset', (entry) => entry.writeUInt32LE(0, 144)],
  [2, 'extents[0].offset', (entry) => entry.writeUInt32LE(8 * MIB, 144)],
  [2, 'extents[0].len', (entry) => entry.writeUInt32LE(0, 152)],
  [2, 'extents[0].len', (entry) => entry.writeUInt32LE(4096, 152)],
  [2, 'extents[0].len', (entry) => entry.writeUInt32LE(SIZE - 8 * MIB, 152)],
  [3, 'extents[0].offset', (entry) => entry.writeUInt32LE(10 * MIB, 144)],
  [3, 'extents[1].offset', (entry) => { entry.writeUInt32LE(2, 128); entry.copy(entry, 160, 136, 160); }],
  [4, 'niext', (entry) => entry.writeUInt32LE(2, 128)],
  [4, 'nstrips', (entry) => entry.writeUInt32LE(0, 136)],
  [4, 'nstrips', (entry) => entry.writeUInt32LE(17, 136)],
  [4, 'chunk_size', (entry) => entry.writeUInt32LE(3 * MIB, 144)],
  [4, 'chunk_size', (entry) => entry.writeUInt32LE(MIB, 144)],
  [4, 'chunk_size', (entry) => entry.writeUInt32LE(0, 144)],
  [4, 'strips[1].offset', (entry) => entry.writeUInt32LE(2 * MIB, 184)],
  [4, 'strips[0].len', (entry) => entry.writeUInt32LE(9 * MIB, 16)],
];

t.test('each field that is wrong is told with its entry, and what is in front of it stays', (test) => {
  const sample = sampleFor(test);
  for (const [index, field, change] of some(WRONG, 3)) {
    const memory = Buffer.from(sample.memory);
    const entry = memory.subarray(positionOf(index), positionOf(index) + ENTRY);
    change(entry);
    storeChecksum(entry, 0, 536, 536);
    const famfs = mounted(memory, sample);
    test.match(famfs.damage, { entry: index, field, message: /./ }, `${field}: ${famfs.damage?.message ?? 'not told'}`);
    test.equal(famfs.entries, index);
    test.equal(walk(famfs).size, index);
    test.throws(() => famfs.create('new', 1), { code: 'EUCLEAN', message: new RegExp(`entry ${index} of the log: ${field.replaceAll(/[[\]]/g, '.')}`) });
    famfs.unmount();
  }
  test.end();
});

t.test('entries of another sort that are wrong', (test) => {
  const sample = sampleFor(test);
  const memory = Buffer.from(sample.memory);
  const last = memory.subarray(positionOf(sample.entries - 1), positionOf(sample.entries));
  const put = (change: (entry: Buffer) => void) => {
    change(last);
    storeChecksum(last, 0, 536, 536);
    return mounted(memory, sample);
  };
  const directory = (path: string) => (entry: Buffer) => { entry.fill(0, 8); entry.writeUInt32LE(1, 8); entry.write(path, 28); };
  test.match(put(directory('a')).damage, { field: 'path', message: /file/ });
  test.equal(put(directory('d/e')).damage, undefined, 'a directory again is no matter');
  const added = (index: number) => (entry: Buffer) => { entry.fill(0, 8); entry.writeUInt32LE(3, 8); entry.writeUInt32LE(index, 40); };
  test.match(put(added(2)).damage, { field: 'index' });
  test.equal(put(added(1)).devices.length, 1);
  const unknown = put((entry) => { entry.writeUInt32LE(77, 8); });
  test.match([unknown.damage, unknown.unknown], [undefined, { type: 77, entry: sample.entries - 1, count: 1 }]);
  test.throws(() => unknown.create('new', 1), { code: 'EOPNOTSUPP', message: /type 77/ });
  test.end();
});

t.test('superblocks and headers that are wrong are refused, by the name of the field', (test) => {
  const sample = sampleFor(test);
  const refused = (code: string, field: RegExp, change: (memory: Buffer) => void, at?: number) => {
    const memory = Buffer.from(sample.memory);
    change(memory);
    if (at !== undefined) storeChecksum(memory, at, at + (at === 0 ? 96 : 24), at + (at === 0 ? 96 : 24));
    test.throws(() => mounted(memory, sample), { code, message: field });
  };
  refused('EINVAL', /no famfs/, (memory) => memory.fill(0, 0, 8));
  refused('EUCLEAN', /superblock: crc/, (memory) => memory.writeUInt32LE(1, 60));
  refused('EUCLEAN', /superblock: crc/, (memory) => memory.writeUInt32LE(1, 100));
  refused('EOPNOTSUPP', /version: it is 46/, (memory) => memory.writeUInt32LE(46, 8), 0);
  refused('EOPNOTSUPP', /omf_ver: .*2\.3/, (memory) => memory.writeUInt32LE(3, 44), 0);
  refused('EOPNOTSUPP', /log_offset/, (memory) => memory.writeUInt32LE(4 * MIB, 16), 0);
  refused('EOPNOTSUPP', /alloc_unit/, (memory) => memory.writeUInt32LE(8192, 32), 0);
  refused('EUCLEAN', /log_len/, (memory) => memory.writeUInt32LE(9 * MIB, 24), 0);
  refused('EUCLEAN', /log_len/, (memory) => memory.writeUInt32LE(64 * MIB, 24), 0);
  refused('EUCLEAN', /header of the log: magic/, (memory) => memory.writeUInt32LE(1, HEADER));
  refused('EUCLEAN', /header of the log: crc/, (memory) => memory.writeUInt32LE(1, HEADER + 8));
  refused('EUCLEAN', /header of the log: len/, (memory) => memory.writeUInt32LE(16 * MIB, HEADER + 8), HEADER);
  refused('EUCLEAN', /header of the log: last_index/, (memory) => memory.writeUInt32LE(9038, HEADER + 16), HEADER);
  const counted = (change: (memory: Buffer) => void) => {
    const memory = Buffer.from(sample.memory);
    change(memory);
    return mounted(memory, sample);
  };
  const many = counted((memory) => memory.writeUInt32LE(15_421, HEADER + 40));
  test.match([many.damage, many.entries], [{ entry: undefined, field: 'next_index' }, 0]);
  const apart = counted((memory) => memory.writeUInt32LE(sample.entries + 2, HEADER + 32));
  test.match([apart.damage, apart.entries], [{ entry: undefined, field: 'next_seqnum' }, sample.entries]);
  test.throws(() => apart.mkdir('new'), { code: 'EUCLEAN' });
  for (const pos of [HEADER + 32, HEADER + 40]) {
    const cut = counted((memory) => memory.writeUInt32LE(sample.entries + 1, pos));
    test.match([cut.damage, cut.entries], [undefined, sample.entries], 'an append that was cut off');
    cut.mkdir('new');
    test.match([cut.damage, cut.refresh(), cut.entries], [undefined, [], sample.entries + 1]);
  }
  test.end();
});

t.test('mutations at random: an error, or what was there, and never the bytes of another file', { timeout: 1_200_000 }, (test) => {
  const sample = sampleFor(test);
  const random = seeded(test);
  const memory = Buffer.from(sample.memory);
  const end = positionOf(sample.entries);
  const rounds = amount({ short: 500, thorough: 40000, long: 200000 });
  const met = { refused: 0, damaged: 0, whole: 0 };
  for (let round = 0; round < rounds; round++) {
    const changed = new Set<number>();
    const isRepaired = random.below(2) === 1;
    for (let change = 0; change <= random.below(3); change++) {
      const place = random.below(10);
      const pos = place === 0 ? random.below(200) : place === 1 ? HEADER + random.below(48) : HEADER + 48 + random.below(end - HEADER - 48);
      const value = random.pick([0, 1, 0xff, random.below(256), (memory[pos] as number) ^ (1 << random.below(8))]);  
      memory[pos] = value;
      if (pos >= HEADER + 48) changed.add(Math.floor((pos - HEADER - 48) / ENTRY));
      else if (isRepaired) storeChecksum(memory, pos < HEADER ? 0 : HEADER, pos < HEADER ? 96 : HEADER + 24, pos < HEADER ? 96 : HEADER + 24);
    }
    if (isRepaired) for (const index of changed) storeChecksum(memory, positionOf(index), positionOf(index) + 536, positionOf(index) + 536);
    try {
      const famfs = mounted(memory, sample);
      const wrong: (string | undefined)[] = [checkApart(famfs)];
      for (const [, inode] of walk(famfs)) {
        const size = sample.sizes.get(inode.ino);
        if (inode.isRegular && size !== undefined && !(isRepaired && changed.has(inode.ino - 2))) wrong.push(wrongContent(famfs, inode.ino, inode.path, size));
        else if (inode.isRegular) {
          using file = famfs.open(inode, { readOnly: true });
          file.readSync(Buffer.alloc(PAGE), Math.max(0, inode.size - PAGE));
        }
      }
      const told = wrong.filter((one) => one !== undefined);
      if (told.length > 0) test.fail(`round ${round}: ${told.join('; ')}`);
      if (famfs.damage === undefined) met.whole++;
      else met.damaged++;
    } catch (error) {
      met.refused++;
      if (!(error instanceof DaxError)) throw error;
    }
    sample.memory.copy(memory, 0, 0, 200);
    sample.memory.copy(memory, HEADER, HEADER, end);
  }
  test.comment(`${rounds} mutations: ${JSON.stringify(met)}`);
  test.ok(met.refused > 0 && met.damaged > 0 && met.whole > 0);
  test.ok(crc32(memory) === crc32(sample.memory), 'reading has changed nothing');
  test.end();
});
