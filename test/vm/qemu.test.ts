// The argument vector of QEMU.

import t from 'tap';
import type { Nvdimm } from '../../lib/vm/nvdimm.js';
import { qemuArguments, type Machine } from '../../lib/vm/qemu.js';
import { GIB, MIB } from '../../lib/vm/size.js';

const MACHINE: Machine = {
  accel: 'tcg',
  memory: 2 * GIB,
  cpus: 2,
  persistence: 'mem-ctrl',
  kernel: '/boot/vmlinuz',
  initrd: '/proc/self/fd/7',
  sockets: { status: 3, stdout: 4, stderr: 5, console: 6 },
  devices: [],
  keep: [],
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
    'socket,id=console,fd=6', 'socket,id=status,fd=3', 'socket,id=stdout,fd=4', 'socket,id=stderr,fd=5',
  ]);
  t.strictSame(values(MACHINE, '-fsdev'), ['local,id=root,path=/,security_model=none,multidevs=remap,readonly=on']);
  t.strictSame(values(MACHINE, '-object'), []);
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
    keep: ['/out,put'],
  };
  t.strictSame(values(machine, '-m'), ['2048M,slots=2,maxmem=5G'], 'room for both and for the gaps between them');
  t.strictSame(values(machine, '-object'), [
    'memory-backend-file,id=mem0,share=on,mem-path=/a,,b,size=536870912,align=16777216',
    'memory-backend-file,id=mem1,share=on,mem-path=/proc/self/fd/8,size=268435456,align=16777216',
  ]);
  const devices = values(machine, '-device');
  t.ok(devices.includes('nvdimm,memdev=mem0,slot=0'));
  t.ok(devices.includes('virtio-pmem-pci,memdev=mem1'));
  t.ok(devices.includes('virtio-9p-pci,fsdev=keep0,mount_tag=keep0'));
  t.match(values(machine, '-fsdev')[1], 'path=/out,,put,security_model=none,multidevs=remap,readonly=off');
  t.end();
});
