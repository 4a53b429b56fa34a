// The command `log`.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { scratchPath } from '../helpers/devices.js';

const MAIN = join(__dirname, '..', '..', 'lib', 'cli', 'main.js');

function run(args: readonly string[], input: string | Buffer = ''): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'log', ...args], { input });
  return { status, out: stdout.toString(), err: stderr.toString() };
}

t.test('a log is made, filled, shown and checked', (test) => {
  const path = scratchPath(test, '/dev/shm');
  test.match(run(['info', path]), { status: 1, err: /ENOENT/ });
  test.match(run(['create', path, '--size', '64K']), { status: 0, out: /a log\n.*\n.*of 57344 used/, err: /does not survive a power cut/ });
  test.match(run(['append', path], 'one\ntwo\n\nlast'), { status: 0, out: '' });
  test.equal(run(['cat', path]).out, 'one\ntwo\n\nlast\n');
  test.equal(run(['tail', path, '-n', '2']).out, '\nlast\n');
  const lengths = Buffer.from([3, 0, 0, 0, 97, 10, 98, 0, 0, 0, 0]);
  test.match(JSON.parse(run(['append', path, '--length-prefixed', '--json'], lengths).out), { appended: 2 });
  test.match(run(['append', path, '--length-prefixed'], Buffer.from([9, 0, 0, 0, 1])), { status: 1, err: /ends within a record/ });
  const lines = run(['cat', path, '--json']).out.trim().split('\n').map((line) => JSON.parse(line) as object);
  test.match(lines[4], { sequence: 5, length: 3, base64: Buffer.from('a\nb').toString('base64') });
  test.match(JSON.parse(run(['info', path, '--json']).out), { next_sequence: 7, persistent: false, head: 0 });
  test.match(run(['check', path]), { status: 0, out: /6 records of 13 bytes are intact/ });
  spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=1', 'seek=8208', 'count=1', 'conv=notrunc']);
  test.match(run(['check', path]), { status: 1, out: /lost: .*position 0 to 2, byte 8192/ });
  test.match(run(['cat', path]), { status: 1, err: /EUCLEAN.*log cat.*at byte 8192/ });
  test.match(run(['create', path, '--force']), { status: 0 });
  test.equal(run(['cat', path]).out, '');
  test.match(run(['create']), { status: 2 });
  test.end();
});
