// Owns the tests of what is said to survive a power cut, one for each kind of memory as the kernel describes it.

import t from 'tap';
import { blockNumbered } from '../../src/discovery/devices/block.js';
import { listDevdax } from '../../src/discovery/devices/devdax.js';
import { diagnose } from '../../src/discovery/diagnosis/doctor.js';
import { persistenceOf, persistenceOfBlock } from '../../src/discovery/devices/persistence.js';
import type { SystemTree } from '../../src/discovery/system/system-tree.js';
import { FakeSystem } from '../helpers/fake-system.js';

const REGION = '/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region1';

function nvdimm(t: { testdir: () => string }): FakeSystem {
  const system = new FakeSystem(t.testdir());
  system.devdax({ id: 1 }, { align: 4096, driver: 'device_dax', minor: 1 });
  system.link('/sys/bus/nd/devices/region1', REGION);
  return system;
}

function devdax(system: FakeSystem): unknown {
  const [device] = listDevdax(system.tree);
  return { persistent: device?.persistent, ...device?.persistenceEvidence };
}

const doctored = (tree: SystemTree) =>
  diagnose(
    { path: '/dev/dax1.0', realPath: '/dev/dax1.0', type: 'char', devno: '0:5', rdevno: '252:1', size: 0, blockSize: 4096, readable: true, writable: true },
    tree,
  );

t.test('an NVDIMM', (t) => {
  const system = nvdimm(t);
  t.match(devdax(system), { persistent: true, source: '/sys/bus/nd/devices/region1/deep_flush', value: '0' });
  t.match(doctored(system.tree), { persistent: true, verdict: /flushed from the CPU caches \(ADR\)/ });
  t.end();
});

t.test('one whose platform names no persistence domain, as on ARM', (t) => {
  const system = nvdimm(t);
  system.remove(`${REGION}/persistence_domain`);
  t.match(devdax(system), { persistent: true });
  const { evidence } = doctored(system.tree);
  t.notOk(evidence.some(({ source }) => source.endsWith('persistence_domain')), 'what is not there is no evidence');
  t.end();
});

t.test('an unarmed one, and a region that was set read-only', (t) => {
  const system = nvdimm(t);
  system.files(REGION, { read_only: 1, mapping0: 'nmem0,0,268435456,0' });
  t.match(devdax(system), { persistent: false, source: '/sys/bus/nd/devices/region1/read_only', value: '1' });
  system.file('/sys/bus/nd/devices/nmem0/nfit/flags', 'not_armed');
  t.match(devdax(system), { persistent: false, source: '/sys/bus/nd/devices/nmem0/nfit/flags', value: 'not_armed' });
  t.match(doctored(system.tree), { persistent: false, verdict: /unarmed/ });
  t.notMatch(doctored(system.tree).verdict, /durable/);
  system.files(REGION, { read_only: 0 });
  t.match(devdax(system), { persistent: true }, 'somebody who knows better has made it writable');
  t.end();
});

t.test('memory that no driver vouches for (e820)', (t) => {
  const system = nvdimm(t);
  system.remove(`${REGION}/deep_flush`);
  system.remove(`${REGION}/persistence_domain`);
  t.match(devdax(system), { persistent: undefined, source: '/sys/bus/nd/devices/region1', value: 'no deep_flush' });
  t.match(doctored(system.tree), { persistent: undefined, verdict: /does not vouch/ });
  t.end();
});

t.test('a volatile range of the NFIT', (t) => {
  const system = nvdimm(t);
  system.files(REGION, { devtype: 'nd_volatile' });
  t.match(devdax(system), { persistent: false, source: '/sys/bus/nd/devices/region1/devtype', value: 'nd_volatile' });
  t.end();
});

t.test('virtio-pmem: fsync makes durable, and a devdax has none', (t) => {
  const system = new FakeSystem(t.testdir());
  system.devdax({ id: 1, virtio: true }, { align: 4096, driver: 'device_dax', minor: 1 });
  system.virtio(7, '259:7');
  t.match(devdax(system), { persistent: false, source: '/sys/bus/nd/devices/ndbus1/provider', value: 'virtio-pmem' });
  const block = blockNumbered(system.tree, '259:7');
  t.match(block && persistenceOfBlock(system.tree, block), { persistent: true, evidence: { value: 'virtio-pmem' } });
  t.end();
});

for (const [title, parent, expected] of [
  ['soft-reserved memory', '/sys/devices/platform/hmem.0', { source: '/sys/bus/dax/devices/dax0.0', value: '/sys/devices/platform/hmem.0/dax0.0' }],
  [
    'volatile memory of CXL',
    '/sys/devices/platform/ACPI0017:00/root0/decoder0.0/region1/dax_region1',
    { source: '/sys/bus/cxl/devices/region1/mode', value: 'ram' },
  ],
] as const) {
  t.test(title, (t) => {
    const system = new FakeSystem(t.testdir());
    system.files(`${parent}/dax0.0`, { size: 1073741824, align: 2097152, dev: '252:1' });
    system.link(`${parent}/dax0.0/driver`, '/sys/bus/dax/drivers/device_dax');
    system.link('/sys/bus/dax/devices/dax0.0', `${parent}/dax0.0`);
    if (expected.value === 'ram') system.file('/sys/bus/cxl/devices/region1/mode', 'ram');
    t.match(devdax(system), { persistent: false, ...expected });
    t.match(doctored(system.tree), { kind: 'devdax', isDax: true, granularity: 'cache_line', persistent: false, verdict: /volatile memory/i });
    t.end();
  });
}

t.test('files and block devices: the worst of what is under them', (t) => {
  const system = new FakeSystem(t.testdir());
  system.fsdax({ id: 0 }, '259:0');
  system.virtualBlock('ram0', '1:0', { bytes: 1048576 });
  system.virtualBlock('sda', '8:0', { bytes: 1073741824 });
  const loop = system.virtualBlock('loop0', '7:0', { bytes: 1048576 });
  system.file(`${loop}/loop/backing_file`, '/run/image');
  const mirror = system.virtualBlock('dm-0', '253:0', { bytes: 1048576 });
  system.link(`${mirror}/slaves/sda`, '/sys/devices/virtual/block/sda');
  system.link(`${mirror}/slaves/ram0`, '/sys/devices/virtual/block/ram0');
  system.virtualBlock('dcssblk0', '252:0', { bytes: 1048576, dax: 1 });
  system.mount('8:0 / / rw - ext4 /dev/sda rw');
  system.mount('0:20 / /run rw - tmpfs tmpfs rw');
  system.mount('0:30 / /net rw - nfs4 host:/ rw');
  system.mount('0:40 / /btrfs rw - btrfs /dev/sda rw');
  const { tree } = system;
  const block = (rdevno: string) => persistenceOf(tree, { path: '', realPath: '', type: 'block', devno: '0:5', rdevno }).persistent;
  t.strictSame(
    ['259:0', '1:0', '8:0', '7:0', '253:0', '252:0', '9:9'].map(block),
    [true, false, true, false, false, undefined, undefined],
    'pmem, brd, a disk, a loop over tmpfs, dm over a disk and brd, dcss, none',
  );
  const file = (realPath: string, devno: string) => persistenceOf(tree, { path: '', realPath, type: 'file', devno, rdevno: '0:0' }).persistent;
  t.strictSame(
    [file('/a', '8:0'), file('/run/a', '0:20'), file('/net/a', '0:30'), file('/btrfs/a', '0:41')],
    [true, false, undefined, true],
    'on a disk, in memory, at a server, on btrfs',
  );
  t.end();
});
