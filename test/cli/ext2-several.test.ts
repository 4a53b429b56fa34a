// Commands that are given several things, or one by two ways: what cannot be done destroys nothing. Compared with GNU's tools.

import { spawnSync } from 'node:child_process';
import { copyFileSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { openSync } from 'node-dax';
import { check, mount, type Ext2, type Ext2Inode } from 'node-dax/ext2';
import { ranHere } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';
import { makeImage } from '../helpers/ext2-command.js';
import { sample } from '../helpers/thorough.js';

const hasGnu = spawnSync('sh', ['-c', 'mv --version'], { encoding: 'utf8' }).stdout.includes('GNU coreutils');
const skip = hasGnu || process.env['CI'] === 'true' ? false : 'the mv of this machine is not GNU\'s';

function populate(folder: string): void {
  for (const name of ['x/d', 'y/d', 'x/empty', 'y/empty', 'x/mixed', 'd/sub', 'z']) mkdirSync(join(folder, name), { recursive: true });
  const files = { 'x/f': 'one', 'y/f': 'two', 'x/d/g': 'one', 'y/d/g': 'two', 'y/mixed': 'two', 'd/file': 'kept', a: 'a', c: 'c' };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  linkSync(join(folder, 'a'), join(folder, 'b'));
  const links = { link: 'd', s: 'a', s2: 'a', loop: 'loop', dangling: 'none' };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(folder, name));
}

type Tree = Record<string, string>;

/** What is below a folder: each path with its content, target, or nothing for a directory. */
function treeOf(folder: string): Tree {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const what = entry.isDirectory() ? '' : entry.isSymbolicLink() ? `-> ${readlinkSync(path)}` : readFileSync(path, 'utf8');
    return [relative(folder, path), what] as const;
  });
  return Object.fromEntries(entries.sort());
}

/** Has our own check judge an image. */
function isClean(image: string): boolean {
  using device = openSync(image, { readOnly: true });
  return check(device).isClean;
}

function imageTree(fs: Ext2, dir: Ext2Inode, below = ''): [path: string, what: string][] {
  const found: [string, string][] = [];
  for (const { name } of [...fs.readdir(dir)]) {
    if (['.', '..', 'lost+found'].includes(name)) continue;
    const inode = fs.lookup(dir, name) as Ext2Inode;
    const path = `${below}${name}`;
    if (inode.isDirectory) found.push([path, ''], ...imageTree(fs, inode, `${path}/`));
    else if (inode.isSymlink) found.push([path, `-> ${Buffer.from(fs.readlink(inode)).toString()}`]);
    else {
      const file = fs.open(inode, { readOnly: true });
      const content = Buffer.alloc(inode.size);
      file.readSync(content, 0);
      file.closeSync();
      found.push([path, content.toString()]);
    }
  }
  return found;
}

/** What is in an image, but lost+found. */
function treeIn(image: string): Tree {
  using device = openSync(image, { readOnly: true });
  using fs = mount(device, { readOnly: true });
  return Object.fromEntries(imageTree(fs, fs.root).sort());
}

interface Case {
  readonly args: readonly string[];
  /** What both complain about. */
  readonly message?: RegExp;
}

// One a line: the arguments, and what is complained about.
function cases(text: string, messages: Readonly<Record<string, RegExp>>): Case[] {
  return text.trim().split('\n').map((line) => {
    const [args = '', key] = line.split('#').map((part) => part.trim());
    return { args: args.split(' '), ...(key !== undefined && { message: messages[key] }) };
  });
}

const MESSAGES = {
  same: /are the same file/,
  overwrite: /will not overwrite/,
  missing: /No such file|ENOENT/i,
  notDirectory: /not a directory/i,
  directory: /EISDIR|directory/i,
  self: /itself/,
  // GNU's tools name the types.
  made: /will not overwrite|not empty|directory/i,
  busy: /busy|EINVAL|same file|No such file/,
  refused: /refusing to remove|EINVAL|dangerous/,
  twice: /more than once|twice/,
};

const MOVES = cases(`
x/f y/f z #overwrite
x/f y/f y/d z #overwrite
x/f none y/f z #overwrite
x/f none z #missing
x/d y/d z #made
x/mixed y/mixed z #made
y/mixed x/mixed z #made
a b #same
a a #same
a ./a #same
s s2
s a #same
a s
s c
c a
a c z
a a z #missing
link/ new #notDirectory
link/ z #notDirectory
link z
link a
a link
a dangling
loop a
a loop
d/. z #busy
d/.. z #busy
d/sub/.. z #busy
/ z #busy
d d #self
d d/sub #self
d d/sub/new #self
d link #self
c z/c/ #notDirectory
c/ z #notDirectory
d a #directory
c d
x/f y/f none #missing
x/f y/f c #notDirectory
x/f link y/d d
d z/d/
link c link
`, { ...MESSAGES, missing: /No such file|ENOENT|ENOTDIR/ });

