// The commands on ext2 images that make and show: judged by debugfs, dumpe2fs and e2fsck.

import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ext2Here, onTerminal, shell } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';
import { checkImage, ext2, fine, makeImage } from '../helpers/ext2-command.js';
import { e2fsprogsMissing } from '../helpers/ext2-image.js';

const MIB = 1024 ** 2;
const missing = e2fsprogsMissing();

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
  checkImage(test, image);
  const told = execFileSync('dumpe2fs', ['-h', image], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  for (const line of [/name: +data/, new RegExp(`UUID: +${uuid}`), /Block count: +8192/, /Reserved block count: +81\n/, /Block size: +2048/, /Inode size:\s+128/, /Inode count: +512\n/]) {
    test.match(told, line);
  }
  test.match(json(fine(test, 'info', '--json', image)), {
    image, label: 'data', uuid, state: 'clean', block_size: 2048, blocks: 8192, reserved_blocks: 81, inodes: 512, inode_size: 128,
    features: ['ext_attr', 'resize_inode', 'dir_index', 'filetype', 'sparse_super', 'large_file'],
  });
  test.match(fine(test, 'info', image), /label: +data\n.*state: +clean\n.*checked: .*mounted 0 times since\npersistent: +(?:yes|no|unknown)\n$/s);
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

t.test('a directory that leads to itself is gone through once', { skip: missing ?? false }, async (test) => {
  const image = makeImage(test, ['mkdir a', 'ln a b', 'ln / a/up']);
  const drawn = '/\n├── a\n│   └── up  (drawn above under another name)\n├── b  (drawn above under another name)\n└── lost+found\n';
  test.equal(fine(test, 'tree', image), `${drawn}\n4 directories, 0 files\n`);
  const folder = test.testdir({});
  const got = ext2('get', '-r', image, '/', folder);
  test.match(got, { status: 1, stderr: /a\/up: left out: .*\n.*b: left out: [^\n]*\n$/s });
  test.ok(statSync(join(folder, 'a')).isDirectory());
  await test.rejects(ext2Here('rm', '-r', image, 'a'), { code: 'ENOTEMPTY' });
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
