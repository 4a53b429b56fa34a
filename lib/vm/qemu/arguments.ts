// Owns the command line of QEMU.

import { GIB, MIB } from '../size.js';
import { carve, memmapOf } from '../memory/carved-memory.js';
import { SIZE_UNIT, isCarved, isCxl, kindOf, type Nvdimm } from '../memory/nvdimm.js';
import { PORTS, type PortName } from '../streams/carriers.js';

export type Acceleration = 'kvm' | 'tcg';
export type PersistenceDomain = 'mem-ctrl' | 'cpu';

/** The machine to make. Descriptors are numbers in the QEMU process. */
export interface Machine {
  readonly accel: Acceleration;
  /** Bytes of ordinary memory. */
  readonly memory: number;
  readonly cpus: number;
  readonly persistence: PersistenceDomain;
  readonly kernel: string;
  readonly initrd: string;
  /** Connected sockets for the console, the monitor (QMP) and the ports. */
  readonly sockets: Readonly<Record<'console' | 'qmp' | PortName, number>>;
  /** The ports that this guest has. */
  readonly ports: readonly PortName[];
  /** All of them, in the order of the slots. */
  readonly devices: readonly MachineDevice[];
  /** Files with ACPI tables, in addition to those of QEMU, which then makes none for NVDIMMs. */
  readonly acpiTables: readonly string[];
  /** Folders of the host that the guest may write to. */
  readonly rw: readonly string[];
  readonly network: boolean;
  /** Whether the kernel says all that it has to say. */
  readonly verbose: boolean;
  /** More parameters for the kernel. */
  readonly append?: string;
  /** The port for gdb. */
  readonly gdb?: number;
  /** More arguments for QEMU. */
  readonly more: readonly string[];
}

export interface MachineDevice {
  readonly nvdimm: Nvdimm;
  /** The file with its content, and the file with the labels of a persistent CXL device. A part of the RAM has neither. */
  readonly path?: string;
  readonly labels?: string;
}

// QEMU places memory at multiples of this, and cuts its size down to one. The kernel requires the same of a region.
const ADDRESS_ALIGN = SIZE_UNIT;

/** Bytes of the label area of a CXL device. */
export const CXL_LABELS = MIB;
// The number of the first CXL bridge's PCI bus, and how many bus numbers each bridge takes: its own, and those behind its ports.
const CXL_FIRST_BUS = 16;
const CXL_BUSES = 4;

// Quick: no boot-time self-tests, no timer calibration, no mitigations (nothing here is secret), no
// address-space randomisation. A kernel in trouble stops at once.
const KERNEL_PARAMETERS = [
  'console=ttyS0', 'panic=-1', 'oops=panic', 'mitigations=off', 'nokaslr', 'tsc=reliable', 'no_timer_check',
  'cryptomgr.notests', 'random.trust_cpu=on', 'rcupdate.rcu_expedited=1', '8250.nr_uarts=1', 'audit=0',
];

// Without ERMS, because with it the kernel and the C library clear and copy by `rep movsb` and `rep stosb`, which TCG emulates byte
// by byte.
const ACCELERATORS = { kvm: { accel: 'kvm', cpu: 'host' }, tcg: { accel: 'tcg,thread=multi', cpu: 'max,erms=off' } } as const;

// A network card without the ROM from which a machine could boot. It comes after the serial ports, because their names in the guest
// contain their number among the virtio devices.
const NETWORK = ['-netdev', 'user,id=network', '-device', 'virtio-net-pci,netdev=network,romfile='];

/**
 * The arguments of `qemu-system-x86_64`. The machine is q35, because on the older pc each PCI interrupt takes the guest 0.25 s to
 * set up.
 */
