// The command `log`.

import { spawnSync } from 'node:child_process';
import t from 'tap';
import { cli, MAIN } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';

function run(args: readonly string[], input?: string | Buffer): { status: number | null; stdout: string; stderr: string } {
  if (input === undefined) return cli('log', ...args);
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'log', ...args], { input });
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
}

t.test('a log is made, filled, shown and checked', (test) => {
  const path = scratchPath(test, '/dev/shm');
  test.match(run(['info', path]), { status: 1, stderr: /ENOENT.*`node-dax log create --size` makes a file there/ });
  test.match(run(['create', path, '--size', '64K']), { status: 0, stdout: /a new log\n.*\n.*of 57344 used/, stderr: /does not survive a power cut/ });
  const { status, stdout } = run(['append', path], 'one\ntwo\n\nlast');
  test.strictSame({ status, stdout }, { status: 0, stdout: '' });
  test.equal(run(['cat', path]).stdout, 'one\ntwo\n\nlast\n');
  test.equal(run(['tail', path, '-n', '2']).stdout, '\nlast\n');
  const lengths = Buffer.from([3, 0, 0, 0, 97, 10, 98, 0, 0, 0, 0]);
  test.match(JSON.parse(run(['append', path, '--length-prefixed', '--json'], lengths).stdout), { appended: 2 });
  test.match(run(['append', path, '--length-prefixed'], Buffer.from([9, 0, 0, 0, 1])), { status: 1, stderr: /ends within a record/ });
  const lines = run(['cat', path, '--json']).stdout.trim().split('\n').map((line) => JSON.parse(line) as object);
  test.match(lines[4], { sequence: 5, length: 3, base64: Buffer.from('a\nb').toString('base64') });
  test.match(JSON.parse(run(['info', path, '--json']).stdout), { next_sequence: 7, persistent: false, head: 0 });
  test.match(run(['check', path]), { status: 0, stdout: /6 records of 13 bytes are intact/ });
  spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=1', 'seek=8208', 'count=1', 'conv=notrunc']);
  test.match(run(['check', path]), { status: 1, stdout: /lost: .*position 0 to 2, byte 8192/ });
  test.match(run(['cat', path]), { status: 1, stdout: 'two\n\nlast\na\nb\n\n', stderr: /lost: .*position 0 to 2, byte 8192/ }, 'goes on after what is lost');
  test.match(run(['tail', path, '-n', '1']), { status: 0, stdout: '\n' }, 'and is not disturbed by what is lost before');
  test.match(run(['create', path]), { status: 0, stdout: /a log already, .*--force/ });
  test.match(run(['create', path, '--force']), { status: 0 });
  test.equal(run(['cat', path]).stdout, '');
  test.match(run(['create']), { status: 2 });
  test.end();
});

t.test('a log takes of the input what it has room for, and says how much that was', (test) => {
  const path = scratchPath(test, '/dev/shm');
  run(['create', path, '--size', '16K']);
  const lines = Array.from({ length: 2000 }, (_, index) => `${index}`);
  const { status, stderr } = run(['append', path], lines.join('\n'));
  test.equal(status, 1);
  test.match(stderr, /ENOSPC.*a program gives room by truncateBefore, or make a larger log; 256 records of the input were appended/);
  test.equal(run(['cat', path]).stdout, `${lines.slice(0, 256).join('\n')}\n`);
  test.match(run(['append', path], 'last'), { status: 1, stderr: /; 0 records/ });
  test.end();
});
