// check() says of sound images what e2fsck says, knows leaks from errors, and ends on whatever is on the medium.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, linkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DaxError, openSync } from 'node-dax';
import { check, describeFinding, mkfsSync, type CheckReport, type FindingClass } from 'node-dax/ext2';
import { RecordingDevice } from 'node-dax/testkit';
import { e2fsckMissing } from '../helpers/e2fsck.js';
import { randomFrom } from '../helpers/random.js';
import { amount, sample } from '../helpers/thorough.js';

const MUTATIONS = Number(process.env['NODE_DAX_TEST_MUTATIONS'] ?? amount({ short: 15, thorough: 100, long: 300 }));
const SEED = Number(process.env['NODE_DAX_TEST_SEED'] ?? 20_240_607);
const UUID = '00112233-4455-6677-8899-aabbccddeeff';
const CORPUS = join(__dirname, '..', '..', '..', '..', 'shared', 'corpora', 'e2fsprogs-ext2-82.tar.xz');

const missing = e2fsckMissing() ?? false;
const folder = mkdtempSync('/dev/shm/node-dax-check-');
t.teardown(() => { rmSync(folder, { recursive: true }); });

function run(command: string, args: readonly string[], input = ''): { status: number | null; output: string } {
  const options = { encoding: 'latin1' as const, input, env: { ...process.env, LC_ALL: 'C', E2FSPROGS_FAKE_TIME: '1700000000' }, timeout: 30_000, maxBuffer: 2 ** 26 };
  const { status, stdout } = spawnSync(command, args, options);
  return { status, output: stdout };
}

/** An image with some of everything, of 1 MiB. */
function makeBase(): Buffer {
  const source = join(folder, 'source');
  const path = join(folder, 'base');
  mkdirSync(join(source, 'a', 'b'), { recursive: true });
  mkdirSync(join(source, 'empty'));
  for (let index = 0; index < 20; index++) writeFileSync(join(source, 'a', `f${index}`), Buffer.alloc(index * 3000, 'x'));
  symlinkSync('short', join(source, 'fast'));
  symlinkSync('x'.repeat(200), join(source, 'slow'));
  linkSync(join(source, 'a', 'f3'), join(source, 'a', 'b', 'hard'));
  // The same bytes each time: a seed stands for the same changes.
  run('find', [source, '-exec', 'touch', '-h', '-d', '@1700000000', '{}', '+']);
  writeFileSync(path, Buffer.alloc(2 ** 20));
  run('mke2fs', ['-q', '-F', '-t', 'ext2', '-b', '1024', '-U', UUID, '-E', `hash_seed=${UUID}`, '-d', source, path]);
  const commands = ['ea_set /a/f1 user.x hello', `ea_set /a/f2 user.big ${'y'.repeat(180)}`, 'mknod device c 3 4', 'mknod pipe p'];
  run('debugfs', ['-w', '-f', '-', path], `${commands.join('\n')}\n`);
  return readFileSync(path);
}

const base = missing === false ? makeBase() : Buffer.alloc(0);

function checkImage(image: Uint8Array): CheckReport {
  return check(new RecordingDevice(image.length, image));
}

function words({ findings }: CheckReport): string[] {
  return findings.map(describeFinding);
}

function worst({ totals }: CheckReport): FindingClass | 'clean' {
  return (['error', 'leak', 'count', 'unclean'] as const).find((kind) => totals[kind] > 0) ?? 'clean';
}

t.test('what mkfs and mke2fs make is clean', { skip: missing }, (test) => {
  const report = checkImage(Buffer.from(base));
  test.strictSame(words(report), []);
  test.match(report, { isClean: true, isSound: true, directories: 5 });
  for (const options of [{}, { revision: 0 as const }, { blockSize: 4096, inodeSize: 128 }, { blockSize: 2048 }]) {
    const device = new RecordingDevice(40 * 2 ** 20);
    mkfsSync(device, options);
    const made = check(device);
    test.strictSame(words(made), [], JSON.stringify(options));
    test.equal(made.usedInodes, options.revision === 0 ? 2 : 3);
  }
  test.end();
});