export function qemuArguments(machine: Machine): string[] {
  const { accel, cpus, persistence, sockets, devices, acpiTables, rw, append, gdb } = machine;
  const { total, below4G, ranges } = carve(machine.memory, devices.map(({ nvdimm }) => nvdimm));
  // Room for each device in a slot and for the gap that its alignment may leave.
  const slots = devices.filter(({ nvdimm }) => isInSlot(nvdimm));
  const room = slots.reduce((sum, { nvdimm }) => sum + nvdimm.size + GIB, 0);
  const maximum = Math.ceil((total + room) / GIB);
  // From 6.3 on, Linux commits no CXL region if it sees a hypervisor, which might not flush the caches on request.
  const hidden = devices.some(({ nvdimm }) => isCxl(kindOf(nvdimm).source)) ? ',hypervisor=off' : '';
  const options = [
    'q35', `nvdimm=${acpiTables.length === 0 ? 'on' : 'off'}`, `nvdimm-persistence=${persistence}`, 'vmport=off', 'dump-guest-core=off',
    ...(ranges.length === 0 ? [] : [`max-ram-below-4g=${below4G}`]),
    ...cxlOptions(devices),
  ];
  return [
    '-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-nic', 'none',
    '-M', options.join(','),
    '-accel', ACCELERATORS[accel].accel, '-cpu', `${ACCELERATORS[accel].cpu}${hidden}`,
    '-smp', String(cpus),
    '-m', `${total / MIB}M${slots.length === 0 ? '' : `,slots=${devices.length},maxmem=${maximum}G`}`,
    '-kernel', machine.kernel, '-initrd', machine.initrd, '-append',
    [...KERNEL_PARAMETERS, ...(machine.verbose ? [] : ['quiet']), ...ranges.map(memmapOf), ...(append === undefined ? [] : [append])].join(' '),
    ...acpiTables.flatMap((path) => ['-acpitable', `file=${escape(path)}`]),
    '-chardev', `socket,id=console,fd=${sockets.console}`, '-serial', 'chardev:console',
    '-chardev', `socket,id=qmp,fd=${sockets.qmp}`, '-mon', 'chardev=qmp,mode=control',
    '-device', 'virtio-serial-pci',
    ...machine.ports.flatMap((name) => [
      '-chardev', `socket,id=${name},fd=${sockets[name]}`,
      '-device', `${name === 'terminal' ? 'virtconsole' : 'virtserialport'},chardev=${name},nr=${PORTS[name]},name=node-dax.${name}`,
    ]),
    ...share('root', '/', 'readonly=on'),
    ...(machine.network ? NETWORK : []),
    ...rw.flatMap((folder, index) => share(`rw${index}`, folder, 'readonly=off')),
    ...devices.flatMap(memoryDevice),
    ...(gdb === undefined ? [] : ['-gdb', `tcp:127.0.0.1:${gdb}`]),
    ...machine.more,
  ];
}

/** A folder of the host over 9p. Inode numbers are made unique across the host's mounts. */
function share(tag: string, folder: string, access: string): string[] {
  return [
    '-fsdev', `local,id=${tag},path=${escape(folder)},security_model=none,multidevs=remap,${access}`,
    '-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`,
  ];
}

function isInSlot(nvdimm: Nvdimm): boolean {
  const { source } = kindOf(nvdimm);
  return !isCarved(source) && !isCxl(source);
}

/**
 * The guest identifies an NVDIMM by its slot. It has no label area: labels are valid for one slot only (the serial number that QEMU
 * gives each slot is part of the interleave-set cookie), and a file may be given in any slot.
 */
function memoryDevice({ nvdimm, path, labels }: MachineDevice, slot: number): string[] {
  if (path === undefined) return [];
  const id = `mem${slot}`;
  const { source } = kindOf(nvdimm);
  const object = ['-object', memoryFile(id, path, nvdimm.size)];
  if (isCxl(source)) return [...object, ...cxlDevice(id, labels, slot)];
  const unarmed = source === 'unarmed' ? ',unarmed=on' : '';
  return [...object, '-device', source === 'virtio' ? `virtio-pmem-pci,memdev=${id}` : `nvdimm,memdev=${id},slot=${slot}${unarmed}`];
}

function memoryFile(id: string, path: string, size: number): string {
  return `memory-backend-file,id=${id},share=on,mem-path=${escape(path)},size=${size},align=${ADDRESS_ALIGN}`;
}

/**
 * Each CXL device gets its own host bridge, so a region is one whole device. A bridge has two ports, the second of them empty:
 * Linux skips the decoder of a bridge that has only one port, and QEMU 7.2, which still decodes by it, then drops every store and
 * reads zeros.
 */
function cxlDevice(id: string, labels: string | undefined, slot: number): string[] {
  const memory = labels === undefined ? `volatile-memdev=${id}` : `memdev=${id},lsa=${id}-labels`;
  return [
    ...(labels === undefined ? [] : ['-object', memoryFile(`${id}-labels`, labels, CXL_LABELS)]),
    '-device', `pxb-cxl,id=cxl${slot},bus=pcie.0,bus_nr=${CXL_FIRST_BUS + slot * CXL_BUSES}`,
    ...[0, 1].flatMap((port) => ['-device', `cxl-rp,id=${id}-port${port},bus=cxl${slot},port=${port},chassis=${slot},slot=${port}`]),
    '-device', `cxl-type3,id=${id}-device,bus=${id}-port0,${memory},sn=${slot + 1}`,
  ];
}

/** The windows of physical addresses in which the host bridges map their devices. */
function cxlOptions(devices: readonly MachineDevice[]): string[] {
  const slots = devices.flatMap(({ nvdimm }, slot) => (isCxl(kindOf(nvdimm).source) ? [{ slot, size: nvdimm.size }] : []));
  if (slots.length === 0) return [];
  return ['cxl=on', ...slots.flatMap(({ slot, size }, index) => [`cxl-fmw.${index}.targets.0=cxl${slot}`, `cxl-fmw.${index}.size=${size}`])];
}

/** QEMU takes a doubled comma in a value for one comma. */
function escape(value: string): string {
  return value.replaceAll(',', ',,');
}
