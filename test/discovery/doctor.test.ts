// Owns the tests of doctor(): one for each reason why something is or is not DAX.

import t from 'tap';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { doctor } from '../../src/index.js';
import { diagnose, examine } from '../../src/discovery/diagnosis/doctor.js';
import type { PathFacts } from '../../src/discovery/system/look.js';
import { whyUnmappable } from '../../src/discovery/diagnosis/unmappable.js';
import { FakeSystem } from '../helpers/fake-system.js';

function file(path: string, devno: string, facts: Partial<PathFacts> = {}): PathFacts {
  return {
    path,
    realPath: path,
    type: 'file',
    devno,
    rdevno: '0:0',
    size: 1048576,
    blockSize: 4096,
    readable: true,
    writable: true,
    ...facts,
  };
}

function node(path: string, type: 'block' | 'char', rdevno: string, facts: Partial<PathFacts> = {}): PathFacts {
  return file(path, '0:5', { type, rdevno, size: 0, ...facts });
}

function makeMachine(): FakeSystem {
  const system = new FakeSystem(t.testdir());
  system.devdax({ id: 1 }, { align: 4096, driver: 'device_dax', minor: 1 });
  system.devdax({ id: 2, persistenceDomain: 'cpu_cache' }, { align: 2097152, driver: 'device_dax', minor: 2 });
  system.devdax({ id: 6 }, { align: 2097152, driver: 'kmem', minor: 6 });
  system.devdax({ id: 8 }, { align: 2097152, minor: 8 });
  system.fsdax({ id: 0 }, '259:0');
  system.raw({ id: 3 }, '259:1');
  system.sector({ id: 4 }, '259:2');
  system.partition(system.fsdax({ id: 5, persistenceDomain: 'cpu_cache' }, '259:3'), 'pmem5p1', '259:5', 104857600);
  system.virtio(7, '259:7');
  system.virtualBlock('ram0', '1:0', { bytes: 268435456 });
  system.virtualBlock('zram0', '253:0', { bytes: 268435456 });
  system.file(`${system.virtualBlock('loop0', '7:0', { bytes: 1048576 })}/loop/backing_file`, '/mnt/ext4/image');
  system.virtualBlock('sda', '8:0', { bytes: 1073741824 });
  system.mount('8:0 / / rw - ext4 /dev/sda rw');
  return system;
}

const fake = makeMachine();
const startAnew = fake.mark();
const asMade = texts();

/** The same machine for each test, as it was made: its tree has some hundred files. */
function machine(): FakeSystem {
  startAnew();
  return fake;
}

function texts(): string[] {
  return readdirSync(t.testdirName, { recursive: true, withFileTypes: true })
    .map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }))
    .map(({ entry, path }) => `${path} ${entry.isFile() ? readFileSync(path, 'utf8') : ''}`)
    .sort();
}

t.test('devdax of 4 KiB', (t) => {
  const report = diagnose(node('/dev/dax1.0', 'char', '252:1'), machine().tree);
  t.match(report, { kind: 'devdax', isDax: true, granularity: 'cache_line', fix: undefined });
  t.match(report.verdict, /^A devdax device of 250 MiB.*directly\. A store is durable once flushed/);
  t.match(report.evidence, [
    { source: '/sys/bus/dax/devices/dax1.0/driver', value: 'device_dax' },
    { source: '/sys/bus/dax/devices/dax1.0/align', value: '4096' },
    { source: '/sys/bus/nd/devices/region1/persistence_domain', value: 'memory_controller' },
  ]);
  t.end();
});

t.test('devdax of 2 MiB with eADR', (t) => {
  const report = diagnose(node('/dev/dax2.0', 'char', '252:2'), machine().tree);
  t.match(report, { isDax: true, granularity: 'byte' });
  t.match(report.verdict, /multiples of 2 MiB.*eADR/);
  t.end();
});

