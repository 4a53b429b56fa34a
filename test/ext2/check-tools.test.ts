// check() and e2fsck say the same of what the tools of e2fsprogs make and leave; each image is made by the real tool.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { check, describeFinding, mount } from 'node-dax/ext2';
import { ext2 } from '../helpers/ext2-command.js';
import { scratchPath } from '../helpers/devices.js';
import { afterDebugfs, debugfs, e2fsprogsMissing, ImageDevice, withFile } from '../helpers/ext2-image.js';
import { sample } from '../helpers/thorough.js';
import { entryHash } from '../../lib/ext2/format/xattr-hash.js';

const skip = e2fsprogsMissing() ?? false;
const SUPERBLOCK = 1024;
const DESCRIPTORS = 2048;
const LEAST = ['write /etc/passwd f', 'mkdir d', 'mknod p p', 'ea_set f user.abc hello', `ea_set d user.big ${'y'.repeat(300)}`];

interface Case {
  readonly what: string;
  /** Of mke2fs. */
  readonly options?: readonly string[];
  readonly size?: number;
  readonly requests?: readonly string[];
  /** Of tune2fs. */
  readonly tune?: readonly string[];
  readonly patch?: (bytes: Buffer) => void;
  readonly finding?: RegExp;
  /** What e2fsck exits with 4 for, and nobody is harmed by. */
  readonly isSound?: boolean;
}

function make({ options = ['-t', 'ext2'], size = 1024 ** 2, requests = [], tune, patch }: Case): Uint8Array {
  return withFile((path) => {
    writeFileSync(path, '');
    truncateSync(path, size);
    execFileSync('mke2fs', ['-q', '-F', '-b', '1024', ...options, path], { stdio: 'ignore' });
    writeFileSync(path, afterDebugfs(new Uint8Array(readFileSync(path)), [...LEAST, ...requests]));
    if (tune !== undefined) execFileSync('tune2fs', [...tune, path], { stdio: 'ignore' });
    const bytes = readFileSync(path);
    patch?.(bytes);
    return new Uint8Array(bytes);
  });
}

const word = (at: number, value: number) => (bytes: Buffer) => { bytes.writeUInt32LE(value, at); };
const half = (at: number, value: number) => (bytes: Buffer) => { bytes.writeUInt16LE(value, at); };

/** The bytes of the first block of the root. */
function inRoot(change: (block: Buffer) => void): (bytes: Buffer) => void {
  return (bytes) => {
    const block = Number(debugfs(bytes, 'blocks /').toString().trim().split(/\s+/).at(-1));
    change(bytes.subarray(block * 1024));
  };
}

/** An entry of attributes gets the name `name`, and the hash that goes with it. */
function renamed(entry: 'in the inode' | 'in a block', name: Buffer, isSigned: boolean): (bytes: Buffer) => void {
  return (bytes) => {
    const at = entryAt(bytes, entry === 'in the inode' ? 'abc' : 'big');
    const value = entry === 'in the inode' ? Buffer.from('hello') : Buffer.alloc(300, 'y');
    name.copy(bytes, at + 16);
    bytes.writeUInt32LE(entryHash(name, value, isSigned), at + 12);
  };
}

function entryAt(bytes: Buffer, name: string): number {
  for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) {
    if (bytes[at - 16] === name.length && bytes[at - 15] === 1 && bytes.readUInt32LE(at - 12) === 0) return at - 16;
  }
  throw new Error(`there is no entry ${name}`);
}

const HIGH = Buffer.from('\xe4b\xff', 'latin1');

/** A big-endian number in the superblock of the journal. */
function ofJournal(offset: number, value: number, version = 4): (bytes: Buffer) => void {
  return (bytes) => {
    const at = journalIn(bytes);
    bytes.writeUInt32BE(version, at + 4);
    bytes.writeUInt32BE(value, at + offset);
  };
}

function journalIn(bytes: Buffer): number {
  return bytes.indexOf(Buffer.from([0xc0, 0x3b, 0x39, 0x98]));
}

