// A famfs is served: read by every program, added to as famfs adds, and followed while its master goes on.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { Test } from 'tap';
import type { DaxFile } from 'node-dax';
import { MAIN } from '../helpers/cli.js';
import { contentOf } from '../helpers/famfs-content.js';
import { makeFamfs } from '../helpers/famfs-image.js';
import { fuseTest, imagePath, mountPoint, ran, runIn, serve } from '../helpers/fuse.js';

const CONTENT = Buffer.alloc(5 * 1024 * 1024 + 77, 'read by any program; ');

fuseTest('programs read a famfs, and its master makes directories in it', async (test) => {
  const famfs = makeFamfs(test).mount();
  famfs.mkdir('d');
  famfs.create('d/striped', CONTENT.length, { stripes: 2, mode: 0o600, fill: (file) => { file.writeSync(CONTENT, 0); } });
  for (let n = 0; n < 300; n++) famfs.mkdir(`d/of-many-${n}`);
  const { directory } = await serve(test, famfs);
  const copy = `${mountPoint(test)}/copy`;
  writeFileSync(copy, CONTENT);
  await runIn(test, directory, `
    cmp d/striped ${copy}; test $(ls d | wc -l) = 301; test $(ls d | sort -u | wc -l) = 301; test $(stat -c %a:%h d/striped) = 600:1
    test $(stat -c %h d) = 302; find . | wc -l | grep -qx 303; df . > /dev/null
    mkdir d/e; test -d d/e; refuses touch new; refuses rm d/striped; refuses mv d/striped s; refuses ln d/striped s; refuses truncate -s 5 d/striped
    echo READ | dd of=d/striped conv=notrunc status=none; head -c 4 d/striped | grep -qx READ`);
  test.equal(famfs.resolve('d/e').isDirectory, true, 'in the log');
});

/** The command `mount`, once it has mounted. */
async function command(test: Test, ...args: readonly string[]): Promise<{ readonly ended: Promise<unknown[]> }> {
  const child = spawn(process.execPath, [MAIN, 'mount', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  test.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), ended]);
  return { ended };
}

async function umount(test: Test, directory: string, ended: Promise<unknown[]>): Promise<void> {
  const { status, output } = await ran('/', `'${process.execPath}' '${MAIN}' umount ${directory}`);
  test.equal(status, 0, output);
  test.strictSame(await ended, [0, null]);
}

function fill(text: string): (file: DaxFile) => void {
  return (file) => { file.writeSync(Buffer.from(text), 0); };
}

fuseTest('on a client the command shows what its master adds and changes, and changes nothing', async (test) => {
  const { path, mount } = makeFamfs(test);
  const directory = mountPoint(test);
  const { ended } = await command(test, path, directory);
  const master = mount();
  await runIn(test, directory, 'test -z "$(ls)"; test ! -e d; test ! -e d/new; refuses mkdir d');
  master.mkdir('d');
  master.create('d/new', 6, { fill: fill('famfs!') });
  // Names that the kernel knows to be missing, and one that nobody asked for.
  await runIn(test, directory, 'until test -e d/new; do sleep 0.05; done; test "$(cat d/new)" = famfs!; test $(stat -c %h .) = 3');
  using file = master.open('d/new');
  file.writeSync(Buffer.from('FAMFS'), 0);
  await runIn(test, directory, 'test "$(cat d/new)" = FAMFS!; refuses dd if=/dev/zero of=d/new count=1 bs=1 conv=notrunc');
  await umount(test, directory, ended);
});

fuseTest('on the master the command makes directories, and writes within files', async (test) => {
  const { path, uuidFile, mount } = makeFamfs(test);
  mount().create('file', 6, { fill: fill('famfs!') });
  const directory = mountPoint(test);
  const { ended } = await command(test, path, directory, '--system-uuid-file', uuidFile);
  await runIn(test, directory, 'mkdir d; printf FAMFS | dd of=file conv=notrunc status=none');
  const other = mount();
  test.equal(other.resolve('d').isDirectory, true);
  test.equal(contentOf(other, other.resolve('file')).toString(), 'FAMFS!');
  await umount(test, directory, ended);
});

fuseTest('a directory belongs to who makes it through the mount', async (test) => {
  const famfs = makeFamfs(test).mount();
  const { directory } = await serve(test, famfs);
  await runIn(test, directory, 'umask 027; mkdir d; test $(stat -c %u:%g:%a d) = $(id -u):$(id -g):750');
  famfs.mkdir(famfs.root, 'of-another', 0o700, { owner: { uid: 1001, gid: 1002 } });
  await runIn(test, directory, 'test $(stat -c %u:%g:%a of-another) = 1001:1002:700');
});

fuseTest('an option of famfs is wrong usage where there is none', async (test) => {
  const image = imagePath(test);
  writeFileSync(image, Buffer.alloc(2 ** 20));
  const { status, output } = await ran('/', `'${process.execPath}' '${MAIN}' mount ${image} ${mountPoint(test)} --system-uuid-file x`);
  test.equal(status, 2);
  test.match(output, /--system-uuid-file is for a famfs/);
});