t.test('mv', { skip }, async (test) => {
  const { fresh, prototype } = grounds(test);
  for (const { args, message } of sample(MOVES, 3)) {
    const title = `mv ${args.join(' ')}`;
    const folder = fresh();
    const image = scratchPath(test, '/dev/shm');
    copyFileSync(prototype, image);
    // Of ours, / is the image's.
    const theirs = spawnSync('mv', ['-f', ...args], { cwd: folder, encoding: 'utf8' });
    const ours = await ranHere('mv', image, ...args);
    test.equal(ours.status, theirs.status, `${title}: ${ours.stderr}${theirs.stderr}`);
    test.strictSame(treeIn(image), treeOf(folder), title);
    if (message !== undefined) {
      test.match(theirs.stderr, message, title);
      test.match(ours.stderr, message, title);
    }
    test.ok(isClean(image), 'the image is clean');
  }
});

const REMOVALS = cases(`
-r d/. #refused
-r d/.. #refused
-r d/sub/.. #refused
-r . #refused
-rf d/. #refused
-rf d/.. #refused
-r link
link/ #directory
d #directory
a/ #notDirectory
-r a/ #notDirectory
-rf a/
-f a/none
-f none
none #missing
-r c none y #missing
-r c d/. y #refused
c d y #directory
-r d d #missing
-r d d/sub #missing
-r d/sub d
a b
s
loop
`, MESSAGES);

t.test('rm', { skip }, async (test) => {
  const { fresh, prototype } = grounds(test);
  for (const { args, message } of sample(REMOVALS, 3)) {
    const title = `rm ${args.join(' ')}`;
    const folder = fresh();
    const image = scratchPath(test, '/dev/shm');
    copyFileSync(prototype, image);
    const options = args.filter((arg) => arg.startsWith('-'));
    const theirs = spawnSync('rm', args, { cwd: folder, encoding: 'utf8' });
    const ours = await ranHere('rm', ...options, image, ...args.slice(options.length));
    test.equal(ours.status, theirs.status, `${title}: ${ours.stderr}${theirs.stderr}`);
    test.strictSame(treeIn(image), treeOf(folder), title);
    if (message !== undefined) {
      test.match(theirs.stderr, message, title);
      test.match(ours.stderr, message, title);
    }
    test.ok(isClean(image), 'the image is clean');
  }
});

// GNU's rm empties the directory, and then fails.
t.test('rm through a link removes nothing', async (test) => {
  const { prototype } = grounds(test);
  for (const path of ['link/', '/link/', 'link//', '/', '/.', '/..', '..']) {
    const image = scratchPath(test, '/dev/shm');
    copyFileSync(prototype, image);
    const before = treeIn(image);
    for (const option of ['-r', '-rf']) {
      test.match(await ranHere('rm', option, image, path), { status: 1, stderr: /ENOTDIR.*without the slash|EINVAL.*no name/ }, path);
      test.strictSame(treeIn(image), before);
    }
  }
});

const COPIES = cases(`
x/f y/f z #overwrite
x/f none y/f z #overwrite
x/f none z #missing
x/f y/f c z #overwrite
a a z #twice
a ./a z #twice
a b z
x/f y/f none #missing
x/f y/f c #notDirectory
d z #directory
c d z #directory
x/mixed y/mixed z #directory
-r y/mixed x/mixed z #made
-r x/d x/d z #twice
-r x/d ./x/d z #twice
-r d/. z
-r link s z
-r x/f y/f d z #overwrite
-r x/empty y/empty z
c z/new/ #notDirectory
`, { ...MESSAGES, missing: /No such file|ENOENT|ENOTDIR/ });

t.test('put and get', { skip }, async (test) => {
  const { fresh, prototype } = grounds(test);
  const source = fresh();
  for (const { args, message } of sample(COPIES, 3)) {
    const options = args.filter((arg) => arg.startsWith('-'));
    const names = args.slice(options.length, -1);
    const [into = ''] = args.slice(-1);
    const folder = fresh();
    const theirs = spawnSync('cp', args, { cwd: folder, encoding: 'utf8' });
    const image = scratchPath(test, '/dev/shm');
    copyFileSync(prototype, image);
    const put = await ranHere('put', ...options, image, ...names.map((name) => `${source}/${name}`), into);
    test.equal(put.status, theirs.status, `put ${args.join(' ')}: ${put.stderr}${theirs.stderr}`);
    test.strictSame(treeIn(image), treeOf(folder), `put ${args.join(' ')}`);
    const out = fresh();
    const got = await ranHere('get', ...options, prototype, ...names, `${out}/${into}`);
    test.equal(got.status, theirs.status, `get ${args.join(' ')}: ${got.stderr}${theirs.stderr}`);
    test.strictSame(treeOf(out), treeOf(folder), `get ${args.join(' ')}`);
    if (message !== undefined) for (const { stderr } of [theirs, put, got]) test.match(stderr, message, args.join(' '));
    test.ok(isClean(image), 'the image is clean');
  }
});