t.test('devdax in mode system-ram, and disabled', (t) => {
  const { tree } = machine();
  t.match(diagnose(node('/dev/dax6.0', 'char', '252:6'), tree), {
    isDax: false,
    granularity: undefined,
    verdict: /system-ram/,
    fix: 'daxctl reconfigure-device --force --mode=devdax dax6.0',
  });
  t.match(diagnose(node('/dev/dax8.0', 'char', '252:8'), tree), { isDax: false, fix: 'daxctl enable-device dax8.0' });
  t.end();
});

t.test('devdax that this process, or no program, can map', (t) => {
  const system = new FakeSystem(t.testdir());
  const { tree } = system;
  system.devdax({ id: 1 }, { align: 4096, driver: 'device_dax', minor: 1 });
  system.devdax({ id: 2 }, { align: 2097152, driver: 'device_dax', minor: 2 });
  system.devdax({ id: 3 }, { align: 2097152, driver: 'fsdev_dax', minor: 3 });
  const famfs = 'daxctl reconfigure-device --mode=devdax dax3.0';
  t.match(diagnose(node('/dev/dax3.0', 'char', '252:3'), tree), { isDax: false, verdict: /famfs/, fix: famfs });
  t.match(whyUnmappable('252:3', tree), { reason: 'FAMFS_MODE', hint: RegExp(famfs) });
  for (const status of ['Threads:\t1', 'THP_enabled:\t1', 'THP_enabled:\t10']) {
    system.file('/proc/self/status', `Name:\tnode\n${status}\nSeccomp:\t0`);
    t.match(diagnose(node('/dev/dax2.0', 'char', '252:2'), tree), { isDax: true });
    t.equal(whyUnmappable('252:2', tree), undefined);
  }
  system.file('/proc/self/status', 'Name:\tnode\nTHP_enabled:\t0\nSeccomp:\t0');
  const report = diagnose(node('/dev/dax2.0', 'char', '252:2'), tree);
  t.match(report, { isDax: false, verdict: /PR_SET_THP_DISABLE/ });
  t.match(report.evidence, [{}, {}, { source: '/proc/self/status', value: 'THP_enabled: 0' }]);
  t.match(whyUnmappable('252:2', tree), { reason: 'HUGE_PAGES_DISABLED' });
  t.match(diagnose(node('/dev/dax1.0', 'char', '252:1'), tree), { isDax: true }, 'small pages are small pages');
  t.equal(whyUnmappable('252:1', tree), undefined);
  t.equal(whyUnmappable('1:3', tree), undefined, 'another device');
  t.end();
});

t.test('devdax without a node in /dev', (t) => {
  const { tree } = machine();
  const report = examine('/dev/dax1.0', tree);
  t.match(report, { path: '/dev/dax1.0', isDax: false, fix: 'mknod /dev/dax1.0 c 252 1' });
  t.match(examine('/dev/dax6.0', tree), { isDax: false, verdict: /system-ram/ });
  t.throws(() => examine('/dev/dax77.0', tree), { name: 'DaxError', code: 'ENOENT' });
  t.end();
});

t.test('permission', (t) => {
  const { tree } = machine();
  const facts = { readable: false, writable: false };
  t.match(diagnose(node('/dev/dax1.0', 'char', '252:1', facts), tree), {
    isDax: true,
    verdict: /This user may neither read nor write it/,
    fix: 'sudo chown $(id -u) /dev/dax1.0',
  });
  t.match(
    diagnose(node('/dev/dax1.0', 'char', '252:1', { writable: false }), tree).verdict,
    /read it and not write it/,
  );
  t.match(diagnose(node('/dev/dax6.0', 'char', '252:6', facts), tree).fix, /^daxctl/, 'the mode comes first');
  t.end();
});

