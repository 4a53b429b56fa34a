// Owns the tests of list() on fake trees; the guest test compares with ndctl and daxctl.

import t from 'tap';
import { chmodSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceInfo } from '../../src/index.js';
import { listIn } from '../../src/discovery/list.js';
import { FakeSystem } from '../helpers/fake-system.js';

function only<K extends DeviceInfo['kind']>(system: FakeSystem, kind: K): Extract<DeviceInfo, { kind: K }> {
  const found = listIn(system.tree).filter(
    (device): device is Extract<DeviceInfo, { kind: K }> => device.kind === kind,
  );
  const [device] = found;
  if (found.length !== 1 || device === undefined) throw new Error(`${found.length} devices of kind ${kind}`);
  return device;
}

t.test('a machine without any, and one that is not Linux', (t) => {
  t.strictSame(listIn(new FakeSystem(t.testdir()).tree), []);
  t.strictSame(listIn(new FakeSystem(join(t.testdir(), 'absent')).tree), []);
  t.end();
});

t.test('devdax: every field', (t) => {
  const system = new FakeSystem(t.testdir());
  system.devdax({ id: 1 }, { align: 4096, driver: 'device_dax', minor: 1 });
  const region = {
    dev: 'region1',
    size: 268435456,
    align: 16777216,
    availableSize: 0,
    maxAvailableExtent: 0,
    type: 'pmem',
    numaNode: 0,
    targetNode: 0,
    persistenceDomain: 'memory_controller',
    provider: 'ACPI.NFIT',
    bus: 'ndbus0',
    readOnly: false,
    failedArm: undefined,
    deepFlush: '0',
  };
  t.strictSame(only(system, 'devdax'), {
    kind: 'devdax',
    path: '/dev/dax1.0',
    chardev: 'dax1.0',
    size: 262144000,
    align: 4096,
    mode: 'devdax',
    state: 'enabled',
    numaNode: 0,
    targetNode: 0,
    resource: 0x110600000,
    mappings: [{ pageOffset: 0, start: 0x110600000, end: 0x11fffffff, size: 262144000 }],
    badblocks: [],
    daxregion: { id: 1, size: 262144000, align: 4096, availableSize: undefined },
    namespace: 'namespace1.0',
    uuid: 'dddddddd-0000-0000-0000-000000000001',
    region,
    persistenceDomain: 'memory_controller',
    persistent: true,
    persistenceEvidence: {
      source: '/sys/bus/nd/devices/region1/deep_flush',
      value: '0',
      meaning: 'the kernel knows how this memory is made durable',
    },
  });
  t.end();
});

t.test('devdax: modes, states and order', (t) => {
  const system = new FakeSystem(t.testdir());
  system.devdax({ id: 10, persistenceDomain: 'cpu_cache' }, { align: 2097152, driver: 'device_dax', minor: 10 });
  system.devdax({ id: 2 }, { align: 2097152, driver: 'kmem', minor: 2 });
  system.devdax({ id: 3 }, { align: 4096, minor: 3 });
  const devices = listIn(system.tree).filter((device) => device.kind === 'devdax');
  t.strictSame(
    devices.map(({ chardev, mode, state, persistenceDomain }) => [chardev, mode, state, persistenceDomain]),
    [
      ['dax2.0', 'system-ram', 'enabled', 'memory_controller'],
      ['dax3.0', 'devdax', 'disabled', 'memory_controller'],
      ['dax10.0', 'devdax', 'enabled', 'cpu_cache'],
    ],
  );
  t.end();
});

t.test('devdax: bad blocks of the region that fall on the device', (t) => {
  const system = new FakeSystem(t.testdir());
  // The device begins 6 MiB (12288 sectors) into the region: one range before it, one across its start, one inside.
  system.devdax({ id: 1, badblocks: '100 8\n12284 8\n20000 1' }, { align: 4096, driver: 'device_dax', minor: 1 });
  t.strictSame(only(system, 'devdax').badblocks, [
    { offset: 0, length: 4 },
    { offset: 7712, length: 1 },
  ]);
  t.end();
});

t.test('devdax: bad blocks of a device in several pieces, which are in no order', (t) => {
  const system = new FakeSystem(t.testdir());
  // The region begins at 4 GiB, sector 0. Pages 0 to 15 of the device lie 1 MiB into it, pages 16 to 31 at its start.
  const device = system.devdax({ id: 0, badblocks: '8 2\n2056 1\n4096 1' }, { align: 4096, driver: 'device_dax', minor: 3 });
  system.files(`${device}/mapping0`, { start: '0x100000000', end: '0x10000ffff', page_offset: '0x10' });
  system.files(`${device}/mapping1`, { start: '0x100100000', end: '0x10010ffff', page_offset: '0x0' });
  t.match(only(system, 'devdax'), { badblocks: [{ offset: 128 + 8, length: 2 }, { offset: 8, length: 1 }] });
  t.end();
});

