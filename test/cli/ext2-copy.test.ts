// Copies into ext2 images and out of them: content, permissions, owners, times, links and holes stay what they are.

import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync as openFile,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openSync } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { cli, cliAs, ext2Here, MAIN, onTerminal } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';
import { checkImage, debugfsDoes, makeImage } from '../helpers/ext2-command.js';
import { debugfs, e2fsprogsMissing } from '../helpers/ext2-image.js';
import { THOROUGH } from '../helpers/thorough.js';

const MIB = 1024 ** 2;
const missing = e2fsprogsMissing();
const RANDOM = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * index * 31) % 251));

/** A file of 16 MiB with three pieces of data in it. */
function makeSparse(path: string): void {
  const fd = openFile(path, 'w');
  writeSync(fd, 'first', 0);
  writeSync(fd, RANDOM, 0, RANDOM.byteLength, 2 * MIB + 123);
  writeSync(fd, 'last', 12 * MIB);
  ftruncateSync(fd, 16 * MIB);
  closeSync(fd);
}

function makeTree(folder: string): void {
  mkdirSync(join(folder, 'sub', 'empty'), { recursive: true });
  writeFileSync(join(folder, 'file'), RANDOM, { mode: 0o640 });
  writeFileSync(join(folder, 'sub', 'run'), 'x', { mode: 0o755 });
  writeFileSync(Buffer.concat([Buffer.from(join(folder, 'sub')), Buffer.from('/\xff\xfe\n', 'latin1')]), 'odd');
  linkSync(join(folder, 'file'), join(folder, 'sub', 'hard'));
  symlinkSync('../file', join(folder, 'sub', 'link'));
  symlinkSync('nowhere', join(folder, 'dangling'));
  makeSparse(join(folder, 'sparse'));
  chmodSync(join(folder, 'sub'), 0o711);
  for (const name of ['file', 'sub/empty', 'sub', '.']) utimesSync(join(folder, name), 1_000_000_000.25, 1_100_000_000.5);
}