t.test('block devices are page cache, each for its reason', (t) => {
  const { tree } = machine();
  const of = (name: string, devno: string) => diagnose(node(`/dev/${name}`, 'block', devno), tree);
  const all = {
    pmem0: of('pmem0', '259:0'),
    pmem3: of('pmem3', '259:1'),
    pmem4s: of('pmem4s', '259:2'),
    pmem5p1: of('pmem5p1', '259:5'),
    ram0: of('ram0', '1:0'),
    zram0: of('zram0', '253:0'),
    loop0: of('loop0', '7:0'),
    sda: of('sda', '8:0'),
  };
  for (const report of Object.values(all)) t.match(report, { kind: 'block', isDax: false, granularity: 'page' });
  t.match(all.pmem0, {
    verdict: /can do DAX, but a mapping of a block device goes through the page cache/,
    fix: 'mkdir -p /mnt/pmem0 && mount -o dax=always /dev/pmem0 /mnt/pmem0',
  });
  t.match(all.pmem3, { verdict: /raw mode.*erases/s, fix: 'ndctl create-namespace -f -e namespace3.0 -m devdax' });
  t.match(all.pmem4s, {
    verdict: /sector mode.*BTT.*erases/s,
    fix: 'ndctl create-namespace -f -e namespace4.0 -m fsdax',
  });
  t.match(all.pmem5p1, { evidence: [{ source: '/sys/block/pmem5/queue/dax', value: '1' }] });
  t.match(all.ram0, { verdict: /Linux 4\.15/, fix: undefined });
  t.match(all.zram0, { verdict: /zram/ });
  t.match(all.loop0, { verdict: /loop device/, evidence: [{}, { value: '/mnt/ext4/image' }] });
  t.match(all.sda, { verdict: /ordinary block device/ });
  t.match(of('gone', '99:1'), { kind: 'other', isDax: false });
  t.end();
});

t.test('a partition of a raw namespace: the command takes the others with it', (t) => {
  const system = machine();
  system.partition('/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region3/namespace3.0/block/pmem3', 'pmem3p1', '259:30', 1048576);
  system.partition('/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region3/namespace3.0/block/pmem3', 'pmem3p2', '259:31', 1048576);
  t.match(diagnose(node('/dev/pmem3p1', 'block', '259:30'), system.tree).verdict, /erases all its partitions \(pmem3p1, pmem3p2\)/);
  t.end();
});

t.test('a file on a filesystem that is mounted read-only', (t) => {
  const system = machine();
  system.mount('259:0 / /mnt/read rw - ext4 /dev/pmem0 ro,dax=always');
  const report = diagnose(file('/mnt/read/a', '259:0', { writable: false, readOnlyMount: true }), system.tree, { statxDax: true, mapSync: true });
  t.match(report, { verdict: /Its filesystem is mounted read-only/, fix: 'mount -o remount,rw /mnt/read' });
  t.end();
});

t.test('a seed of a region', (t) => {
  const system = machine();
  const device = '/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region8/dax8.0';
  system.files(`${device}/dax8.0`, { size: 0 });
  t.match(diagnose(node('/dev/dax8.0', 'char', '252:8'), system.tree), { kind: 'devdax', isDax: false, verdict: /none free/, fix: undefined });
  system.files(`${device}/dax_region`, { available_size: 1073741824 });
  t.match(diagnose(node('/dev/dax8.0', 'char', '252:8'), system.tree), { verdict: /1 GiB free/, fix: 'daxctl create-device -r 8' });
  t.end();
});

t.test('a pmem device that is mounted', (t) => {
  const system = machine();
  system.mount('259:0 / /mnt/ext4 rw - ext4 /dev/pmem0 rw,dax=always');
  system.mount('259:7 / /mnt/vp rw - ext4 /dev/pmem7 rw');
  t.match(diagnose(node('/dev/pmem0', 'block', '259:0'), system.tree), {
    verdict: /one is at \/mnt\/ext4/,
    fix: undefined,
  });
  t.match(diagnose(node('/dev/pmem7', 'block', '259:7'), system.tree), {
    fix: 'umount /mnt/vp && mount -o dax=always /dev/pmem7 /mnt/vp',
  });
  t.end();
});

