// Partitions that do not begin on a page, as sfdisk makes them: whatever a command can do elsewhere, it does there.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DaxError, openSync, partition } from 'node-dax';
import { mount } from 'node-dax/ext2';
import { ranHere } from '../helpers/cli.js';
import { scratchPath } from '../helpers/devices.js';
import { ext2 } from '../helpers/ext2-command.js';
import { debugfs, e2fsck, e2fsprogsMissing } from '../helpers/ext2-image.js';

const MIB = 1024 ** 2;
const SECTOR = 512;
const hasSfdisk = spawnSync('sfdisk', ['--version']).error === undefined;
const skip = e2fsprogsMissing() ?? (hasSfdisk || process.env['CI'] === 'true' ? false : 'there is no sfdisk here');
const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * index * 31) % 251));

/** A disk with a DOS label, whose first partition begins at `start`; both in sectors. */
function makeDisk(test: Test, start: number, sectors: number): string {
  const disk = scratchPath(test, '/dev/shm');
  // Garbage: nothing is zeros by itself.
  writeFileSync(disk, Buffer.alloc((start + sectors + 63) * SECTOR, 0xa5));
  truncateSync(disk, (start + sectors + 63) * SECTOR);
  const { status, stderr } = spawnSync('sfdisk', ['-q', disk], {
    input: `label: dos\nstart=${start}, size=${sectors}, type=83\n`,
    encoding: 'utf8',
  });
  test.equal(status, 0, stderr);
  return disk;
}

/** Where sfdisk says that its first partition is. */
function partOf(disk: string): { start: number; size: number } {
  const table = JSON.parse(spawnSync('sfdisk', ['--json', disk], { encoding: 'utf8' }).stdout) as {
    partitiontable: { partitions: { start: number; size: number }[] };
  };
  return table.partitiontable.partitions[0] as { start: number; size: number };
}

for (const [start, blockSize] of [[63, '1024'], [63, '2048'], [63, '4096'], [65, '1024'], [2048, '4096']] as const) {
  t.test(`at sector ${start}, blocks of ${blockSize} bytes`, { skip }, async (test) => {
    const disk = makeDisk(test, start, (4 * MIB) / SECTOR + 1);
    const found = partOf(disk);
    test.equal(found.start, start);
    const region = ['--offset', String(found.start * SECTOR), '--size', String(found.size * SECTOR)];
    const around = () => {
      const bytes = readFileSync(disk);
      return Buffer.concat([bytes.subarray(0, start * SECTOR), bytes.subarray((start + found.size) * SECTOR)]);
    };
    const before = around();
    test.match(ext2('mkfs', ...region, '--force', '-b', blockSize, disk), { status: 0 });
    const folder = test.testdir({ tree: { sub: {} } });
    writeFileSync(join(folder, 'tree', 'file'), CONTENT);
    writeFileSync(join(folder, 'tree', 'sub', 'small'), 'small');
    const fine = { status: 0, stderr: '' };
    test.strictSame(await ranHere('put', ...region, '-r', disk, join(folder, 'tree'), '/'), fine);
    test.strictSame(await ranHere('put', ...region, disk, join(folder, 'tree', 'sub', 'small'), '/tree/file2'), fine);
    test.strictSame(await ranHere('mkdir', ...region, disk, '/dir'), fine);
    test.strictSame(await ranHere('mv', ...region, disk, '/tree/file2', '/dir'), fine);
    test.strictSame(await ranHere('rm', ...region, disk, '/dir/file2'), fine);
    test.strictSame(await ranHere('get', ...region, '-r', disk, '/tree', join(folder, 'out')), fine);
    test.ok(readFileSync(join(folder, 'out', 'file')).equals(CONTENT));
    test.equal(readFileSync(join(folder, 'out', 'sub', 'small'), 'latin1'), 'small');
    test.match(ext2('cat', ...region, disk, '/tree/sub/small'), { status: 0, stdout: 'small' });
    test.match(ext2('check', ...region, disk), { status: 0 });
    const part = readFileSync(disk).subarray(start * SECTOR, (start + found.size) * SECTOR);
    test.equal(e2fsck(part), undefined, 'e2fsck finds nothing');
    test.ok(debugfs(part, 'cat /tree/file').equals(CONTENT), 'debugfs reads what was written');
    test.ok(around().equals(before), 'what is around it is as it was');
  });
}

t.test('mapping is refused, and says why', { skip }, (test) => {
  const disk = makeDisk(test, 63, (4 * MIB) / SECTOR);
  test.match(ext2('mkfs', '--offset', String(63 * SECTOR), '--size', '4M', '--force', '-b', '4096', disk), { status: 0 });
  using device = openSync(disk);
  using fs = mount(partition(device, 63, (4 * MIB) / SECTOR));
  using file = fs.open(fs.create(fs.root, 'file'));
  file.writeSync(CONTENT, 0);
  const read = Buffer.alloc(CONTENT.byteLength);
  file.readSync(read, 0);
  test.ok(read.equals(CONTENT));
  const refusal = { code: 'EOPNOTSUPP', reason: 'OFFSET_UNALIGNED', message: /does not begin at a multiple of 4096 bytes: read and write/ };
  test.throws(() => file.mmap(), refusal);
  test.throws(() => file.mmap(), DaxError, 'again');
  test.end();
});

t.test('a device whose last page is not whole', { skip }, async (test) => {
  const image = scratchPath(test, '/dev/shm');
  const folder = test.testdir({ out: {} });
  writeFileSync(image, Buffer.alloc(MIB + 1024, 0xa5));
  test.match(ext2('mkfs', '--force', '-b', '1024', '-m', '0', image), { status: 0 });
  // To the last block.
  const { available_blocks: available } = JSON.parse(ext2('df', '--json', image).stdout) as { available_blocks: number };
  const content = Buffer.alloc((available - 8) * 1024, 'x');
  mkdirSync(join(folder, 'in'));
  writeFileSync(join(folder, 'in', 'file'), content);
  writeFileSync(join(folder, 'in', 'rest'), Buffer.alloc(2 * 1024, 'y'));
  test.strictSame(await ranHere('put', image, join(folder, 'in', 'file'), join(folder, 'in', 'rest'), '/'), { status: 0, stderr: '' });
  test.strictSame(await ranHere('get', image, 'file', 'rest', join(folder, 'out')), { status: 0, stderr: '' });
  test.ok(readFileSync(join(folder, 'out', 'file')).equals(content));
  test.equal(e2fsck(readFileSync(image)), undefined, 'e2fsck finds nothing');
});
