// Owns NVDIMM regions: their attributes, their persistence domain and their bad blocks.

import { basename, dirname } from 'node:path';
import type { BadBlocks, DevdaxRange, PersistenceDomain, RegionInfo } from '../device-info.js';
import { parseInteger, type SystemTree } from '../system/system-tree.js';
import { PAGE_SIZE, SECTOR_SIZE } from '../../units.js';

/** `nstype` of regions whose namespaces are made by labels (linux/ndctl.h). */
const ND_DEVICE_NAMESPACE_PMEM = 5;

/** The NVDIMM region in the sysfs directory `dir`; undefined for other directories (CXL regions have such names too). */
export function regionAt(tree: SystemTree, dir: string): RegionInfo | undefined {
  const devtype = tree.text(`${dir}/devtype`);
  if (devtype?.startsWith('nd_') !== true) return undefined;
  return {
    dev: basename(dir),
    size: tree.number(`${dir}/size`),
    align: tree.number(`${dir}/align`),
    availableSize: hasLabels(tree, dir) ? (tree.number(`${dir}/available_size`) ?? 0) : 0,
    maxAvailableExtent: tree.number(`${dir}/max_available_extent`),
    type: devtype.slice('nd_'.length),
    numaNode: tree.node(`${dir}/numa_node`),
    targetNode: tree.node(`${dir}/target_node`),
    persistenceDomain: persistenceDomain(tree.text(`${dir}/persistence_domain`)),
    provider: tree.text(`${dirname(dir)}/provider`),
    bus: basename(dirname(dir)),
    readOnly: tree.number(`${dir}/read_only`) === 1,
    failedArm: dimmsOf(tree, dir).find((dimm) => tree.text(`/sys/bus/nd/devices/${dimm}/nfit/flags`)?.includes('not_armed')),
    deepFlush: tree.text(`${dir}/deep_flush`),
  };
}

/** The NVDIMMs of a region: each mapping begins with the name of one. */
function dimmsOf(tree: SystemTree, dir: string): string[] {
  const mappings = tree.names(dir).filter((name) => /^mapping\d+$/.test(name));
  return mappings.map((name) => tree.text(`${dir}/${name}`)?.split(',')[0] ?? '');
}

// The kernel reports free space even in a region without labels, whose one namespace it has made itself. As in libndctl, such a
// region counts as full, because no other namespace can be made there.
function hasLabels(tree: SystemTree, dir: string): boolean {
  return tree.number(`${dir}/nstype`) === ND_DEVICE_NAMESPACE_PMEM;
}

/** virtio-pmem: its host flushes when the guest calls fsync, so the kernel refuses MAP_SYNC on it. */
export function isAsynchronous(region: RegionInfo): boolean {
  return region.provider === 'virtio-pmem';
}

function persistenceDomain(text: string | undefined): PersistenceDomain {
  return text === 'cpu_cache' || text === 'memory_controller' ? text : 'unknown';
}

/** The bad blocks of a region that fall on a device made of `ranges` of physical addresses, relative to the device. */
export function badBlocksWithin(tree: SystemTree, dir: string, ranges: readonly DevdaxRange[]): BadBlocks[] {
  const start = tree.number(`${dir}/resource`);
  if (start === undefined) return [];
  const bad = badBlocks(tree, dir);
  return ranges.flatMap((range) => {
    // The sectors at which the range begins in the region, and in the device.
    const first = (range.start - start) / SECTOR_SIZE;
    const base = (range.pageOffset * PAGE_SIZE) / SECTOR_SIZE;
    return bad
      .map(({ offset, length }) => ({
        offset: Math.max(offset - first, 0),
        end: Math.min(offset + length - first, range.size / SECTOR_SIZE),
      }))
      .filter(({ offset, end }) => offset < end)
      .map(({ offset, end }) => ({ offset: base + offset, length: end - offset }));
  });
}

/** The `badblocks` attribute of a region or block device: lines of offset and length in sectors. */
export function badBlocks(tree: SystemTree, dir: string): BadBlocks[] {
  const ranges: BadBlocks[] = [];
  for (const line of tree.text(`${dir}/badblocks`)?.split('\n') ?? []) {
    const [offset, length] = line.split(' ').map(parseInteger);
    if (offset !== undefined && length !== undefined) ranges.push({ offset, length });
  }
  return ranges;
}
