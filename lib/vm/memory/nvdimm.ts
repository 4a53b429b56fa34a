// Owns the description of emulated memory: the notation SIZE:KIND[:FILE], its limits, and the default devices.

import { checkOptions } from 'node-dax';
import { resolve } from 'node:path';
import { GIB, MIB, formatSize, parseSize } from '../size.js';

/**
 * Where the memory comes from: an ACPI NVDIMM, armed or not; virtio-pmem; a CXL memory device, persistent or volatile; or a part
 * of the machine's RAM that its firmware gives another type (`carved-memory`).
 */
export type MemorySource = 'nvdimm' | 'unarmed' | 'virtio' | 'cxl-pmem' | 'cxl-ram' | CarvedSource;

/** The type of a part of the RAM: soft-reserved, type 12 of the e820 map, or a volatile range of the NFIT. */
export type CarvedSource = 'hmem' | 'e820' | 'nfit-volatile';

/** One kind of device as the guest sees it. */
export interface NvdimmKind {
  readonly source: MemorySource;
  /** The namespace mode that ndctl gives it; without one it is used as it is. */
  readonly mode?: 'devdax' | 'fsdax';
  /** Alignment of a device-dax in bytes. */
  readonly align?: number;
  /** The filesystem made and mounted on it. */
  readonly filesystem?: 'ext2' | 'ext4' | 'xfs';
  /** The environment variable that names it in the guest, and where a filesystem is mounted. */
  readonly variable: string;
  readonly mountPoint?: string;
  /** The smallest size in bytes. */
  readonly minimum: number;
}

export const NVDIMM_KINDS = {
  devdax: { source: 'nvdimm', mode: 'devdax', align: 4096, variable: 'NODE_DAX_TEST_DEVDAX', minimum: 32 * MIB },
  'devdax-2m': { source: 'nvdimm', mode: 'devdax', align: 2 * MIB, variable: 'NODE_DAX_TEST_DEVDAX_2M', minimum: 32 * MIB },
  'fsdax-ext4': {
    source: 'nvdimm', mode: 'fsdax', filesystem: 'ext4', variable: 'NODE_DAX_TEST_EXT4', mountPoint: '/mnt/ext4', minimum: 32 * MIB,
  },
  'fsdax-xfs': {
    // mkfs.xfs refuses less than 300 MiB, and the namespace keeps some for itself.
    source: 'nvdimm', mode: 'fsdax', filesystem: 'xfs', variable: 'NODE_DAX_TEST_XFS', mountPoint: '/mnt/xfs', minimum: 320 * MIB,
  },
  'fsdax-ext2': {
    source: 'nvdimm', mode: 'fsdax', filesystem: 'ext2', variable: 'NODE_DAX_TEST_EXT2', mountPoint: '/mnt/ext2', minimum: 32 * MIB,
  },
  pmem: { source: 'nvdimm', mode: 'fsdax', variable: 'NODE_DAX_TEST_PMEM', minimum: 32 * MIB },
  'virtio-pmem': {
    source: 'virtio', filesystem: 'ext4', variable: 'NODE_DAX_TEST_VIRTIO_PMEM', mountPoint: '/mnt/virtio-pmem',
    minimum: 32 * MIB,
  },
  'virtio-devdax': { source: 'virtio', mode: 'devdax', align: 4096, variable: 'NODE_DAX_TEST_VIRTIO_DEVDAX', minimum: 32 * MIB },
  unarmed: { source: 'unarmed', mode: 'devdax', align: 4096, variable: 'NODE_DAX_TEST_UNARMED', minimum: 32 * MIB },
  hmem: { source: 'hmem', align: 4096, variable: 'NODE_DAX_TEST_HMEM', minimum: 32 * MIB },
  e820: { source: 'e820', mode: 'devdax', align: 4096, variable: 'NODE_DAX_TEST_E820', minimum: 32 * MIB },
  'nfit-volatile': { source: 'nfit-volatile', mode: 'devdax', align: 4096, variable: 'NODE_DAX_TEST_NFIT_VOLATILE', minimum: 32 * MIB },
  // A CXL window is a multiple of 256 MiB.
  'cxl-pmem': { source: 'cxl-pmem', mode: 'devdax', align: 4096, variable: 'NODE_DAX_TEST_CXL_PMEM', minimum: 256 * MIB },
  'cxl-ram': { source: 'cxl-ram', align: 4096, variable: 'NODE_DAX_TEST_CXL_RAM', minimum: 256 * MIB },
} as const satisfies Readonly<Record<string, NvdimmKind>>;

export type NvdimmKindName = keyof typeof NVDIMM_KINDS;

/** One emulated NVDIMM, or other memory of one of the kinds. */
export interface Nvdimm {
  /** The bytes that the namespace is made from: a multiple of 16 MiB, up to 1 TiB. */
  readonly size: number;
  readonly kind: NvdimmKindName;
  /**
   * Its name in the guest, of lower-case letters, digits and dashes: a filesystem is mounted at `/mnt/LABEL`, and `/dev/nvdimm/LABEL`
   * leads to a device. The variable `NODE_DAX_TEST_LABEL`, in capitals and with underscores, says where it is.
   */
  readonly label?: string;
  /** The file that keeps its content between runs. Without one the content is lost when the guest ends. */
  readonly file?: string;
}

