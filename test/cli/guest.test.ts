// The commands on ext2 on real devices: made, filled, changed and read there, and judged by e2fsck; and what they do not overwrite.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { deviceUse, openSync } from 'node-dax';
import { mkfsSync } from 'node-dax/ext2';
import { checkOverwritable } from '../../lib/cli/permission.js';
import { ext2Here } from '../helpers/cli.js';
import { FILE_SIZE, onDevices, scratchPath, type TestDevice } from '../helpers/devices.js';
import { ext2, fine } from '../helpers/ext2-command.js';
import { e2fsck, e2fsprogsMissing } from '../helpers/ext2-image.js';
import { insertModules, IN_GUEST } from '../helpers/guest.js';
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

const PMEM = process.env['NODE_DAX_TEST_PMEM'] ?? '';
const mdadmMissing =
  (!IN_GUEST || PMEM === '') ? 'needs a pmem device of a guest: npm run test:guest'
  : spawnSync('mdadm', ['--version']).error !== undefined && 'mdadm is not installed: apt-get install mdadm';

const ndctlMissing = (!IN_GUEST || PMEM === '') && 'needs a pmem device of a guest: npm run test:guest';

// What the kernel itself reads at the start of a namespace is seen once the namespace is taken raw, whatever its mode.
t.test('the info block of a namespace is not overwritten', { skip: ndctlMissing }, async (test) => {
  insertModules('drivers/nvdimm/nd_btt.ko');
  const name = `namespace${/\d+/.exec(PMEM)?.[0] ?? ''}.0`;
  const ndctl = (...args: string[]): string => execFileSync('ndctl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  test.teardown(() => ndctl('create-namespace', '-f', '-e', name, '-m', 'fsdax'));
  for (const [mode, signature] of [['sector', 'BTT (sector mode)'], ['fsdax', 'PFN (fsdax mode)'], ['devdax', 'DAX (devdax mode)']] as const) {
    ndctl('create-namespace', '-f', '-e', name, '-m', mode);
    ndctl('disable-namespace', name);
    writeFileSync(`/sys/bus/nd/devices/${name}/force_raw`, '1');
    ndctl('enable-namespace', name);
    test.match(deviceUse(PMEM), { inUse: false, signature }, mode);
    await test.rejects(ext2Here('mkfs', PMEM), { code: 'EBUSY', message: /carries .*--force/ });
    test.throws(() => {
      checkOverwritable(PMEM, 'demo');
    }, { code: 'EBUSY', hint: /carries/ });
    using device = openSync(PMEM);
    test.throws(() => mkfsSync(device), { code: 'EEXIST', message: /carries/ });
    mkfsSync(device, { force: true });
    test.match(deviceUse(PMEM), { signature: 'ext2, ext3 or ext4' });
  }
});

// mdadm takes nothing but block devices, and makes an array only where the kernel has md. Of 0.90 and 1.0 the superblock is at the end.
t.test('a member of an array is not overwritten, running or stopped', { skip: mdadmMissing }, async (test) => {
  insertModules('drivers/md/md-mod.ko', 'drivers/md/raid1.ko');
  const mdadm = (...args: string[]): string => execFileSync('mdadm', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const isMember = (): boolean => spawnSync('mdadm', ['--examine', PMEM]).status === 0;
  test.teardown(() => {
    spawnSync('mdadm', ['--stop', '/dev/md7']);
    spawnSync('wipefs', ['-qa', PMEM]);
  });
  for (const format of ['0.90', '1.0', '1.1', '1.2']) {
    execFileSync('wipefs', ['-qa', PMEM]);
    mdadm('--create', '/dev/md7', `--metadata=${format}`, '--level=1', '--raid-devices=2', '--force', '--run', PMEM, 'missing');
    test.match(deviceUse(PMEM), { inUse: true, holders: ['md7'] }, format);
    await test.rejects(ext2Here('mkfs', PMEM), { code: 'EBUSY', message: /part of md7/ });
    mdadm('--stop', '/dev/md7');
    test.match(deviceUse(PMEM), { inUse: false, signature: /^(?:linux_raid_member|Linux RAID)$/ }, format);
    await test.rejects(ext2Here('mkfs', PMEM), { code: 'EBUSY', message: /carries .*RAID/i });
    test.throws(() => {
      checkOverwritable(PMEM, 'demo');
    }, { code: 'EBUSY', hint: /carries/ });
    using device = openSync(PMEM);
    test.throws(() => mkfsSync(device), { code: 'EEXIST', message: /carries/ });
    test.ok(isMember(), `${format}: mdadm finds it again`);
    mkfsSync(device, { force: true });
    test.notOk(isMember(), `${format}: what was forced leaves nothing of it`);
  }
});