interface Found {
  readonly name: string;
  readonly mode: number;
  readonly nlink: number;
  readonly mtimeMs: number;
  readonly content: string;
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Everything in a folder. */
function found(folder: Buffer, below = ''): Found[] {
  return readdirSync(folder, { encoding: 'buffer' }).sort((a, b) => Buffer.compare(a, b)).flatMap((name) => {
    const path = Buffer.concat([folder, Buffer.from('/'), name]);
    const { mode, nlink, mtimeMs } = lstatSync(path);
    const shown = `${below}${name.toString('latin1')}`;
    const isDirectory = Math.floor(mode / 0o10000) === 4;
    const isLink = Math.floor(mode / 0o10000) === 10;
    const content = isDirectory ? '' : isLink ? readlinkSync(path) : digest(readFileSync(path));
    const one = { name: shown, mode, nlink: isDirectory ? 0 : nlink, mtimeMs: Math.round(mtimeMs), content };
    return [one, ...(isDirectory ? found(path, `${shown}/`) : [])];
  });
}

t.test('a tree goes in and comes out as it was', { skip: missing ?? false }, async (test) => {
  const folder = test.testdir({ tree: {} });
  const tree = join(folder, 'tree');
  makeTree(tree);
  const image = makeImage(test, [], 8 * MIB);
  await ext2Here('put', '-r', image, tree, '/');
  checkImage(test, image);
  const bytes = readFileSync(image);
  test.match(debugfs(bytes, 'stat /tree/file').toString(), /Mode: +0640 .*Links: 2 .*mtime: 0x4190ab00:77359400/s);
  test.match(debugfs(bytes, 'stat /tree/sparse').toString(), /Size: 16777216.*Blockcount: 6\d\d\n/s, 'holes stay holes');
  test.equal(debugfs(bytes, 'cat /tree/sub/hard').compare(RANDOM), 0);
  const out = join(folder, 'out');
  await ext2Here('get', '-r', image, 'tree', out);
  test.ok(bytes.equals(readFileSync(image)), 'reading writes nothing');
  const expected = found(Buffer.from(tree));
  test.equal(expected.length, 9);
  test.strictSame(found(Buffer.from(out)), expected);
  test.ok(statSync(join(out, 'sparse')).blocks * 512 < 2 * MIB, 'holes stay holes');
  test.equal(statSync(out).mtimeMs, 1_100_000_000_500);
  // Into what is there: replaced, merged, the same again.
  await ext2Here('get', '-r', image, 'tree', folder);
  await ext2Here('put', '-r', image, `${out}/.`, 'tree');
  checkImage(test, image);
  await ext2Here('get', '-r', image, 'tree/', join(folder, 'again'));
  test.strictSame(found(Buffer.from(join(folder, 'again'))), expected);
});

t.test('put keeps nanoseconds, and get what Node can set', async (test) => {
  const folder = test.testdir({ source: 'x' });
  const image = join(folder, 'image');
  await ext2Here('mkfs', '--size', String(8 * MIB), image);
  symlinkSync('nowhere', join(folder, 'link'));
  // Node has no call for all digits.
  for (const [name, time] of [['source', '1700000000.123456789'], ['link', '1700000000.999999999']] as const) {
    execFileSync('touch', ['-h', '-d', `@${time}`, join(folder, name)]);
  }
  await ext2Here('put', '-r', image, join(folder, 'source'), join(folder, 'link'), '/');
  {
    using device = openSync(image, { readOnly: true });
    using ext2 = mount(device, { readOnly: true });
    const timesOf = (name: string) => ext2.stat(ext2.resolve(name, { follow: false }), { nanoseconds: true }).mtimeNs;
    test.equal(timesOf('/source'), 1_700_000_000_123_456_789n);
    test.equal(timesOf('/link'), 1_700_000_000_999_999_999n);
  }
  const out = join(folder, 'out');
  await ext2Here('get', image, '/source', out);
  const { mtimeNs } = lstatSync(out, { bigint: true });
  test.equal(mtimeNs / 1000n, 1_700_000_000_123_456n, `${mtimeNs}`);
});

t.test('times before 1970 come out', async (test) => {
  const folder = test.testdir({ tree: { file: 'x', sub: {} } });
  const tree = join(folder, 'tree');
  symlinkSync('file', join(tree, 'link'));
  const times = ['-100', '-1000.5'] as const;
  lutimesSync(join(tree, 'link'), ...times);
  for (const name of ['file', 'sub', '.']) utimesSync(join(tree, name), ...times);
  const image = join(folder, 'image');
  await ext2Here('mkfs', '--size', String(8 * MIB), image);
  await ext2Here('put', '-r', image, tree, '/');
  await ext2Here('get', '-r', image, 'tree', join(folder, 'out'));
  for (const name of ['file', 'sub', '.', 'link']) test.equal(lstatSync(join(folder, 'out', name)).mtimeMs, -1_000_500, name);
});

t.test('owners and devices', { skip: process.geteuid?.() === 0 ? (missing ?? false) : 'only root can give files away' }, async (test) => {
  const folder = test.testdir({ tree: { file: 'x' } });
  execFileSync('mkfifo', [join(folder, 'tree', 'fifo')]);
  execFileSync('chown', ['70000:80000', join(folder, 'tree', 'file')]);
  chmodSync(join(folder, 'tree', 'file'), 0o4755);
  const image = makeImage(test, [], 8 * MIB);
  await ext2Here('put', '-r', image, '/dev/null', join(folder, 'tree'), '/');
  checkImage(test, image);
  const bytes = readFileSync(image);
  test.match(debugfs(bytes, 'stat /null').toString(), /Type: character special .*Device major\/minor number: 01:03/s);
  test.match(debugfs(bytes, 'stat /tree/fifo').toString(), /Type: FIFO/);
  test.match(debugfs(bytes, 'stat /tree/file').toString(), /Mode: +04755 .*User: 70000 +Group: 80000/s);
  await ext2Here('get', image, 'tree/file', join(folder, 'back'));
  test.match(statSync(join(folder, 'back')), { uid: 70000, gid: 80000, mode: 0o104755 });
  await ext2Here('get', '-r', image, 'tree', join(folder, 'out'));
  test.equal(process.exitCode, 1, 'the fifo was left out, and said so');
  process.exitCode = undefined;
});

t.test('holes that others made', { skip: missing ?? false }, async (test) => {
  const folder = test.testdir({});
  const path = join(folder, 'sparse');
  makeSparse(path);
  const image = makeImage(test, [], 8 * MIB);
  debugfsDoes(image, [`write ${path} sparse`]);
  await ext2Here('get', image, 'sparse', join(folder, 'out'));
  test.ok(readFileSync(join(folder, 'out')).equals(readFileSync(path)));
  test.ok(statSync(join(folder, 'out')).blocks * 512 < MIB);
  // Over a longer one with data where the holes are.
  writeFileSync(join(folder, 'out'), Buffer.alloc(18 * MIB, 'x'));
  await ext2Here('get', image, 'sparse', join(folder, 'out'));
  test.ok(readFileSync(join(folder, 'out')).equals(readFileSync(path)));
});

t.test('a full image keeps what it has', { skip: missing ?? false }, async (test) => {
  const folder = test.testdir({ small: 'precious', big: RANDOM.toString('latin1').repeat(20) });
  const image = makeImage(test, [], 2 * MIB);
  await ext2Here('put', image, join(folder, 'small'), 'file');
  for (const to of ['new', 'file']) {
    await test.rejects(ext2Here('put', image, join(folder, 'big'), to), { code: 'ENOSPC', message: /'.*:new|file': the filesystem is full.*larger/ });
  }
  checkImage(test, image);
  test.equal(cli('ext2', 'ls', '-a', image).stdout, 'file\nlost+found\n', 'nothing half done is left');
  test.equal(debugfs(readFileSync(image), 'cat /file').toString(), 'precious');
});

t.test('what comes out stays where it was sent', async (test) => {
  const folder = test.testdir({ precious: 'precious', out: { sub: test.fixture('symlink', '..'), file: test.fixture('symlink', '../precious') } });
  const image = makeImage(test, [], 8 * MIB);
  {
    using device = openSync(image);
    using fs = mount(device);
    fs.mkdir(fs.root, 'sub');
    fs.create(fs.resolve('sub'), 'precious');
    fs.create(fs.root, 'file');
  }
  await test.rejects(ext2Here('get', '-r', image, 'sub', '/lost+found', join(folder, 'absent')), { code: 'ENOTDIR' });
  process.exitCode = undefined;
  const { status, stderr } = cli('ext2', 'get', '-r', image, '/', join(folder, 'out'));
  test.equal(status, 1);
  test.match(stderr, /out\/file': it is no regular file.*\n.*out\/sub': it is no directory: remove it first\n$/);
  test.equal(readFileSync(join(folder, 'precious'), 'latin1'), 'precious');
  await test.rejects(ext2Here('get', '-r', image, 'sub', join(folder, 'precious')), { code: 'ENOTDIR', message: /remove it first/ });
  await test.rejects(ext2Here('get', image, 'file', '/dev/null'), { code: 'EEXIST', message: /ext2 cat/ });
  await test.rejects(ext2Here('put', image, image, '/'), { code: 'EINVAL', message: /the image itself/ });
});

t.test('an end in the middle leaves a clean image', { skip: missing ?? false }, async (test) => {
  const image = makeImage(test, [], 8 * MIB);
  // It has no end of its own.
  const child = spawn(process.execPath, [MAIN, 'ext2', 'put', image, '/dev/zero', '/endless'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString(); });
  const isInUse = () => readFileSync(image).readUInt16LE(1024 + 58) === 0;
  while (!isInUse()) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill('SIGINT');
  const [status] = (await once(child, 'close')) as [number];
  test.equal(status, 130);
  test.match(stderr, /^node-dax: ended by SIGINT: .*\n$/);
  test.equal(isInUse(), false);
  checkImage(test, image);
  test.match(debugfs(readFileSync(image), 'ls -p /').toString(), /^((?!endless).)*$/s);
});

t.test('progress, on a terminal', (test) => {
  const folder = test.testdir({ file: 'x'.repeat(3 * MIB) });
  const image = makeImage(test, [], 8 * MIB);
  const seen = onTerminal('ext2', 'put', image, join(folder, 'file'), '/');
  if (seen !== undefined) test.match(seen, /100 % .*\/file/);
  test.end();
});

t.test('who may not, is told so', { skip: process.geteuid?.() === 0 ? false : 'only root can be another user' }, (test) => {
  const image = makeImage(test, [], 8 * MIB);
  chmodSync(image, 0o444);
  test.equal(cliAs(65534, 'ext2', 'ls', image).stdout, 'lost+found\n');
  test.match(cliAs(65534, 'ext2', 'mkdir', image, 'x'), { status: 1, stderr: new RegExp(`EACCES.*ext2 mkdir '${image}'.*node-dax doctor`) });
  chmodSync(image, 0o400);
  test.match(cliAs(65534, 'ext2', 'ls', image), { status: 1, stderr: /EACCES.*node-dax doctor/ });
  test.end();
});

// In a thorough run more than there are inodes in memory.
const COUNT = THOROUGH ? 16_500 : 1000;
t.test(`a directory of ${COUNT} files`, { timeout: 600_000 }, async (test) => {
  const image = scratchPath(test, '/dev/shm');
  {
    using device = openSync(image, { size: 32 * MIB });
    mkfsSync(device, { inodes: COUNT + 100 });
    using fs = mount(device);
    const dir = fs.mkdir(fs.root, 'many');
    for (let index = 0; index < COUNT; index++) fs.create(dir, `file${index}`);
  }
  const folder = test.testdir({});
  await ext2Here('get', '-r', image, 'many', join(folder, 'out'));
  test.equal(readdirSync(join(folder, 'out')).length, COUNT);
});
