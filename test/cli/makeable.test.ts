// A command given the name of a device that is not there makes no file in its place, which would look like the device.

import { existsSync, readdirSync } from 'node:fs';
import t from 'tap';
import { cli } from '../helpers/cli.js';

const COMMANDS: readonly ((path: string) => string[])[] = [
  (path) => ['bench', path, '--size', '4k', '--rw', 'read'],
  (path) => ['bench', path, '--size', '4k', '--rw', 'write', '--yes-overwrite', '--force'],
  (path) => ['bench', path, '--preset', 'metadata'],
  (path) => ['vm', '--nvdimm', `64M:pmem:${path}`, '--', 'true'],
  (path) => ['vm', '--device', `64M:pmem:${path}`, '--', 'true'],
  (path) => ['demo', '--device', path, '--yes-overwrite'],
  (path) => ['ext2', 'mkfs', path, '--size', '1M'],
  (path) => ['famfs', 'mkfs', path, '--size', '64M'],
  (path) => ['log', 'create', path, '--size', '1M'],
];

for (const path of ['/dev/dax9.0', '/dev/pmem99', '/dev/nowhere/pmem99']) {
  t.test(`no command makes ${path}`, (test) => {
    const before = readdirSync('/dev');
    for (const command of COMMANDS) {
      const args = command(path);
      test.match(cli(...args), { status: 1, stderr: /ENOENT: .*there is no such device: `node-dax list`/ }, args.join(' '));
      test.notOk(existsSync(path));
    }
    test.strictSame(readdirSync('/dev'), before);
    test.end();
  });
}

t.test('nor in a folder of devices', (test) => {
  const before = readdirSync('/dev');
  test.match(cli('bench', '/dev', '--size', '4k', '--rw', 'read'), { status: 1, stderr: /there is no such device/ });
  test.strictSame(readdirSync('/dev'), before);
  test.end();
});
