// Completion in shells: what bash itself makes of the script, and for each shell that the script has every command and option.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../helpers/cli.js';

t.setTimeout(120_000);

const COMMANDS = ['list', 'doctor', 'demo', 'bench', 'vm', 'ext2', 'famfs', 'log', 'completion'];

t.test('bash completes commands, options and their values', (test) => {
  const script = cli('completion', 'bash');
  test.equal(script.status, 0, script.stderr);
  const folder = test.testdir({ 'an-image': '' });
  const file = join(folder, 'node-dax.bash');
  writeFileSync(file, script.stdout);
  /** What bash offers for the last of the words. */
  const offered = (...words: string[]): string[] => {
    const line = ['node-dax', ...words];
    const ask = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _node_dax; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', ask, file, ...line], { encoding: 'utf8', cwd: folder });
    test.strictSame({ status, stderr }, { status: 0, stderr: '' });
    return stdout.split('\n').filter((word) => word !== '');
  };
  test.strictSame(COMMANDS.filter((name) => !offered('').includes(name)), []);
  test.strictSame(offered('be'), ['bench']);
  test.strictSame(offered('vm', '--power'), ['--power-cut']);
  test.strictSame(offered('vm', '--kernel', 'an-'), ['an-image']);
  test.strictSame(offered('vm', '--accel', 't'), ['tcg']);
  test.strictSame(offered('ext2', 'mk').sort(), ['mkdir', 'mkfs']);
  test.strictSame(offered('bench', '--rw', 'randr').sort(), ['randread', 'randrw']);
  test.strictSame(offered('bench', '--time'), ['--time_based']);
  test.strictSame(offered('bench', '--bs', '4k', '--verify', 'sh'), ['sha1', 'sha256']);
  test.strictSame(offered('bench', '--html', 'an-'), ['an-image'], 'a value is a path');
  test.strictSame(offered('doctor', 'an-'), ['an-image'], 'and so is an argument');
  test.ok(offered('ext2', 'ls', '--').includes('--json'));
  test.notOk(offered('ext2', 'ls', '--').includes('--rw'), 'options are those of the command');
  test.strictSame(offered('completion', ''), ['bash', 'zsh', 'fish']);
  test.match(spawnSync('bash', ['--norc', '-c', 'source "$0"; complete -p node-dax', file], { encoding: 'utf8' }).stdout, /-F _node_dax node-dax/);
  test.end();
});

for (const shell of ['bash', 'zsh', 'fish']) {
  t.test(`the script for ${shell}`, (test) => {
    const { status, stdout } = cli('completion', shell);
    test.equal(status, 0);
    for (const command of COMMANDS) test.ok(stdout.includes(`'${command}'`), command);
    for (const option of ['rw', 'iodepth', 'compare', 'nvdimm', 'qemu-arg', 'gdb', 'fetch-kernel']) test.ok(stdout.includes(shell === 'fish' ? `-l ${option} ` : `--${option}`), option);
    const isThere = spawnSync(shell, ['-c', 'true']).error === undefined;
    test.test('its syntax', { skip: !isThere && `there is no ${shell}` }, (sub) => {
      const file = join(sub.testdir({ script: '' }), 'script');
      writeFileSync(file, stdout);
      const { status: checked, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
      sub.strictSame({ checked, stderr }, { checked: 0, stderr: '' });
      sub.end();
    });
    test.end();
  });
}

t.test('another shell is wrong usage', (test) => {
  test.match(cli('completion', 'csh'), { status: 2, stderr: /Allowed choices are bash, zsh, fish/ });
  test.end();
});