// GNU's cp overwrites what it has just made below directories.
t.test('trees that have a name in common', async (test) => {
  const { fresh, prototype } = grounds(test);
  const source = fresh();
  for (const names of [['x/d', 'y/d'], ['x/.', 'y/.'], ['x', 'y/../y/.', 'y/../x/.']]) {
    const image = scratchPath(test, '/dev/shm');
    copyFileSync(prototype, image);
    const put = await ranHere('put', '-r', image, ...names.map((name) => `${source}/${name}`), 'z');
    const out = fresh();
    const got = await ranHere('get', '-r', prototype, ...names, `${out}/z`);
    for (const [{ status, stderr }, tree] of [[put, treeIn(image)], [got, treeOf(out)]] as const) {
      test.equal(status, 1);
      test.match(stderr, /EEXIST.*\/g': .*will not overwrite/);
      const copies = Object.entries(tree).filter(([path]) => path.startsWith('z/') && path.endsWith('/g'));
      test.equal(copies[0]?.[1], names.length === 3 ? 'two' : 'one', 'the first is there');
    }
    test.ok(isClean(image), 'the image is clean');
  }
  // By itself, it replaces what was there.
  const image = scratchPath(test, '/dev/shm');
  copyFileSync(prototype, image);
  for (const name of ['x/.', 'y/d']) test.equal((await ranHere('put', '-r', image, `${source}/${name}`, 'z')).status, 0);
  test.equal(treeIn(image)['z/d/g'], 'two');
});

t.test('get never overwrites the image, nor one file by another', async (test) => {
  const folder = test.testdir({});
  const image = join(folder, 'image');
  copyFileSync(makeImage(test), image);
  populate(join(folder));
  await ranHere('put', '-r', image, join(folder, 'x'), join(folder, 'y'), join(folder, 'a'), join(folder, 's'), '/');
  writeFileSync(join(folder, 'image2'), 'not the image');
  await ranHere('put', image, join(folder, 'image2'), '/image');
  await ranHere('put', image, join(folder, 'image2'), '/other');
  await ranHere('put', '-r', image, join(folder, 's'), '/alias');
  linkSync(image, join(folder, 'alias'));
  symlinkSync('image', join(folder, 'by-link'));
  const before = readFileSync(image);
  for (const [from, to] of [['image', '.'], ['/image', 'image'], ['x/f', 'image'], ['x/f', 'alias'], ['x/f', 'by-link'], ['-r', '/alias', '.']]) {
    const args = [from, to].filter((arg) => arg !== undefined);
    const [options, names] = from === '-r' ? [['-r'], ['/alias', '.']] : [[], args];
    const told = await ranHere('get', ...options, image, names[0] as string, join(folder, names[1] as string));
    test.match(told, { status: 1, stderr: /the image itself/ }, args.join(' '));
    test.ok(readFileSync(image).equals(before), args.join(' '));
  }
  const all = await ranHere('get', '-r', image, '/', folder);
  test.match(all, { status: 1, stderr: /'.*\/image': it is the image itself/ });
  test.ok(readFileSync(image).equals(before));
  test.equal(readFileSync(join(folder, 'other'), 'latin1'), 'not the image', 'the rest is there');
  // Two names outside that are one file.
  mkdirSync(join(folder, 'out'));
  writeFileSync(join(folder, 'out', 'a'), 'old');
  linkSync(join(folder, 'out', 'a'), join(folder, 'out', 'other'));
  test.match(await ranHere('get', image, 'a', 'other', join(folder, 'out')), { status: 1, stderr: /out\/other': .*will not overwrite/ });
  test.equal(readFileSync(join(folder, 'out', 'a'), 'latin1'), 'a');
});

/** Folders to work on, and an image with the same in it. */
function grounds(test: Test): { fresh: () => string; prototype: string } {
  const top = test.testdir({});
  let count = 0;
  const fresh = (): string => {
    const folder = join(top, String(count++));
    mkdirSync(folder);
    populate(folder);
    return folder;
  };
  const prototype = makeImage(test, [], 1024 * 1024);
  const source = fresh();
  {
    using device = openSync(prototype);
    using fs = mount(device);
    for (const name of readdirSync(source)) copyIn(fs, fs.root, source, name);
    fs.link(fs.resolve('a'), fs.root, 'b');
  }
  return { fresh, prototype };
}

// With calls of the filesystem alone.
function copyIn(fs: Ext2, dir: Ext2Inode, folder: string, name: string): void {
  const path = join(folder, name);
  const stats = lstatSync(path);
  if (name === 'b') return;
  if (stats.isSymbolicLink()) fs.symlink(dir, name, readlinkSync(path));
  else if (stats.isDirectory()) {
    const made = fs.mkdir(dir, name);
    for (const inner of readdirSync(path)) copyIn(fs, made, path, inner);
  } else {
    const file = fs.open(fs.create(dir, name));
    file.writeSync(readFileSync(path), 0);
    file.closeSync();
  }
}