const BROKEN: [commands: string[], worst: FindingClass | 'clean', finding: RegExp][] = [
  [['ssv state 0'], 'unclean', /superblock: it was not cleanly unmounted/],
  [['ssv free_blocks_count 100'], 'count', /superblock: counts 100 free blocks, there are/],
  [['set_bg 0 free_blocks_count 7', 'set_bg 0 used_dirs_count 9'], 'count', /group 0: counts 9 directories, has 5/],
  [['sif /a/f3 blocks 4'], 'count', /inode \d+: i_blocks is 4, should be 18/],
  [['sif /a/f9 size 1024'], 'count', /i_size is 1024, and block 26 of it is there/],
  [['setb 900 3'], 'leak', /^block 900 to 902: is marked as in use, and is not/],
  [['seti <100>'], 'leak', /^inode 100: is marked as in use, and is not/],
  [['sif /a/f5 links_count 5'], 'leak', /counts 5 names, has 1/],
  [['unlink /a/f5'], 'leak', /has no name/],
  [['unlink /empty'], 'leak', /has no name/],
  [['sif /a/f5 links_count 0', 'unlink /a/f5'], 'leak', /was open without a name/],
  [['ln /empty /a/other', 'sif /empty links_count 3'], 'leak', /is a directory with 2 names/],
  [['freeb 150'], 'error', /^block 150: is in use, and is marked as free/],
  [['freei /a/f5'], 'error', /^inode \d+: is in use, and is marked as free/],
  [['sif /a/f5 block[0] 200'], 'error', /inode \d+, block 200: is claimed twice/],
  [['clri /a/f5'], 'error', /has "f5" for inode \d+, which is not in use/],
  [['sif /a/f5 block[0] 99999'], 'error', /block 99999: does not exist, and a pointer leads there/],
  [['sif /a/f19 block[IND] 99999'], 'error', /block 99999: does not exist/],
  [['sif /a/f5 block[0] 1'], 'error', /block 1: is claimed twice/],
  [['zap_block -f /a 0'], 'error', /does not begin with '\.'|has an entry that cannot be/],
  [['ln /a/f5 /f2'], 'error', /counts 1 names, has 2/],
  [['sif /a block[0] 0'], 'error', /does not begin|is a directory without blocks|has a hole/],
  [['sif /a/f5 mode 0120644'], 'error', /is a symbolic link/],
  [['sif /a/f5 mode 0170644'], 'error', /has mode 170644/],
  [['sif /a/f5 dtime 123456789'], 'error', /is in use, and was deleted/],
  [['sif /a/f5 flags 0x80000'], 'error', /the flag EXTENTS/],
  [['sif /a/f5 file_acl 5'], 'error', /block 5: is claimed twice|is no block of attributes/],
  [['sif <7> block[DIND] 0'], 'error', /does not keep the reserve/],
  [['ssv last_orphan 3'], 'unclean', /is in the list of orphans, and cannot be/],
  [['ssv r_blocks_count 800'], 'error', /800 blocks are reserved/],
  [['set_bg 0 inode_table 2000'], 'error', /the inode table is outside the group/],
  [['set_bg 0 block_bitmap 2'], 'error', /the block bitmap lies on other tables/],
  [['ln /a /a/b/loop', 'unlink /a'], 'error', /within itself/],
];

t.test('holes of an image stay holes, and tell what zeros tell', { skip: missing }, (test) => {
  const path = join(folder, 'sparse');
  writeFileSync(path, '');
  truncateSync(path, 2 ** 26);
  run('mke2fs', ['-q', '-F', '-t', 'ext2', '-b', '4096', '-g', '4096', '-d', join(folder, 'source'), path]);
  const checkFile = (): CheckReport => {
    using device = openSync(path, { readOnly: true });
    return check(device);
  };
  const { blocks } = statSync(path);
  const sparse = checkFile();
  test.equal(statSync(path).blocks, blocks, 'nothing was filled');
  const dense = (): CheckReport => checkImage(readFileSync(path));
  test.match(sparse, { isClean: true, directories: 5 });
  test.strictSame(sparse, dense());
  // Blocks and inodes that nobody has, of groups with nothing in them, and of those with files.
  run('debugfs', ['-w', '-f', '-', path], 'setb 15000 3\nsetb 9000\nfreeb 5\nseti <5000>\nfreei <2>\nclri <12>\n');
  test.strictSame(words(checkFile()), words(dense()));
  test.ok(checkFile().totals.leak > 0);
  // The root is in a hole as well.
  const root = /table at (\d+)/i.exec(run('dumpe2fs', [path]).output)?.[1];
  spawnSync('fallocate', ['-p', '-o', String(Number(root) * 4096), '-l', '4096', path]);
  test.strictSame(words(checkFile()), words(dense()));
  test.match(words(checkFile()).join(), /is the root, and no directory/);
  test.end();
});

