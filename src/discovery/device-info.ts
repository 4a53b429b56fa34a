// Owns the shape of what list() returns: one type for each kind of device, named after ndctl's and daxctl's JSON.

import type { Evidence } from './evidence.js';

/**
 * The part of the machine that the platform flushes by itself when the power fails, as `ndctl list -R` prints it: `cpu_cache`
 * (eADR: the CPU caches), `memory_controller` (ADR: what was flushed from the CPU caches) or `unknown`.
 */
export type PersistenceDomain = 'cpu_cache' | 'memory_controller' | 'unknown';

/** A range of bad blocks in units of 512 bytes from the start of the device. */
export interface BadBlocks {
  offset: number;
  length: number;
}

/** An NVDIMM region, as `ndctl list -R` prints it. Sizes in bytes. */
export interface RegionInfo {
  dev: string;
  size: number | undefined;
  align: number | undefined;
  availableSize: number;
  maxAvailableExtent: number | undefined;
  type: string | undefined;
  numaNode: number | undefined;
  targetNode: number | undefined;
  persistenceDomain: PersistenceDomain;
  /** The driver of the region's bus: `ACPI.NFIT`, `e820`, `virtio-pmem` … */
  provider: string | undefined;
  /** The region's bus, `ndbus0`. */
  bus: string;
  /** Whether the platform does not save stores: an NVDIMM of the region has failed to arm, or the region was set read-only. */
  readOnly: boolean;
  /** The NVDIMM of the region, `nmem0`, that has failed to arm (ndctl's `flag_failed_arm`). */
  failedArm: string | undefined;
  /** The attribute `deep_flush`; undefined if no driver vouches for the memory. */
  deepFlush: string | undefined;
}

/** Whether the bytes on a device survive a power cut. */
export interface PersistentInfo {
  /**
   * Whether bytes that were stored, and flushed as the granularity asks, survive a power cut. True: the kernel vouches for it.
   * False: the kernel knows that they do not. Undefined: the kernel does not know.
   */
  persistent: boolean | undefined;
  /** The evidence for `persistent`. */
  persistenceEvidence: Evidence;
}

/** A part of a devdax device: physical addresses, `end` inclusive, as `daxctl list -M` prints it. */
export interface DevdaxRange {
  pageOffset: number;
  start: number;
  end: number;
  size: number;
}

/** The region that a devdax device was cut from, as `daxctl list -R` prints it. Sizes in bytes. */
export interface DaxRegion {
  id: number | undefined;
  size: number | undefined;
  align: number | undefined;
  availableSize: number | undefined;
}

/** A devdax device, as `daxctl list -DM` prints it. */
export interface DevdaxInfo extends PersistentInfo {
  kind: 'devdax';
  /** The character device. In mode `system-ram` it exists and cannot be opened. */
  path: string;
  /** The name of the device, such as `dax1.0`. */
  chardev: string;
  /** Bytes. 0 for a seed. A device made from the seed takes its bytes from `daxregion.availableSize`. */
  size: number;
  /** Bytes; offsets and lengths of mappings are multiples of it. */
  align: number | undefined;
  mode: 'devdax' | 'system-ram' | 'famfs';
  /** `disabled`: no driver is bound to it. */
  state: 'enabled' | 'disabled';
  numaNode: number | undefined;
  targetNode: number | undefined;
  /** The physical address; undefined without the right to read it. */
  resource: number | undefined;
  /** Empty without the right to read the addresses. */
  mappings: DevdaxRange[];
  badblocks: BadBlocks[];
  daxregion: DaxRegion;
  /** The namespace that it was made from, and the uuid of the namespace; undefined for memory that is not an NVDIMM (CXL, HMEM). */
  namespace: string | undefined;
  uuid: string | undefined;
  region: RegionInfo | undefined;
  persistenceDomain: PersistenceDomain;
}

/** A namespace with a block device, as `ndctl list -Nv` prints it; a virtio-pmem device is one whose region has that `provider`. */
export interface PmemInfo extends PersistentInfo {
  kind: 'pmem';
  /** The block device. Mapping it goes through the page cache, whatever `dax` says. */
  path: string;
  /** The name of the device, such as `pmem0`. */
  blockdev: string;
  /** The namespace, `namespace0.0`. */
  dev: string;
  /** Bytes. */
  size: number;
  mode: 'fsdax' | 'sector' | 'raw' | 'devdax' | undefined;
  /** Where the page structures are: on the device or in memory; undefined if the mode has none. */
  map: 'dev' | 'mem' | undefined;
  uuid: string | undefined;
  rawUuid: string | undefined;
  /** Bytes. */
  sectorSize: number;
  /** Bytes. */
  align: number | undefined;
  numaNode: number | undefined;
  targetNode: number | undefined;
  /** The physical address; undefined without the right to read it. */
  resource: number | undefined;
  badblocks: BadBlocks[];
  /** The kernel device that claimed the namespace to give it its mode: `pfn0.0`, `btt0.0`. */
  holder: string | undefined;
  /** Whether a filesystem on it can be mounted with DAX (`queue/dax`). */
  dax: boolean;
  region: RegionInfo;
  persistenceDomain: PersistenceDomain;
}

/** A RAM disk of the brd driver. */
export interface BrdInfo extends PersistentInfo {
  kind: 'brd';
  path: string;
  blockdev: string;
  /** Bytes. */
  size: number;
  /** Bytes. */
  sectorSize: number;
  /** True only on Linux before 4.15. */
  dax: boolean;
}

/** A mounted filesystem whose files are or can be DAX. */
export interface MountInfo extends PersistentInfo {
  kind: 'mount';
  /** The same as `mountpoint`. */
  path: string;
  mountpoint: string;
  /** What was mounted, as /proc names it. */
  source: string;
  fstype: string;
  /** `always`: every file; `inode`: files with the DAX attribute (the default of ext4 and xfs); `never`. */
  dax: DaxOption;
  /** The block device under it; undefined for virtiofs. */
  blockdev: string | undefined;
  /** Bytes of that device. */
  size: number | undefined;
  persistenceDomain: PersistenceDomain;
}

/** The mount option `dax=`. */
export type DaxOption = 'always' | 'inode' | 'never';

/** An element of what list() returns. `kind` tells the kinds apart. */
export type DeviceInfo = DevdaxInfo | PmemInfo | BrdInfo | MountInfo;
