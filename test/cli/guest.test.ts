// The commands on ext2 on real devices: made, filled, changed and read there, and judged by e2fsck.

import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { openSync } from 'node-dax';
import { ext2Here } from '../helpers/cli.js';
import { FILE_SIZE, onDevices, scratchPath, type TestDevice } from '../helpers/devices.js';
import { ext2, fine } from '../helpers/ext2-command.js';
import { e2fsck, e2fsprogsMissing } from '../helpers/ext2-image.js';
import { seeded } from '../helpers/random.js';

const KINDS = ['a file on ext4 -o dax', 'devdax of 4 KiB', 'raw pmem', 'a RAM disk (brd)'];

function contentOf(path: string): Buffer {
  using device = openSync(path, { readOnly: true });
  const content = Buffer.alloc(FILE_SIZE);
  device.readSync(content, 0);
  return content;
}

/** What e2fsck has against the filesystem: it reads every kind of device but a devdax. */
function faults({ kind, path }: TestDevice): string | undefined {
  if (kind === 'devdax') return e2fsck(contentOf(path));
  const { status, stdout } = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' });
  return status === 0 ? undefined : stdout;
}

// Each process takes seconds in an emulated machine: commands that print nothing run in this one.
onDevices('the command line on', KINDS, async (test, wanted) => {
  const { path } = wanted;
  fine(test, 'mkfs', '--force', '--size', String(FILE_SIZE), '-b', '4096', path);
  const made = contentOf(path);
  await test.rejects(ext2Here('mkfs', path), { code: 'EBUSY', message: /carries ext2.*--force/ });
  test.ok(contentOf(path).equals(made), 'nothing is overwritten without --force');

  const [source, copy] = [scratchPath(test), scratchPath(test)];
  writeFileSync(source, seeded(test).bytes(200_000), { mode: 0o640 });
  await ext2Here('put', path, source, '/first');
  await ext2Here('put', path, source, '/second');
  await ext2Here('mkdir', path, '/dir');
  await ext2Here('mv', path, '/first', '/dir/moved');
  await ext2Here('rm', path, '/second');
  test.ok(ext2('cat', path, '/dir/moved').bytes.equals(readFileSync(source)));
  await ext2Here('get', path, '/dir/moved', copy);
  test.ok(readFileSync(copy).equals(readFileSync(source)));
  test.equal(statSync(copy).mode % 0o1000, 0o640);

  {
    using other = openSync(path, { lock: true });
    await test.rejects(ext2Here('rm', path, '/dir/moved'), { code: 'EBUSY' }, `while another has ${other.path}`);
  }
  // What they print is the same everywhere: once is enough, where e2fsck cannot look by itself.
  if (wanted.kind === 'devdax') {
    test.match(fine(test, 'ls', '-l', path, '/dir'), /^-rw-r-----.* 200000 .*moved\n$/);
    test.match(fine(test, 'check', path), /clean/);
  }
  if (e2fsprogsMissing() === undefined) test.equal(faults(wanted), undefined);
});
