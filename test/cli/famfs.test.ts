// The commands on famfs: make one, put files in it, show them, and find what is wrong.

import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../helpers/cli.js';
import { folderFor, systemUuidFile } from '../helpers/famfs-image.js';

const MIB = 1024 ** 2;

t.test('a famfs from its making to its damage', { timeout: 300_000 }, (test) => {
  const folder = folderFor(test);
  const memory = join(folder, 'memory');
  const host = ['--system-uuid-file', systemUuidFile(test)];
  const fine = (...args: string[]): string => {
    const { status, stdout, stderr } = cli('famfs', ...args, ...host);
    test.strictSame({ status, stderr }, { status: 0, stderr: '' }, args.join(' '));
    return stdout;
  };
  const fails = (wanted: RegExp, ...args: string[]): void => {
    const { status, stderr } = cli('famfs', ...args, ...host);
    test.match({ status, stderr }, { status: 1, stderr: wanted }, args.join(' '));
  };
  test.match(fine('mkfs', memory, '--size', '64M'), /a famfs was made\nversion: +48\n/);
  fails(/carries famfs/, 'mkfs', memory);
  const content = Buffer.alloc(5 * MIB + 3, 'content;');
  writeFileSync(join(folder, 'outside'), content, { mode: 0o640 });
  fine('put', '-p', memory, join(folder, 'outside'), 'd/e/striped', '--stripes', '2');
  fine('put', memory, join(folder, 'outside'), '/d');
  test.equal(fine('ls', memory, 'd'), 'e\noutside\n');
  test.match(fine('ls', '-l', memory, '/d/outside'), /^-rw-r----- .* 5242883 outside\n$/);
  test.equal(fine('tree', memory), 'd/\n  e/\n    striped\n  outside\n');
  test.match(fine('stat', memory, 'd/e/striped'), /Size: 5242883.*Strips: 2, in chunks of 2097152 bytes\n +4194304 bytes at /s);
  test.match(JSON.parse(fine('stat', '--json', memory, 'd/outside')), [{ path: '/d/outside', mode: '0640', size: content.length, stripes: 0 }]);
  fine('get', memory, 'd/e/striped', join(folder, 'back'));
  test.ok(readFileSync(join(folder, 'back')).equals(content));
  test.equal(fine('cat', memory, 'd/outside'), content.toString());
  fine('flush', memory, 'd/outside', 'd/e/striped');
  test.match(JSON.parse(fine('info', '--json', memory)), { role: 'master', entries: 4, capacity: 15_420, alloc_unit: 2 * MIB, persistent: false });
  test.match(fine('check', memory), /4 entries\nnothing is wrong\n$/);
  fails(/ENOENT.*famfs cat '.*memory:none'/, 'cat', memory, 'none');
  fails(/EEXIST/, 'put', memory, join(folder, 'outside'), 'd');
  const client = cli('famfs', 'put', memory, join(folder, 'outside'), 'x', '--system-uuid-file', '/no/such/file');
  test.match(client, { status: 1, stderr: /EROFS.*client/ });
  const fd = openSync(memory, 'r+');
  writeSync(fd, Buffer.from('x'), 0, 1, 2 * MIB + 48 + 3 * 544 + 45);
  const { status, stdout } = cli('famfs', 'check', memory, ...host);
  test.match({ status, stdout }, { status: 1, stdout: /3 entries\nentry 3: crc: / });
  test.equal(fine('--help').includes('flush'), true);
  test.end();
});