// CRC-32C bit by bit, of which e2fsck says whether it is right.
function checksum(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc = (crc ^ byte) >>> 0;
    for (let bit = 0; bit < 8; bit++) crc = ((crc >>> 1) ^ (crc % 2 === 1 ? 0x82f63b78 : 0)) >>> 0;
  }
  return crc;
}

/** A journal with features of checksums, of that type, and with a checksum that is off by `wrong`. */
function summed(incompat: number, { type = 4, compat = 0, wrong = 0, errno = 0 } = {}): (bytes: Buffer) => void {
  return (bytes) => {
    const at = journalIn(bytes);
    const superblock = bytes.subarray(at, at + 1024);
    superblock.writeUInt32BE(errno, 32);
    superblock.writeUInt32BE(compat, 36);
    superblock.writeUInt32BE(incompat, 40);
    superblock[80] = type;
    superblock.writeUInt32BE((checksum(superblock) ^ wrong) >>> 0, 252);
  };
}

// By the offsets of jbd2's superblock: what e2fsck minds, and what it does not.
const JOURNALS: readonly Partial<Case>[] = [
  ...[0, 4096].map((value) => ({ what: `blocks of ${value} bytes`, patch: ofJournal(12, value), finding: /has blocks of/ })),
  { what: 'blocks of 2048 bytes in version 1', patch: ofJournal(12, 2048, 3), finding: /has blocks of/ },
  { what: 'as many blocks as it has', patch: ofJournal(16, 1024) },
  ...[3, 4].map((version) => ({ what: `more blocks than it has in version ${version}`, patch: ofJournal(16, 1025, version), finding: /says that it has 1025 blocks/ })),
  { what: 'an incompatible feature', patch: ofJournal(40, 0x40), finding: /features that nobody knows/ },
  { what: 'the feature async_commit', patch: ofJournal(40, 4) },
  { what: 'a read-only feature', patch: ofJournal(44, 1), finding: /features that nobody knows/ },
  { what: 'a feature in version 1', patch: ofJournal(40, 0x40, 3) },
  { what: 'two users', patch: ofJournal(64, 2), finding: /2 filesystems/ },
  { what: 'two users in version 1', patch: ofJournal(64, 2, 3) },
  ...[3, 4].map((version) => ({ what: `an error in version ${version}`, patch: ofJournal(32, 2 ** 32 - 5, version), finding: /a note of error -5/ })),
  ...[0x08, 0x10].flatMap((feature): Partial<Case>[] => [
    { what: `checksums ${feature}`, patch: summed(feature) },
    { what: `checksums ${feature}, wrong`, patch: summed(feature, { wrong: 1 }), finding: /a wrong checksum/ },
    { what: `checksums ${feature}, of another kind`, patch: summed(feature, { type: 1 }), finding: /of kind 1,/ },
    { what: `checksums ${feature}, and the first kind`, patch: summed(feature, { compat: 1 }), finding: /two kinds/ },
    { what: `checksums ${feature}, and an error`, patch: summed(feature, { errno: 1 }), finding: /a note of error 1,/ },
  ]),
  { what: 'both kinds of checksums', patch: summed(0x18), finding: /two kinds/ },
  { what: 'a checksum that nobody asks for', patch: summed(0, { wrong: 1 }) },
  { what: 'no room beside fast commits', patch: ofJournal(40, 0x20), finding: /keeps 256 of its 1024 blocks/ },
];