t.test('device-mapper', (t) => {
  const system = machine();
  const good = system.virtualBlock('dm-0', '254:0', { bytes: 1048576, dax: 1 });
  system.file(`${good}/dm/name`, 'vg-data');
  system.link(`${good}/slaves/pmem0`, '/sys/class/block/pmem0');
  const bad = system.virtualBlock('dm-1', '254:1', { bytes: 1048576 });
  system.link(`${bad}/slaves/pmem0`, '/sys/class/block/pmem0');
  system.link(`${bad}/slaves/sda`, '/sys/class/block/sda');
  system.mount('254:0 / /mnt/lv rw - xfs /dev/mapper/vg-data rw,dax=always');
  t.match(diagnose(file('/mnt/lv/f', '254:0'), system.tree), { isDax: true, granularity: 'cache_line' });
  t.match(diagnose(node('/dev/dm-1', 'block', '254:1'), system.tree), {
    verdict: /stands on sda, which cannot/,
    evidence: [{}, { source: '/sys/block/sda/queue/dax', value: '0' }],
  });
  t.end();
});

t.test('files on filesystems with and without dax', (t) => {
  const system = machine();
  system.mount('259:0 / /mnt/ext4 rw - ext4 /dev/pmem0 rw,dax=always');
  system.mount('259:5 / /mnt/xfs rw - xfs /dev/pmem5p1 rw,dax=always');
  t.match(diagnose(file('/mnt/ext4/f', '259:0'), system.tree), {
    kind: 'fsdax',
    isDax: true,
    granularity: 'cache_line',
    fix: undefined,
  });
  t.match(diagnose(file('/mnt/xfs/f', '259:5'), system.tree), { kind: 'fsdax', isDax: true, granularity: 'byte' });
  t.match(diagnose(file('/mnt/ext4', '259:0', { type: 'directory' }), system.tree), {
    kind: 'directory',
    isDax: true,
    verdict: /^Files here are DAX/,
  });
  t.end();
});

t.test('the dax option', (t) => {
  for (const [fstype, options, isDax, fix] of [
    ['ext4', 'rw', undefined, "umount '/mnt/a b' && mount -o dax=always /dev/pmem0 '/mnt/a b'"],
    ['ext4', 'rw,dax=inode', undefined, "xfs_io -f -c 'chattr +x' '/mnt/a b/f'"],
    ['xfs', 'rw,dax=inode', undefined, "xfs_io -c 'chattr +x' '/mnt/a b/f'"],
    ['xfs', 'rw,dax=never', false, "umount '/mnt/a b' && mount -o dax=always /dev/pmem0 '/mnt/a b'"],
    ['ext2', 'rw', false, "umount '/mnt/a b' && mount -o dax /dev/pmem0 '/mnt/a b'"],
    ['ext2', 'rw,dax', true, undefined],
  ] as const) {
    const system = machine();
    system.mount(`259:0 / /mnt/a\\040b rw - ${fstype} /dev/pmem0 ${options}`);
    const report = diagnose(file('/mnt/a b/f', '259:0'), system.tree);
    t.equal(report.isDax, isDax, `${fstype} ${options}`);
    t.equal(report.fix, fix, `${fstype} ${options}`);
  }
  t.end();
});

t.test('what only an open file tells', (t) => {
  const system = machine();
  system.mount('259:0 / /mnt/always rw - ext4 /dev/pmem0 rw,dax=always');
  system.mount('259:3 / /mnt/inode rw - xfs /dev/pmem5 rw,dax=inode');
  const always = file('/mnt/always/f', '259:0');
  const inode = file('/mnt/inode/f', '259:3');
  t.match(diagnose(always, system.tree, { statxDax: false }), {
    isDax: false,
    granularity: 'page',
    verdict: /encrypted/,
  });
  t.match(diagnose(always, system.tree, { statxDax: true, mapSync: false }), { isDax: true, granularity: 'page' });
  t.match(diagnose(inode, system.tree, { statxDax: true, mapSync: true }), { isDax: true, granularity: 'byte' });
  t.match(diagnose(inode, system.tree, { statxDax: false }), {
    isDax: false,
    fix: "xfs_io -c 'chattr +x' /mnt/inode/f",
  });
  t.end();
});

