// The commands on ext2 images that make, show and change: judged by e2fsck, debugfs and the kernel.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSync } from 'node-dax';
import { mkfsSync } from 'node-dax/ext2';
import { cli, ext2Here, onTerminal, shell, type Ran } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';
import { debugfs, e2fsck, e2fsprogsMissing } from '../helpers/ext2-image.js';

const MIB = 1024 ** 2;
const missing = e2fsprogsMissing();

function ext2(...args: string[]): Ran {
  return cli('ext2', ...args);
}

/** What a command prints that succeeds. */
function fine(test: Test, ...args: string[]): string {
  const { status, stdout, stderr } = ext2(...args);
  test.strictSame({ status, stderr }, { status: 0, stderr: '' }, args.join(' '));
  return stdout;
}

/** A new image, with some files that debugfs put there. */
function makeImage(test: Test, requests: readonly string[] = []): string {
  const image = scratchPath(test, '/dev/shm');
  using device = openSync(image, { size: 4 * MIB });
  mkfsSync(device);
  if (requests.length > 0) execFileSync('debugfs', ['-w', '-f', '-', image], { input: requests.join('\n'), stdio: ['pipe', 'ignore', 'ignore'] });
  return image;
}

function check(test: Test, image: string): void {
  if (missing === undefined) test.equal(e2fsck(readFileSync(image)), undefined, 'e2fsck finds nothing');
}

function json(text: string): unknown {
  return JSON.parse(text);
}

