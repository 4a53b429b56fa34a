// What a device carries is known by its signature, and nothing that overwrites does so before it was told to.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync as openFile, readSync, statSync } from 'node:fs';
import t from 'tap';
import { contentOf, deviceUse, openSync, partition } from 'node-dax';
import { mkfsSync } from 'node-dax/ext2';
import { checkOverwritable } from '../../lib/cli/permission.js';
import { CARRIERS } from '../helpers/carriers.js';
import { ext2Here } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';
import { sample } from '../helpers/thorough.js';

t.setTimeout(300_000);

const MIB = 1024 ** 2;
const missing = spawnSync('wipefs', ['--version']).error !== undefined && 'wipefs is not installed: apt-get install util-linux';

/** Of both ends, which whatever formats begins with. */
function digest(path: string): string {
  const { size } = statSync(path);
  const ends = Buffer.alloc(2 * MIB);
  const fd = openFile(path, 'r');
  readSync(fd, ends, 0, MIB, 0);
  readSync(fd, ends, MIB, MIB, size - MIB);
  closeSync(fd);
  return createHash('sha256').update(ends).update(`${size}`).digest('hex');
}

/** What wipefs finds, each once. */
function found(path: string): string[] {
  const output = execFileSync('wipefs', ['--no-act', '--parsable', path], { encoding: 'utf8' });
  const rows = output.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return [...new Set(rows.map((row) => row.split(',').at(-1) ?? ''))];
}

for (const { title, obstacle, signature, make } of sample(CARRIERS, 8)) {
  const reason = missing || obstacle;
  if (reason !== undefined && process.env['CI'] === 'true') t.fail(`${title}: ${reason}`);
  t.test(title, { skip: reason ?? false }, async (test) => {
    const path = scratchPath(test, '/dev/shm');
    make(path);
    const before = digest(path);
    test.match(deviceUse(path), { signature, unasked: undefined });
    {
      using device = openSync(path, { readOnly: true });
      test.match(contentOf(device), { signature, unasked: undefined });
    }
    await test.rejects(ext2Here('mkfs', path), { code: 'EBUSY', message: /it carries .*; --force overwrites it all the same/ });
    for (const command of ['demo', 'bench']) {
      test.throws(() => {
        checkOverwritable(path, command);
      }, { code: 'EBUSY', hint: /carries/ });
    }
    {
      using device = openSync(path);
      test.throws(() => mkfsSync(device), { code: 'EEXIST', message: /carries/ });
      test.equal(digest(path), before);
      mkfsSync(device, { force: true });
      test.match(contentOf(device), { signature: 'ext2, ext3 or ext4' });
    }
    test.strictSame(found(path), ['ext2'], 'nothing of it is left');
  });
}

t.test('a part of an image', { skip: missing }, async (test) => {
  const path = scratchPath(test, '/dev/shm');
  const carrier = CARRIERS.find(({ title }) => title === 'mkfs.minix');
  carrier?.make(path);
  using device = openSync(path);
  const bytes = new Uint8Array(2 * MIB);
  device.readSync(bytes, 0);
  device.zeroSync(0, bytes.length);
  device.writeSync(bytes, 8 * MIB);
  test.match(contentOf(device), { signature: undefined, unasked: undefined });
  test.match(contentOf(partition(device, (8 * MIB) / 512, (4 * MIB) / 512)), { signature: 'minix' });
  const before = digest(path);
  await test.rejects(ext2Here('mkfs', path, '--offset', '8M', '--size', '4M'), { code: 'EBUSY', hint: /carries minix/ });
  test.equal(digest(path), before);
});

t.test('what is there instead of ext2', { skip: missing }, async (test) => {
  for (const [title, hint] of [['sfdisk sun', /partitions: name the byte/], ['mkfs.minix', /no ext2 in it, but minix/]] as const) {
    const path = scratchPath(test, '/dev/shm');
    CARRIERS.find((carrier) => carrier.title === title)?.make(path);
    await test.rejects(ext2Here('ls', path, '/'), { code: 'EINVAL', hint });
  }
});
