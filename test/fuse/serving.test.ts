// What the process that serves a mount sees: how it ends, what waits, what goes wrong, what it changes itself.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountFuse, unmountFuse, type FuseFilesystem } from 'node-dax/fuse';
import { fuseTest, imagePath, isMountPoint, judgeImage, mountExt2, mountPoint, ran } from '../helpers/fuse.js';

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

fuseTest('what the process changes itself is seen by programs', async (test) => {
  const { fs, run, end } = await mountExt2(test, { cacheMs: 0 });
  await run('echo theirs > f; test ! -e ours');
  const file = fs.open(fs.create(fs.root, 'ours'));
  file.writeSync(Buffer.from('text'), 0);
  const theirs = fs.open(fs.resolve('/f'));
  theirs.truncateSync(2);
  await run('test "$(cat ours)" = text; test "$(cat f)" = th; test $(stat -c %s f) = 2');
  fs.unlink(fs.root, 'ours');
  await run('test ! -e ours');
  file.closeSync();
  theirs.closeSync();
  await end();
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
