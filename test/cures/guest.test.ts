// The cures of doctor() do what they say: each is run by a shell on the very case that it is for.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { daxMmap, doctor, openSync } from 'node-dax';
import { ext2Here } from '../helpers/cli.js';
import { IN_GUEST, insertModules } from '../helpers/guest.js';
import { Tfs } from '../helpers/tfs.js';

t.setTimeout(900_000);

const MIB = 1024 ** 2;
const PMEM = process.env['NODE_DAX_TEST_PMEM'] ?? '';
const DEVDAX_2M = process.env['NODE_DAX_TEST_DEVDAX_2M'] ?? '';
const skip = (!IN_GUEST || PMEM === '') && 'needs a pmem device of a guest: npm run test:guest';

// A modern mkfs.xfs makes none below 300 MiB.
const XFS_SECTORS = 700_000;
const SECTORS = 131_072;

function sh(script: string): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

function fine(script: string): void {
  const { status, output } = sh(script);
  if (status !== 0) throw new Error(`${script}\n${output}`);
}

/** Runs the cure of a path. */
function cure(test: Test, path: string): void {
  const { fix } = doctor(path);
  if (fix === undefined) throw new Error(`${path} has no cure: ${doctor(path).verdict}`);
  const { status, output } = sh(fix);
  test.equal(status, 0, `${fix}\n${output}`);
}

/** Partitions of `PMEM`, by sfdisk's words; they are gone when the test ends. */
function partitions(test: Test, ...lines: string[]): string {
  execFileSync('sfdisk', ['-q', '--force', PMEM], { input: `label: dos\n${lines.join('\n')}\n` });
  test.teardown(() => {
    sh(`umount ${PMEM}p1; sfdisk -q --delete ${PMEM}; wipefs -qa ${PMEM}`);
  });
  return `${PMEM}p1`;
}