t.test('devices that do not begin and end with a page', (t) => {
  const system = machine();
  const disk = system.fsdax({ id: 9 }, '259:20');
  system.partition(disk, 'pmem9p1', '259:21', 65536 * 512);
  system.files(`${disk}/pmem9p1`, { start: 2049 });
  system.partition(disk, 'pmem9p2', '259:22', 65535 * 512);
  system.files(`${disk}/pmem9p2`, { start: 69632, partition: 2 });
  const of = (name: string, devno: string) => diagnose(node(`/dev/${name}`, 'block', devno), system.tree);
  t.match(of('pmem9p1', '259:21'), {
    verdict: /begins at sector 2049.*erases/s,
    evidence: [{}, { source: '/sys/class/block/pmem9p1/start', value: '2049' }],
    fix: 'echo start=2056,size=65528 | sfdisk -N 1 /dev/pmem9',
  });
  t.match(of('pmem9p2', '259:22'), { verdict: /has 65535 sectors/, fix: 'echo start=69632,size=65528 | sfdisk -N 2 /dev/pmem9' });
  system.mount('259:21 / /mnt/p rw - ext4 /dev/pmem9p1 rw');
  t.match(diagnose(file('/mnt/p/f', '259:21'), system.tree), {
    isDax: false,
    verdict: /begins at sector 2049/,
    fix: 'umount /mnt/p && echo start=2056,size=65528 | sfdisk -N 1 /dev/pmem9',
  });
  const cut = system.virtualBlock('dm-3', '254:3', { bytes: 65536 * 512 + 512, dax: 1 });
  t.match(of('dm-3', '254:3'), { verdict: /65537 sectors, which is not in whole pages/, fix: undefined });
  system.file(`${cut}/size`, '65536');
  t.match(of('dm-3', '254:3'), { verdict: /can do DAX/ });
  system.file(`${cut}/alignment_offset`, '3584');
  t.match(of('dm-3', '254:3'), { verdict: /begins within a page.*other bytes/s, fix: undefined });
  system.mount('254:3 / /mnt/cut rw - ext4 /dev/dm-3 rw,dax=always');
  t.match(diagnose(file('/mnt/cut/f', '254:3'), system.tree, { statxDax: true, mapSync: true }), {
    isDax: true,
    verdict: /Beware: .*begins within a page/,
    evidence: [{}, {}, { source: '/sys/class/block/dm-3/alignment_offset', value: '3584' }, {}],
  });
  t.end();
});

t.test('an ext4 with data=journal', (t) => {
  const system = machine();
  system.mount('259:0 / /mnt/a rw - ext4 /dev/pmem0 rw,nodelalloc,data=journal');
  const journalled = { isDax: false, verdict: /data=journal/, fix: 'umount /mnt/a && mount -o data=ordered,dax=always /dev/pmem0 /mnt/a' };
  t.match(diagnose(file('/mnt/a/f', '259:0'), system.tree, { statxDax: false }), journalled);
  const byDefault = machine();
  byDefault.mount('259:0 / /mnt/a rw - ext4 /dev/pmem0 rw,nodelalloc');
  byDefault.file('/proc/fs/ext4/pmem0/options', 'rw\nbarrier\ndata=journal\ninode_readahead_blks=32');
  t.match(diagnose(file('/mnt/a/f', '259:0'), byDefault.tree, { statxDax: false }), journalled, 'by the default that tune2fs set');
  t.end();
});

t.test('an xfs on a partition may have reflink', (t) => {
  const system = machine();
  system.mount('259:5 / /mnt/x rw - xfs /dev/pmem5p1 rw');
  const found = (options: string) => {
    const other = machine();
    other.mount(`259:5 / /mnt/x rw - xfs /dev/pmem5p1 ${options}`);
    return diagnose(file('/mnt/x/f', '259:5'), other.tree);
  };
  t.match(found('rw'), { isDax: undefined, verdict: /reflink on a partition/, fix: "xfs_io -c 'chattr +x' /mnt/x/f" });
  t.match(found('rw,dax=never').fix, "umount /mnt/x && mount -o dax=inode /dev/pmem5p1 /mnt/x && xfs_io -c 'chattr +x' /mnt/x/f");
  t.equal(
    diagnose(node('/dev/pmem5p1', 'block', '259:5'), machine().tree).fix,
    "mkdir -p /mnt/pmem5p1 && mount -o dax=inode /dev/pmem5p1 /mnt/pmem5p1 && xfs_io -c 'chattr +x' /mnt/pmem5p1",
  );
  t.end();
});

