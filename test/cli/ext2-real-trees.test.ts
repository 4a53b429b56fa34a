// Real trees go into an image and come out as they were: the packages of this project, and the modules of a kernel if there is one.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync, rmdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';
import t from 'tap';
import { ext2Here } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';
import { e2fsckMissing } from '../helpers/e2fsck.js';
import { THOROUGH } from '../helpers/thorough.js';

const TREES = [join(__dirname, '..', '..', '..', 'node_modules'), join(homedir(), '.cache', 'node-dax', 'kernel', 'lib')];
// Node sets times to the microsecond, in milliseconds here.
const PRECISION = 0.002;

interface Line {
  /** All that a copy keeps, but the time and the content, which diff(1) compares. */
  readonly text: string;
  readonly mtimeMs: number;
}

function manifest(folder: string): Line[] {
  // The first name of each file. Others may lie outside of the folder.
  const first = new Map<number, string>();
  // With types, because without them Node 20 follows links to directories out of the folder.
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true }).map(({ parentPath, name }) => join(parentPath, name)).sort();
  return paths.map((path) => {
    const name = relative(folder, path);
    const stats = lstatSync(path);
    const { ino, mode, uid, gid, size, mtimeMs } = stats;
    if (!first.has(ino)) first.set(ino, name);
    // The size of a directory is the filesystem's own.
    const own = stats.isDirectory() ? '' : `${size} ${first.get(ino) ?? ''}`;
    return { text: `${name} ${mode.toString(8)} ${uid}:${gid} ${own} ${stats.isSymbolicLink() ? readlinkSync(path) : ''}`, mtimeMs };
  });
}

for (const tree of TREES) {
  const why = !THOROUGH ? 'only in a thorough run' : existsSync(tree) ? e2fsckMissing() : `there is no ${tree}`;
  t.test(tree, { skip: why ?? false, timeout: 1_800_000 }, async (test) => {
    const image = scratchPath(test, '/dev/shm');
    const out = scratchPath(test, '/dev/shm');
    mkdirSync(out);
    test.teardown(() => { rmSync(out, { recursive: true, force: true }); });
    await ext2Here('mkfs', '--size', '2G', '-N', '100000', image);
    await ext2Here('put', '-r', image, `${tree}/.`, '/');
    test.match(spawnSync('e2fsck', ['-fn', image], { encoding: 'latin1' }), { status: 0 }, 'e2fsck finds nothing');
    await ext2Here('get', '-r', image, '/.', out);
    rmdirSync(join(out, 'lost+found'));
    const [came, went] = [manifest(out), manifest(tree)];
    test.strictSame(came.map(({ text }) => text), went.map(({ text }) => text));
    const early = came.filter(({ mtimeMs }, index) => Math.abs(mtimeMs - (went[index]?.mtimeMs ?? 0)) > PRECISION);
    test.strictSame(early, [], 'times of change');
    test.equal(execFileSync('diff', ['-r', '--no-dereference', tree, out]).toString(), '');
  });
}
