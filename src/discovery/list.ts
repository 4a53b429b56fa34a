// Owns list(): the devdax devices, pmem block devices, RAM disks and DAX mounts of this machine.

import { blockNumbered, listDisks } from './devices/block.js';
import { listDevdax } from './devices/devdax.js';
import type { BrdInfo, DeviceInfo, MountInfo, PersistentInfo } from './device-info.js';
import { daxOption, defaultDaxOption, type Mount, readMounts } from './system/mounts.js';
import { persistenceOfBlock, persistenceOfMount } from './devices/persistence.js';
import { domainUnder, listPmem } from './devices/pmem.js';
import type { Persistence } from './devices/region-persistence.js';
import { SystemTree } from './system/system-tree.js';

/**
 * Lists every device of this machine that node-dax opens, ordinary files apart, and every mount whose files can be DAX. It reads
 * sysfs and /proc only, starts no process, and needs no library and no special rights (physical addresses are undefined without the
 * right to read them). It never throws. The array is empty on a machine without such devices and on systems other than Linux.
 */
export function list(): DeviceInfo[] {
  return listIn(new SystemTree());
}

/** `list()` of the /sys and /proc in `tree`. */
export function listIn(tree: SystemTree): DeviceInfo[] {
  return [...listDevdax(tree), ...listPmem(tree), ...listBrd(tree), ...listDaxMounts(tree)];
}

function listBrd(tree: SystemTree): BrdInfo[] {
  return listDisks(tree)
    .filter(({ name }) => /^ram\d+$/.test(name))
    .map((disk) => ({
      kind: 'brd',
      path: `/dev/${disk.name}`,
      blockdev: disk.name,
      size: disk.size,
      sectorSize: disk.sectorSize,
      dax: disk.dax,
      ...persistentInfo(persistenceOfBlock(tree, disk)),
    }));
}

function listDaxMounts(tree: SystemTree): MountInfo[] {
  return readMounts(tree)
    .map((mount) => daxMount(tree, mount))
    .filter((mount) => mount !== undefined);
}

function daxMount(tree: SystemTree, mount: Mount): MountInfo | undefined {
  const block = blockNumbered(tree, mount.devno);
  const option = daxOption(mount);
  // A filesystem without a block device (virtiofs) is DAX by its mount option alone; if it has one, that device must be capable of
  // DAX.
  const capable = block === undefined ? option !== undefined && option !== 'never' : block.dax;
  if (!capable) return undefined;
  return {
    kind: 'mount',
    path: mount.mountpoint,
    mountpoint: mount.mountpoint,
    source: mount.source,
    fstype: mount.fstype,
    dax: option ?? defaultDaxOption(mount.fstype),
    blockdev: block?.name,
    size: block?.size,
    persistenceDomain: block === undefined ? 'unknown' : domainUnder(tree, block),
    ...persistentInfo(persistenceOfMount(tree, mount)),
  };
}

function persistentInfo({ persistent, evidence }: Persistence): PersistentInfo {
  return { persistent, persistenceEvidence: evidence };
}