t.test('devdax: a seed is told where its region has memory free', (t) => {
  const system = new FakeSystem(t.testdir());
  const device = system.devdax({ id: 0 }, { align: 4096, minor: 3 });
  system.files(device, { size: 0 });
  t.strictSame(listIn(system.tree), []);
  system.files(`${device}/../dax_region`, { available_size: 1073741824 });
  t.match(only(system, 'devdax'), { size: 0, state: 'disabled', daxregion: { availableSize: 1073741824 } });
  t.end();
});

t.test('regions: free space is told where namespaces are made of labels', (t) => {
  const system = new FakeSystem(t.testdir());
  system.devdax({ id: 1 }, { align: 4096, driver: 'device_dax', minor: 1 });
  const dir = '/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region1';
  system.files(dir, { available_size: 4096 });
  t.match(only(system, 'devdax'), { region: { availableSize: 0 } }, 'uninitialised labels');
  system.files(dir, { nstype: 5 });
  t.match(only(system, 'devdax'), { region: { availableSize: 4096 } });
  t.end();
});

t.test('devdax: memory that is no NVDIMM (CXL) has no namespace and an unknown domain', (t) => {
  const system = new FakeSystem(t.testdir());
  const device = '/sys/devices/platform/ACPI0017:00/root0/decoder0.0/region0/dax_region0/dax0.0';
  system.files(device, {
    size: 1073741824,
    align: 2097152,
    dev: '252:9',
    resource: '0x1000000000',
    target_node: 1,
    numa_node: -1,
  });
  system.files(`${device}/../dax_region`, { id: 0, size: 1073741824, align: 2097152, available_size: 0 });
  system.link(`${device}/driver`, '/sys/bus/dax/drivers/device_dax');
  system.link('/sys/bus/dax/devices/dax0.0', device);
  t.match(only(system, 'devdax'), {
    namespace: undefined,
    region: undefined,
    numaNode: undefined,
    targetNode: 1,
    persistenceDomain: 'unknown',
    daxregion: { id: 0, availableSize: 0 },
  });
  t.end();
});

t.test('pmem: fsdax', (t) => {
  const system = new FakeSystem(t.testdir());
  const block = system.fsdax({ id: 0 }, '259:0');
  system.file(`${block}/badblocks`, '8 2\n64 1');
  t.match(only(system, 'pmem'), {
    path: '/dev/pmem0',
    blockdev: 'pmem0',
    dev: 'namespace0.0',
    size: 262144000,
    mode: 'fsdax',
    map: 'dev',
    uuid: 'eeeeeeee-0000-0000-0000-000000000000',
    rawUuid: '00000000-aaaa-bbbb-cccc-000000000000',
    sectorSize: 512,
    align: 2097152,
    numaNode: 0,
    targetNode: 0,
    resource: 0x100600000,
    badblocks: [
      { offset: 8, length: 2 },
      { offset: 64, length: 1 },
    ],
    holder: 'pfn0.0',
    dax: true,
    region: { dev: 'region0', provider: 'ACPI.NFIT' },
    persistenceDomain: 'memory_controller',
  });
  t.end();
});

t.test('what is free in a region: by labels, or nothing', (t) => {
  for (const [nstype, availableSize] of [[4, 0], [5, 251658240]] as const) {
    const system = new FakeSystem(t.testdir());
    const block = system.fsdax({ id: 0 }, '259:0');
    system.files(join(block, '..', '..', '..'), { nstype, available_size: 251658240 });
    t.equal(only(system, 'pmem').region.availableSize, availableSize, `nstype ${nstype}`);
  }
  t.end();
});

t.test('pmem: raw, sector and virtio-pmem', (t) => {
  const system = new FakeSystem(t.testdir());
  system.raw({ id: 3 }, '259:1');
  system.sector({ id: 4 }, '259:2');
  system.virtio(7, '259:7');
  const [raw, sector, virtio] = listIn(system.tree);
  t.match(raw, {
    blockdev: 'pmem3',
    mode: 'raw',
    map: undefined,
    uuid: '00000000-aaaa-bbbb-cccc-000000000003',
    rawUuid: undefined,
    sectorSize: 512,
    align: undefined,
    holder: undefined,
    dax: false,
  });
  t.match(sector, {
    blockdev: 'pmem4s',
    mode: 'sector',
    sectorSize: 4096,
    holder: 'btt4.0',
    size: 267096064,
    dax: false,
  });
  t.match(virtio, {
    blockdev: 'pmem7',
    mode: 'fsdax',
    map: 'mem',
    uuid: undefined,
    numaNode: undefined,
    dax: true,
    region: { provider: 'virtio-pmem', availableSize: 0 },
    persistenceDomain: 'unknown',
  });
  t.end();
});