t.test('mkfs makes an image as it was told', { skip: missing ?? false }, (test) => {
  const image = scratchPath(test, '/dev/shm');
  const uuid = '00112233-4455-6677-8899-aabbccddeeff';
  const options = ['-L', 'data', '-U', uuid, '-m', '1', '-b', '2048', '-I', '128', '-N', '512'];
  const printed = fine(test, 'mkfs', '--size', '16M', ...options, image);
  test.match(printed, new RegExp(`${image}: an ext2 filesystem was made\n +label: +data\n +uuid: +${uuid}`));
  test.equal(statSync(image).size, 16 * MIB);
  test.ok(statSync(image).blocks * 512 < MIB, 'the image is sparse');
  check(test, image);
  const told = execFileSync('dumpe2fs', ['-h', image], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  for (const line of [/name: +data/, new RegExp(`UUID: +${uuid}`), /Block count: +8192/, /Reserved block count: +81\n/, /Block size: +2048/, /Inode size:\s+128/, /Inode count: +512\n/]) {
    test.match(told, line);
  }
  test.match(json(fine(test, 'info', '--json', image)), {
    image, label: 'data', uuid, state: 'clean', block_size: 2048, blocks: 8192, reserved_blocks: 81, inodes: 512, inode_size: 128,
    features: ['ext_attr', 'resize_inode', 'dir_index', 'filetype', 'sparse_super', 'large_file'],
  });
  test.match(fine(test, 'info', image), /label: +data\n.*state: +clean\n.*checked: .*mounted 0 times since\n$/s);
  test.end();
});

t.test('mkfs destroys nothing by mistake', (test) => {
  const image = makeImage(test);
  const before = readFileSync(image);
  const refused = ext2('mkfs', image);
  test.equal(refused.status, 1);
  test.match(refused.stderr, new RegExp(`EBUSY.*${image}.*carries ext2, ext3 or ext4; --force`));
  test.ok(readFileSync(image).equals(before));
  const absent = scratchPath(test);
  test.match(ext2('mkfs', absent), { status: 2, stderr: /does not exist: --size/ });
  for (const wrong of [['-b', '3000'], ['-L', 'a label that is too long'], ['-m', 'half'], ['-U', 'x'], ['-N', '0'], ['--size', '1000']]) {
    test.match(ext2('mkfs', '--size', '4M', ...wrong, absent), { status: 2, stderr: /^error: /, stdout: '' }, wrong.join(' '));
    test.throws(() => statSync(absent), { code: 'ENOENT' }, 'what was made is removed');
  }
  test.match(ext2('mkfs', '--size', '8K', absent), { status: 1, stderr: /ENOSPC.*too small/ });
  test.throws(() => statSync(absent), { code: 'ENOENT' });
  fine(test, 'mkfs', '--force', image);
  check(test, image);
  test.end();
});

t.test('what reads writes nothing, and tells what debugfs made', { skip: missing ?? false }, (test) => {
  const content = scratchPath(test);
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256));
  writeFileSync(content, bytes);
  const image = makeImage(test, [`write ${content} file`, 'mkdir dir', 'mkdir dir/inner', `write ${content} dir/.hidden`, 'symlink link file', 'mknod fifo p', 'mknod null c 1 3', 'ln file dir/second', 'sif file links_count 2', 'sif file mtime 20010203040506']);
  const before = readFileSync(image);
  test.equal(fine(test, 'ls', image), 'dir\nfifo\nfile\nlink\nlost+found\nnull\n');
  test.equal(fine(test, 'ls', image, 'dir'), 'inner\nsecond\n');
  test.equal(fine(test, 'ls', '-a', image, '/dir'), '.hidden\ninner\nsecond\n');
  const long = fine(test, 'ls', '-li', image).split('\n');
  test.match(long[1], /^ *\d+ +p--------- +1 +0 +0 +0 .* fifo$/);
  test.match(long[2], /^ *\d+ +-rw-r--r-- +2 +\d+ +\d+ +70000 +2001-02-0\d \d\d:05 +file$/);
  test.match(long[3], /lrwxrwxrwx .* link -> file$/);
  test.match(long[5], /c--------- .* 1, 3 .* null$/);
  test.match(json(fine(test, 'ls', '--json', image)), [{ name: 'dir', type: 'directory' }, {}, { name: 'file', size: 70_000, nlink: 2, mode: '0644' }, { name: 'link', target: 'file' }, {}, { device: { major: 1, minor: 3 } }]);
  test.equal(fine(test, 'tree', image), `/
├── dir
│   ├── .hidden
│   ├── inner
│   └── second
├── fifo
├── file
├── link -> file
├── lost+found
└── null

3 directories, 6 files
`);
  test.match(json(fine(test, 'tree', '--json', image, 'dir')), [{ path: 'dir' }, { path: 'dir/.hidden' }, { path: 'dir/inner' }, { path: 'dir/second', size: 70_000 }]);
  test.match(fine(test, 'stat', image, 'file', 'link', 'null'), /File: file\n +Size: 70000 .*regular file\n.*Links: 2\n.*0644.*Modify: 2001-02-0.*File: link -> file.*Device type: 1,3/s);
  test.match(json(fine(test, 'stat', '--json', '-L', image, 'link')), [{ path: 'link', type: 'regular file', blocks: 140 }]);
  test.ok(ext2('cat', image, 'link', 'dir/.hidden').bytes.equals(Buffer.concat([bytes, bytes])), 'cat gives the bytes');
  test.match(fine(test, 'df', image), /^FILESYSTEM +SIZE +USED .*\n\S+ +3.[0-9] MiB /);
  test.match(json(fine(test, 'df', '--json', image)), { image, block_size: 1024, inodes: 1024 });
  test.match(fine(test, 'check', image), /: clean: /);
  test.match(json(fine(test, 'check', '--json', image)), { is_clean: true, findings: [] });
  test.match(fine(test, 'info', image), /state: +clean/);
  test.ok(readFileSync(image).equals(before), 'the image is as it was');
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
  check(test, image);
  await ext2Here('rm', '-r', image, 'd', 'a');
  await ext2Here('rm', '-f', image, 'd');
  test.equal(fine(test, 'ls', image), 'lost+found\n');
  check(test, image);
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

t.test('check tells faults by its exit status', { skip: missing ?? false }, (test) => {
  const leaky = makeImage(test, ['setb 3000']);
  test.match(ext2('check', leaky), { status: 1, stderr: '', stdout: /^leak +block 3000: .*: 1 leak; .*it can be used/s });
  const bad = makeImage(test, ['mkdir d', 'clri <12>']);
  test.match(ext2('check', bad), { status: 1, stdout: /^error +.*errors?.*do not write to it/s });
  test.match(json(ext2('check', '--json', '--limit', '1', bad).stdout), { is_sound: false, findings: [{ class: 'error', text: String }] });
  const unclean = makeImage(test, ['ssv state 0']);
  test.match(ext2('check', unclean), { status: 0, stdout: /^unclean .*\n.*clean: / });
  test.match(ext2('ls', unclean), { status: 0, stdout: 'lost+found\n', stderr: /not cleanly unmounted/ });
  test.end();
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
    [['get', image, '/lost+found', '/lost+found', noImage], /EISDIR.*-r copies/],
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
  }
  const { status, stdout, stderr } = ext2('cat', image, 'absent');
  test.strictSame({ status, stdout }, { status: 1, stdout: '' });
  test.match(stderr, /^node-dax: ENOENT: [^\n]*\n$/, 'one line');
  check(test, image);
  for (const args of [[], ['list'], ['cat', image], ['put', image, 'x'], ['mkdir', '-m', '999', image, 'x']]) {
    test.match(ext2(...args), { status: 2, stdout: '', stderr: /\S/ }, args.join(' '));
  }
  test.match(ext2('--help'), { status: 0, stdout: /mkfs .*info .*check .*df .*ls .*tree .*stat .*cat .*put .*get .*mkdir .*rm .*mv .*ln /s });
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

t.test('names of any bytes, on a terminal and off it', { skip: missing ?? false }, (test) => {
  const image = makeImage(test);
  const name = String.raw`$'a\xff'`;
  const run = (words: string) => {
    const { status, stderr, bytes } = shell(`eval "$NODE_DAX ext2 ${words.replaceAll('$', String.raw`\$`)}"`);
    test.strictSame({ status, stderr }, { status: 0, stderr: '' }, words);
    return bytes;
  };
  run(`mkdir ${image} ${name} ${String.raw`$'a\xfe'`}`);
  run(`mv ${image} ${String.raw`$'a\xfe'`} ${String.raw`$'a\xfd\n'`}`);
  const lines = [[0x61, 0xfd, 0x0a, 0x0a], [0x61, 0xff, 0x0a], [...Buffer.from('lost+found\n')]];
  test.strictSame([...run(`ls ${image}`)], lines.flat(), 'the bytes as they are');
  test.match(json(fine(test, 'ls', '--json', image)), [{ name_bytes: '61fd0a' }, { name: 'a\ufffd', name_bytes: '61ff' }, { name: 'lost+found' }]);
  test.match(run(`tree ${image} ${name}`).toString('latin1'), /^a\xff\n\n0 directories, 0 files\n$/);
  const seen = onTerminal('ext2', 'ls', image);
  if (seen !== undefined) test.equal(seen, [String.raw`$'a\xfd\x0a'`, name, 'lost+found', ''].join('\r\n'), 'what a shell takes');
  run(`rm -r ${image} ${name} ${String.raw`$'a\xfd\n'`}`);
  test.equal(fine(test, 'ls', image), 'lost+found\n');
  test.end();
});

t.test('whoever reads the output may stop early', async (test) => {
  const image = makeImage(test);
  const file = scratchPath(test);
  writeFileSync(file, Buffer.alloc(2 * MIB, 'x'));
  await ext2Here('put', image, file, '/big');
  const { status, stderr, bytes } = shell(`set -o pipefail; eval "$NODE_DAX ext2 cat ${image} big" | head -c 5; echo " \${PIPESTATUS[0]}"`);
  test.strictSame({ status, stderr, stdout: bytes.toString() }, { status: 0, stderr: '', stdout: 'xxxxx 0\n' });
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
  check(test, image);
});
