// The command line of `node-dax vm`: what it refuses, with which words and exit status, before anything is started.

import t from 'tap';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { runVm, vmObstacle } from '../../lib/vm/index.js';
import { cli, MAIN } from '../helpers/cli.js';

/** With an environment of its own, which a process has. */
function vmIn(env: NodeJS.ProcessEnv, words: string[]): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [MAIN, 'vm', ...words], { env, encoding: 'utf8', timeout: 60_000 });
}

t.test('wrong usage is exit status 2 and a sentence', (t) => {
  const wrong: [string[], RegExp][] = [
    [['--memory', 'lots', '--', 'true'], /--memory.*'lots' is not a size such as 512M or 2G/],
    [['--memory', '100M', '--', 'true'], /at least 512M/],
    [['--cpus', 'two', '--', 'true'], /'two' is not a whole number/],
    [['--cpus', '0', '--', 'true'], /from 1 to 64/],
    [['--nvdimm', '512M:floppy', '--', 'true'], /'floppy' is not a kind of NVDIMM/],
    [['--nvdimm', '12:pmem', '--', 'true'], /multiple of 16M/],
    [['--nvdimm', '64M:pmem:same', '--nvdimm', '64M:devdax:./same', '--', 'true'], /same' cannot be behind two NVDIMMs/],
    [['--share', '--nvdimm', '64M:fsdax-ext4:./same', '--', 'true'], /same' cannot be shared: two kernels would destroy its ext4/],
    [['--device', 'floppy', '--', 'true'], /'floppy' is not a kind of NVDIMM/],
    [['--device', 'nfit-volatile', '--nvdimm', '64M:devdax', '--', 'true'], /cannot be beside NVDIMMs/],
    [['--persistence', 'always', '--', 'true'], /--persistence.*mem-ctrl, cpu/],
    [['--accel', 'warp', '--', 'true'], /--accel.*auto, kvm, tcg/],
    [['--timeout', 'soon', '--', 'true'], /'soon' is not a number of seconds/],
    [['--timeout', '0', '--', 'true'], /above 0/],
    [['--nvdimm', '64M:pmem=a', '--device', 'devdax=a', '--', 'true'], /'a' cannot be the name of two NVDIMMs/],
    [['--rw', '/dev/no-such-folder', '--', 'true'], /there is no folder '\/dev\/no-such-folder'/],
    [['--rw', '.', '--rw', '/dev/null', '--', 'true'], /there is no folder '\/dev\/null'/],
    [['--kernel', '/dev/no-such-image', '--', 'true'], /there is no kernel '\/dev\/no-such-image': give an image, a version/],
    [['--append', 'a\nb', '--', 'true'], /--append[^]*must be one line of text/],
    [['--append', '--', 'true'], /--append[^]*the parameters of the kernel end at '--'/],
    [['--append', 'a -- b', '--', 'true'], /--append[^]*end at '--'/],
    [['--qemu-arg', '', '--', 'true'], /--qemu-arg.*must not be empty/],
    [['--gdb', 'tcp', '--', 'true'], /--gdb.*'tcp' is not a whole number/],
    [['--gdb', '65536', '--', 'true'], /from 1 to 65535/],
    [['--power-cut', '1,later', '--check', 'true', '--', 'true'], /'later' is not a number of seconds/],
    [['--power-cut', '1', '--', 'true'], /--power-cut and --check belong together/],
    [['--check', 'true', '--', 'true'], /--power-cut and --check belong together/],
    [['--env', '=x', '--', 'true'], /no name before the '='/],
    [['--', ''], /the command is empty/],
    [['ls', '-l'], /unknown option '-l'/],
  ];
  for (const [words, message] of wrong) {
    const { status, stdout, stderr } = cli('vm', ...words);
    t.match({ status, stdout }, { status: 2, stdout: '' }, words.join(' '));
    t.match(stderr, message);
  }
  t.end();
});

t.test('a terminal is asked for where there is one', async (t) => {
  await t.rejects(runVm({ command: ['true'], terminal: true }), { name: 'RangeError', message: /^terminal: the standard input, and .* must be a terminal$/ });
});

t.test('all that is missing is named at once, with the command that brings it', { skip: process.arch !== 'x64' && 'x86-64 only' }, (t) => {
  const empty = t.testdir({});
  const { status, stderr } = vmIn({ PATH: '', HOME: empty }, ['--kernel', empty, '--', 'true']);
  t.equal(status, 125);
  t.match(stderr, 'sudo apt-get install --no-install-recommends qemu-system-x86 busybox-static util-linux ndctl e2fsprogs xfsprogs');
  t.match(stderr, 'sudo dnf install qemu-system-x86-core busybox util-linux ndctl e2fsprogs xfsprogs');
  t.match(stderr, 'sudo pacman -S --needed qemu-system-x86 busybox util-linux ndctl e2fsprogs xfsprogs');
  t.match(stderr, 'doas apk add qemu-system-x86_64 busybox-static setpriv flock blkid ndctl e2fsprogs xfsprogs');
  t.match(stderr, 'sudo zypper install --no-recommends qemu-x86 busybox-static util-linux ndctl e2fsprogs xfsprogs');
  t.match(stderr, `no kernel for the guest in ${empty}`);
  t.match(stderr, 'node-dax vm --fetch-kernel fetches that of the distribution');
  t.match(stderr, /apt-get download .*linux-image-/);
  t.match(stderr, `mkdir -p '${empty}/.cache/node-dax/kernel' && `, 'dpkg makes no folders above the one that it unpacks to');
  t.match(stderr, `dpkg -x "$deb" '${empty}/.cache/node-dax/kernel'`);
  const few = vmIn({ PATH: '', HOME: empty }, ['--kernel', empty, '--nvdimm', '64M:fsdax-ext4', '--', 'true']);
  t.notMatch(few.stderr, 'xfsprogs', 'what the devices asked for do not need is not asked for');
  t.end();
});

const obstacle = vmObstacle();

t.test('--dry-run prints a command for a shell, and makes nothing', { skip: obstacle !== undefined && `no guest on this machine: ${obstacle}` }, (t) => {
  const folder = t.testdir({});
  const { status, stdout, stderr } = cli(
    'vm', '--dry-run', '--accel', 'tcg', '--nvdimm', `64M:devdax:${folder}/it's new`, '--append', 'a b', '--gdb', '--network', '--rw', folder,
    '--qemu-arg', '-S', '--qemu-arg=-name', '--qemu-arg', 'my guest', '--', 'true',
  );
  t.strictSame({ status, stderr }, { status: 0, stderr: '' });
  const words = spawnSync('sh', ['-c', `printf '%s\\n' ${stdout}`], { encoding: 'utf8' }).stdout.trimEnd().split('\n');
  t.match(words[0], /\/qemu-system-x86_64$/);
  t.match(words[words.indexOf('-append') + 1], /(^| )quiet a b$/);
  t.ok(words.includes(`memory-backend-file,id=mem0,share=on,mem-path=${folder}/it's new,size=67108864,align=16777216`));
  t.ok(words.includes('user,id=network'));
  t.ok(words.some((word) => word.includes(`path=${folder},`) && word.endsWith('readonly=off')));
  t.strictSame(words.slice(-5), ['-gdb', 'tcp:127.0.0.1:1234', '-S', '-name', 'my guest']);
  t.strictSame(readdirSync(folder), []);
  t.end();
});

t.test('--help names the exit statuses', (t) => {
  const { status, stdout } = cli('vm', '--help');
  t.equal(status, 0);
  t.match(stdout, /124 after a timeout, 125 when the guest failed/);
  t.end();
});
