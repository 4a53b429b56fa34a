// What removes or renames and refuses its argument changes nothing: compared with node:fs, and the tree with itself.

import * as nodeFs from 'node:fs';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { at, awaitBoth, callBoth, checkMedium, openSides, type Said, type Sides } from './two-sides.js';

type Call = [name: string, ...args: unknown[]];

function populate({ node, ours }: Sides): void {
  for (const [fs, root] of [[nodeFs, node], [ours, '']] as const) {
    fs.mkdirSync(`${root}/d/sub/deep`, { recursive: true });
    fs.mkdirSync(`${root}/empty`);
    fs.writeFileSync(`${root}/d/file`, 'x');
    fs.writeFileSync(`${root}/d/sub/file`, 'x');
    fs.writeFileSync(`${root}/f`, 'x');
    fs.symlinkSync('d', `${root}/link`);
    fs.symlinkSync('link', `${root}/chain`);
    fs.symlinkSync('d/..', `${root}/up`);
  }
}

// With types, no link is followed.
const namesBelow = (fs: Pick<typeof nodeFs, 'readdirSync'>, root: string) =>
  fs.readdirSync(root, { recursive: true, withFileTypes: true }).map(({ parentPath, name }) => relative(root, join(parentPath, name))).sort();
const treeOf = ({ ours }: Sides) => namesBelow(ours, '/');
const theirTree = ({ node }: Sides) => namesBelow(nodeFs, node);
const codeOf = (said: Said) => ('error' in said ? said.error['code'] : 'no error');

const RECURSIVE = { recursive: true };

// As the kernel refuses them.
const REFUSED: Call[] = [
  ...['/link/', '/chain/', '/d/.', '/empty/.', '/d/..', '/d/sub/..', '/link/..', '/d', '/f', '/f/'].map((path): Call => ['rmdir', at(path)]),
  ...['/link/', '/d/.', '/d/..', '/d/sub/..', '/f/', '/f/.', '/d', '/empty/'].map((path): Call => ['unlink', at(path)]),
  ...['/link/', '/d/.', '/d/..', '/d/sub/..', '/f/', '/f/.', '/up/', '/link/.'].flatMap((path): Call[] => [
    ['rename', at(path), at('/new')],
    ['rename', at('/empty'), at(path)],
    ['rename', at('/f'), at(path)],
  ]),
  ['rename', at('/d'), at('/d/sub/new')],
  ['rename', at('/empty'), at('/d')],
  ['rename', at('/f'), at('/empty')],
  ['copyFile', at('/f'), at('/d')],
];

t.test('what is refused changes nothing', async (test) => {
  const sides = openSides(test);
  populate(sides);
  const before = treeOf(sides);
  for (const [name, ...args] of REFUSED) {
    const title = `${name} ${JSON.stringify(args)}`;
    for (const { theirs, ours } of [callBoth(sides, `${name}Sync`, args), await awaitBoth(sides, name, args)]) {
      test.strictSame(codeOf(ours), codeOf(theirs), title);
      test.not(codeOf(ours), 'no error', title);
      test.strictSame(treeOf(sides), before, `${title}: everything is there`);
    }
  }
  checkMedium(test, sides);
});