/** An empty directory to mount at. */
function mountpoint(test: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'node-dax-cure-'));
  test.teardown(() => {
    sh(`umount ${path}`);
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

t.test('partitions that do not begin or end with a page', { skip }, (test) => {
  const at = mountpoint(test);
  for (const place of [`start=2049,size=${SECTORS}`, `start=2048,size=${SECTORS + 1}`]) {
    const partition = partitions(test, place);
    fine(`mkfs.ext4 -q -F -b 4096 ${partition}`);
    test.not(sh(`mount -o dax=always ${partition} ${at}`).status, 0, 'the kernel refuses it');
    fine(`mount ${partition} ${at}`);
    writeFileSync(join(at, 'file'), 'x');
    test.match(doctor(join(at, 'file')), { isDax: false, verdict: /begins at sector 2049|has 131073 sectors/ });
    cure(test, join(at, 'file'));
    fine(`mkfs.ext4 -q -F -b 4096 ${partition}`);
    cure(test, partition);
    const made = `/mnt/${basename(partition)}`;
    writeFileSync(join(made, 'file'), 'x');
    test.match(doctor(join(made, 'file')), { isDax: true }, place);
    fine(`umount ${made}`);
  }
  test.end();
});

t.test('ext4 with data=journal, by an option and by default', { skip }, (test) => {
  const at = mountpoint(test);
  const partition = partitions(test, `start=2048,size=${SECTORS}`);
  for (const [tune, option] of [['true', 'data=journal'], [`tune2fs -o journal_data ${partition}`, 'rw']] as const) {
    fine(`mkfs.ext4 -q -F -b 4096 ${partition} && ${tune} && mount -o ${option} ${partition} ${at}`);
    const path = join(at, 'file');
    writeFileSync(path, 'x');
    fine(`xfs_io -f -c 'chattr +x' ${path}`);
    test.match(doctor(path), { isDax: false, verdict: /data=journal/ });
    cure(test, path);
    test.match(doctor(path), { isDax: true }, option);
    fine(`umount ${at}`);
  }
  test.end();
});

t.test('xfs with reflink on a partition', { skip }, (test) => {
  insertModules('lib/libcrc32c.ko', 'fs/xfs/xfs.ko');
  const at = mountpoint(test);
  const partition = partitions(test, `start=2048,size=${XFS_SECTORS}`);
  fine(`mkfs.xfs -q -f -m reflink=1 ${partition}`);
  test.not(sh(`mount -o dax=always ${partition} ${at}`).status, 0, 'the kernel refuses it');
  const path = join(at, 'file');
  for (const option of ['dax=never', 'rw']) {
    fine(`mount -o ${option} ${partition} ${at}`);
    writeFileSync(path, 'x');
    fine(`xfs_io -c 'chattr -x' ${path} && umount ${at} && mount -o ${option} ${partition} ${at}`);
    test.match(doctor(path), { isDax: false });
    cure(test, path);
    // The attribute acts once nobody has the inode any more.
    fine(`umount ${at} && mount ${partition} ${at}`);
    test.match(doctor(path), { isDax: true }, option);
    fine(`umount ${at}`);
  }
  cure(test, partition);
  const made = `/mnt/${basename(partition)}`;
  writeFileSync(join(made, 'new'), 'x');
  test.match(doctor(join(made, 'new')), { isDax: true }, 'a new file has the attribute of its directory');
  fine(`umount ${made}`);
  test.end();
});

t.test('device-mapper from an odd sector on', { skip: without('dmsetup') }, (test) => {
  insertModules('drivers/md/dm-mod.ko');
  const at = mountpoint(test);
  fine(`dmsetup create node-dax-odd --table "0 ${SECTORS} linear ${PMEM} 1" && dmsetup mknodes`);
  const device = '/dev/mapper/node-dax-odd';
  test.teardown(() => {
    sh(`umount ${at}; dmsetup remove node-dax-odd; wipefs -qa ${PMEM}`);
  });
  test.match(doctor(device), { verdict: /begins within a page.*other bytes/s, fix: undefined });
  fine(`mkfs.ext4 -q -F -b 4096 ${device} && mount -o dax=always ${device} ${at}`);
  const path = join(at, 'file');
  const content = Buffer.alloc(8192, 'x');
  writeFileSync(path, content);
  test.match(doctor(path), { isDax: true, verdict: /Beware/ });
  fine(`umount ${at} && mount -o dax=never ${device} ${at}`);
  test.notOk(readFileSync(path).equals(content), 'it is true: other bytes are read');
  test.end();
});

/** Of a program that is called so, and of the package with it. */
function without(program: string, pack = program): string | false {
  return skip || (spawnSync(program, ['--version']).error !== undefined && `${program} is not installed: apt-get install ${pack}`);
}

/** A device over `PMEM` that gives no memory: what doctor() says of it and of a file on it, and that the kernel says the same. */
function standsBetween(test: Test, device: string, verdict: RegExp): void {
  const at = mountpoint(test);
  test.match(doctor(device), { isDax: false, verdict, fix: undefined });
  fine(`mkfs.ext4 -q -F -b 4096 ${device}`);
  test.not(sh(`mount -o dax=always ${device} ${at}`).status, 0, 'the kernel refuses it');
  fine(`mount ${device} ${at}`);
  const path = join(at, 'file');
  writeFileSync(path, 'x');
  test.match(doctor(path), { isDax: false, verdict });
  cure(test, path);
  const copy = join(process.env['NODE_DAX_TEST_EXT4'] ?? '', 'file');
  test.match(doctor(copy), { isDax: true }, 'the copy');
  rmSync(copy);
  fine(`umount ${at}`);
}

t.test('an array of md', { skip: without('mdadm') }, (test) => {
  insertModules('drivers/md/md-mod.ko', 'drivers/md/raid1.ko');
  fine(`mdadm --create /dev/md7 --level=1 --raid-devices=2 --force --run ${PMEM} missing`);
  test.teardown(() => {
    sh(`mdadm --stop /dev/md7; wipefs -qa ${PMEM}`);
  });
  standsBetween(test, '/dev/md7', /array of md over pmem\d/);
  test.end();
});

t.test('dm-crypt', { skip: without('cryptsetup', 'cryptsetup-bin') }, (test) => {
  insertModules('drivers/md/dm-mod.ko', 'drivers/md/dm-crypt.ko');
  fine(`head -c 32 /dev/zero | cryptsetup open --type plain --cipher aes-cbc-plain64 --key-size 256 --key-file - ${PMEM} node-dax-crypt`);
  test.teardown(() => {
    sh(`cryptsetup close node-dax-crypt; wipefs -qa ${PMEM}`);
  });
  standsBetween(test, '/dev/mapper/node-dax-crypt', /device-mapper device over pmem\d.*crypt/s);
  test.end();
});

t.test('a block device that is read-only', { skip }, async (test) => {
  fine(`blockdev --setro ${PMEM}`);
  test.teardown(() => {
    sh(`blockdev --setrw ${PMEM}`);
  });
  test.throws(() => openSync(PMEM), { code: 'EROFS', reason: 'READ_ONLY', hint: /readOnly: true/ });
  openSync(PMEM, { readOnly: true }).closeSync();
  await test.rejects(ext2Here('mkfs', PMEM), { code: 'EROFS', hint: /`node-dax doctor \/dev\/pmem\d+`/ });
  test.match(doctor(PMEM), { verdict: /read-only/ });
  cure(test, PMEM);
  openSync(PMEM).closeSync();
});

/** The namespaces that ndctl lists. */
function namespaces(): { dev: string; mode: string }[] {
  const listed = execFileSync('ndctl', ['list', '-N'], { encoding: 'utf8' });
  return JSON.parse(listed) as ReturnType<typeof namespaces>;
}

const names = (): string[] => namespaces().map(({ dev }) => dev).sort();

t.test('a devdax of 2 MiB, on which the pieces of a file lie between pages', { skip: skip || (DEVDAX_2M === '' && 'needs a devdax of 2 MiB') }, (test) => {
  const before = names();
  let command = '';
  {
    using device = openSync(DEVDAX_2M);
    const fs = new Tfs({ devices: [device], blocksPerDevice: 4096, cluster: 1 });
    const inode = fs.inode(4 * MIB);
    fs.seek(513);
    fs.allocate(inode, 0, 1024);
    try {
      daxMmap(inode, {}, fs.operations.getBlock);
      test.fail('it begins between two pages');
    } catch (error) {
      test.match(error, { reason: 'UNALIGNED_EXTENT', message: /which erases it/ });
      command = /use `([^`]+)`/.exec(String(error))?.[1] ?? '';
    }
  }
  const name = /-e (\S+)/.exec(command)?.[1] ?? '';
  test.teardown(() => {
    fine(`ndctl create-namespace -f -e ${name} -m devdax -a 2M`);
  });
  const { status, output } = sh(command);
  test.equal(status, 0, `${command}\n${output}`);
  test.strictSame(names(), before, 'no namespace was made beside it');
  test.equal(openAligned(DEVDAX_2M), 4096);
  test.end();
});

function openAligned(path: string): number {
  using device = openSync(path);
  return device.alignment;
}

t.test('a namespace in raw mode, and one in sector mode', { skip }, (test) => {
  insertModules('drivers/nvdimm/nd_btt.ko');
  const before = names();
  const name = `namespace${/\d+/.exec(basename(PMEM))?.[0] ?? ''}.0`;
  test.teardown(() => {
    fine(`ndctl create-namespace -f -e ${name} -m fsdax`);
  });
  for (const [mode, path] of [['raw', PMEM], ['sector', `${PMEM}s`]] as const) {
    fine(`ndctl create-namespace -f -e ${name} -m ${mode}`);
    test.match(doctor(path), { isDax: false }, mode);
    cure(test, path);
    test.strictSame(names(), before, `${mode}: no namespace was made beside it`);
    test.not(namespaces().find(({ dev }) => dev === name)?.mode, mode);
  }
  test.end();
});
