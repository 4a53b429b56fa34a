// The commands `mount` and `umount`: in the foreground until a signal, in the background, as an unprivileged user, and what remains
// when the server is killed.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Test } from 'tap';
import { openSync } from 'node-dax';
import { mkfsSync, mount } from 'node-dax/ext2';
import { cliProcess, MAIN } from '../helpers/cli.js';
import { fuseTest, imagePath, isMountPoint, judgeImage, mountPoint, ran, runIn } from '../helpers/fuse.js';
import { sample } from '../helpers/thorough.js';

const NOBODY = 65534;

function makeImage(test: Test): string {
  const image = imagePath(test);
  using device = openSync(image, { size: 32 * 1024 * 1024 });
  mkfsSync(device);
  return image;
}

interface Foreground {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown[]>;
  readonly errors: () => string;
}

/** A mount in a process of its own, once it is mounted. */
async function foreground(test: Test, args: readonly string[], uid?: number): Promise<Foreground> {
  const child = spawn(process.execPath, [MAIN, 'mount', ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...(uid !== undefined && { uid, gid: uid }) });
  test.teardown(() => child.kill('SIGKILL'));
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text; });
  const ended = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), ended]);
  return { child, ended, errors: () => errors };
}

fuseTest('a mount in the foreground ends clean with SIGINT, SIGTERM, and an unmount by others', async (test) => {
  const image = makeImage(test);
  const directory = mountPoint(test);
  for (const [index, end] of sample(['SIGINT', 'SIGTERM', 'umount', 'command'] as const, 2).entries()) {
    const { child, ended, errors } = await foreground(test, [image, directory]);
    await runIn(test, directory, `test $(ls | wc -l) = ${index + 1}; echo ${end} > ${end}`);
    if (end === 'umount') test.equal((await ran('/', `umount ${directory}`)).status, 0);
    else if (end === 'command') test.equal((await ran('/', `'${process.execPath}' '${MAIN}' umount ${directory}`)).status, 0);
    else child.kill(end);
    test.strictSame(await ended, [0, null], end, { errors: errors() });
    test.notOk(isMountPoint(directory));
    judgeImage(test, image);
  }
});

