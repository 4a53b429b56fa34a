// How commands end: one rule for the exit statuses of all, and an error message where the output cannot be written.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cli, MAIN, shell } from '../helpers/cli.js';
import { THOROUGH } from '../helpers/thorough.js';

t.setTimeout(300_000);

const COMMANDS = ['list', 'doctor', 'demo', 'bench', 'vm', 'ext2', 'famfs', 'log', 'completion'];

/** The program with its standard output on a device that is full. */
async function intoFull(...args: string[]): Promise<{ status: unknown; stderr: string }> {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [status] = (await once(child, 'close')) as unknown[];
  return { status, stderr };
}

t.test('an output that cannot be written is an error message and exit status 1', async (test) => {
  const folder = test.testdir({ file: 'text' });
  const image = join(folder, 'image');
  const log = join(folder, 'log');
  test.equal(cli('ext2', 'mkfs', image, '--size', '1M').status, 0);
  writeFileSync(log, Buffer.alloc(1024 ** 2));
  test.equal(cli('log', 'create', log).status, 0);
  const commands = [
    ['list', '--json'],
    ['bench', folder, '--size', '64k', '--runtime', '10ms', '--ramp_time', '0', '--repeats', '1', '--driver', 'fs', '--rw', 'read'],
    ['ext2', 'ls', image, '/'],
    ...(THOROUGH
      ? [['doctor', folder], ['log', 'info', log], ['--version'], ['--help'], ['demo', '--json'], ['bench', '--help'], ['ext2', 'info', image], ['ext2', 'check', image], ['famfs', '--help'], ['vm', '--help']]
      : []),
  ];
  const ends = await Promise.all(commands.map((args) => intoFull(...args)));
  for (const [index, end] of ends.entries()) {
    test.strictSame(end, { status: 1, stderr: 'node-dax: the standard output: ENOSPC: no space left on device, write\n' }, String(commands[index]));
  }
});

t.test('a reader who stops early is no failure', (test) => {
  test.match(shell('eval "$NODE_DAX --help" | head -1; echo ${PIPESTATUS[0]}'), { stdout: /^Usage: node-dax.*\n0\n$/, stderr: '' });
  test.end();
});

t.test('wrong usage of every command is exit status 2, its help 0', (test) => {
  for (const command of COMMANDS) {
    const unknown = cli(command, '--no-such-option');
    test.match(unknown, { status: 2, stderr: /--no-such-option|missing required argument/ }, `${command} --no-such-option`);
    test.match(cli(command, '--help'), { status: 0, stdout: /^Usage: / }, `${command} --help`);
  }
  test.equal(cli('no-such-command').status, 2);
  test.equal(cli().status, 2);
  test.match(cli('--help'), { status: 0, stdout: /Exit status of every command: 0 success, 1 failure/ });
  test.end();
});
