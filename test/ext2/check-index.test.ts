// check() reads the hash tree of an indexed directory as the kernel does. Its result is compared with that of e2fsck, for trees
// that e2fsck made and for the same trees with one change; each hash is compared with that of debugfs.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { check, describeFinding } from 'node-dax/ext2';
import { nameHash, type HashVersion } from '../../lib/ext2/format/name-hash.js';
import { e2fsckMissing } from '../helpers/e2fsck.js';
import { ImageDevice } from '../helpers/ext2-image.js';
import { loopMountMissing, withKernelMount } from '../helpers/kernel-mount.js';
import { seeded, type Random } from '../helpers/random.js';
import { amount, sample, THOROUGH } from '../helpers/thorough.js';

const NAMES = Number(process.env['NODE_DAX_TEST_NAMES'] ?? amount({ short: 100, thorough: 1000, long: 1000 }));
const UUID = '00112233-4455-6677-8899-aabbccddeeff';
const SEED_WORDS = [0x33221100, 0x77665544, 0xbbaa9988, 0xffeeddcc];
const VERSIONS: readonly [name: string, version: HashVersion][] = [['legacy', 0], ['half_md4', 1], ['tea', 2]];
const BLOCK = 1024;
const MOST_BLOCKS = 400;

const skip = e2fsckMissing() ?? false;
const folder = mkdtempSync('/dev/shm/node-dax-index-');
t.teardown(() => { rmSync(folder, { recursive: true }); });

function run(program: string, args: readonly string[], input: string | Buffer = ''): { status: number | null; output: string } {
  const env = { ...process.env, LC_ALL: 'C' };
  const { status, stdout } = spawnSync(program, args, { encoding: 'latin1', input, env, maxBuffer: 2 ** 26 });
  return { status, output: stdout };
}

// Of bytes that debugfs takes as one word.
function randomName(random: Random, least = 1, most = 255): string {
  const length = least + random.below(most - least + 1);
  return Array.from({ length }, () => String.fromCharCode(random.pick([0x61, 0x30, 0xa1, 0x41]) + random.below(10) + random.below(16))).join('');
}

