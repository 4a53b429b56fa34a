import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { scratchPath } from '../helpers/devices.js';

const MAIN = join(__dirname, '..', '..', 'lib', 'cli', 'main.js');

function cli(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'demo', ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

t.test('the command makes a device in memory and removes it', (test) => {
  const { status, stdout, stderr } = cli();
  test.strictSame({ status, stderr }, { status: 0, stderr: '' });
  test.match(stdout, /open .*view .*persist .*reopen {2}found it again.*ext2 .*map .*store .*cut .*verify .*e2fsck.*readSync.*fs\.readSync.*O_DIRECT/s);
  const path = /open +(\S+),/.exec(stdout)?.[1] ?? '';
  test.equal(existsSync(path), false);
  test.match(JSON.parse(cli('--json').stdout), { kind: 'file', verified: true, ext2: { text: 'Hello, mapped', is_clean: true }, timings: [{}, {}, {}] });
  test.end();
});

t.test('the command overwrites nothing that it was not given', (test) => {
  const path = scratchPath(test);
  const content = Buffer.alloc(2 * 1024 * 1024, 'precious');
  writeFileSync(path, content);
  const asked = cli('--device', path);
  test.equal(asked.status, 2);
  test.match(asked.stderr, /--yes-overwrite/);
  content.writeUInt16LE(0xef53, 1080);
  writeFileSync(path, content);
  const refused = cli('--device', path, '--yes-overwrite');
  test.equal(refused.status, 1);
  test.match(refused.stderr, /EBUSY.*carries ext2, ext3 or ext4; --force/);
  test.ok(readFileSync(path).equals(content));
  test.equal(cli('--device', path, '--yes-overwrite', '--force').status, 0);
  test.ok(readFileSync(path).subarray(4096).equals(content.subarray(4096)));
  const whole = cli('--device', path, '--ext2');
  test.equal(whole.status, 2);
  test.match(whole.stderr, /overwrites the first 67108864 bytes of .*--yes-overwrite/);
  test.match(cli('--device', path, '--ext2', '--yes-overwrite'), { status: 0, stdout: /ext2 .*verify/s });
  test.equal(readFileSync(path).readUInt16LE(1080), 0xef53);

  const absent = scratchPath(test);
  test.equal(cli('--device', absent, '--yes-overwrite').status, 0);
  test.equal(existsSync(absent), false, 'a file made for the demo is removed');
  test.equal(cli('--device', '/dev/null', '--yes-overwrite').status, 1);
  test.equal(cli('--devise').status, 2);
  test.end();
});