t.test('brd', (t) => {
  const system = new FakeSystem(t.testdir());
  system.virtualBlock('ram0', '1:0', { bytes: 268435456 });
  system.virtualBlock('zram0', '253:0', { bytes: 0 });
  t.strictSame(listIn(system.tree), [
    {
      kind: 'brd',
      path: '/dev/ram0',
      blockdev: 'ram0',
      size: 268435456,
      sectorSize: 512,
      dax: false,
      persistent: false,
      persistenceEvidence: { source: '/sys/block/ram0', value: 'ram0', meaning: 'a RAM disk: lost when the machine stops' },
    },
  ]);
  t.end();
});

t.test('mounts', (t) => {
  const system = new FakeSystem(t.testdir());
  const pmem = system.fsdax({ id: 0, persistenceDomain: 'cpu_cache' }, '259:0');
  system.partition(pmem, 'pmem0p1', '259:5', 104857600);
  system.virtualBlock('sda', '8:0', { bytes: 1 << 30 });
  system.mount('8:0 / / rw - ext4 /dev/sda rw');
  system.mount('259:0 / /mnt/with\\040space rw,relatime shared:7 - ext4 /dev/pmem0 rw,dax=always');
  system.mount('259:5 / /mnt/xfs rw - xfs /dev/pmem0p1 rw');
  system.mount('259:5 / /mnt/old rw - ext2 /dev/pmem0p1 rw,dax');
  system.mount('0:50 / /mnt/host rw - virtiofs host rw,dax=inode');
  system.mount('0:51 / /mnt/plain rw - virtiofs host rw');
  const mounts = listIn(system.tree).filter((device) => device.kind === 'mount');
  t.strictSame(
    mounts.map(({ mountpoint, fstype, dax, blockdev, size, persistenceDomain }) => [
      mountpoint,
      fstype,
      dax,
      blockdev,
      size,
      persistenceDomain,
    ]),
    [
      ['/mnt/with space', 'ext4', 'always', 'pmem0', 262144000, 'cpu_cache'],
      ['/mnt/xfs', 'xfs', 'inode', 'pmem0p1', 104857600, 'cpu_cache'],
      ['/mnt/old', 'ext2', 'always', 'pmem0p1', 104857600, 'cpu_cache'],
      ['/mnt/host', 'virtiofs', 'inode', undefined, undefined, 'unknown'],
    ],
  );
  t.end();
});

t.test('broken entries are left out or have undefined fields, and nothing throws', (t) => {
  const root = t.testdir();
  const system = new FakeSystem(root);
  const device = system.devdax({ id: 1 }, { align: 4096, driver: 'device_dax', minor: 1 });
  system.file(`${device}/align`, 'banana');
  system.file(`${device}/resource`, '0xffffffffffffffff');
  system.file(`${device}/mapping0/end`, '');
  symlinkSync('../../../devices/gone', join(root, '/sys/bus/dax/devices/dax9.0'));
  const seed = system.devdax({ id: 2 }, { align: 4096, minor: 2 });
  system.file(`${seed}/size`, 0);
  const block = system.fsdax({ id: 3 }, '259:3');
  system.file(`${block}/badblocks`, 'what is\nthis\n5');
  system.file('/proc/self/mountinfo', 'short line\n\n1 2 3:4 / /mnt rw no dash here\n36 29 259:3 / /mnt/x rw - ext4\n');
  t.match(listIn(system.tree), [
    { chardev: 'dax1.0', align: undefined, resource: undefined, mappings: [] },
    { blockdev: 'pmem3', badblocks: [] },
  ]);
  t.end();
});

t.test(
  'attributes that this user may not read',
  { skip: process.getuid?.() === 0 && 'root may read everything' },
  (t) => {
    const root = t.testdir();
    const system = new FakeSystem(root);
    const device = system.devdax({ id: 1 }, { align: 4096, driver: 'device_dax', minor: 1 });
    chmodSync(join(root, device, 'resource'), 0);
    t.match(only(system, 'devdax'), { resource: undefined });
    t.end();
  },
);

t.test('a device that goes away while it is read', (t) => {
  const root = t.testdir();
  const system = new FakeSystem(root);
  const device = system.devdax({ id: 1 }, { align: 4096, driver: 'device_dax', minor: 1 });
  rmSync(join(root, device), { recursive: true });
  t.strictSame(listIn(system.tree), []);
  t.end();
});
