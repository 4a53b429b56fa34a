// Owns the command line of QEMU.

import { GIB, MIB } from './size.js';
import { PORTS } from './guest-script.js';
import { SIZE_UNIT, kindOf, type Nvdimm } from './nvdimm.js';

export type Acceleration = 'kvm' | 'tcg';
export type PersistenceDomain = 'mem-ctrl' | 'cpu';

/** The machine to make. Descriptors are those of the QEMU process. */
export interface Machine {
  readonly accel: Acceleration;
  /** Bytes of ordinary memory. */
  readonly memory: number;
  readonly cpus: number;
  readonly persistence: PersistenceDomain;
  readonly kernel: string;
  readonly initrd: string;
  /** Connected sockets for the console and the ports. */
  readonly sockets: { readonly console: number } & Readonly<Record<keyof typeof PORTS, number>>;
  readonly devices: readonly { readonly nvdimm: Nvdimm; readonly path: string }[];
  /** Folders of the host that the guest may write to. */
  readonly keep: readonly string[];
}

// QEMU gives out addresses, and cuts sizes, at multiples of this. It is what the kernel wants of a region, too.
const ADDRESS_ALIGN = SIZE_UNIT;

// Quiet and quick: no boot-time self-tests, no timer calibration, no mitigations (nothing here is secret), no
// address-space randomisation. A kernel in trouble stops at once.
const KERNEL_PARAMETERS = [
  'console=ttyS0', 'quiet', 'panic=-1', 'oops=panic', 'mitigations=off', 'nokaslr', 'tsc=reliable', 'no_timer_check',
  'cryptomgr.notests', 'random.trust_cpu=on', 'rcupdate.rcu_expedited=1', '8250.nr_uarts=1', 'audit=0',
];

// Without ERMS: TCG emulates `rep movsb` and `rep stosb`, by which the kernel and the C library then clear and copy, byte by byte.
const EMULATED = ['-accel', 'tcg,thread=multi', '-cpu', 'max,erms=off'];

/** The arguments of `qemu-system-x86_64`. (q35: setting up a PCI interrupt on the older pc takes the guest 0.25 s each.) */
export function qemuArguments(machine: Machine): string[] {
  const { accel, memory, cpus, persistence, sockets, devices, keep } = machine;
  // Room for each device and for the gap that its alignment may leave.
  const room = devices.reduce((sum, { nvdimm }) => sum + nvdimm.size + GIB, 0);
  const maximum = Math.ceil((memory + room) / GIB);
  return [
    '-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-nic', 'none',
    '-M', `q35,nvdimm=on,nvdimm-persistence=${persistence},vmport=off,dump-guest-core=off`,
    ...(accel === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : EMULATED),
    '-smp', String(cpus),
    '-m', `${memory / MIB}M${devices.length === 0 ? '' : `,slots=${devices.length},maxmem=${maximum}G`}`,
    '-kernel', machine.kernel, '-initrd', machine.initrd, '-append', KERNEL_PARAMETERS.join(' '),
    '-chardev', `socket,id=console,fd=${sockets.console}`, '-serial', 'chardev:console',
    '-device', 'virtio-serial-pci',
    ...Object.entries(PORTS).flatMap(([name, number]) => [
      '-chardev', `socket,id=${name},fd=${sockets[name as keyof typeof PORTS]}`,
      '-device', `virtserialport,chardev=${name},nr=${number},name=node-dax.${name}`,
    ]),
    ...share('root', '/', 'readonly=on'),
    ...keep.flatMap((folder, index) => share(`keep${index}`, folder, 'readonly=off')),
    ...devices.flatMap(({ nvdimm, path }, index) => memoryDevice(nvdimm, path, index)),
  ];
}

/** A folder of the host over 9p. Inode numbers are made unique across the host's mounts. */
function share(tag: string, folder: string, access: string): string[] {
  return [
    '-fsdev', `local,id=${tag},path=${escape(folder)},security_model=none,multidevs=remap,${access}`,
    '-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`,
  ];
}

/**
 * An NVDIMM is found again in the guest by its slot. It has no label area: labels hold good for one slot only (the
 * serial number that QEMU gives each slot is part of the interleave-set cookie), and a file may be given at any.
 */
function memoryDevice(nvdimm: Nvdimm, path: string, slot: number): string[] {
  const id = `mem${slot}`;
  const virtio = kindOf(nvdimm).mode === 'virtio';
  const device = virtio ? `virtio-pmem-pci,memdev=${id}` : `nvdimm,memdev=${id},slot=${slot}`;
  return [
    '-object', `memory-backend-file,id=${id},share=on,mem-path=${escape(path)},size=${nvdimm.size},align=${ADDRESS_ALIGN}`,
    '-device', device,
  ];
}

/** QEMU takes a doubled comma in a value for one comma. */
function escape(value: string): string {
  return value.replaceAll(',', ',,');
}
