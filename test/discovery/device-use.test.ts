// Owns the tests of deviceUse(): mounts, swap, holders, signatures.

import t from 'tap';
import { deviceUse } from '../../src/index.js';
import { useOf } from '../../src/discovery/use/device-use.js';
import { look, type PathFacts } from '../../src/discovery/system/look.js';
import { FakeSystem } from '../helpers/fake-system.js';

const FREE = {
  inUse: false,
  mountpoints: [],
  swap: false,
  holders: [],
  busy: false,
  systemRam: false,
  signature: undefined,
};

// The node of a block device cannot be made without rights, so an ordinary file stands for its content.
function blockNode(content: string, path: string, rdevno: string): PathFacts {
  return { ...look(content, 'test'), type: 'file', realPath: path, rdevno };
}

t.test('files', (t) => {
  const dir = t.testdir({ free: 'text', pool: 'PMEMOBJ\0and more' });
  const system = new FakeSystem(`${dir}/system`);
  t.strictSame(useOf(look(`${dir}/free`, 'test'), system.tree), FREE);
  t.strictSame(useOf(look(`${dir}/pool`, 'test'), system.tree), { ...FREE, signature: 'libpmemobj pool' });
  t.strictSame(useOf(look(`${dir}/pool`, 'test'), system.tree, false), FREE, 'where its content is not asked for');
  system.file(
    `${system.virtualBlock('loop3', '7:3', { bytes: 512 })}/loop/backing_file`,
    look(`${dir}/free`, 'test').realPath,
  );
  t.match(useOf(look(`${dir}/free`, 'test'), system.tree), { inUse: true, holders: ['loop3'] });
  system.file('/proc/swaps', `Filename Type Size Used Priority\n${look(`${dir}/pool`, 'test').realPath} file 4 0 -2`);
  t.match(useOf(look(`${dir}/pool`, 'test'), system.tree), { inUse: true, swap: true });
  t.end();
});

t.test('block devices', (t) => {
  const dir = t.testdir({ content: 'x' });
  const content = `${dir}/content`;
  const system = new FakeSystem(`${dir}/system`);
  const disk = system.fsdax({ id: 5 }, '259:3');
  system.partition(disk, 'pmem5p1', '259:5', 4096);
  system.partition(disk, 'pmem5p2', '259:6', 4096);
  const relatives = (name: string, devno: string) =>
    useOf({ ...blockNode(content, `/dev/${name}`, devno), type: 'block' }, system.tree);
  t.strictSame(relatives('pmem5', '259:3'), FREE);
  system.mount('259:5 / /mnt/p1 rw - xfs /dev/pmem5p1 rw');
  t.match(relatives('pmem5p1', '259:5'), { inUse: true, mountpoints: ['/mnt/p1'] });
  t.match(relatives('pmem5', '259:3'), { inUse: true, mountpoints: ['/mnt/p1'] }, 'a disk whose partition is mounted');
  t.match(relatives('pmem5p2', '259:6'), { inUse: false }, 'a sibling is free');
  system.mount('0:70 / /mnt/btrfs rw - btrfs /dev/pmem5p2 rw');
  t.match(relatives('pmem5p2', '259:6'), { mountpoints: ['/mnt/btrfs'] }, 'by source where the number is made up');
  const raw = system.raw({ id: 3 }, '259:1');
  system.file(`${raw}/holders/dm-0`, '');
  t.match(relatives('pmem3', '259:1'), { inUse: true, holders: ['dm-0'] });
  system.virtualBlock('ram0', '1:0', { bytes: 4096 });
  system.file('/proc/swaps', 'Filename Type Size Used Priority\n/dev/ram0\tpartition\t4 0 -2');
  t.match(relatives('ram0', '1:0'), { inUse: true, swap: true });
  t.end();
});

t.test('devdax', (t) => {
  const system = new FakeSystem(t.testdir());
  system.devdax({ id: 1 }, { align: 4096, driver: 'device_dax', minor: 1 });
  system.devdax({ id: 6 }, { align: 4096, driver: 'kmem', minor: 6 });
  const node = (rdevno: string): PathFacts => ({ ...look('/dev/null', 'test'), rdevno });
  t.strictSame(useOf(node('252:1'), system.tree), FREE);
  t.match(useOf(node('252:6'), system.tree), { inUse: true, systemRam: true });
  t.end();
});

t.test('what it refuses', (t) => {
  t.throws(() => deviceUse('/nowhere'), { name: 'DaxError', code: 'ENOENT', syscall: 'deviceUse' });
  t.throws(() => deviceUse(t.testdir()), { name: 'DaxError', code: 'EINVAL' });
  t.end();
});

t.test('a devdax that a filesystem has mounted', (t) => {
  const dir = t.testdir({ content: 'x' });
  const system = new FakeSystem(`${dir}/system`);
  system.devdax({ id: 1 }, { align: 4096, driver: 'device_dax', minor: 1 });
  const node = { ...look(`${dir}/content`, 'test'), type: 'char' as const, realPath: '/dev/dax1.0', rdevno: '252:1' };
  t.match(useOf(node, system.tree), { inUse: false, mountpoints: [] });
  system.file('/proc/self/mountinfo', '36 35 0:40 / /mnt/famfs rw,noatime - famfs /dev/dax1.0 rw\n37 35 0:41 / /mnt/other rw - tmpfs /dev/dax1.1 rw\n');
  t.match(useOf(node, system.tree), { inUse: true, mountpoints: ['/mnt/famfs'] });
  t.end();
});