// Of these node:fs and rm(1) empty some, each its own, before or without an error.
t.test('no tree is removed that has not its own name at the end of the path', async (test) => {
  const sides = openSides(test);
  populate(sides);
  const { ours } = sides;
  const before = treeOf(sides);
  const cases = {
    ENOTDIR: ['/link/', '/link//', '/chain/', '/up/', 'link/', '/f/', '/f/.', '/f/..', '/d/file/'],
    EINVAL: ['/d/.', '/d/./', '/d/sub/.', '/link/.', '/empty/.', '/d/..', '/d/sub/..', '/link/..', '/empty/..', '..', '.', '/.', '/..'],
    EBUSY: ['/', '//'],
  };
  for (const [code, paths] of Object.entries(cases)) {
    for (const path of paths) {
      for (const force of [false, true]) {
        test.throws(() => { ours.rmSync(path, { recursive: true, force }); }, { code }, path);
        await test.rejects(ours.promises.rm(path, { recursive: true, force }), { code }, path);
        await test.rejects(ours.promises.rm(Buffer.from(path), { recursive: true, force }), { code }, path);
      }
      test.throws(() => { ours.rmSync(path); }, { code: path.startsWith('/f') || path.includes('file') ? code : 'ERR_FS_EISDIR' }, path);
      test.strictSame(treeOf(sides), before, `${path}: everything is there`);
    }
  }
  for (const path of ['/', '//', '.', '..']) {
    test.throws(() => { ours.renameSync(path, '/new'); }, { code: 'EBUSY', syscall: 'rename' }, path);
    test.throws(() => { ours.renameSync('/empty', path); }, { code: 'EBUSY', syscall: 'rename' }, path);
  }
  // node:fs removes the file.
  test.throws(() => { ours.copyFileSync('/d', '/f'); }, { code: 'EISDIR' });
  test.strictSame(treeOf(sides), before);
  checkMedium(test, sides);
});

t.test('what may be removed is', (test: Test) => {
  const sides = openSides(test);
  populate(sides);
  for (const path of ['/up', '/link', '/d/sub/', '/d//', 'empty', '/chain']) {
    const { theirs, ours } = callBoth(sides, 'rmSync', [path.startsWith('/') ? at(path) : at(`/${path}`), RECURSIVE]);
    test.strictSame([theirs, ours], [{ result: undefined }, { result: undefined }], path);
    test.strictSame(treeOf(sides), theirTree(sides), path);
  }
  test.strictSame(treeOf(sides), ['f']);
  checkMedium(test, sides);
  test.end();
});

t.test('a tree deeper than a path is long', (test) => {
  const sides = openSides(test);
  const { ours, mounted } = sides;
  ours.mkdirSync('/top');
  let dir = mounted.resolve('/top');
  for (let depth = 0; depth < 40; depth++) dir = mounted.mkdir(dir, 'n'.repeat(200));
  mounted.create(dir, 'file');
  ours.rmSync('/top', RECURSIVE);
  test.strictSame(ours.readdirSync('/'), []);
  checkMedium(test, sides);
  test.end();
});

t.test('a directory that is open outlives its name', async (test) => {
  const sides = openSides(test);
  const { node, mounted } = sides;
  const { freeInodes } = mounted.statfs();
  const told: unknown[][] = [];
  for (const [fs, root] of [[nodeFs, node], [sides.ours, '']] as const) {
    const said: unknown[] = [];
    const tell = ({ nlink, mode, uid, mtimeMs }: nodeFs.Stats): void => { said.push({ nlink, mode, uid, isLater: mtimeMs > 1_000_000 }); };
    fs.mkdirSync(`${root}/open`);
    const fd = fs.openSync(`${root}/open`, 'r');
    const handle = await (fs).promises.open(`${root}/open`);
    fs.rmdirSync(`${root}/open`);
    // Another of the same name is another.
    fs.mkdirSync(`${root}/open`);
    tell(fs.fstatSync(fd));
    tell(await handle.stat());
    fs.fchmodSync(fd, 0o700);
    tell(await handle.stat());
    fs.closeSync(fd);
    try {
      fs.fstatSync(fd);
    } catch (error) {
      said.push((error as NodeJS.ErrnoException).code);
    }
    tell(await handle.stat());
    if (fs === sides.ours) test.throws(() => { mounted.unmount(); }, { code: 'EBUSY' });
    await handle.close();
    fs.rmdirSync(`${root}/open`);
    told.push(said);
  }
  test.strictSame(told[1], told[0]);
  test.match(told[1]?.[0], { nlink: 0 });
  test.equal(mounted.statfs().freeInodes, freeInodes, 'and then it is gone');
  checkMedium(test, sides);
});