t.test('it tells leaks from errors', { skip: missing }, (test) => {
  const path = join(folder, 'broken');
  for (const [commands, expected, finding] of sample(BROKEN, 6)) {
    writeFileSync(path, base);
    run('debugfs', ['-w', '-f', '-', path], `${commands.join('\n')}\n`);
    const { status, output } = run('e2fsck', ['-fn', path]);
    const report = checkImage(readFileSync(path));
    const what = commands.join('; ');
    test.equal(worst(report), expected, what, { found: words(report) });
    test.ok(words(report).some((text) => finding.test(text)), `${what}: ${finding}`, { found: words(report) });
    test.equal(report.isClean, status === 0 && !output.includes('count wrong'), `${what}: e2fsck ${status}`, { output });
    test.equal(report.isSound, expected !== 'error');
  }
  test.end();
});

t.test('on images with changed bytes it agrees with e2fsck', { skip: missing }, (test) => {
  test.comment(`NODE_DAX_TEST_SEED=${SEED}`);
  const random = randomFrom(SEED);
  const path = join(folder, 'mutated');
  const apart: string[] = [];
  let clean = 0;
  for (let round = 0; round < MUTATIONS; round++) {
    const image = Buffer.from(base);
    const changes: string[] = [];
    for (let left = 1 + random.below(3); left > 0; left--) {
      const places = Array.from({ length: 10 }, () => 1024 + random.below(60 * 1024));
      const pos = places.find((place) => base[place] !== 0) ?? 1024;
      image[pos] = random.below(256);
      changes.push(`${pos}: ${base[pos] ?? ''} -> ${image[pos] ?? ''}`);
    }
    let verdict: boolean | undefined;
    try {
      verdict = checkImage(image).isClean;
    } catch (error) {
      if (!(error instanceof DaxError)) throw error;
    }
    writeFileSync(path, image);
    const { status, output } = run('e2fsck', ['-fn', path]);
    // It takes another superblock, and has opinions about clocks; a free count above all blocks it forgets.
    if (/trying backup|in the future/.test(output)) continue;
    if (verdict === true) clean++;
    if ((verdict ?? false) !== (status === 0)) apart.push(`${changes.join(', ')}: e2fsck ${status}`);
  }
  test.ok(clean > MUTATIONS / 20, `${clean} of ${MUTATIONS} are clean`);
  test.strictSame(apart, []);
  test.end();
});

// What e2fsck does and this check does not: other block sizes, other superblocks.
const APART = new Map([
  ['f_16384_block', 'EOPNOTSUPP'],
  ['f_8192_block', 'EOPNOTSUPP'],
  ['f_crashdisk', 'EUCLEAN'],
  ['f_zero_inode_size', 'EUCLEAN'],
]);

const noCorpus = existsSync(CORPUS) ? missing : 'the corpus of e2fsprogs is not beside the project';

t.test('the images of e2fsprogs', { skip: noCorpus }, (test) => {
  const images = join(folder, 'images');
  mkdirSync(images);
  run('tar', ['-xSf', CORPUS, '-C', images]);
  const names = run('ls', [images]).output.trim().split('\n');
  test.equal(names.length, 82);
  for (const file of sample(names, 20)) {
    const path = join(images, file);
    const name = file.replace(/\.img$/, '');
    let found: string;
    try {
      using device = openSync(path, { readOnly: true });
      found = check(device).isClean ? 'clean' : 'not clean';
    } catch (error) {
      if (!(error instanceof DaxError)) throw error;
      found = error.code;
    }
    const apart = APART.get(name);
    if (apart !== undefined) {
      test.equal(found, apart, name);
      continue;
    }
    // This one takes e2fsck very long.
    const status = name === 'f_misstable' ? 4 : run('e2fsck', ['-fn', path]).status;
    test.equal(found, status === 0 ? 'clean' : 'not clean', `${name}: e2fsck ${status}`);
  }
  test.end();
});

t.test('it keeps as many findings as it is told to, and counts all', (test) => {
  const device = new RecordingDevice(2 ** 20);
  mkfsSync(device, { blockSize: 1024 });
  const bitmap = new Uint8Array(64).fill(0x55);
  device.writeSync(bitmap, 6 * 1024);
  const report = check(device, { limit: 3 });
  test.equal(report.findings.filter((finding) => finding.class === 'leak').length, 3);
  test.ok(report.totals.leak > 100);
  test.throws(() => check(device, { limit: -1 }), RangeError);
  test.throws(() => check(new RecordingDevice(4096)), { code: 'EINVAL' });
  test.throws(() => check(new RecordingDevice(2 ** 20)), { code: 'EINVAL' });
  test.end();
});
