// The command `demo`: what it shows, and what it leaves alone.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { cli, type Ran } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';

function demo(...args: string[]): Ran {
  return cli('demo', ...args);
}

t.test('the command makes a device in memory and removes it', (test) => {
  const { status, stdout, stderr } = demo();
  test.strictSame({ status, stderr }, { status: 0, stderr: '' });
  test.match(stdout, /open .*view .*persist .*reopen {2}found it again.*ext2 .*map .*store .*cut .*verify .*e2fsck.*readSync.*fs\.readSync.*O_DIRECT/s);
  const path = /open +(\S+),/.exec(stdout)?.[1] ?? '';
  test.equal(existsSync(path), false);
  test.match(JSON.parse(demo('--json').stdout), { kind: 'file', verified: true, ext2: { text: 'Hello, mapped', is_clean: true }, timings: [{}, {}, {}] });
  test.end();
});

t.test('the command overwrites nothing that it was not given', (test) => {
  const path = scratchPath(test);
  const content = Buffer.alloc(2 * 1024 * 1024, 'precious');
  writeFileSync(path, content);
  const asked = demo('--device', path);
  test.equal(asked.status, 2);
  test.match(asked.stderr, /--yes-overwrite/);
  content.writeUInt16LE(0xef53, 1080);
  writeFileSync(path, content);
  const refused = demo('--device', path, '--yes-overwrite');
  test.equal(refused.status, 1);
  test.match(refused.stderr, /EBUSY.*carries ext2, ext3 or ext4; --force/);
  test.ok(readFileSync(path).equals(content));
  test.equal(demo('--device', path, '--yes-overwrite', '--force').status, 0);
  test.ok(readFileSync(path).subarray(4096).equals(content.subarray(4096)));
  const whole = demo('--device', path, '--ext2');
  test.equal(whole.status, 2);
  test.match(whole.stderr, /overwrites the first 67108864 bytes of .*--yes-overwrite/);
  test.match(demo('--device', path, '--ext2', '--yes-overwrite'), { status: 0, stdout: /ext2 .*verify/s });
  test.equal(readFileSync(path).readUInt16LE(1080), 0xef53);

  const absent = scratchPath(test);
  test.equal(demo('--device', absent, '--yes-overwrite').status, 0);
  test.equal(existsSync(absent), false, 'a file made for the demo is removed');
  test.equal(demo('--device', '/dev/null', '--yes-overwrite').status, 1);
  test.equal(demo('--devise').status, 2);
  test.end();
});
