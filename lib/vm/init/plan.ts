// Owns what differs from guest to guest, as shell: the plan that stage two follows to provide the devices, and the command.

import { isCxl, kindOf, labelVariable, type MemorySource, type Nvdimm } from '../memory/nvdimm.js';
import { MIB } from '../size.js';
import { shellQuote } from '../shell-quote.js';
import { carriedOutputs, type Streams } from '../streams/carriers.js';
import { HOME, portPath } from './guest-paths.js';

/** Alignment of an fsdax namespace in bytes: what a page-table entry for huge pages covers. */
const NAMESPACE_ALIGN = 2 * MIB;

/** The task of one guest's init. */
export interface GuestPlan {
  readonly nvdimms: readonly { readonly nvdimm: Nvdimm; readonly fresh: boolean }[];
  readonly network: boolean;
  /** Folders of the host that the guest may write to. */
  readonly rw: readonly string[];
  /** `lib/modules/VERSION` of the kernel on the host. */
  readonly modulesFolder: string;
  readonly kernelVersion: string;
  readonly streams: Streams;
  /** Paths of the programs on the host, as `NDCTL=/usr/bin/ndctl`. */
  readonly programs: Readonly<Record<string, string>>;
}

/** The part of stage two that differs from guest to guest. */
export function planScript(plan: GuestPlan): string {
  const lines = Object.entries(plan.programs).map(([name, path]) => `${name}=${shellQuote(path)}`);
  const modules = `/lib/modules/${plan.kernelVersion}`;
  if (plan.modulesFolder !== modules) lines.push(`mkdir -p /lib/modules; ln -s ${shellQuote(plan.modulesFolder)} ${modules}`);
  if (plan.network) lines.push('network');
  plan.rw.forEach((folder, index) => {
    lines.push(`quietly mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap rw${index} ${shellQuote(folder)}`);
  });
  lines.push(...streamLines(plan.streams));
  lines.push('provided NODE_DAX_TEST_GUEST 1', 'wait_for /dev/ram0', 'provided NODE_DAX_TEST_BRD /dev/ram0');
  const devices = plan.nvdimms.map((device, slot) => ({ ...device, ...namesIn(plan.nvdimms, slot), slot }));
  const cxlDevices = devices.filter((device) => isCxl(sourceOf(device))).length;
  lines.push(...deviceGroups(devices).flatMap((group) => groupScript(group, cxlDevices)));
  const kept = devices.filter(({ nvdimm }) => nvdimm.file !== undefined);
  const unmount = kept.flatMap(({ folder }) => (folder === undefined ? [] : [`umount ${folder} || mount -o remount,ro ${folder}; `]));
  lines.push(`finish() { ${kept.length === 0 ? ':' : `${unmount.join('')}sync`}; }`);
  return `${lines.join('\n')}\n`;
}

/** The lines that set the ends of the command's streams, and the port of each output. */
function streamLines(streams: Streams): string[] {
  const files = { nothing: '/dev/null', terminal: portPath('terminal') };
  const places = (['stdin', 'stdout', 'stderr'] as const).map((name) => {
    const carrier = streams[name];
    return `${name}=${carrier === 'port' ? `${HOME}/${name}` : files[carrier]}`;
  });
  return [...places, `outputs='${carriedOutputs(streams).map((name) => `${name}=${portPath(name)}`).join(' ')}'`];
}

/** One device as the guest must have it. */
interface GuestDevice {
  readonly nvdimm: Nvdimm;
  readonly fresh: boolean;
  /** Its place among the devices, and among QEMU's slots if it is an NVDIMM. */
  readonly slot: number;
  readonly variable: string;
  /** Where the filesystem is mounted. */
  readonly folder?: string;
}

/** The step that tells the command where the device is. */
function provided({ nvdimm: { label }, variable, folder }: GuestDevice, place: string): string {
  if (label === undefined) return `provided ${variable} ${place}`;
  const link = folder === undefined ? `; link ${place} ${label}` : '';
  return `provided ${variable} ${place}; provided ${labelVariable(label)} ${place}${link}`;
}

/** The names of the device at `slot`. The second and later devices of a kind get a number. A label is the name of its folder. */
function namesIn(devices: GuestPlan['nvdimms'], slot: number): Pick<GuestDevice, 'variable' | 'folder'> {
  const nvdimm = devices[slot]?.nvdimm;
  if (nvdimm === undefined) throw new RangeError(`there is no device ${slot}`);
  const { variable, mountPoint } = kindOf(nvdimm);
  const ordinal = devices.slice(0, slot + 1).filter((other) => other.nvdimm.kind === nvdimm.kind).length;
  const suffix = (separator: string): string => (ordinal === 1 ? '' : `${separator}${ordinal}`);
  return {
    variable: `${variable}${suffix('_')}`,
    ...(mountPoint === undefined ? {} : { folder: nvdimm.label === undefined ? `${mountPoint}${suffix('-')}` : `/mnt/${nvdimm.label}` }),
  };
}