t.test('stacks over pmem without direct access', (t) => {
  const system = machine();
  const crypt = system.virtualBlock('dm-4', '254:4', { bytes: 1048576 });
  system.file(`${crypt}/dm/name`, 'secret');
  system.file(`${crypt}/dm/uuid`, 'CRYPT-PLAIN-secret');
  system.link(`${crypt}/slaves/pmem0`, '/sys/class/block/pmem0');
  const array = system.virtualBlock('md0', '9:0', { bytes: 1048576 });
  system.file(`${array}/md/level`, 'raid1');
  system.link(`${array}/slaves/pmem0`, '/sys/class/block/pmem0');
  t.match(diagnose(node('/dev/dm-4', 'block', '254:4'), system.tree), {
    verdict: /device-mapper device over pmem0.*crypt.*on pmem0 itself/s,
    evidence: [{}, { value: 'CRYPT-PLAIN-secret' }],
    fix: undefined,
  });
  t.match(diagnose(node('/dev/md0', 'block', '9:0'), system.tree), { verdict: /array of md over pmem0/, evidence: [{}, { value: 'raid1' }] });
  t.end();
});

t.test('a block device that is read-only', (t) => {
  const system = machine();
  for (const [name, devno] of [['pmem0', '259:0'], ['pmem3', '259:1'], ['pmem4s', '259:2'], ['sda', '8:0']] as const) {
    system.file(`${system.tree.resolve(`/sys/class/block/${name}`) ?? ''}/ro`, '1');
    t.match(diagnose(node(`/dev/${name}`, 'block', devno), system.tree), {
      verdict: /read-only/,
      evidence: [{}, { source: `/sys/class/block/${name}/ro`, value: '1' }],
      fix: `blockdev --setrw /dev/${name}`,
    });
  }
  system.file('/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region0/read_only', '1');
  t.match(diagnose(node('/dev/pmem0', 'block', '259:0'), system.tree), {
    verdict: /not armed/,
    evidence: [{}, {}, { source: '/sys/bus/nd/devices/region0/read_only', value: '1' }],
    fix: undefined,
  });
  t.end();
});

t.test('files that the kernel makes when they are read', (t) => {
  for (const path of ['/proc/meminfo', '/proc/self', '/proc/sys/vm/max_map_count']) {
    t.match(doctor(path), { kind: 'other', isDax: false, granularity: undefined, verdict: /made when they are read/, fix: undefined }, path);
  }
  t.end();
});

t.test('the block size of the filesystem', (t) => {
  const system = machine();
  system.mount('259:0 / /mnt/ext4 rw - ext4 /dev/pmem0 rw');
  t.match(diagnose(file('/mnt/ext4/f', '259:0', { blockSize: 1024 }), system.tree), {
    isDax: false,
    verdict: /blocks of 1 KiB.*4 KiB.*erases/s,
    fix: 'umount /mnt/ext4 && mkfs.ext4 -F -b 4096 /dev/pmem0',
  });
  t.end();
});

t.test('virtio-pmem', (t) => {
  const system = machine();
  system.mount('259:7 / /mnt/vp rw - ext4 /dev/pmem7 rw,dax=always');
  t.match(diagnose(file('/mnt/vp/f', '259:7'), system.tree), {
    kind: 'fsdax',
    isDax: true,
    granularity: 'page',
    verdict: /MAP_SYNC on virtio-pmem.*fsync/,
  });
  t.end();
});

