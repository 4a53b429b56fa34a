// Owns block devices as sysfs describes them: partitions and their disks, slaves and holders, and the queue/dax flag.

import { basename, dirname } from 'node:path';
import type { SystemTree } from '../system/system-tree.js';
import { SECTOR_SIZE } from '../../units.js';

export interface BlockDevice {
  /** The name that sysfs uses: `pmem0`, `pmem0p1`, `dm-0`. */
  name: string;
  /** The name that people use under /dev: `pmem0p1`, `mapper/vg-data`. */
  label: string;
  /** `major:minor`. */
  devno: string | undefined;
  /** The directory of the device in sysfs, without symbolic links. */
  dir: string;
  /** The directory of the whole disk: its own, except for a partition. */
  diskDir: string;
  /** Bytes. */
  size: number;
  /** Bytes. */
  sectorSize: number;
  /** The queue/dax flag of the disk: a filesystem on it can be mounted with DAX. */
  dax: boolean;
  /** Whether it can only be read (BLKROSET, or a region that is read-only). */
  readOnly: boolean;
}

export function isPartition(device: BlockDevice): boolean {
  return device.dir !== device.diskDir;
}

export function blockNamed(tree: SystemTree, name: string): BlockDevice | undefined {
  return blockAt(tree, tree.resolve(`/sys/class/block/${name}`));
}

/** The block device `major:minor`; undefined for the numbers that filesystems without a device make up. */
export function blockNumbered(tree: SystemTree, devno: string): BlockDevice | undefined {
  return blockAt(tree, tree.resolve(`/sys/dev/block/${devno}`));
}

/** Every whole disk. */
export function listDisks(tree: SystemTree): BlockDevice[] {
  const disks = tree.names('/sys/block').map((name) => blockAt(tree, tree.resolve(`/sys/block/${name}`)));
  return disks.filter((disk) => disk !== undefined);
}

function blockAt(tree: SystemTree, dir: string | undefined): BlockDevice | undefined {
  if (dir === undefined) return undefined;
  const sectors = tree.number(`${dir}/size`);
  if (sectors === undefined) return undefined;
  const diskDir = tree.text(`${dir}/partition`) === undefined ? dir : dirname(dir);
  const mapped = tree.text(`${dir}/dm/name`);
  const name = basename(dir);
  return {
    name,
    label: mapped === undefined ? name.replaceAll('!', '/') : `mapper/${mapped}`,
    devno: tree.text(`${dir}/dev`),
    dir,
    diskDir,
    size: sectors * SECTOR_SIZE,
    sectorSize: tree.number(`${diskDir}/queue/logical_block_size`) ?? SECTOR_SIZE,
    dax: tree.number(`${diskDir}/queue/dax`) === 1,
    readOnly: tree.number(`${dir}/ro`) === 1,
  };
}

/** The partitions of a whole disk. */
export function partitionsOf(tree: SystemTree, disk: BlockDevice): BlockDevice[] {
  const children = tree.names(disk.dir).filter((name) => name.startsWith(disk.name));
  return children
    .map((name) => blockAt(tree, `${disk.dir}/${name}`))
    .filter((child) => child?.diskDir === disk.dir)
    .filter((child) => child !== undefined);
}

/** The whole disk of a partition; a whole disk itself. */
export function diskOf(tree: SystemTree, device: BlockDevice): BlockDevice {
  return blockAt(tree, device.diskDir) ?? device;
}

/** The whole disks that a block device stands on: its own, or, for device-mapper and md, the disks under its slaves. */
export function disksUnder(tree: SystemTree, device: BlockDevice): BlockDevice[] {
  const slaves = tree.names(`${device.diskDir}/slaves`).map((name) => blockNamed(tree, name));
  if (slaves.length === 0) return [diskOf(tree, device)];
  return slaves.filter((slave) => slave !== undefined).flatMap((slave) => disksUnder(tree, slave));
}
