// What the process that serves a mount sees: how it ends, what waits, what goes wrong, what it changes itself.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { DaxError } from 'node-dax';
import { createFs } from 'node-dax/fs';
import { mountFuse, unmountFuse, type FuseChange, type FuseFilesystem, type FuseInode, type FuseStat } from 'node-dax/fuse';
import { fuseTest, imagePath, isMountPoint, judgeImage, mountExt2, mountPoint, ran, runIn, serve } from '../helpers/fuse.js';

fuseTest('programs wait while the filesystem is frozen, and a signal ends the wait', async (test) => {
  const { fs, run, directory, end } = await mountExt2(test);
  await run('echo before > f');
  await fs.freeze();
  let isDone = false;
  const waiting = run('echo during > f; mkdir d; mv f d').finally(() => { isDone = true; });
  const killed = await ran(directory, 'timeout -s INT 0.3 mkdir never || test $? = 124');
  test.equal(killed.status, 0, 'the signal arrived', { output: killed.output });
  await sleep(100);
  test.notOk(isDone);
  fs.thaw();
  await waiting;
  await run('test "$(cat d/f)" = during; test ! -e never');
  await end();
});

fuseTest('what the process changes itself is seen by programs, whatever the kernel had cached', async (test) => {
  const { fs, mount, run, directory, end } = await mountExt2(test);
  const calls = createFs(fs);
  await run('echo theirs > f; echo gone > gone; echo old > old; mkdir d; ln -s f link; touch d/full; for p in f gone old d link none d/none; do stat $p; cat $p; ls $p; done > /dev/null 2>&1 || true');
  // It has the file open the whole time.
  const reader = spawn('python3', ['-uc', 'import sys\nf = open("f")\nfor line in sys.stdin: f.seek(0); print(f.read().strip())'], { cwd: directory, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(reader.stdout)[Symbol.asyncIterator]();
  const read = async (): Promise<unknown> => {
    reader.stdin.write('\n');
    return (await lines.next()).value;
  };
  test.equal(await read(), 'theirs');
  calls.writeFileSync('/f', 'ours of another length');
  test.equal(await read(), 'ours of another length');
  await run('test "$(cat f)" = "ours of another length"; test "$(cat link)" = "ours of another length"');
  calls.writeFileSync('/f', 'ours of equal length!!');
  await run('test "$(cat f)" = "ours of equal length!!"');
  calls.truncateSync('/f', 4);
  calls.chmodSync('/f', 0o640);
  calls.linkSync('/f', '/second');
  await mount.notified();
  test.equal(await read(), 'ours');
  await run('test "$(cat f)" = ours; test $(stat -c "%s %a %h" f | tr " " -) = 4-640-2; test second -ef f');
  calls.renameSync('/old', '/new');
  calls.unlinkSync('/gone');
  calls.writeFileSync('/none', 'there');
  calls.writeFileSync('/d/none', 'there too');
  calls.mkdirSync('/made');
  calls.rmSync('/link');
  calls.symlinkSync('second', '/link');
  await mount.notified();
  await run(`
    test "$(cat new)" = old; test ! -e old; test ! -e gone; test "$(cat none)" = there; test "$(cat d/none)" = 'there too'; test -d made
    test "$(readlink link)" = second; test $(stat -c %h .) = 5; test "$(ls | tr '\\n' ' ')" = 'd f link lost+found made new none second '`);
  fs.exchange(fs.root, 'new', fs.resolve('/d'), 'none');
  calls.rmSync('/made', { recursive: true });
  await mount.notified();
  await run('test "$(cat new)" = "there too"; test "$(cat d/none)" = old; test ! -e made; refuses cd made');
  reader.stdin.end();
  await once(reader, 'close');
  await end();
});

fuseTest('a program that looks at every file of a directory asks once for many of them', async (test) => {
  const { fs, mount, run, end } = await mountExt2(test);
  const calls = createFs(fs);
  calls.mkdirSync('/d');
  for (let n = 0; n < 500; n++) calls.writeFileSync(`/d/file-${n}`, n === 3 ? 'three' : '');
  calls.symlinkSync('file-3', '/d/link');
  const before = mount.statistics.requests;
  await run('test "$(find d -type f -size +0)" = d/file-3; test $(find d -type f | wc -l) = 500; test "$(find d -type l)" = d/link');
  test.ok(mount.statistics.requests - before < 250, `${mount.statistics.requests - before} requests for 502 files`);
  await end();
});

fuseTest('names change here and in programs at once', async (test) => {
  const { fs, mount, run, end } = await mountExt2(test);
  const calls = createFs(fs);
  await run('mkdir d');
  const state = { isDone: false };
  const working = run('cd d; for i in $(seq 30); do mkdir p$i; mv p$i q; ls > /dev/null; rmdir q; done').finally(() => { state.isDone = true; });
  let rounds = 0;
  for (; !state.isDone; rounds++) {
    calls.mkdirSync('/d/ours');
    calls.renameSync('/d/ours', '/d/theirs');
    await new Promise(setImmediate);
    calls.rmdirSync('/d/theirs');
  }
  await working;
  await mount.notified();
  test.ok(rounds > 0);
  await run('test -z "$(ls d)"');
  await end();
});

fuseTest('the event loop has its turn between batches, however many programs wait', async (test) => {
  const events: string[] = [];
  const filesystem: FuseFilesystem = {
    ...slowToMake().filesystem,
    lookup() {
      events.push('request');
      // Longer than a batch may take.
      for (const start = performance.now(); performance.now() - start < 5;);
      return undefined;
    },
  };
  const mount = await serve(test, filesystem, { cacheMs: 0 });
  let isDone = false;
  const turn = (): void => {
    events.push('turn');
    if (!isDone) setImmediate(turn);
  };
  turn();
  const timer = setInterval(() => { events.push('timer'); }, 1);
  const four = Array.from({ length: 4 }, (_, lane) => runIn(test, mount.directory, `for i in $(seq 20); do test ! -e ${lane}-$i; done`));
  await Promise.all(four);
  isDone = true;
  clearInterval(timer);
  await mount.unmount();
  const between = events.join(' ').split('request').slice(1, -1);
  test.ok(between.length >= 79, 'requests', { found: between.length });
  test.strictSame(between.filter((what) => !what.includes('turn') || !what.includes('timer')), [], 'between two of them, the rest of the program went on');
});

// A filesystem of directories that are made when `mayMake` says so. Programs wait until then, and the kernel keeps others from the root.
function slowToMake() {
  const directory = (ino: number): FuseStat => ({ ino, mode: 0o40755, nlink: 2, uid: 0, gid: 0, size: 0, blksize: 4096, blocks: 0, atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n });
  const made = new Map<string, FuseInode>();
  const listeners: ((change: FuseChange) => void)[] = [];
  const state = { mayMake: false, asked: 0 };
  const filesystem: FuseFilesystem = {
    root: { ino: 2 },
    lookup: (_dir, name) => made.get(Buffer.from(name).toString()),
    stat: ({ ino }) => directory(ino),
    readdir: () => [],
    statfs: () => ({ blockSize: 4096, blocks: 1, freeBlocks: 0, availableBlocks: 0, inodes: 1, freeInodes: 0 }),
    open: () => { throw new DaxError({ errno: 'EISDIR', syscall: 'open' }); },
    mkdir(_dir, name) {
      state.asked++;
      if (!state.mayMake) throw new DaxError({ errno: 'EAGAIN', syscall: 'mkdir' });
      made.set(Buffer.from(name).toString(), { ino: 3 });
      return { ino: 3 };
    },
    watchChanges(listener) {
      listeners.push(listener);
      return () => undefined;
    },
  };
  const change = (name: string): void => { for (const listener of listeners) listener({ dir: 2, name: Buffer.from(name) }); };
  return { filesystem, state, change };
}

fuseTest('news of a name that the kernel cannot take yet keeps nobody from working', async (test) => {
  const { filesystem, state, change } = slowToMake();
  const mount = await serve(test, filesystem);
  await runIn(test, mount.directory, 'test ! -e ours');
  const making = runIn(test, mount.directory, 'mkdir theirs');
  while (state.asked === 0) await new Promise(setImmediate);
  change('ours');
  let isTold = false;
  const told = mount.notified().then(() => { isTold = true; });
  const before = state.asked;
  while (state.asked < before + 5) await new Promise(setImmediate);
  test.notOk(isTold, 'mkdir has the directory');
  state.mayMake = true;
  await making;
  await told;
  await mount.unmount();
});

fuseTest('a mount is taken away by force while the kernel cannot take news', async (test) => {
  const { filesystem, state, change } = slowToMake();
  const mount = await serve(test, filesystem);
  await runIn(test, mount.directory, 'test ! -e ours');
  const making = ran(mount.directory, 'mkdir theirs');
  while (state.asked === 0) await new Promise(setImmediate);
  change('ours');
  const told = mount.notified();
  await mount.unmount({ force: true });
  await told;
  test.not((await making).status, 0);
  test.notOk(isMountPoint(mount.directory));
});

fuseTest('statistics, and everything given back at the end', async (test) => {
  const { mount, run, fs, end } = await mountExt2(test);
  await run('echo hello > f; cat f; mkdir d; head -c 300000 /dev/zero > z; cat z > /dev/null');
  const { requests, bytesWritten, inodes } = mount.statistics;
  test.ok(requests > 5 && bytesWritten === 300006 && inodes >= 4, 'counted', { found: mount.statistics });
  const open = spawn('bash', ['-c', 'exec 3> "$0/open"; rm "$0/open"; echo; read -r line', mount.directory], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(open.stdout, 'data');
  await test.rejects(mount.unmount(), { code: 'EBUSY', message: /a program has a file open/ });
  test.ok(isMountPoint(mount.directory));
  await mount.unmount({ force: true });
  test.match(mount.statistics, { inodes: 0, openFiles: 0 });
  await mount.unmount();
  open.stdin.end('\n');
  await once(open, 'close');
  test.strictSame(fs.lookup(fs.root, Buffer.from('open')), undefined);
  await end();
});

fuseTest('the event loop has its turn while the inodes of an unmounted filesystem are released', async (test) => {
  const FILES = 20;
  const events: string[] = [];
  const { filesystem } = slowToMake();
  const statOf = ({ ino }: FuseInode): FuseStat => ({ ...filesystem.stat({ ino }, { nanoseconds: true }), ino, ...(ino > 2 && { mode: 0o100644, nlink: 1 }) });
  const mount = await serve(test, {
    ...filesystem,
    stat: statOf,
    lookup: (_dir, name) => ({ ino: 3 + Number(Buffer.from(name).toString()) }),
    release() {
      events.push('release');
      for (const start = performance.now(); performance.now() - start < 1;);
    },
  });
  await runIn(test, mount.directory, `for i in $(seq ${FILES}); do test -e $i; done`);
  let isDone = false;
  const turn = (): void => {
    events.push('turn');
    if (!isDone) setImmediate(turn);
  };
  turn();
  await mount.unmount();
  isDone = true;
  test.equal(events.filter((event) => event === 'release').length, FILES + 1, 'with the root');
  test.ok(events.slice(events.indexOf('release'), events.lastIndexOf('release')).includes('turn'));
});

fuseTest('unmounting is done when another process unmounts at the same time', async (test) => {
  const { filesystem } = slowToMake();
  const directory = mountPoint(test);
  for (let round = 0; round < 24; round++) {
    const mount = await mountFuse(filesystem, directory);
    const other = spawn('umount', ['-i', directory], { stdio: 'ignore' });
    const ended = once(other, 'close');
    if (round % 3 > 0) await Promise.race([ended, sleep(round % 3)]);
    await Promise.all([mount.unmount(), mount.unmount()]);
    await ended;
    test.notOk(isMountPoint(directory), `round ${round}`);
  }
});

fuseTest('a mount that is detached and in use is busy, ends by force, and what was mounted there since stays', async (test) => {
  const { mount, end } = await mountExt2(test);
  const { directory } = mount;
  const user = spawn('bash', ['-c', 'cd "$0"; echo; read -r line', directory], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(user.stdout, 'data');
  await runIn(test, '/', `umount -l ${directory}; mount -t tmpfs none ${directory}`);
  await test.rejects(mount.unmount(), { code: 'EBUSY', message: /it is unmounted from there, but/ });
  await mount.unmount({ force: true });
  test.ok(isMountPoint(directory), 'the tmpfs');
  user.stdin.end('\n');
  await once(user, 'close');
  await end();
});

fuseTest('a mount of which another mount namespace has a copy is busy, and the process is named', async (test) => {
  const { mount, end } = await mountExt2(test);
  const other = spawn('unshare', ['--mount', 'sh', '-c', 'echo; read line'], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(other.stdout, 'data');
  await test.rejects(mount.unmount(), { code: 'EBUSY', message: new RegExp(`process ${other.pid} has a copy of the mount`) });
  other.stdin.end('\n');
  await once(other, 'close');
  await end();
});

fuseTest('a large file that is read from one end to the other takes few requests, whatever the directory is called', async (test) => {
  const MIB = 2 ** 20;
  const { fs, end } = await mountExt2(test);
  createFs(fs).writeFileSync('/large', Buffer.alloc(16 * MIB, 'large'));
  const directory = join(mountPoint(test), 'two words\\');
  mkdirSync(directory);
  const mount = await mountFuse(fs, directory);
  test.teardown(() => mount.unmount({ force: true }));
  await runIn(test, directory, 'test -f large');
  const before = mount.statistics;
  await runIn(test, directory, 'dd if=large of=/dev/null bs=1M status=none');
  test.equal(mount.statistics.bytesRead - before.bytesRead, 16 * MIB);
  const requests = mount.statistics.requests - before.requests;
  // The kernel's own choice is 128 KiB: 128 requests.
  test.ok(requests < 64, 'requests', { requests });
  await mount.unmount();
  rmdirSync(directory);
  await end();
});

fuseTest("a program's umask is told to a filesystem that applies it, and is in the mode for others", async (test) => {
  for (const appliesUmask of [true, false]) {
    const { filesystem, state } = slowToMake();
    state.mayMake = true;
    const told: unknown[] = [];
    const mount = await serve(test, {
      ...filesystem,
      appliesUmask,
      mkdir(dir, name, permissions, making) {
        told.push([permissions, making]);
        return (filesystem.mkdir as NonNullable<FuseFilesystem['mkdir']>)(dir, name, permissions, making);
      },
    });
    await runIn(test, mount.directory, 'umask 027; mkdir d');
    const owner = { uid: process.getuid?.(), gid: process.getgid?.() };
    test.strictSame(told, [appliesUmask ? [0o777, { owner, umask: 0o027 }] : [0o750, { owner }]]);
    await mount.unmount();
  }
});

fuseTest('an error that is no answer is EIO, and told', async (test) => {
  const errors: unknown[] = [];
  const broken = new Error('a bug');
  const stat = { ino: 2, mode: 0o40755, nlink: 2, uid: 0, gid: 0, size: 0, blksize: 4096, blocks: 0, atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n };
  const filesystem: FuseFilesystem = {
    root: { ino: 2 },
    readOnly: true,
    lookup: () => { throw broken; },
    stat: () => stat,
    readdir: () => [],
    statfs: () => ({ blockSize: 4096, blocks: 1, freeBlocks: 0, availableBlocks: 0, inodes: 1, freeInodes: 0 }),
    open: () => { throw broken; },
  };
  const directory = mountPoint(test);
  {
    await using mounted = await mountFuse(filesystem, directory, { onError: (error) => errors.push(error) });
    const { output } = await ran(directory, 'ls; cat nothing || true');
    test.match(output, /nothing: Input\/output error/);
    test.match(mounted.statistics, { openFiles: 0 });
  }
  test.notOk(isMountPoint(directory));
  test.ok(errors.length > 0 && errors.every((error) => error === broken));
});

fuseTest('places that cannot be mounted on', async (test) => {
  const { fs, directory, end } = await mountExt2(test);
  const file = join(mountPoint(test), 'file');
  writeFileSync(file, '');
  await test.rejects(mountFuse(fs, file), { code: 'ENOTDIR' });
  await test.rejects(mountFuse(fs, `${file}s`), { code: 'ENOENT', message: /make the directory first/ });
  await test.rejects(mountFuse(fs, mountPoint(test), { mountOptions: ['colour=red'] }), { code: 'EINVAL' });
  await test.rejects(unmountFuse(mountPoint(test)), { code: 'EINVAL', message: /not mounted/ });
  await test.rejects(mountFuse(fs, directory, { cacheMs: -1 }), { code: 'ERR_OUT_OF_RANGE' });
  await end();
});

fuseTest('a process that ends without unmounting leaves no mount', (test) => {
  const image = imagePath(test);
  const directory = mountPoint(test);
  const program = `
    const { openSync } = require('node-dax');
    const { mkfsSync, mount } = require('node-dax/ext2');
    const { mountFuse } = require('node-dax/fuse');
    const device = openSync('${image}', { size: 2 ** 24 });
    mkfsSync(device);
    mountFuse(mount(device), '${directory}').then(() => process.exit(7));`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', timeout: 60_000, cwd: join(__dirname, '..', '..', '..') });
  test.equal(status, 7, stderr);
  test.notOk(isMountPoint(directory));
  // 1: it was not cleanly unmounted, and is clean now.
  test.ok([0, 1].includes(spawnSync('e2fsck', ['-fp', image]).status ?? 8));
  judgeImage(test, image);
  test.end();
});
