// The argument vector of QEMU.

import t from 'tap';
import { volatileTables } from '../../lib/vm/memory/nfit.js';
import type { Nvdimm } from '../../lib/vm/memory/nvdimm.js';
import { qemuArguments, type Machine } from '../../lib/vm/qemu/arguments.js';
import { GIB, MIB } from '../../lib/vm/size.js';

const MACHINE: Machine = {
  accel: 'tcg',
  memory: 2 * GIB,
  cpus: 2,
  persistence: 'mem-ctrl',
  kernel: '/boot/vmlinuz',
  initrd: '/proc/self/fd/7',
  sockets: { status: 3, stdout: 4, stderr: 5, console: 6, stdin: 7, terminal: 8, qmp: 9 },
  ports: ['status', 'stdout', 'stderr'],
  devices: [],
  acpiTables: [],
  rw: [],
  network: false,
  verbose: false,
  more: [],
};

/** The values of one option. */
function values(machine: Machine, option: string): string[] {
  const words = qemuArguments(machine);
  return words.filter((_word, index) => words[index - 1] === option);
}

t.test('a machine without devices', (t) => {
  t.match(qemuArguments(MACHINE), ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-nic', 'none']);
  t.strictSame(values(MACHINE, '-m'), ['2048M']);
  t.strictSame(values(MACHINE, '-smp'), ['2']);
  t.strictSame(values(MACHINE, '-kernel'), ['/boot/vmlinuz']);
  t.strictSame(values(MACHINE, '-initrd'), ['/proc/self/fd/7']);
  t.match(values(MACHINE, '-append')[0], /(^| )panic=-1( |$)/, 'a panic ends the guest');
  t.strictSame(values(MACHINE, '-chardev'), [
    'socket,id=console,fd=6', 'socket,id=qmp,fd=9', 'socket,id=status,fd=3', 'socket,id=stdout,fd=4', 'socket,id=stderr,fd=5',
  ]);
  t.strictSame(values(MACHINE, '-fsdev'), ['local,id=root,path=/,security_model=none,multidevs=remap,readonly=on']);
  t.strictSame(values(MACHINE, '-object'), []);
  t.end();
});

t.test('what a user adds', (t) => {
  const machine: Machine = { ...MACHINE, network: true, verbose: true, append: 'debug x=1', gdb: 1234, more: ['-S'] };
  t.match(values(machine, '-append')[0], / audit=0 debug x=1$/, 'and not quiet');
  t.match(values(MACHINE, '-append')[0], / quiet$/);
  t.strictSame(values(machine, '-netdev'), ['user,id=network']);
  const devices = values(machine, '-device');
  t.equal(devices[0], 'virtio-serial-pci', 'whose number is in the names of the ports');
  t.ok(devices.includes('virtio-net-pci,netdev=network,romfile='));
  t.strictSame(qemuArguments(machine).slice(-3), ['-gdb', 'tcp:127.0.0.1:1234', '-S']);
  t.end();
});

t.test('ports for the input, and a console for a terminal', (t) => {
  const devices = values({ ...MACHINE, ports: ['status', 'stdin', 'terminal'] }, '-device');
  t.ok(devices.includes('virtserialport,chardev=stdin,nr=4,name=node-dax.stdin'));
  t.ok(devices.includes('virtconsole,chardev=terminal,nr=5,name=node-dax.terminal'));
  t.notOk(devices.some((device) => device.includes('stdout')), 'and none that nothing goes through');
  t.end();
});

t.test('acceleration and persistence domain', (t) => {
  t.strictSame([values(MACHINE, '-accel'), values(MACHINE, '-cpu')], [['tcg,thread=multi'], ['max,erms=off']]);
  const kvm = { ...MACHINE, accel: 'kvm' as const };
  t.strictSame([values(kvm, '-accel'), values(kvm, '-cpu')], [['kvm'], ['host']]);
  t.match(values(MACHINE, '-M')[0], 'nvdimm=on,nvdimm-persistence=mem-ctrl');
  t.match(values({ ...MACHINE, persistence: 'cpu' }, '-M')[0], 'nvdimm=on,nvdimm-persistence=cpu');
  t.end();
});

t.test('devices and folders', (t) => {
  const nvdimm: Nvdimm = { size: 512 * MIB, kind: 'devdax' };
  const virtio: Nvdimm = { size: 256 * MIB, kind: 'virtio-pmem' };
  const machine: Machine = {
    ...MACHINE,
    devices: [{ nvdimm, path: '/a,b' }, { nvdimm: virtio, path: '/proc/self/fd/8' }],
    rw: ['/out,put'],
  };
  t.strictSame(values(machine, '-m'), ['2048M,slots=2,maxmem=5G'], 'room for both and for the gaps between them');
  t.strictSame(values(machine, '-object'), [
    'memory-backend-file,id=mem0,share=on,mem-path=/a,,b,size=536870912,align=16777216',
    'memory-backend-file,id=mem1,share=on,mem-path=/proc/self/fd/8,size=268435456,align=16777216',
  ]);
  const devices = values(machine, '-device');
  t.ok(devices.includes('nvdimm,memdev=mem0,slot=0'));
  t.ok(devices.includes('virtio-pmem-pci,memdev=mem1'));
  t.ok(devices.includes('virtio-9p-pci,fsdev=rw0,mount_tag=rw0'));
  t.match(values(machine, '-fsdev')[1], 'path=/out,,put,security_model=none,multidevs=remap,readonly=off');
  t.end();
});

t.test('memory cut from the RAM lies above it, and the kernel is told its type', (t) => {
  const machine: Machine = {
    ...MACHINE,
    devices: [{ nvdimm: { size: 256 * MIB, kind: 'hmem' } }, { nvdimm: { size: 64 * MIB, kind: 'e820' } }],
  };
  t.strictSame(values(machine, '-m'), ['2384M'], 'beside the memory asked for, and 16 MiB between the two');
  t.match(values(machine, '-M')[0], /,max-ram-below-4g=2147483648$/);
  const [parameters = ''] = values(machine, '-append');
  t.match(parameters, / memmap=268435456%4294967296-1\+0xefffffff memmap=67108864!4580179968$/);
  t.strictSame(values(machine, '-object'), []);

  const small = { ...machine, memory: 512 * MIB };
  t.strictSame(values(small, '-m'), ['848M']);
  t.match(values(small, '-M')[0], /,max-ram-below-4g=536870912$/);
  const large = { ...machine, memory: 3 * GIB + MIB };
  t.match(values(large, '-append')[0], 'memmap=268435456%5385486336-1', 'above 1 GiB and 1 MiB of RAM there, at a multiple of 16 MiB');
  t.strictSame(values(large, '-m'), ['3424M'], 'the gap is RAM');
  t.end();
});

t.test('an unarmed NVDIMM, and volatile ranges in tables of their own', (t) => {
  const unarmed = { ...MACHINE, devices: [{ nvdimm: { size: 64 * MIB, kind: 'unarmed' as const }, path: '/a' }] };
  t.ok(values(unarmed, '-device').includes('nvdimm,memdev=mem0,slot=0,unarmed=on'));
  const volatile = { ...MACHINE, devices: [{ nvdimm: { size: 64 * MIB, kind: 'nfit-volatile' as const } }], acpiTables: ['/s', '/n'] };
  t.match(values(volatile, '-M')[0], 'nvdimm=off');
  t.strictSame(values(volatile, '-acpitable'), ['file=/s', 'file=/n']);
  t.match(values(volatile, '-append')[0], /memmap=67108864\$4294967296$/);
  t.end();
});

t.test('a CXL device has a host bridge and a window of its own, and no slot', (t) => {
  const device = (name: string) => ({ nvdimm: { size: 256 * MIB, kind: 'cxl-pmem' as const }, path: `/${name}`, labels: `/${name}-labels` });
  const machine = { ...MACHINE, devices: [device('a'), device('b')] };
  t.strictSame(values(machine, '-m'), ['2048M']);
  t.match(values(machine, '-M')[0], ',cxl=on,cxl-fmw.0.targets.0=cxl0,cxl-fmw.0.size=268435456,cxl-fmw.1.targets.0=cxl1,cxl-fmw.1.size=268435456');
  const devices = values(machine, '-device');
  t.ok(devices.includes('pxb-cxl,id=cxl1,bus=pcie.0,bus_nr=20'));
  t.ok(devices.includes('cxl-rp,id=mem1-port0,bus=cxl1,port=0,chassis=1,slot=0'));
  t.ok(devices.includes('cxl-rp,id=mem1-port1,bus=cxl1,port=1,chassis=1,slot=1'), 'a second port, which makes Linux use the decoder of the bridge');
  t.ok(devices.includes('cxl-type3,id=mem1-device,bus=mem1-port0,memdev=mem1,lsa=mem1-labels,sn=2'));
  t.equal(values(machine, '-object').length, 4);
  t.strictSame(values(machine, '-cpu'), ['max,erms=off,hypervisor=off']);
  const volatile = { ...MACHINE, devices: [{ nvdimm: { size: 256 * MIB, kind: 'cxl-ram' as const }, path: '/c' }] };
  t.ok(values(volatile, '-device').includes('cxl-type3,id=mem0-device,bus=mem0-port0,volatile-memdev=mem0,sn=1'), 'without labels');
  t.end();
});

t.test('the tables of volatile ranges', (t) => {
  const [ssdt, nfit] = volatileTables([{ start: 4 * GIB, size: 64 * MIB }, { start: 5 * GIB, size: 32 * MIB }]);
  for (const [name, table] of [['SSDT', ssdt], ['NFIT', nfit]] as const) {
    t.equal(table?.toString('latin1', 0, 4), name);
    t.equal(table?.readUInt32LE(4), table?.length);
    t.equal([...(table ?? [])].reduce((sum, byte) => sum + byte, 0) % 256, 0, 'the checksum');
  }
  t.equal(nfit?.length, 36 + 4 + 2 * 56);
  t.strictSame([nfit?.readUInt16LE(96 + 4), nfit?.readBigUInt64LE(96 + 32), nfit?.readBigUInt64LE(96 + 40)], [2, BigInt(5 * GIB), BigInt(32 * MIB)]);
  t.end();
});
