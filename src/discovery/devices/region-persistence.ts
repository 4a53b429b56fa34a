// Owns whether stores survive a power cut, as an NVDIMM region, or the lack of one above a devdax, tells it.

import type { DevdaxInfo, PersistenceDomain, RegionInfo } from '../device-info.js';
import { isAsynchronous } from './region.js'; // late
import type { Evidence } from '../evidence.js';
import type { SystemTree } from '../system/system-tree.js';

export interface Persistence {
  /**
   * True: the kernel vouches that bytes that were stored, and flushed as the granularity asks, survive a power cut. False: the
   * kernel knows that they do not. Undefined: the kernel does not know.
   */
  persistent: boolean | undefined;
  /** Whether the NVDIMM is not armed or its region was set read-only, so what is stored now is not saved. */
  unarmed: boolean;
  /** Whether stores would be durable after an fsync only, and the device has no fsync. */
  lacksFsync: boolean;
  /** The persistence domain, which tells what must be flushed, if a region names one. */
  domain: PersistenceDomain;
  /** The observation that decided. */
  evidence: Evidence;
}

/** The persistence of the devdax device named `chardev`, with `region` above it. */
export function persistenceOfDevdax(tree: SystemTree, { chardev, region }: Pick<DevdaxInfo, 'chardev' | 'region'>): Persistence {
  const link = `/sys/bus/dax/devices/${chardev}`;
  const dir = tree.resolve(link) ?? link;
  if (region !== undefined) {
    if (!isAsynchronous(region)) return ofRegion(region);
    const meaning = 'only fsync reaches the host, and a devdax has none: no store is durable';
    return { ...never(providerOf(region), 'virtio-pmem', meaning), lacksFsync: true };
  }
  // …/regionN/dax_regionN/daxN.M
  const cxl = /\/(region\d+)\/dax_region\d+\/[^/]+$/.exec(dir)?.[1];
  const mode = cxl === undefined ? undefined : tree.text(`/sys/bus/cxl/devices/${cxl}/mode`);
  if (cxl !== undefined && mode !== undefined) {
    return never(`/sys/bus/cxl/devices/${cxl}/mode`, mode, 'volatile memory of a CXL device: lost at power off');
  }
  return never(link, dir, 'no NVDIMM region stands above it: volatile memory, lost at power off');
}

/** The persistence of a block device on `region`. Unlike a devdax, it has fsync. */
export function persistenceOfPmem(region: RegionInfo): Persistence {
  if (!isAsynchronous(region)) return ofRegion(region);
  return always(providerOf(region), 'virtio-pmem', 'fsync reaches the host, which writes its file');
}

function providerOf({ bus }: RegionInfo): string {
  return `/sys/bus/nd/devices/${bus}/provider`;
}

// ARM platforms name no persistence domain, neither for an NVDIMM nor for DRAM, so `deep_flush` decides: it exists if a driver told
// the kernel how the memory is made durable.
function ofRegion({ dev, type, readOnly, failedArm, deepFlush, persistenceDomain }: RegionInfo): Persistence {
  const dir = `/sys/bus/nd/devices/${dev}`;
  if (type === 'volatile') return never(`${dir}/devtype`, 'nd_volatile', 'volatile memory: lost at power off');
  if (readOnly && failedArm !== undefined) {
    const flags = `/sys/bus/nd/devices/${failedArm}/nfit/flags`;
    return { ...never(flags, 'not_armed', 'the NVDIMM is unarmed: what is stored now is lost at power off'), unarmed: true };
  }
  if (readOnly) {
    const meaning = 'the region is read-only, as the kernel makes one whose NVDIMMs are not armed: nothing vouches for what is stored now';
    return { ...never(`${dir}/read_only`, '1', meaning), unarmed: true };
  }
  if (deepFlush === undefined) {
    return unknown(dir, 'no deep_flush', 'the kernel does not vouch for this memory, which may be ordinary RAM');
  }
  const known = always(`${dir}/deep_flush`, deepFlush, 'the kernel knows how this memory is made durable');
  return { ...known, domain: persistenceDomain };
}

/** The persistence of memory that the kernel vouches for. */
export function always(source: string, value: string, meaning: string): Persistence {
  return { persistent: true, unarmed: false, lacksFsync: false, domain: 'unknown', evidence: { source, value, meaning } };
}

/** The persistence of memory whose content the kernel knows to be lost. */
export function never(source: string, value: string, meaning: string): Persistence {
  return { persistent: false, unarmed: false, lacksFsync: false, domain: 'unknown', evidence: { source, value, meaning } };
}

/** The persistence of memory about which the kernel does not tell. */
export function unknown(source: string, value: string, meaning: string): Persistence {
  return { persistent: undefined, unarmed: false, lacksFsync: false, domain: 'unknown', evidence: { source, value, meaning } };
}