/**
 * Groups of devices. Those that are interchangeable before they are provisioned (NVDIMMs of one size without a file) are one group,
 * whose regions get the devices in the order that the user gave. Every other NVDIMM is a group of its own, because its content
 * identifies it.
 */
function deviceGroups(devices: readonly GuestDevice[]): GuestDevice[][] {
  const groups = new Map<string, GuestDevice[]>();
  for (const device of devices) {
    const { size, file } = device.nvdimm;
    const source = sourceOf(device);
    const key = isNvdimm(source) ? (file ?? `${source} of ${size} bytes`) : source;
    groups.set(key, [...(groups.get(key) ?? []), device]);
  }
  return [...groups.values()];
}

function sourceOf({ nvdimm }: GuestDevice): MemorySource {
  return kindOf(nvdimm).source;
}

function isNvdimm(source: MemorySource): boolean {
  return source === 'nvdimm' || source === 'unarmed';
}

function groupScript(group: readonly GuestDevice[], cxlDevices: number): string[] {
  return [
    `set -- $(${regionsOf(group, cxlDevices)})`,
    `[ $# = ${group.length} ] || fail "the kernel sees $# of ${group.length} devices"`,
    ...group.map((device, index) => `{ ${provisioning(device, `\${${index + 1}}`)}; } &`),
  ];
}

function regionsOf(group: readonly GuestDevice[], cxlDevices: number): string {
  switch (group[0] === undefined ? 'nvdimm' : sourceOf(group[0])) {
    case 'nvdimm':
    case 'unarmed':
      return `regions_of ${group.map(({ slot }) => slot).join(' ')}`;
    case 'virtio':
      return 'bus_regions virtio-pmem';
    case 'e820':
      return 'bus_regions e820';
    case 'nfit-volatile':
      return 'bus_regions ACPI.NFIT';
    case 'hmem':
      return 'hmem_regions';
    case 'cxl-pmem':
      return `cxl_regions ${cxlDevices} pmem`;
    case 'cxl-ram':
      return `cxl_regions ${cxlDevices} ram`;
  }
}

/** The steps that make one device usable. `region` is the shell's expression for its region. */
function provisioning(device: GuestDevice, region: string): string {
  const { nvdimm, fresh, folder } = device;
  const { source, mode, align = NAMESPACE_ALIGN, filesystem } = kindOf(nvdimm);
  const state = fresh ? 'fresh' : 'existing';
  const name = shellQuote(nvdimm.file ?? `the ${nvdimm.kind} device`);
  const steps: string[] = [];
  if (mode !== undefined) steps.push(`namespace ${region} ${mode} ${align} ${state} ${name}`);
  if (source === 'hmem' || source === 'cxl-ram') {
    steps.push(`realign dax${region}.0 ${align}`, `wait_for /dev/dax${region}.0`, provided(device, `/dev/dax${region}.0`));
  } else if (mode === 'devdax') {
    const path = `/dev/dax${region}.0`;
    steps.push(`wait_for ${path}`, `aligned ${region} ${align} ${name}`, provided(device, path));
  } else if (filesystem !== undefined && folder !== undefined) {
    // virtio-pmem has no MAP_SYNC, but the kernel mounts it with DAX all the same.
    const options = filesystem === 'ext2' ? 'dax' : 'dax=always';
    steps.push(`filesystem /dev/pmem${region} ${filesystem} ${options} ${state} ${name} ${folder}`, provided(device, folder));
  } else {
    steps.push(`wait_for /dev/pmem${region}`, provided(device, `/dev/pmem${region}`));
  }
  return steps.join('; ');
}

/** The script that replaces itself with the command. */
export function commandScript(command: readonly string[], cwd: string, environment: Readonly<Record<string, string>>): string {
  const words = Object.entries(environment).map(([name, value]) => shellQuote(`${name}=${value}`));
  return (
    `cd ${shellQuote(cwd)} || exit 126\n` +
    `exec ${HOME}/applets/env -i ${words.join(' ')} $(cat ${HOME}/provisioned/*) ${command.map(shellQuote).join(' ')}\n`
  );
}
