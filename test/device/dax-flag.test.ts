// Whether a file is DAX, by mount options and by the flag of ext4 (`chattr +x`), is reported correctly (IN-2 to IN-4, after
// generic/470, 606, 607 and 608 of xfstests).

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openSync } from 'node-dax';

const pmem = process.env['NODE_DAX_TEST_PMEM'];
const skip = pmem === undefined ? 'NODE_DAX_TEST_PMEM names no device: npm run test:guest has one' : false;
if (skip !== false && process.env['NODE_DAX_TEST_REQUIRE'] === '1') t.fail(skip);

t.setTimeout(300_000);

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Calls `use` with the folder where the ext4 of the device is mounted. */
function mounted<T>(options: string, use: (root: string) => T): T {
  const root = mkdtempSync(join(tmpdir(), 'node-dax-flag-'));
  run('mount', '-t', 'ext4', '-o', options, pmem ?? '', root);
  try {
    return use(root);
  } finally {
    run('umount', root);
    rmdirSync(root);
  }
}

function isDax(path: string): boolean {
  using device = openSync(path, { readOnly: true });
  return device.isDax;
}

/** A new file of a page. */
function made(...path: string[]): string {
  const file = join(...path);
  writeFileSync(file, Buffer.alloc(4096, 1));
  return file;
}

t.test('ext4 on pmem', { skip }, (t) => {
  run('mkfs.ext4', '-F', '-q', '-b', '4096', pmem ?? '');

  const modes = [
    ['dax=always', true, true],
    ['dax=never', false, false],
    ['dax=inode', true, false],
    ['rw', true, false],
  ] as const;
  for (const [options, flagged, plain] of modes) {
    mounted(options, (root) => {
      const folders = [join(root, `${options}-flagged`), join(root, `${options}-plain`)] as const;
      for (const folder of folders) mkdirSync(folder);
      run('chattr', '+x', folders[0]);
      run('chattr', '-x', folders[1]);
      t.strictSame(folders.map((folder) => isDax(made(folder, 'file'))), [flagged, plain], `mounted with ${options} (IN-2)`);
    });
  }

  mounted('dax=never', (root) => {
    const path = made(root, 'cached');
    t.throws(() => openSync(path, { requireDax: true }), { code: 'EOPNOTSUPP', reason: 'NOT_DAX' }, 'a file that is not DAX has no MAP_SYNC (MS-1)');
    t.throws(() => openSync(path, { requireGranularity: 'cache_line' }), { code: 'EOPNOTSUPP' });
  });

  mounted('dax=inode', (root) => {
    const [flagged, plain] = [join(root, 'flagged'), join(root, 'plain')];
    for (const folder of [flagged, plain]) mkdirSync(folder);
    run('chattr', '+x', flagged);
    mkdirSync(join(flagged, 'below'));
    t.equal(isDax(made(flagged, 'below', 'file')), true, 'a folder hands its flag on (IN-3)');
    const [there, here] = [made(flagged, 'file'), made(plain, 'file')];
    run('cp', here, join(flagged, 'copy'));
    run('cp', there, join(plain, 'copy'));
    t.strictSame([isDax(join(flagged, 'copy')), isDax(join(plain, 'copy'))], [true, false], 'a copy takes the flag of where it goes (IN-3)');
    run('mv', here, join(flagged, 'moved'));
    run('mv', there, join(plain, 'moved'));
    t.strictSame([isDax(join(flagged, 'moved')), isDax(join(plain, 'moved'))], [false, true], 'what is moved keeps its own (IN-3)');

    const path = made(plain, 'toggled');
    for (const [flag, before] of [['+x', false], ['-x', true]] as const) {
      const device = openSync(path);
      run('chattr', flag, path);
      t.equal(isDax(path), before, `chattr ${flag} of a file that is open changes nothing yet (IN-4)`);
      device.closeSync();
      writeFileSync('/proc/sys/vm/drop_caches', '2');
      t.equal(isDax(path), !before, `chattr ${flag} counts once everybody has closed the file (IN-4)`);
    }
  });
  // Others find no filesystem there, as it was.
  run('wipefs', '--all', '--quiet', pmem ?? '');
  t.end();
});
