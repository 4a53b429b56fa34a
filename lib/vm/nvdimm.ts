// Owns what an emulated NVDIMM is asked to be: the notation SIZE:KIND[:FILE], its limits, and the default set.

import { resolve } from 'node:path';
import { GIB, MIB, formatSize, parseSize } from './size.js';

/** What one kind of device is to the guest. */
export interface NvdimmKind {
  /** The namespace mode that ndctl gives it; a virtio-pmem device has none. */
  readonly mode: 'devdax' | 'fsdax' | 'virtio';
  /** Alignment of a device-dax in bytes. */
  readonly align?: number;
  /** The filesystem made and mounted on it. */
  readonly filesystem?: 'ext2' | 'ext4' | 'xfs';
  /** The environment variable that names it in the guest, and where a filesystem is mounted. */
  readonly variable: string;
  readonly mountPoint?: string;
  /** The least size, in bytes. */
  readonly minimum: number;
}

export const NVDIMM_KINDS = {
  devdax: { mode: 'devdax', align: 4096, variable: 'NODE_DAX_TEST_DEVDAX', minimum: 32 * MIB },
  'devdax-2m': { mode: 'devdax', align: 2 * MIB, variable: 'NODE_DAX_TEST_DEVDAX_2M', minimum: 32 * MIB },
  'fsdax-ext4': {
    mode: 'fsdax', filesystem: 'ext4', variable: 'NODE_DAX_TEST_EXT4', mountPoint: '/mnt/ext4', minimum: 32 * MIB,
  },
  'fsdax-xfs': {
    // mkfs.xfs refuses less than 300 MiB, and the namespace keeps some for itself.
    mode: 'fsdax', filesystem: 'xfs', variable: 'NODE_DAX_TEST_XFS', mountPoint: '/mnt/xfs', minimum: 320 * MIB,
  },
  'fsdax-ext2': {
    mode: 'fsdax', filesystem: 'ext2', variable: 'NODE_DAX_TEST_EXT2', mountPoint: '/mnt/ext2', minimum: 32 * MIB,
  },
  pmem: { mode: 'fsdax', variable: 'NODE_DAX_TEST_PMEM', minimum: 32 * MIB },
  'virtio-pmem': {
    mode: 'virtio', filesystem: 'ext4', variable: 'NODE_DAX_TEST_VIRTIO_PMEM', mountPoint: '/mnt/virtio-pmem',
    minimum: 32 * MIB,
  },
} as const satisfies Readonly<Record<string, NvdimmKind>>;

export type NvdimmKindName = keyof typeof NVDIMM_KINDS;

/** One emulated NVDIMM, or one virtio-pmem device. */
export interface Nvdimm {
  /** Bytes the namespace is made from: a multiple of 16 MiB, up to 1 TiB. */
  readonly size: number;
  readonly kind: NvdimmKindName;
  /** The file that keeps its content between runs; without one it is memory that goes with the guest. */
  readonly file?: string;
}

/** Sizes and addresses are multiples of this: the kernel refuses namespaces on regions that are not (`memremap_compat_align`). */
export const SIZE_UNIT = 16 * MIB;
const MAXIMUM = 1024 * GIB;

/** The devices of a guest that was not asked for any. The second is region 1, hence `/dev/dax1.0`. */
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

/** Reads `SIZE:KIND[:FILE]`. Throws `RangeError` with a sentence that says what is wrong. */
export function parseNvdimm(text: string): Nvdimm {
  const [size = '', kind = '', ...rest] = text.split(':');
  if (!Object.hasOwn(NVDIMM_KINDS, kind)) {
    throw new RangeError(`'${kind}' is not a kind of NVDIMM: use SIZE:KIND[:FILE] with ${Object.keys(NVDIMM_KINDS).join(', ')}`);
  }
  const file = rest.join(':');
  if (rest.length > 0 && file === '') throw new RangeError(`'${text}' ends where a file name is expected`);
  const nvdimm: Nvdimm = { size: parseSize(size), kind: kind as NvdimmKindName, ...(file === '' ? {} : { file: resolve(file) }) };
  checkNvdimm(nvdimm);
  return nvdimm;
}

/** Throws `RangeError` for a size that the kernel or the filesystem would refuse. */
export function checkNvdimm({ size, kind }: Nvdimm): void {
  const { minimum } = NVDIMM_KINDS[kind];
  if (!Number.isSafeInteger(size) || size % SIZE_UNIT !== 0 || size < minimum || size > MAXIMUM) {
    throw new RangeError(
      `a ${kind} NVDIMM of ${size} bytes cannot be: the size is a multiple of ${formatSize(SIZE_UNIT)}, ` +
        `from ${formatSize(minimum)} to ${formatSize(MAXIMUM)}`,
    );
  }
}