/** Sizes and addresses are multiples of this: the kernel refuses namespaces on regions that are not (`memremap_compat_align`). */
export const SIZE_UNIT = 16 * MIB;
const MAXIMUM = 1024 * GIB;

/** The devices of a guest for which none were given. The second is region 1, hence `/dev/dax1.0`. */
export const DEFAULT_NVDIMMS: readonly Nvdimm[] = [
  { size: 512 * MIB, kind: 'fsdax-ext4' },
  { size: 512 * MIB, kind: 'devdax' },
  { size: 512 * MIB, kind: 'devdax-2m' },
  { size: 512 * MIB, kind: 'fsdax-xfs' },
  { size: 512 * MIB, kind: 'pmem' },
  { size: 256 * MIB, kind: 'virtio-pmem' },
];

export function kindOf(nvdimm: Nvdimm): NvdimmKind {
  return NVDIMM_KINDS[nvdimm.kind];
}

/** Parses `SIZE:KIND[=LABEL][:FILE]`. Throws `RangeError` with a sentence that says what is wrong. */
export function parseNvdimm(text: string): Nvdimm {
  const [size = '', kind = '', ...rest] = text.split(':');
  const named = parseKind(kind);
  const file = rest.join(':');
  if (rest.length > 0 && file === '') throw new RangeError(`'${text}' ends where a file name is expected`);
  const nvdimm: Nvdimm = { size: parseSize(size), ...named, ...(file === '' ? {} : { file: resolve(file) }) };
  checkNvdimm(nvdimm);
  return nvdimm;
}

/** Parses `KIND[=LABEL]`, which gets 256 MiB or the smallest size of the kind, or `SIZE:KIND[=LABEL][:FILE]`. */
export function parseDevice(text: string): Nvdimm {
  if (text.includes(':')) return parseNvdimm(text);
  const named = parseKind(text);
  const nvdimm = { size: Math.max(256 * MIB, NVDIMM_KINDS[named.kind].minimum), ...named };
  checkNvdimm(nvdimm);
  return nvdimm;
}

function parseKind(text: string): Pick<Nvdimm, 'kind' | 'label'> {
  const [kind = '', ...rest] = text.split('=');
  if (!isKind(kind)) {
    throw new RangeError(`'${kind}' is not a kind of NVDIMM: use SIZE:KIND[=LABEL][:FILE] with ${Object.keys(NVDIMM_KINDS).join(', ')}`);
  }
  return rest.length === 0 ? { kind } : { kind, label: rest.join('=') };
}

function isKind(kind: string): kind is NvdimmKindName {
  return Object.hasOwn(NVDIMM_KINDS, kind);
}

/** Throws `RangeError` for a size that the kernel or the filesystem would refuse, and for a file that could not be kept. */
export function checkNvdimm(nvdimm: Nvdimm): void {
  checkOptions(nvdimm, { size: true, kind: true, label: true, file: true }, 'an NVDIMM');
  const { size, kind, label, file } = nvdimm;
  const { minimum, source }: NvdimmKind = NVDIMM_KINDS[kind];
  const unit = isCxl(source) ? 256 * MIB : SIZE_UNIT;
  if (!Number.isSafeInteger(size) || size % unit !== 0 || size < minimum || size > MAXIMUM) {
    throw new RangeError(
      `a ${kind} NVDIMM of ${size} bytes cannot be: the size is a multiple of ${formatSize(unit)}, ` +
        `from ${formatSize(minimum)} to ${formatSize(MAXIMUM)}`,
    );
  }
  if (label !== undefined) checkLabel(label);
  if (file !== undefined && (isCxl(source) || isCarved(source))) {
    throw new RangeError(`a ${kind} device has no file: it is made anew for each guest`);
  }
}

// So that each device has variables of its own.
const TAKEN = new Set(['NODE_DAX_TEST_GUEST', 'NODE_DAX_TEST_BRD', ...Object.values(NVDIMM_KINDS).map(({ variable }) => variable)]);

function checkLabel(label: string): void {
  if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(label)) {
    throw new RangeError(`'${label}' is not a name for an NVDIMM: use lower-case letters, digits and dashes, with a letter first`);
  }
  const kind = labelVariable(label).replace(/_[0-9]+$/, '');
  if (TAKEN.has(labelVariable(label)) || TAKEN.has(kind)) throw new RangeError(`'${label}' is the name of a kind of NVDIMM: use another`);
}

/** The environment variable that names a device with this label in the guest. */
export function labelVariable(label: string): string {
  return `NODE_DAX_TEST_${label.toUpperCase().replaceAll('-', '_')}`;
}

export function isCarved(source: MemorySource): source is CarvedSource {
  return source === 'hmem' || source === 'e820' || source === 'nfit-volatile';
}

/** Whether the content of its image is that of a machine which has lost power. */
export function outlivesPowerCut(nvdimm: Nvdimm): boolean {
  const { source } = kindOf(nvdimm);
  return source === 'nvdimm' || source === 'virtio';
}

export function isCxl(source: MemorySource): source is 'cxl-pmem' | 'cxl-ram' {
  return source === 'cxl-pmem' || source === 'cxl-ram';
}
