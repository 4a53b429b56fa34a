// The commands on ext2 images that change them, and all that may go wrong: judged by e2fsck, debugfs and the kernel.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ext2Command } from '../../lib/cli/ext2/index.js';
import { ext2Here } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';
import { checkImage, ext2, fine, makeImage } from '../helpers/ext2-command.js';
import { debugfs, e2fsck, e2fsprogsMissing } from '../helpers/ext2-image.js';

const MIB = 1024 ** 2;
const missing = e2fsprogsMissing();

t.test('mkfs destroys nothing by mistake', (test) => {
  const image = makeImage(test);
  const before = readFileSync(image);
  const refused = ext2('mkfs', image);
  test.equal(refused.status, 1);
  test.match(refused.stderr, new RegExp(`EBUSY.*${image}.*carries ext2, ext3 or ext4; --force`));
  test.ok(readFileSync(image).equals(before));
  const absent = scratchPath(test);
  test.match(ext2('mkfs', absent), { status: 2, stderr: /does not exist: --size/ });
  test.match(ext2('mkfs', '--size', '0', absent), { status: 2, stderr: /does not exist: .*--size must be more than 0/ });
  test.throws(() => statSync(absent), { code: 'ENOENT' });
  for (const wrong of [['-b', '3000'], ['-L', 'a label that is too long'], ['-m', 'half'], ['-U', 'x'], ['-N', '0'], ['--size', '1000']]) {
    test.match(ext2('mkfs', '--size', '4M', ...wrong, absent), { status: 2, stderr: /^error: /, stdout: '' }, wrong.join(' '));
    test.throws(() => statSync(absent), { code: 'ENOENT' }, 'what was made is removed');
  }
  for (const size of [[], ['--size', '4M']]) {
    const device = '/dev/pmem99';
    test.match(ext2('mkfs', ...size, device), { status: 1, stderr: /ENOENT.*pmem99.*node-dax list/ });
    test.notOk(existsSync(device), 'no image is made among devices');
  }
  test.match(ext2('mkfs', '--size', '8K', absent), { status: 1, stderr: /ENOSPC.*too small/ });
  test.throws(() => statSync(absent), { code: 'ENOENT' });
  fine(test, 'mkfs', '--force', image);
  checkImage(test, image);
  test.end();
});

