// What a file is: files of several names of every kind go in and out as one, and none is taken for another.

import { execFileSync, spawnSync } from 'node:child_process';
import { linkSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { identityOf } from '../../lib/cli/ext2/copying/host-tree.js';
import { ranHere } from '../helpers/cli.js';
import { checkImage, makeImage } from '../helpers/ext2-command.js';
import { debugfs, e2fsprogsMissing } from '../helpers/ext2-image.js';

const missing = e2fsprogsMissing();
const isRoot = process.geteuid?.() === 0;

t.test('numbers that no double has', (test) => {
  const ino = 2n ** 63n + 2n;
  test.not(identityOf({ dev: 1n, ino }), identityOf({ dev: 1n, ino: ino + 1n }));
  test.not(identityOf({ dev: 2n ** 53n, ino }), identityOf({ dev: 2n ** 53n + 1n, ino }));
  test.equal(identityOf({ dev: 1n, ino }), identityOf({ dev: 1n, ino }));
  test.end();
});

/** An overlay whose lower files have numbers beyond 2^63; undefined where this user, or this kernel, cannot. */
function mountOverlay(test: Test, populate: (lower: string) => void): string | undefined {
  const top = mkdtempSync(join(tmpdir(), 'node-dax-overlay-'));
  const path = (name: string) => join(top, name);
  const mount = (...args: string[]) => spawnSync('mount', args, { encoding: 'utf8' });
  test.teardown(() => {
    for (const name of ['merged', 'lower', 'upper']) {
      spawnSync('umount', [path(name)]);
      rmdirSync(path(name));
    }
    rmdirSync(top);
  });
  for (const name of ['merged', 'lower', 'upper']) mkdirSync(path(name));
  for (const name of ['lower', 'upper']) if (mount('-t', 'tmpfs', 'none', path(name)).status !== 0) return undefined;
  populate(path('lower'));
  for (const name of ['up', 'work']) mkdirSync(join(path('upper'), name));
  const options = `xino=on,lowerdir=${path('lower')},upperdir=${path('upper')}/up,workdir=${path('upper')}/work`;
  return mount('-t', 'overlay', 'overlay', '-o', options, path('merged')).status === 0 ? path('merged') : undefined;
}

t.test('files of an overlay with xino=on', { skip: missing ?? (isRoot ? false : 'only root can mount') }, async (test) => {
  const contents = Array.from({ length: 40 }, (_, index) => `content of ${index}`);
  const merged = mountOverlay(test, (lower) => {
    for (const [index, content] of contents.entries()) {
      mkdirSync(join(lower, `dir${index}`, 'inner'), { recursive: true });
      writeFileSync(join(lower, `dir${index}`, 'file'), content);
      linkSync(join(lower, `dir${index}`, 'file'), join(lower, `dir${index}`, 'again'));
    }
  });
  if (merged === undefined) {
    test.comment('no overlay can be mounted here');
    return;
  }
  const numbers = contents.map((_, index) => lstatSync(join(merged, `dir${index}`, 'file'), { bigint: true }).ino);
  if (new Set(numbers.map(Number)).size === contents.length) {
    test.comment('this kernel gives numbers that a double has');
    return;
  }
  const image = makeImage(test, [], 8 * 1024 ** 2);
  const put = await ranHere('put', '-r', image, `${merged}/.`, '/');
  test.strictSame(put, { status: 0, stderr: '' });
  checkImage(test, image);
  const out = test.testdir({});
  test.strictSame(await ranHere('get', '-r', image, '/', join(out, 'out')), { status: 0, stderr: '' });
  for (const [index, content] of contents.entries()) {
    const at = join(out, 'out', `dir${index}`);
    test.strictSame(readdirSync(at).sort(), ['again', 'file', 'inner']);
    for (const name of ['file', 'again']) test.equal(readFileSync(join(at, name), 'utf8'), content);
    test.equal(lstatSync(join(at, 'file')).nlink, 2);
  }
  // And out again into such a filesystem.
  const into = join(merged, 'into');
  test.strictSame(await ranHere('get', '-r', image, '/', into), { status: 0, stderr: '' });
  test.strictSame(await ranHere('get', '-r', image, '/', into), { status: 0, stderr: '' }, 'over what is there');
  for (const [index, content] of contents.entries()) test.equal(readFileSync(join(into, `dir${index}`, 'again'), 'utf8'), content);
});

t.test('hard links of what is no regular file', { skip: missing ?? false }, async (test) => {
  const folder = test.testdir({ tree: { sub: {} } });
  const tree = join(folder, 'tree');
  symlinkSync('target', join(tree, 'link'));
  symlinkSync('x'.repeat(100), join(tree, 'long'));
  execFileSync('mkfifo', [join(tree, 'fifo')]);
  const kinds = ['link', 'long', 'fifo'];
  if (isRoot) {
    execFileSync('mknod', [join(tree, 'char'), 'c', '1', '3']);
    execFileSync('mknod', [join(tree, 'block'), 'b', '7', '300']);
    kinds.push('char', 'block');
  }
  for (const name of kinds) {
    linkSync(join(tree, name), join(tree, 'sub', name));
    linkSync(join(tree, name), join(tree, `z-${name}`));
  }
  const image = makeImage(test);
  test.strictSame(await ranHere('put', '-r', image, tree, '/'), { status: 0, stderr: '' });
  checkImage(test, image);
  const stat = (path: string) => debugfs(readFileSync(image), `stat ${path}`).toString();
  for (const name of kinds) {
    const first = stat(`/tree/${name}`);
    test.match(first, /Links: 3 /, name);
    for (const path of [`/tree/sub/${name}`, `/tree/z-${name}`]) test.equal(/Inode: \d+/.exec(stat(path))?.[0], /Inode: \d+/.exec(first)?.[0], path);
  }
  // Again, over what is there; and with a name outside of the tree.
  test.strictSame(await ranHere('put', '-r', image, join(tree, 'z-link'), `${tree}/.`, '/tree'), { status: 0, stderr: '' });
  checkImage(test, image);
  test.match(stat('/tree/link'), /Links: 3 /);
  const out = join(folder, 'out');
  const got = await ranHere('get', '-r', image, '/tree', out);
  test.match(got, { status: 1, stderr: /fifo: left out/ }, 'fifos and devices are not made outside');
  for (let round = 0; round < 2; round++) {
    for (const name of ['link', 'long']) {
      const { ino, nlink } = lstatSync(join(out, name));
      test.equal(nlink, 3);
      for (const path of [`sub/${name}`, `z-${name}`]) test.equal(lstatSync(join(out, path)).ino, ino, path);
    }
    await ranHere('get', '-r', image, '/tree/.', out);
  }
});