t.test('each hash is what debugfs says', { skip }, (test) => {
  const random = seeded(test);
  const names = ['a', 'abc', 'abcd', ...Array.from({ length: NAMES }, () => randomName(random))];
  for (const [alg, version] of VERSIONS) {
    for (const seed of [undefined, UUID]) {
      for (const isSigned of [true, false]) {
        const algorithm = isSigned ? alg : String(version + 3);
        const lines = names.map((name) => `dx_hash -h ${algorithm} ${seed === undefined ? '' : `-s ${seed} `}${name}\n`);
        const { output } = run('debugfs', ['-f', '-'], Buffer.from(lines.join(''), 'latin1'));
        const told = [...output.matchAll(/is 0x([0-9a-f]+) \(minor/g)].map(([, hash]) => parseInt(hash as string, 16));
        const ours = names.map((name) => nameHash(version, name, { seed: seed === undefined ? [0, 0, 0, 0] : SEED_WORDS, isSigned }));
        const apart = names.filter((_, index) => ours[index] !== told[index]);
        test.equal(told.length, names.length);
        test.strictSame(apart, [], `${alg} ${isSigned ? 'signed' : 'unsigned'} ${seed ?? ''}`);
      }
    }
  }
  test.end();
});

/** An image with directories that e2fsck gave an index: `small` of a root and leaves, `deep` with nodes between. */
function makeIndexed(alg: string, isUnsigned: boolean, random: Random): Buffer {
  const path = join(folder, 'indexed');
  const source = join(folder, `source-${alg}-${isUnsigned}`);
  for (const [name, count, least] of [['small', 200, 1], ['deep', 700, 200]] as const) {
    mkdirSync(join(source, name), { recursive: true });
    for (let index = 0; index < count; index++) {
      const file = `${index}-${randomName(random, least, 240)}`;
      writeFileSync(Buffer.concat([Buffer.from(join(source, name, '/')), Buffer.from(file, 'latin1')]), '');
    }
  }
  writeFileSync(path, Buffer.alloc(2 ** 21));
  run('mke2fs', ['-q', '-F', '-t', 'ext2', '-b', `${BLOCK}`, '-N', '1200', '-O', 'dir_index', '-E', `hash_seed=${UUID}`, '-d', source, path]);
  run('debugfs', ['-w', '-f', '-', path], `ssv def_hash_version ${alg}\nssv flags ${isUnsigned ? 2 : 1}\n`);
  const { status, output } = run('e2fsck', ['-fyD', path]);
  if (status !== 1 && status !== 0) throw new Error(`e2fsck -fD ${status}: ${output}`);
  return readFileSync(path);
}

function verdicts(image: Buffer): { ours: string[]; theirs: number | null; output: string } {
  const path = join(folder, 'judged');
  writeFileSync(path, image);
  const { status, output } = run('e2fsck', ['-fn', path]);
  return { ours: check(new ImageDevice(image)).findings.map(describeFinding), theirs: status, output };
}

// Where the blocks of a directory are, in bytes.
function blocksOf(image: Buffer, name: string): number[] {
  const path = join(folder, 'blocks');
  writeFileSync(path, image);
  const commands = Array.from({ length: MOST_BLOCKS }, (_, iblock) => `bmap /${name} ${iblock}\n`);
  const { output } = run('debugfs', ['-f', '-', path], commands.join(''));
  const numbers = [...output.matchAll(/^\d+$/gm)].map(([number]) => Number(number));
  return numbers.filter((block) => block !== 0).map((block) => block * BLOCK);
}

/** Where an index is, in bytes: its root, the entries that lead to leaves, and where those lead. */
interface Place {
  readonly root: number;
  /** The counts, in place of the hash of the first entry. */
  readonly entries: number;
  readonly count: number;
  readonly leafOf: (entry: number) => number;
}

const countsIn = (root: number): number => root + 32;
const entryAt = ({ entries }: Place, index: number): number => entries + 8 * index;

function placeOf(image: Buffer, name: string): Place {
  const blocks = blocksOf(image, name);
  const root = blocks[0] as number;
  const levels = image[root + 30] as number;
  const entries = levels === 0 ? countsIn(root) : (blocks[image.readUInt32LE(countsIn(root) + 4)] as number) + 8;
  const leafOf = (entry: number): number => blocks[image.readUInt32LE(entries + 8 * entry + 4)] as number;
  return { root, entries, count: image.readUInt16LE(entries + 2), leafOf };
}

interface Change {
  readonly what: string;
  readonly finding: RegExp;
  readonly make: (image: Buffer, place: Place, random: Random) => void;
}

function swap(image: Buffer, one: number, other: number, length: number): void {
  const kept = Buffer.from(image.subarray(one, one + length));
  image.copy(image, one, other, other + length);
  kept.copy(image, other);
}

const CHANGES: readonly Change[] = [
  {
    what: 'a leaf of another',
    finding: /where its index does not lead/,
    make: (image, { count, leafOf }, random) => {
      const at = random.below(count - 1);
      swap(image, leafOf(at), leafOf(at + 1), BLOCK);
    },
  },
  { what: 'a lower hash', finding: /where its index does not lead/, make: (image, place) => { image.writeUInt32LE(2, entryAt(place, 1)); } },
  {
    what: 'a higher hash',
    finding: /where its index does not lead|out of order/,
    make: (image, place) => { image.writeUInt32LE(0xfffffff0, entryAt(place, place.count - 1)); },
  },
  {
    what: 'entries in another order',
    finding: /out of order/,
    make: (image, place, random) => {
      const at = 1 + random.below(place.count - 2);
      swap(image, entryAt(place, at), entryAt(place, at + 1), 4);
    },
  },
  { what: 'a block twice', finding: /twice/, make: (image, place) => { image.copy(image, entryAt(place, 1) + 4, entryAt(place, 0) + 4, entryAt(place, 0) + 8); } },
  { what: 'a block that is not there', finding: /which is not there/, make: (image, place) => { image.writeUInt32LE(5000, entryAt(place, 1) + 4); } },
  { what: 'the root as a leaf', finding: /twice/, make: (image, place) => { image.writeUInt32LE(0, entryAt(place, 1) + 4); } },
  { what: 'one entry less', finding: /where its index does not lead/, make: (image, { entries, count }) => { image.writeUInt16LE(count - 1, entries + 2); } },
  { what: 'no entries', finding: /with 0 of/, make: (image, { entries }) => { image.writeUInt16LE(0, entries + 2); } },
  { what: 'another limit', finding: /in a block with room for/, make: (image, { entries }) => { image.writeUInt16LE(100, entries); } },
  { what: 'another hash', finding: /where its index does not lead/, make: (image, { root }) => { image[root + 28] = ((image[root + 28] as number) + 1) % 3; } },
  { what: 'a hash that is unknown', finding: /hashes of version 9/, make: (image, { root }) => { image[root + 28] = 9; } },
  { what: 'flags', finding: /flags that nobody knows/, make: (image, { root }) => { image[root + 31] = 1; } },
  { what: 'three levels', finding: /with 3 levels/, make: (image, { root }) => { image[root + 30] = 3; } },
  { what: 'a short root', finding: /without a root/, make: (image, { root }) => { image[root + 29] = 4; } },
  { what: 'something where zeros must be', finding: /without a root/, make: (image, { root }) => { image.writeUInt32LE(7, root + 24); } },
];

for (const [alg] of VERSIONS) {
  // A short run has each algorithm, and both signs.
  for (const isUnsigned of THOROUGH ? [false, true] : [alg === 'tea']) {
    t.test(`an index of ${alg}, ${isUnsigned ? 'unsigned' : 'signed'}`, { skip }, (test) => {
      const random = seeded(test);
      const base = makeIndexed(alg, isUnsigned, random);
      const whole = verdicts(Buffer.from(base));
      test.strictSame(whole.ours, []);
      test.equal(whole.theirs, 0, whole.output);
      const { levels } = levelsOf(base);
      test.strictSame(levels, [0, 1], 'the levels of nodes in each');
      for (const name of ['small', 'deep']) {
        const place = placeOf(base, name);
        // What does not depend on the hash is tried with one of them.
        const changes = alg === 'half_md4' && !isUnsigned ? CHANGES : CHANGES.slice(0, 2);
        for (const { what, finding, make } of name === 'small' ? changes : sample(changes, 4)) {
          const image = Buffer.from(base);
          make(image, place, random);
          const { ours, theirs, output } = verdicts(image);
          test.equal(theirs, 4, `${name}: ${what}: e2fsck`, { output });
          test.ok(ours.some((text) => finding.test(text)), `${name}: ${what}: ${finding}`, { ours, output });
        }
      }
      checkOtherSeed(test, base, isUnsigned);
      test.end();
    });
  }
}

function levelsOf(image: Buffer): { levels: number[] } {
  return { levels: ['small', 'deep'].map((name) => image[(blocksOf(image, name)[0] as number) + 30] as number) };
}

// What all hashes depend on is in the superblock.
function checkOtherSeed(test: Test, base: Buffer, isUnsigned: boolean): void {
  for (const [what, change] of [
    ['the other sign', (image: Buffer) => { image.writeUInt32LE(isUnsigned ? 1 : 2, 1024 + 352); }],
    ['no feature dir_index', (image: Buffer) => { image.writeUInt32LE(image.readUInt32LE(1024 + 92) - 0x20, 1024 + 92); }],
  ] as const) {
    const image = Buffer.from(base);
    change(image);
    const { ours, theirs, output } = verdicts(image);
    test.equal(theirs, 4, `${what}: e2fsck`, { output });
    test.ok(ours.some((text) => text.includes('index')), what, { ours });
  }
}

t.test('an index that the kernel made and changed', { skip: skip === false ? (loopMountMissing() ?? false) : skip }, (test) => {
  const random = seeded(test);
  const path = join(folder, 'kernel');
  writeFileSync(path, Buffer.alloc(2 ** 22));
  run('mke2fs', ['-q', '-F', '-t', 'ext2', '-b', `${BLOCK}`, '-N', '2000', '-O', 'dir_index', path]);
  // The driver of ext4 keeps an index; that of ext2 does not make one.
  withKernelMount(path, { type: 'ext4' }, ({ fs, root }) => {
    const at = Buffer.from(join(root, 'd', '/'));
    fs.mkdirSync(at);
    const names = Array.from({ length: 1500 }, (_, index) => Buffer.from(`${index}${randomName(random, 60, 200)}`, 'latin1'));
    for (const name of names) fs.writeFileSync(Buffer.concat([at, name]), '');
    for (const name of names) if (random.below(3) === 0) fs.unlinkSync(Buffer.concat([at, name]));
  });
  const { ours, theirs, output } = verdicts(readFileSync(path));
  test.strictSame(ours, []);
  test.equal(theirs, 0, output);
  test.match(run('debugfs', ['-R', 'htree_dump /d', path]).output, /Indirect levels: 1/);
  test.end();
});