t.test('what changes is as others see it', { skip: missing ?? false }, async (test) => {
  const image = makeImage(test);
  await ext2Here('mkdir', '-p', '-m', '700', image, 'a/b/c', 'd');
  await ext2Here('mkdir', '-p', image, 'a/b');
  await ext2Here('ln', '-s', image, '../d', 'a/link');
  await ext2Here('put', image, join(__dirname, '..', '..', '..', 'package.json'), '/a/file');
  await ext2Here('ln', image, 'a/file', 'd');
  await ext2Here('mv', image, 'a/b', 'a/link', 'd');
  await ext2Here('mv', image, 'd/file', 'd/renamed');
  const text = debugfs(readFileSync(image), 'ls -p /d').toString();
  test.match(text, /\/040755\/\d+\/\d+\/b\/\//);
  test.match(text, /\/120777\/\d+\/\d+\/link\/4\//);
  test.match(text, /\/100\d{3}\/\d+\/\d+\/renamed\//);
  test.match(debugfs(readFileSync(image), 'stat /d/b/c').toString(), /Mode: +0700/);
  test.equal(fine(test, 'tree', image), '/\n├── a\n│   └── file\n├── d\n│   ├── b\n│   │   └── c\n│   ├── link -> ../d\n│   └── renamed\n└── lost+found\n\n5 directories, 3 files\n');
  checkImage(test, image);
  await ext2Here('rm', '-r', image, 'd', 'a');
  await ext2Here('rm', '-f', image, 'd');
  test.equal(fine(test, 'ls', image), 'lost+found\n');
  checkImage(test, image);
});

t.test('a partition is not left', { skip: missing ?? false }, async (test) => {
  const disk = scratchPath(test, '/dev/shm');
  const content = Buffer.alloc(6 * MIB, 0xa5);
  // The boot signature of a disk with partitions.
  content.writeUInt16LE(0xaa55, 510);
  writeFileSync(disk, content);
  const part = ['--offset', '1M', '--size', '4M'];
  fine(test, 'mkfs', ...part, disk);
  await ext2Here('mkdir', ...part, disk, 'dir');
  test.equal(fine(test, 'ls', '--offset', '1M', disk), 'dir\nlost+found\n');
  const after = readFileSync(disk);
  test.ok(after.subarray(0, MIB).equals(content.subarray(0, MIB)) && after.subarray(5 * MIB).equals(content.subarray(5 * MIB)));
  test.equal(e2fsck(after.subarray(MIB, 5 * MIB)), undefined);
  test.match(ext2('ls', disk), { status: 1, stderr: /disk with partitions.*--offset/ });
  test.match(ext2('ls', '--offset', '8M', disk), { status: 2, stderr: /not in it/ });
  test.match(ext2('ls', '--offset', '100', disk), { status: 2, stderr: /multiple of 512/ });
  // Where the first partition begins on older disks: no multiple of a page.
  const old = ['--offset', String(63 * 512), '--size', '4M'];
  fine(test, 'mkfs', ...old, disk);
  await ext2Here('mkdir', ...old, disk, 'dir');
  test.equal(fine(test, 'ls', ...old, disk), 'dir\nlost+found\n');
});

t.test('errors name the place and say what to do', async (test) => {
  const image = makeImage(test);
  const empty = scratchPath(test);
  const noImage = scratchPath(test);
  writeFileSync(empty, Buffer.alloc(MIB));
  const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [['ls', noImage], new RegExp(`ENOENT.*ext2 ls '${noImage}'.*mkfs --size`)],
    [['ls', empty], new RegExp(`EINVAL.*ext2 ls '${empty}'.*no ext2 in it: .*mkfs`)],
    [['check', empty], /EINVAL.*no ext2/],
    [['mkdir', empty, 'x'], /EINVAL.*no ext2/],
    [['ls', '/'], /EISDIR.*name an image or a device/],
    [['cat', image, 'absent/file'], new RegExp(`ENOENT.*ext2 cat '${image}:absent/file'.*ls`)],
    [['cat', image, '/lost+found'], new RegExp(`EISDIR.*'${image}:/lost\\+found'.*ext2 ls`)],
    [['get', image, '/lost+found', noImage], /EISDIR.*-r copies/],
    [['get', image, '/lost+found', '/', noImage], /ENOTDIR.*several things/],
    [['put', image, '/lost+found/absent', '/'], /ENOENT.*'\/lost.found\/absent'/],
    [['put', image, __dirname, '/'], /EISDIR.*-r copies/],
    [['put', image, __filename, '/nowhere/'], /ENOTDIR.*mkdir/],
    [['put', image, __filename, '/nowhere/file'], /ENOENT.*'.*:\/nowhere\/file'/],
    [['mkdir', image, 'lost+found'], /EEXIST.*lost\+found.*another name/],
    [['rm', image, 'absent'], /ENOENT.*absent/],
    [['rm', image, 'lost+found'], /EISDIR.*-r removes/],
    [['rm', '-r', image, '/'], /EINVAL.*root/],
    [['mv', image, 'absent', 'x'], /ENOENT.*absent/],
    [['mv', image, 'lost+found', 'lost+found/x'], /EINVAL.*into itself/],
    [['ln', image, 'lost+found', 'x'], /EPERM.*-s makes/],
    [['tree', image, 'absent'], /ENOENT/],
    [['stat', image, `/${'x'.repeat(256)}`], /ENAMETOOLONG.*255/],
  ];
  for (const [args, message] of cases) {
    await test.rejects(ext2Here(...args), { message }, args.join(' '));
    process.exitCode = undefined;
  }
  const { status, stdout, stderr } = ext2('cat', image, 'absent');
  test.strictSame({ status, stdout }, { status: 1, stdout: '' });
  test.match(stderr, /^node-dax: ENOENT: [^\n]*\n$/, 'one line');
  checkImage(test, image);
  for (const args of [[], ['list'], ['cat', image], ['put', image, 'x'], ['mkdir', '-m', '999', image, 'x']]) {
    test.match(ext2(...args), { status: 2, stdout: '', stderr: /\S/ }, args.join(' '));
  }
  test.match(ext2('--help'), { status: 0, stdout: /mkfs .*info .*check .*df .*ls .*tree .*stat .*cat .*put .*get .*mkdir .*rm .*mv .*ln /s });
  for (const command of (await ext2Command([])).commands) {
    test.match(command.helpInformation(), /^Usage: [^{}]*--help/, 'no value shows as the program has it');
  }
  test.match(ext2('put', '--help'), { status: 0, stdout: /<image> <source\.\.\.> <destination>/ });
});

t.test('an image that can only be read', { skip: missing ?? false }, (test) => {
  // A feature that those who do not know it may read by.
  const image = makeImage(test, ['feature quota']);
  const before = readFileSync(image);
  test.match(ext2('mkdir', image, 'x'), { status: 1, stderr: /EROFS.*ext2 mkdir.*info/ });
  test.equal(ext2('ls', image).status, 0);
  test.ok(readFileSync(image).equals(before));
  test.end();
});

t.test('the kernel reads what was written, and holds what it has', async (test) => {
  const image = makeImage(test);
  const place = test.testdir({ mnt: {} });
  await ext2Here('mkdir', '-p', image, 'a/b');
  if (spawnSync('mount', ['-o', 'loop', image, join(place, 'mnt')]).status !== 0) {
    test.comment('this user cannot mount');
    return;
  }
  try {
    test.ok(statSync(join(place, 'mnt', 'a', 'b')).isDirectory());
    mkdirSync(join(place, 'mnt', 'kernel'));
    execFileSync('sync', ['-f', join(place, 'mnt')]);
    test.match(ext2('mkdir', image, 'c'), { status: 1, stderr: /EBUSY.*is part of loop\d+; end that first/ });
    test.match(ext2('mkfs', image), { status: 1, stderr: /EBUSY.*is part of loop\d+.*--force/ });
  } finally {
    execFileSync('umount', [join(place, 'mnt')]);
  }
  test.equal(fine(test, 'ls', image), 'a\nkernel\nlost+found\n');
  checkImage(test, image);
});