fuseTest('a mount in use goes on after one signal, and ends with a second', async (test) => {
  const image = makeImage(test);
  const directory = mountPoint(test);
  const { child, ended, errors } = await foreground(test, [image, directory]);
  const user = spawn('bash', ['-c', 'cd "$0"; exec 3> open; echo ready; echo late >&3; read -r line; echo later >&3', directory], { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(user.stdout, 'data');
  const told = once(child.stderr as NodeJS.ReadableStream, 'data');
  child.kill('SIGTERM');
  await told;
  test.match(errors(), /a program uses/);
  test.ok(isMountPoint(directory));
  child.kill('SIGTERM');
  test.strictSame(await ended, [0, null], 'ended', { errors: errors() });
  user.stdin.end('\n');
  await once(user, 'close');
  judgeImage(test, image);
});

fuseTest('signals and an unmount by others at once end a mount clean', async (test) => {
  const image = makeImage(test);
  const directory = mountPoint(test);
  const unmounts = [`umount -i ${directory} 2> /dev/null || true`, `'${process.execPath}' '${MAIN}' umount ${directory}`, ':'];
  for (const script of sample(Array.from({ length: 12 }, (_, round) => unmounts[round % unmounts.length] as string), 4)) {
    const { child, ended, errors } = await foreground(test, [image, directory]);
    const unmounting = ran('/', script);
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) child.kill(signal);
    test.strictSame(await ended, [0, null], script);
    test.equal(errors(), '');
    const { status, output } = await unmounting;
    // The command finds nothing to unmount where the signals were faster.
    test.ok(status === 0 || output.includes('has mounted nothing there'), script, { status, output });
    test.notOk(isMountPoint(directory));
    judgeImage(test, image);
  }
});

fuseTest('a mount that others have detached while a program uses it ends with a second signal', async (test) => {
  const image = makeImage(test);
  const directory = mountPoint(test);
  const { child, ended, errors } = await foreground(test, [image, directory]);
  const user = spawn('bash', ['-c', 'cd "$0"; echo; read -r line', directory], { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(user.stdout, 'data');
  await runIn(test, '/', `umount -l ${directory}`);
  const told = once(child.stderr as NodeJS.ReadableStream, 'data');
  child.kill('SIGTERM');
  await told;
  test.match(errors(), /a program uses/);
  child.kill('SIGTERM');
  test.strictSame(await ended, [0, null], 'ended', { errors: errors() });
  user.stdin.end('\n');
  await once(user, 'close');
  judgeImage(test, image);
});

fuseTest('a mount in the background', async (test) => {
  const image = makeImage(test);
  const directory = mountPoint(test);
  const mounted = cliProcess('mount', image, directory, '--background', '--json');
  test.equal(mounted.status, 0, mounted.stderr);
  const { pid } = JSON.parse(mounted.stdout) as { pid: number };
  test.teardown(() => spawnSync('kill', ['-9', String(pid)], { stdio: 'ignore' }));
  await runIn(test, directory, 'echo x > y');
  test.match(cliProcess('mount', image, mountPoint(test), '--background').stderr, /EBUSY/);
  const unmounted = cliProcess('umount', directory);
  test.equal(unmounted.status, 0, unmounted.stderr);
  judgeImage(test, image);
  const again = cliProcess('umount', directory);
  test.equal(again.status, 1);
  test.match(again.stderr, /has mounted nothing there/);
});

fuseTest('a mount that is only read, and options', async (test) => {
  const image = makeImage(test);
  const directory = mountPoint(test);
  const { child, ended } = await foreground(test, [image, directory, '--read-only', '-o', 'noexec,allow_other']);
  await runIn(test, directory, `refuses touch x; findmnt -no OPTIONS . | grep -q 'ro,.*noexec.*allow_other'`);
  child.kill('SIGTERM');
  test.strictSame(await ended, [0, null]);
  test.match(cliProcess('mount', image, directory, '-o', 'colour'), { status: 2, stderr: /there is no option 'colour'/ });
  test.match(cliProcess('mount', image, `${directory}/none`), { status: 1, stderr: /ENOENT.*make the directory first/ });
  test.match(cliProcess('mount', image, image), { status: 1, stderr: /ENOTDIR/ });
});

fuseTest('a user without rights mounts by fusermount3', async (test) => {
  const image = makeImage(test);
  const directory = mountPoint(test);
  chmodSync(dirname(image), 0o755);
  for (const path of [image, directory]) chownSync(path, NOBODY, NOBODY);
  using device = openSync(image);
  const fs = mount(device);
  fs.chown(fs.root, NOBODY, NOBODY);
  fs.unmount();
  device.closeSync();
  const { child, ended, errors } = await foreground(test, [image, directory], NOBODY);
  test.ok(isMountPoint(directory), errors());
  const script = `cd ${directory}; echo mine > f; test $(stat -c %u f) = ${NOBODY}; test "$(cat f)" = mine`;
  const { status, output } = await ran('/', `setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups bash -ec '${script}'`);
  test.equal(status, 0, 'its owner uses it', { output });
  test.not((await ran('/', `ls ${directory}`)).status, 0, 'others do not');
  child.kill('SIGTERM');
  test.strictSame(await ended, [0, null], 'ended', { errors: errors() });
  judgeImage(test, image);
});

fuseTest('a server that is killed leaves a dead mount, which doctor knows, and an image that mounts', async (test) => {
  const image = makeImage(test);
  const directory = mountPoint(test);
  const { child, ended } = await foreground(test, [image, directory]);
  const working = ran(directory, 'for i in $(seq 100000); do echo $i > f$i; mkdir d$i; mv f$i d$i/g; done');
  while (spawnSync('bash', ['-c', `test -e ${directory}/d20`]).status !== 0) await new Promise((resolve) => setTimeout(resolve, 50));
  child.kill('SIGKILL');
  await ended;
  await working;
  const told = cliProcess('doctor', directory);
  test.equal(told.status, 1);
  test.match(told.stderr, /ENOTCONN.*a dead mount.*umount -l/);
  test.equal(cliProcess('umount', directory, '--force').status, 0);
  test.notOk(isMountPoint(directory));
  const again = await foreground(test, [image, directory]);
  await runIn(test, directory, 'test "$(cat d1/g)" = 1; test "$(cat d19/g)" = 19; rm -r d1 d2');
  again.child.kill('SIGTERM');
  test.strictSame(await again.ended, [0, null]);
  // What was open or under way may be lost space, and nothing else.
  const { status } = spawnSync('e2fsck', ['-fp', image]);
  test.ok(status === 0 || status === 1, `e2fsck -p: ${status ?? ''}`);
  judgeImage(test, image);
});

const UNTRACED = 'needs strace, and the right to trace';
const traced = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0;

// How often a mount calls msync while a program makes a directory and a file, without fsync.
async function msyncs(test: Test, options: readonly string[]): Promise<number> {
  const directory = mountPoint(test);
  const { child, ended } = await foreground(test, [...options, makeImage(test), directory]);
  const tracer = spawn('strace', ['-f', '-e', 'trace=msync', '-p', String(child.pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let calls = '';
  tracer.stderr.setEncoding('utf8').on('data', (text: string) => { calls += text; });
  const traces = once(tracer, 'close');
  while (!calls.includes('attached')) await once(tracer.stderr, 'data');
  await runIn(test, directory, 'mkdir d; echo content > d/f');
  tracer.kill('SIGINT');
  await traces;
  child.kill('SIGINT');
  await ended;
  return calls.split('msync(').length - 1;
}

fuseTest('an image in the page cache is flushed at each step with -o sync or -o dirsync alone', async (test) => {
  if (!traced) {
    if (process.env['CI'] === 'true') test.fail(UNTRACED);
    else test.pass('msyncs', { skip: UNTRACED });
    return;
  }
  test.equal(await msyncs(test, []), 0);
  for (const option of ['sync', 'dirsync']) {
    const found = await msyncs(test, ['-o', option]);
    test.ok(found > 3, option, { found });
  }
});
