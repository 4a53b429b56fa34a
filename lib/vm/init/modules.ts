// Owns the choice of kernel modules for the guest, when it loads each, and their parameters.

import { kindOf, type MemorySource, type Nvdimm } from '../memory/nvdimm.js';
import type { KernelModule, KernelModules } from '../kernel/modules.js';

/**
 * The lists, by their names in the guest. `ports` comes first; `root` and `memory` at the same time; `filesystems`
 * while namespaces are made, since loading a large module takes about as long.
 */
export const LOADING_LISTS = { ports: 'ports', root: 'root', memory: 'memory', filesystems: 'filesystems' } as const;

const PORTS = ['virtio_pci', 'virtio_console'];
const ROOT = ['9pnet_virtio', '9p', 'overlay'];

// Modules that are loaded if the kernel has them: poison, and the checksum that ext4 and xfs look up by algorithm.
const POISON = 'hwpoison_inject';
const CHECKSUMS = ['crc32c_generic', 'crc32c_intel'];

const PARAMETERS: Readonly<Record<string, string>> = { brd: 'rd_nr=1 rd_size=262144' };

/** The devices that a guest has. */
export interface GuestDevices {
  readonly nvdimms: readonly Nvdimm[];
  readonly network: boolean;
}

/** The modules that a guest with these devices cannot do without. */
export function requiredModules({ nvdimms, network }: GuestDevices): string[] {
  return [...PORTS, ...ROOT, ...memoryModules(nvdimms), ...filesystemModules(nvdimms), ...networkModules(network)];
}

/** The modules for the memory. Their order sets the numbers of regions: `nfit` first, then `virtio_pmem`. */
function memoryModules(nvdimms: readonly Nvdimm[]): string[] {
  const kinds = nvdimms.map(kindOf);
  const from = (...sources: MemorySource[]): boolean => kinds.some(({ source }) => sources.includes(source));
  return [
    ...(from('nvdimm', 'unarmed', 'nfit-volatile') ? ['nfit'] : []),
    ...(kinds.some(({ mode }) => mode === 'devdax') ? ['dax_pmem', 'device_dax'] : []),
    ...(kinds.some(({ source }) => source !== 'hmem' && source !== 'cxl-ram') ? ['nd_pmem'] : []),
    ...(from('virtio') ? ['virtio_pmem'] : []),
    ...(from('e820') ? ['nd_e820'] : []),
    ...(from('hmem') ? ['dax_hmem', 'device_dax'] : []),
    ...(from('cxl-pmem', 'cxl-ram') ? ['cxl_acpi', 'cxl_pci', 'cxl_mem'] : []),
    ...(from('cxl-pmem') ? ['cxl_pmem'] : []),
    ...(from('cxl-ram') ? ['dax_cxl', 'device_dax'] : []),
    'brd',
  ];
}

function networkModules(network: boolean): string[] {
  return network ? ['virtio_net'] : [];
}

/** The modules for the filesystems. The ext4 driver serves ext2, because distributions have no other. */
function filesystemModules(nvdimms: readonly Nvdimm[]): string[] {
  return [...new Set(nvdimms.flatMap((nvdimm) => kindOf(nvdimm).filesystem ?? []).map((name) => (name === 'ext2' ? 'ext4' : name)))];
}

/** One list of modules, in loading order, each with its parameters. */
export interface LoadingList {
  readonly name: string;
  readonly modules: readonly KernelModule[];
  /** Lines of `NAME PARAMETERS`. */
  readonly text: string;
}

/** The lists. A module that several of the later lists need is in the first, so no list waits for another. */
export function loadingLists(modules: KernelModules, { nvdimms, network }: GuestDevices): LoadingList[] {
  const filesystems = filesystemModules(nvdimms);
  const later = [
    [LOADING_LISTS.root, modules.inLoadingOrder(ROOT)],
    [LOADING_LISTS.memory, modules.inLoadingOrder([...memoryModules(nvdimms), POISON, ...networkModules(network)])],
    [LOADING_LISTS.filesystems, modules.inLoadingOrder(filesystems.length === 0 ? [] : [...CHECKSUMS, ...filesystems])],
  ] as const;
  const names = later.flatMap(([, list]) => list.map(({ name }) => name));
  const shared = names.filter((name, index) => names.indexOf(name) !== index);
  const first = modules.inLoadingOrder([...PORTS, ...shared]);
  const loaded = new Set(first.map(({ name }) => name));
  return [
    loadingList(LOADING_LISTS.ports, first),
    ...later.map(([name, list]) => loadingList(name, list.filter((module) => !loaded.has(module.name)))),
  ];
}

function loadingList(name: string, modules: readonly KernelModule[]): LoadingList {
  const text = modules.map((module) => `${module.name} ${PARAMETERS[module.name] ?? ''}`.trimEnd() + '\n').join('');
  return { name, modules, text };
}
