// Small files of a directory, many in one call: attributes as lstat gives them, contents as readFile does.

import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync, type BigIntStats } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SmallFiles, type SmallFile } from 'node-dax';

const named = (...names: string[]): Buffer[] => names.map((name) => Buffer.from(name, 'latin1'));

function checkStats(test: Test, expected: BigIntStats | undefined, file: SmallFile | undefined): void {
  if (expected === undefined || file === undefined) {
    test.equal(file, expected);
    return;
  }
  const { dev, ino, mode, nlink, uid, gid, rdev, size, atimeNs, mtimeNs } = expected;
  test.match(file.stats, { dev, ino, mode, nlink, uid, gid, rdev, size, atimeNs, mtimeNs });
  for (const is of ['isFile', 'isDirectory', 'isSymbolicLink'] as const) test.equal(file.stats[is](), expected[is](), is);
}

t.test('every kind of file', (test) => {
  const folder = test.testdir({ empty: '', small: 'small', full: 'x'.repeat(99), large: 'y'.repeat(100), folder: {} });
  symlinkSync('nowhere', join(folder, 'link'));
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), ...named('\xff\n')]), 'odd');
  utimesSync(join(folder, 'small'), '-100.5', '-1000');
  const names = named('absent', 'empty', 'fifo', 'large', 'link', 'small', '\xff\n', 'folder', 'full');
  // Before the files are read, which sets the times of access.
  const expected = names.map((name) => lstatSync(Buffer.concat([Buffer.from(`${folder}/`), name]), { bigint: true, throwIfNoEntry: false }));
  const files = new SmallFiles(100);
  const found = files.read(Buffer.from(folder), names);
  test.equal(found.length, 8, 'it ends after a directory');
  for (const [index, file] of found.entries()) checkStats(test, expected[index], file);
  const contents = found.map((file) => file?.content && Buffer.from(file.content).toString());
  test.strictSame(contents, [undefined, '', undefined, undefined, undefined, 'small', 'odd', undefined]);
  test.equal(files.read(Buffer.from(folder), named('full'))[0]?.content?.byteLength, 99);
  test.strictSame(files.read(Buffer.from(join(folder, 'small')), named('x')), [], 'it is no directory');
  test.strictSame(files.read(Buffer.from(folder), []), []);
  test.end();
});

t.test('as many as there is room for', (test) => {
  const folder = test.testdir({});
  for (let index = 0; index < 300; index++) writeFileSync(join(folder, String(index)), String(index).repeat(20));
  const names = readdirSync(folder).map((name) => Buffer.from(name));
  for (const room of [61, 1000, 1_000_000]) {
    const files = new SmallFiles(room);
    for (let read = 0; read < names.length; ) {
      const found = files.read(Buffer.from(folder), names.slice(read));
      test.ok(found.length > 0 && found.length <= SmallFiles.most);
      for (const [index, file] of found.entries()) {
        const path = join(folder, String(names[read + index]));
        if (file?.content === undefined || !readFileSync(path).equals(file.content)) test.fail(`${path}, room for ${room} bytes`);
      }
      read += found.length;
    }
  }
  const [file] = new SmallFiles(0).read(Buffer.from(folder), names);
  test.match(file, { content: undefined });
  test.ok(file?.stats.isFile(), 'without room it looks only');
  test.end();
});

t.test('a file that is longer than it says is not read', (test) => {
  const [file] = new SmallFiles(4096).read(Buffer.from('/proc/self'), named('status'));
  test.equal(file?.stats.size, 0n);
  test.equal(file?.content, undefined);
  test.end();
});

t.test('a folder of folders', (test) => {
  const folder = test.testdir({});
  for (const name of ['a', 'b']) mkdirSync(join(folder, name));
  const found = new SmallFiles(4096).read(Buffer.from(folder), named('a', 'b'));
  test.equal(found.length, 1);
  test.end();
});
