// Owns which modules of the kernel the guest needs, when it loads them, and their parameters.

import { kindOf, type MemorySource, type Nvdimm } from './nvdimm.js';
import type { KernelModule, KernelModules } from './modules.js';

/**
 * The lists, by their names in the guest. `ports` comes first; `root` and `memory` at the same time; `filesystems`
 * while namespaces are made, since loading a large module takes about as long.
 */
export const LOADING_LISTS = { ports: 'ports', root: 'root', memory: 'memory', filesystems: 'filesystems' } as const;

const PORTS = ['virtio_pci', 'virtio_console'];
const ROOT = ['9pnet_virtio', '9p', 'overlay'];

// Loaded where the kernel has them: poison, and the checksum of ext4 and xfs, which they look up by algorithm.
const POISON = 'hwpoison_inject';
const CHECKSUMS = ['crc32c_generic', 'crc32c_intel'];

const PARAMETERS: Readonly<Record<string, string>> = { brd: 'rd_nr=1 rd_size=262144' };

/** The modules without which a guest with `nvdimms` cannot be. */
export function requiredModules(nvdimms: readonly Nvdimm[]): string[] {
  return [...PORTS, ...ROOT, ...memoryModules(nvdimms), ...filesystemModules(nvdimms)];
}

/** Regions are numbered in the order in which they appear: `nfit` first, then `virtio_pmem`. */
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

/** ext2 is served by the driver of ext4: distributions have no other. */
function filesystemModules(nvdimms: readonly Nvdimm[]): string[] {
  return [...new Set(nvdimms.flatMap((nvdimm) => kindOf(nvdimm).filesystem ?? []).map((name) => (name === 'ext2' ? 'ext4' : name)))];
}

/** One list: what is loaded, in order, each with its parameters. */
export interface LoadingList {
  readonly name: string;
  readonly modules: readonly KernelModule[];
  /** Lines of `NAME PARAMETERS`. */
  readonly text: string;
}

/** The lists. What more than one of the later lists needs is in the first, so that none waits for another. */
export function loadingLists(modules: KernelModules, nvdimms: readonly Nvdimm[]): LoadingList[] {
  const filesystems = filesystemModules(nvdimms);
  const later = [
    [LOADING_LISTS.root, modules.inLoadingOrder(ROOT)],
    [LOADING_LISTS.memory, modules.inLoadingOrder([...memoryModules(nvdimms), POISON])],
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