const CASES: readonly Case[] = [
  { what: 'mke2fs' },
  { what: 'inodes marked as uninitialised', patch: half(DESCRIPTORS + 18, 1), finding: /has inodes in use, and is marked as having none/ },
  { what: 'blocks marked as uninitialised', patch: half(DESCRIPTORS + 18, 2), finding: /uninitialised/ },
  { what: 'unused inodes counted', patch: half(DESCRIPTORS + 28, 5), finding: /uninitialised/ },
  { what: 'the flag of zeroed tables', patch: half(DESCRIPTORS + 18, 4) },
  ...[64, 1024].map((size): Case => ({ what: `s_desc_size ${size}`, requests: [`ssv desc_size ${size}`] })),
  ...[63, 1000, 2048].map((size): Case => ({ what: `s_desc_size ${size}`, requests: [`ssv desc_size ${size}`], finding: /s_desc_size is/ })),
  { what: 'the inode of a journal without the feature', requests: ['ssv journal_inum 8'], finding: /is no journal/ },
  { what: 'the uuid of a journal without the feature', patch: word(SUPERBLOCK + 208, 1), finding: /has a journal, and the feature/ },
  { what: 'the device of a journal without the feature', requests: ['ssv journal_dev 5'] },
  { what: 'the feature without a journal', requests: ['feature has_journal'], finding: /it has no journal/ },
  { what: 'a journal that is none', requests: ['feature has_journal', 'ssv journal_inum 12'], finding: /is no journal/ },
  { what: 'a journal without the feature', options: ['-t', 'ext3'], size: 4 * 1024 ** 2, requests: ['feature -has_journal'], finding: /has a journal, and the feature/ },
  { what: 'ext3', options: ['-t', 'ext3'], size: 4 * 1024 ** 2 },
  ...JOURNALS.map(({ what = '', ...rest }): Case => ({ what: `a journal with ${what}`, options: ['-t', 'ext3'], size: 4 * 1024 ** 2, ...rest })),
  ...[7168, 7169].map((blocks): Case => ({
    what: `a journal with ${blocks} blocks for fast commits`,
    options: ['-t', 'ext3', '-J', 'size=8'],
    size: 64 * 1024 ** 2,
    patch: (bytes) => { ofJournal(40, 0x20)(bytes); ofJournal(84, blocks)(bytes); },
    ...(blocks > 7168 && { finding: /keeps 7169 of its 8192 blocks/ }),
  })),
  { what: 'ext3 without its journal', options: ['-t', 'ext3'], size: 4 * 1024 ** 2, tune: ['-O', '^has_journal'] },
  { what: 'ext3 with orphan_file', options: ['-t', 'ext3', '-O', 'orphan_file'], size: 4 * 1024 ** 2 },
  { what: "'.' without its NUL", patch: inRoot((block) => { block[9] = 65; }), finding: /does not begin with '\.'/ },
  { what: "'..' without its NUL", patch: inRoot((block) => { block[12 + 10] = 65; }), finding: /has no '\.\.'/ },
  { what: 'an attribute of no name', patch: (bytes) => { bytes[entryAt(bytes, 'big') + 1] = 0; }, finding: /an attribute without a name/ },
  ...(['in the inode', 'in a block'] as const).flatMap((entry) =>
    [true, false].map((isSigned): Case => ({ what: `a hash of ${isSigned ? 'signed' : 'unsigned'} bytes ${entry}`, patch: renamed(entry, HIGH, isSigned) })),
  ),
  { what: 'a wrong hash', patch: (bytes) => { bytes.writeUInt32LE(5, entryAt(bytes, 'big') + 12); }, finding: /a wrong hash/ },
  { what: 'a large file without the feature', options: ['-t', 'ext2', '-O', '^large_file'], requests: ['sif f size 0x80000000'], finding: /large_file/ },
  { what: 'a file that is not large yet', options: ['-t', 'ext2', '-O', '^large_file'], requests: ['sif f size 0x7fffffff'] },
  ...[3, 12, 50, 99_999].map((ino): Case => ({ what: `s_last_orphan ${ino}`, requests: [`ssv last_orphan ${ino}`] })),
  { what: 'tune2fs -O ^resize_inode', tune: ['-O', '^resize_inode'], finding: /the feature resize_inode is not there/ },
  { what: 'the same of 64 MiB', size: 64 * 1024 ** 2, tune: ['-O', '^resize_inode'], finding: /the feature resize_inode is not there/ },
  { what: 'tune2fs -O ^filetype', tune: ['-O', '^filetype'], finding: /has types of entries/, isSound: true },
  { what: 'revision 0 with flags', options: ['-t', 'ext2', '-r', '0', '-O', 'none', '-I', '128'], requests: ['ea_rm f user.abc', 'ea_rm d user.big'], patch: word(SUPERBLOCK + 92, 8) },
];