t.test('filesystems on devices without DAX, and without devices', (t) => {
  const system = machine();
  system.mount('259:2 / /mnt/sector rw - ext4 /dev/pmem4s rw');
  system.mount('0:40 / /tmp rw - tmpfs tmpfs rw');
  system.mount('0:41 / /host rw - 9p host rw');
  system.mount('0:42 / /ov rw - overlay ov rw,upperdir=/mnt/ext4/u');
  system.mount('0:43 / /home rw - btrfs /dev/sda rw');
  system.mount('0:44 / /fuse rw - fuse.sshfs x rw');
  const of = (path: string, devno: string) => diagnose(file(path, devno), system.tree);
  t.match(of('/mnt/sector/f', '259:2'), {
    verdict: /sector mode/,
    fix: 'umount /mnt/sector && ndctl create-namespace -f -e namespace4.0 -m fsdax',
  });
  t.match(of('/etc/passwd', '8:0'), { verdict: /under \/ cannot do DAX.*ordinary/, fix: undefined });
  t.match(of('/tmp/f', '0:40'), { kind: 'file', isDax: false, granularity: 'page', verdict: /tmpfs.*lost/ });
  t.match(of('/host/f', '0:41').verdict, /9p/);
  t.match(of('/ov/f', '0:42').verdict, /overlay/);
  t.match(of('/home/f', '0:99').verdict, /btrfs has no DAX/, 'btrfs reports another device number in stat');
  t.match(of('/fuse/f', '0:44').verdict, /FUSE/);
  system.mount('259:0 / /mnt/ext4 rw - ext4 /dev/pmem0 rw,dax=always');
  t.equal(of('/tmp/f', '0:40').fix, 'cp /tmp/f /mnt/ext4/', 'where there is a DAX mount, a copy in it');
  t.end();
});

t.test('the mount that a path lies on', (t) => {
  const system = machine();
  system.mount('259:0 / /mnt/a rw - ext4 /dev/pmem0 rw,dax=always');
  system.mount('259:0 /sub /bind rw - ext4 /dev/pmem0 rw,dax=always');
  system.mount('259:3 / /mnt/ab rw - xfs /dev/pmem5 rw,dax=never');
  t.equal(diagnose(file('/bind/f', '259:0'), system.tree).isDax, true, 'a bind mount');
  t.equal(diagnose(file('/mnt/ab/f', '259:3'), system.tree).isDax, false, 'not /mnt/a, whose name it begins with');
  system.mount('0:60 / /mnt rw - tmpfs none rw');
  t.match(diagnose(file('/mnt/a/f', '0:60'), system.tree).verdict, /tmpfs/, 'a mount over the parent hides the others');
  system.mount('259:3 / /bind rw - xfs /dev/pmem5 rw,dax=never');
  t.equal(diagnose(file('/bind/f', '259:3'), system.tree).isDax, false, 'the later of two on one directory');
  t.end();
});

t.test('an empty file', (t) => {
  const system = machine();
  system.mount('259:0 / /mnt/ext4 rw - ext4 /dev/pmem0 rw,dax=always');
  t.match(diagnose(file('/mnt/ext4/f', '259:0', { size: 0 }), system.tree), {
    isDax: true,
    verdict: /The file is empty/,
    fix: 'fallocate -l 64M /mnt/ext4/f',
  });
  t.end();
});

t.test('this machine', (t) => {
  const dir = t.testdir({ plain: 'text' });
  t.equal(doctor(`${dir}/plain`).kind, 'file');
  t.equal(doctor(dir).kind, 'directory');
  t.match(doctor('/dev/null'), { kind: 'other', isDax: false, evidence: [{ value: 'mem' }] });
  t.throws(() => doctor(`${dir}/absent`), {
    name: 'DaxError',
    code: 'ENOENT',
    syscall: 'doctor',
    path: `${dir}/absent`,
  });
  t.throws(() => doctor(42 as unknown as string), TypeError);
  t.throws(() => doctor('nul\0byte'), TypeError);
  t.throws(() => doctor(`${dir}/plain/below`), { name: 'DaxError', code: 'ENOTDIR' });
  t.end();
});

t.test('the tests leave the machine as it was made', (t) => {
  startAnew();
  t.strictSame(texts(), asMade);
  t.end();
});
