// Owns which modules of the kernel the guest needs, in which of three stages it loads them, and their parameters.

import { kindOf, type Nvdimm } from './nvdimm.js';
import type { KernelModule, KernelModules } from './modules.js';

/** The stages, by the names of their lists in the initramfs. `memory` and `root` are loaded at the same time. */
export const LOADING_STAGES = { ports: 'ports', root: 'root', memory: 'memory' } as const;

const PORTS = ['virtio_pci', 'virtio_console'];
const ROOT = ['9pnet_virtio', '9p', 'overlay'];

// Loaded where the kernel has them: the checksum of ext4 and xfs, which they look up by algorithm, and poison.
const OPTIONAL = ['crc32c_generic', 'crc32c_intel', 'hwpoison_inject'];

const PARAMETERS: Readonly<Record<string, string>> = { brd: 'rd_nr=1 rd_size=262144' };

/** The modules without which a guest with `nvdimms` cannot be. */
export function requiredModules(nvdimms: readonly Nvdimm[]): string[] {
  return [...PORTS, ...ROOT, ...memoryModules(nvdimms)];
}

/** `nfit` before `virtio_pmem`: regions are numbered in the order in which they appear. */
function memoryModules(nvdimms: readonly Nvdimm[]): string[] {
  const kinds = nvdimms.map(kindOf);
  return [
    ...(kinds.some(({ mode }) => mode !== 'virtio') ? ['nfit'] : []),
    ...(kinds.some(({ mode }) => mode === 'devdax') ? ['dax_pmem', 'device_dax'] : []),
    ...(nvdimms.length > 0 ? ['nd_pmem'] : []),
    ...(kinds.some(({ mode }) => mode === 'virtio') ? ['virtio_pmem'] : []),
    'brd',
    ...(kinds.some(({ filesystem }) => filesystem === 'ext4' || filesystem === 'ext2') ? ['ext4'] : []),
    ...(kinds.some(({ filesystem }) => filesystem === 'xfs') ? ['xfs'] : []),
  ];
}

/** One list: what is loaded, in order, each with its parameters. */
export interface LoadingList {
  readonly stage: string;
  readonly modules: readonly KernelModule[];
  /** Lines of `NAME PARAMETERS`. */
  readonly text: string;
}

/** The lists of the three stages. What both later stages need is loaded in the first. */
export function loadingLists(modules: KernelModules, nvdimms: readonly Nvdimm[]): LoadingList[] {
  const root = modules.inLoadingOrder(ROOT);
  const memory = modules.inLoadingOrder([...OPTIONAL, ...memoryModules(nvdimms)]);
  const names = new Set(root.map(({ name }) => name));
  const shared = memory.filter(({ name }) => names.has(name)).map(({ name }) => name);
  const first = modules.inLoadingOrder([...PORTS, ...shared]);
  const loaded = new Set(first.map(({ name }) => name));
  const rest = (list: KernelModule[]): KernelModule[] => list.filter(({ name }) => !loaded.has(name));
  return [list(LOADING_STAGES.ports, first), list(LOADING_STAGES.root, rest(root)), list(LOADING_STAGES.memory, rest(memory))];
}

function list(stage: string, modules: KernelModule[]): LoadingList {
  const text = modules.map(({ name }) => `${name} ${PARAMETERS[name] ?? ''}`.trimEnd() + '\n').join('');
  return { stage, modules, text };
}
