// Owns what sysfs says about devdax devices: /sys/bus/dax/devices, with the region and namespace above each.

import { basename, dirname } from 'node:path';
import type { DevdaxRange, DevdaxInfo } from '../device-info.js';
import { badBlocksWithin, regionAt } from './region.js';
import { persistenceOfDevdax } from './region-persistence.js';
import type { SystemTree } from '../system/system-tree.js';

// daxctl's names for the modes that drivers give a device.
const MODES: ReadonlyMap<string, DevdaxInfo['mode']> = new Map([
  ['kmem', 'system-ram'],
  ['fsdev_dax', 'famfs'],
]);

/** All devdax devices that have a size, and the seeds of regions with free memory. */
export function listDevdax(tree: SystemTree): DevdaxInfo[] {
  const devices = tree.names('/sys/bus/dax/devices').map((name) => devdaxNamed(tree, name));
  return devices.filter((device) => device !== undefined).filter(({ size, daxregion }) => size > 0 || (daxregion.availableSize ?? 0) > 0);
}

/** The device `daxX.Y`; undefined if there is none. A device of size 0 is a seed of its region. */
export function devdaxNamed(tree: SystemTree, name: string): DevdaxInfo | undefined {
  const dir = tree.resolve(`/sys/bus/dax/devices/${name}`);
  if (dir === undefined) return undefined;
  const size = tree.number(`${dir}/size`);
  if (size === undefined) return undefined;

  // …/regionN/daxN.M/daxN.M: the middle one is the namespace's claim, which CXL and HMEM memory does not have.
  const parent = dirname(dir);
  const regionDir = dirname(parent);
  const region = regionAt(tree, regionDir);
  const driver = tree.resolve(`${dir}/driver`);
  const resource = tree.number(`${dir}/resource`);
  const mappings = mappingsOf(tree, dir);
  const persistence = persistenceOfDevdax(tree, { chardev: name, region });
  return {
    kind: 'devdax',
    path: `/dev/${name}`,
    chardev: name,
    size,
    align: tree.number(`${dir}/align`),
    mode: MODES.get(basename(driver ?? '')) ?? 'devdax',
    state: driver === undefined ? 'disabled' : 'enabled',
    numaNode: tree.node(`${dir}/numa_node`),
    targetNode: tree.node(`${dir}/target_node`),
    resource: resource === 0 ? undefined : resource,
    mappings,
    badblocks: region === undefined ? [] : badBlocksWithin(tree, regionDir, mappings.length > 0 ? mappings : onePiece(resource, size)),
    daxregion: {
      id: tree.number(`${parent}/dax_region/id`),
      size: tree.number(`${parent}/dax_region/size`),
      align: tree.number(`${parent}/dax_region/align`),
      availableSize: tree.number(`${parent}/dax_region/available_size`),
    },
    namespace: region && tree.text(`${parent}/namespace`),
    uuid: region && tree.text(`${parent}/uuid`),
    region,
    persistenceDomain: region?.persistenceDomain ?? 'unknown',
    persistent: persistence.persistent,
    persistenceEvidence: persistence.evidence,
  };
}

/** The device `major:minor`; undefined for other character devices. */
export function devdaxNumbered(tree: SystemTree, devno: string): DevdaxInfo | undefined {
  const name = tree
    .names('/sys/bus/dax/devices')
    .find((entry) => tree.text(`/sys/bus/dax/devices/${entry}/dev`) === devno);
  return name === undefined ? undefined : devdaxNamed(tree, name);
}

// Before Linux 5.10 a device was always one piece, and sysfs had no `mapping` entries for it.
function onePiece(start: number | undefined, size: number): DevdaxRange[] {
  return start === undefined ? [] : [{ pageOffset: 0, start, end: start + size - 1, size }];
}

function mappingsOf(tree: SystemTree, dir: string): DevdaxRange[] {
  const mappings: DevdaxRange[] = [];
  for (const name of tree.names(dir)) {
    if (!/^mapping\d+$/.test(name)) continue;
    const start = tree.number(`${dir}/${name}/start`);
    const end = tree.number(`${dir}/${name}/end`);
    const pageOffset = tree.number(`${dir}/${name}/page_offset`);
    if (start === undefined || end === undefined || pageOffset === undefined) continue;
    mappings.push({ pageOffset, start, end, size: end - start + 1 });
  }
  return mappings;
}