t.test('what the tools make and leave', { skip }, (t) => {
  for (const made of sample(CASES, 12)) {
    const image = make(made);
    const { status, output } = withFile((path) => {
      writeFileSync(path, image);
      const { status, stdout } = spawnSync('e2fsck', ['-fn', path], { encoding: 'latin1', env: { ...process.env, LC_ALL: 'C' } });
      return { status, output: stdout };
    });
    const { isClean, isSound, findings } = check(new ImageDevice(image));
    const told = findings.map(describeFinding);
    // Its exit status does not tell of wrong counts in the superblock alone.
    t.equal(isClean, status === 0 && !output.includes('count wrong'), made.what, { output, told });
    t.equal(isSound, made.isSound ?? isClean, `${made.what}: sound`, { told });
    const pattern = made.finding ?? /^superblock: it was not cleanly unmounted$|^inode \d+: is in the list of orphans/;
    const isTold = told.some((text) => pattern.test(text));
    t.ok(made.finding === undefined ? told.every((text) => pattern.test(text)) : isTold, `${made.what}: the finding`, { told });
  }
  t.end();
});

t.test('what is sound is used, and stays sound', { skip }, (t) => {
  for (const made of sample(CASES.filter(({ what }) => /s_last_orphan|tune2fs -O|orphan_file|signed bytes|uninitialised/.test(what)), 4)) {
    const image = make(made);
    if (!check(new ImageDevice(image)).isSound) continue;
    const device = new ImageDevice(image);
    const fs = mount(device, { owner: { uid: 0, gid: 0 }, reclaim: true, onWarning: () => undefined });
    const file = fs.open(fs.create(fs.mkdir(fs.root, 'new'), 'file'));
    file.writeSync(Buffer.alloc(100_000, 'x'), 0);
    file.closeSync();
    t.equal(fs.resolve('/f').size, readFileSync('/etc/passwd').length, `${made.what}: its file is there`);
    fs.unlink(fs.root, 'f');
    fs.unmount();
    t.equal(check(device).isSound, true, made.what, { found: check(device).findings.map(describeFinding) });
  }
  t.end();
});

t.test('features have their names', { skip }, (t) => {
  const refused: [options: string[], requests: string[], name: RegExp][] = [
    [['-t', 'ext2', '-g', '256'], [], /it has meta_bg,/],
    [['-t', 'ext2'], ['feature extent', 'feature 64bit'], /it has extent, 64bit,/],
    [['-t', 'ext2'], ['feature FEATURE_I31'], /it has FEATURE_I31,/],
  ];
  for (const [options, requests, name] of refused) {
    // With that many groups, mke2fs sets meta_bg unasked.
    const image = make({ what: '', options, requests, size: 16 * 1024 ** 2 });
    for (const use of [() => mount(new ImageDevice(image)), () => check(new ImageDevice(image))]) {
      t.throws(use, { code: 'EOPNOTSUPP', message: name }, String(name));
    }
    const path = scratchPath(t, '/dev/shm');
    writeFileSync(path, image);
    const { status, stdout } = ext2('info', path);
    t.equal(status, 0);
    t.match(stdout, /blocks: +16384 of 1024 bytes/);
    t.match(stdout, new RegExp(`unusable: +${name.source}`), 'info describes it, and says why');
    t.match(JSON.parse(ext2('info', '--json', path).stdout), { block_size: 1024, unusable: name });
  }
  for (const name of ['quota', 'huge_file', 'FEATURE_R31', 'FEATURE_C31', 'lazy_bg']) {
    const image = make({ what: '', requests: [`feature ${name}`] });
    t.throws(() => check(new ImageDevice(image)), { code: 'EOPNOTSUPP', message: new RegExp(`it has ${name},`) });
    const fs = mount(new ImageDevice(image));
    t.equal(fs.readOnly, name !== 'FEATURE_C31' && name !== 'lazy_bg', name);
    fs.unmount();
  }
  t.end();
});
