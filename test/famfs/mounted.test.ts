// Reads the log of a famfs through a mount: a folder that looks like a mount by the kernel, with superblock and log in `.meta`.

import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSync } from 'node-dax';
import { openMountedFamfs, type Famfs } from 'node-dax/famfs';
import { LOG_OFFSET } from '../../lib/famfs/format/superblock.js';
import { cli } from '../helpers/cli.js';
import { contentOf } from '../helpers/famfs-content.js';
import { folderFor, makeFamfs, MIB, walk, type Host } from '../helpers/famfs-image.js';

const CONTENT = Buffer.alloc(5 * MIB + 77, 'by the files of the mount; ');

/** Writes what a mount of the famfs shows to `folder`. */
function show(folder: string, { path }: Host, famfs: Famfs): void {
  const memory = readFileSync(path);
  const log = LOG_OFFSET + famfs.superblock.logLength;
  mkdirSync(join(folder, '.meta'), { recursive: true });
  writeFileSync(join(folder, '.meta', '.superblock'), memory.subarray(0, LOG_OFFSET));
  writeFileSync(join(folder, '.meta', '.log'), memory.subarray(LOG_OFFSET, log));
  for (const [name, inode] of walk(famfs)) {
    if (inode.isDirectory) mkdirSync(join(folder, name), { recursive: true });
    else writeFileSync(join(folder, name), contentOf(famfs, inode));
  }
}

function mounted(test: Test): { folder: string; host: Host; master: Famfs } {
  const host = makeFamfs(test);
  const master = host.mount();
  const fill = (file: { writeSync: (bytes: Buffer, pos: number) => number }): void => { file.writeSync(CONTENT, 0); };
  master.mkdir('d');
  master.create('d/plain', CONTENT.length, { fill });
  master.create('d/striped', CONTENT.length, { stripes: 3, fill });
  const folder = folderFor(test);
  show(folder, host, master);
  return { folder, host, master };
}

t.test('names and attributes are those of the log', (test) => {
  const { folder, host, master } = mounted(test);
  const famfs = openMountedFamfs(folder, { systemUuidFile: host.uuidFile });
  test.equal(famfs.damage, undefined);
  test.match(famfs, { role: 'master', readOnly: true, entries: 3 });
  test.strictSame(famfs.superblock, master.superblock);
  test.strictSame(famfs.statfs(), master.statfs());
  for (const path of ['d/plain', 'd/striped']) {
    test.strictSame(famfs.stat(path), master.stat(path));
    test.throws(() => famfs.open(path), { code: 'EOPNOTSUPP', message: new RegExp(`open ${folder}/${path}`) }, 'contents are those of the mount');
    test.throws(() => { famfs.flush(path); }, { code: 'EOPNOTSUPP' });
    using file = openSync(join(folder, path), { readOnly: true });
    test.ok(Buffer.from(file.view()).equals(CONTENT));
  }
  test.throws(() => famfs.open('d'), { code: 'EISDIR' });
  test.throws(() => famfs.create('new', 10), { code: 'EROFS' });
  test.end();
});

t.test('what the log has and the mount has not yet is seen', (test) => {
  const { folder, host, master } = mounted(test);
  using famfs = openMountedFamfs(folder, { systemUuidFile: host.uuidFile });
  master.create('later', 100);
  writeFileSync(join(folder, '.meta', '.log'), readFileSync(host.path).subarray(LOG_OFFSET, LOG_OFFSET + master.superblock.logLength), { flag: 'r+' });
  test.strictSame(famfs.refresh().map(({ path }) => path), ['/later']);
  test.end();
});

t.test('a folder that is no mount, and one that is damaged', (test) => {
  const { folder } = mounted(test);
  test.throws(() => openMountedFamfs(folderFor(test)), { code: 'ENOENT' });
  truncateSync(join(folder, '.meta', '.superblock'), 4096);
  test.throws(() => openMountedFamfs(folder), { code: 'EUCLEAN', message: /4096 bytes, not 2097152/ });
  test.end();
});

t.test('the commands that read take the folder of a mount', (test) => {
  const { folder, host } = mounted(test);
  const run = (name: string, ...words: string[]) => cli('famfs', name, '--system-uuid-file', host.uuidFile, folder, ...words);
  test.match(run('ls', '/d'), { status: 0, stdout: 'plain\nstriped\n' });
  test.match(run('check'), { status: 0, stdout: /nothing is wrong/ });
  test.match(run('cat', 'd/striped'), { status: 1, stderr: /EOPNOTSUPP.*open \/.*\/d\/striped/ });
  test.match(run('put', host.uuidFile, '/new'), { status: 1, stderr: /EROFS/ });
  test.end();
});
