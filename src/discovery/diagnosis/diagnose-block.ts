// Owns the diagnosis of block devices: why one that is mapped directly is never DAX, and why a filesystem on it is not.

import { type BlockDevice, diskOf, disksUnder, isPartition, partitionsOf } from '../devices/block.js';
import { daxOption, type Mount, MOUNTINFO } from '../system/mounts.js';
import { pmemOf, pmemUnder } from '../devices/pmem.js';
import { whyNotWholePages } from './page-edges.js';
import { isAsynchronous } from '../devices/region.js';
import { type Finding, quoted, sentence } from './report.js';
import type { PmemInfo } from '../device-info.js';
import type { Evidence } from '../evidence.js';
import type { SystemTree } from '../system/system-tree.js';

const PAGE_CACHE = 'a mapping of a block device goes through the page cache';

/** The diagnosis of a block device that is opened directly; `mounts` are all mounts of the machine. */
export function diagnoseBlock(tree: SystemTree, device: BlockDevice, mounts: readonly Mount[]): Finding {
  const mount = mounts.find(({ devno }) => devno === device.devno);
  const obstacle = whyNotCapable(tree, device);
  const finding = { kind: 'block', isDax: false, granularity: 'page' } as const;
  const evidence = [daxFlag(device)];
  if (device.readOnly) return { ...finding, ...readOnly(tree, device, evidence) };
  if (obstacle !== undefined) {
    evidence.push(...obstacle.evidence);
    const verdict = `${obstacle.reason} ${sentence(PAGE_CACHE)}: a write reaches it with fsync.`;
    return { ...finding, verdict, evidence, ...fixIf(obstacle.fix) };
  }
  evidence.push(mounted(mount));
  const verdict =
    `The device can do DAX, but ${PAGE_CACHE}. ` + 'Use a file on a filesystem that is mounted with -o dax instead';
  if (mount === undefined) {
    const directory = `/mnt/${device.name}`;
    return {
      ...finding,
      verdict: `${verdict}; where the device has no filesystem yet, make one first (mkfs.ext4 -b 4096).`,
      evidence,
      fix: `mkdir -p ${directory} && ${mountWithDax(device, directory)}`,
    };
  }
  if (daxOption(mount) === 'always')
    return { ...finding, verdict: `${verdict}: one is at ${mount.mountpoint}.`, evidence };
  return { ...finding, verdict: `${verdict}; the one at ${mount.mountpoint} is not.`, evidence, fix: remount(mount) };
}

// Stores to a read-only device fail, and so do the commands that change its mode.
function readOnly(tree: SystemTree, device: BlockDevice, evidence: Evidence[]): Pick<Finding, 'verdict' | 'evidence' | 'fix'> {
  const source = `/sys/class/block/${device.name}/ro`;
  const all = [...evidence, { source, value: '1', meaning: 'nothing can be written to it' }];
  const verdict = `The device is read-only: it is opened with readOnly: true. ${sentence(PAGE_CACHE)}.`;
  // If its region is read-only, no command makes the device writable. The part of the report on persistence gives the reason.
  if (pmemOf(tree, diskOf(tree, device))?.region.readOnly === true) return { verdict, evidence: all };
  return { verdict, evidence: all, fix: `blockdev --setrw ${nodeOf(device)}` };
}

/** The device in /dev, as a word of a command. */
function nodeOf(device: BlockDevice): string {
  return quoted(`/dev/${device.label}`);
}

/** Why no filesystem on a device can be mounted with DAX. */
export interface Obstacle {
  reason: string;
  evidence: Evidence[];
  fix?: string | undefined;
}

/** The obstacle to DAX for the filesystems on a device; undefined if they can be DAX. */
export function whyNotCapable(tree: SystemTree, device: BlockDevice): Obstacle | undefined {
  const disk = diskOf(tree, device);
  if (disk.dax) return whyNotWholePages(tree, device);
  const pmem = pmemOf(tree, disk);
  if (pmem !== undefined) return pmemObstacle(pmem, partitionsOf(tree, disk));
  const { name } = disk;
  if (/^ram\d/.test(name))
    return plain(
      'A RAM disk (brd): its driver has had no direct access since Linux 4.15.',
    );
  if (/^zram\d/.test(name))
    return plain('A compressed RAM disk (zram): its pages have no fixed place in memory.');
  if (/^loop\d/.test(name)) return loopObstacle(tree, disk);
  const below = disksUnder(tree, device).filter((under) => !under.dax && under.dir !== disk.dir);
  if (below.length > 0) {
    return {
      reason: `It stands on ${below.map((under) => under.name).join(', ')}, which cannot do DAX.`,
      evidence: below.map(daxFlag),
    };
  }
  if (/^(?:md|dm-)\d/.test(name)) return stackObstacle(tree, disk);
  return plain(
    'An ordinary block device: its data is not in memory that the CPU can address. `node-dax list` shows what memory of that ' +
      'kind this machine has; `node-dax vm -- COMMAND` runs a command where there is some.',
  );
}

function plain(reason: string): Obstacle {
  return { reason, evidence: [] };
}

// The devices under it can do DAX, but the stacked device cannot.
function stackObstacle(tree: SystemTree, disk: BlockDevice): Obstacle {
  const below = disksUnder(tree, disk).map((under) => under.name).join(', ');
  const level = tree.text(`${disk.dir}/md/level`);
  const instead = `Use a filesystem on ${below} itself, or on linear device-mapper volumes of it.`;
  if (level !== undefined) {
    return {
      reason: `An array of md over ${below}: md passes writes on and gives no memory. ${instead}`,
      evidence: [{ source: `/sys/block/${disk.name}/md/level`, value: level, meaning: 'an array, which has no direct access' }],
    };
  }
  const uuid = tree.text(`${disk.dir}/dm/uuid`) ?? '';
  return {
    reason:
      `A device-mapper device over ${below} with a target that changes or copies what is written (crypt, mirror, snapshot, ` +
      `thin …) and gives no memory. ${instead}`,
    evidence: uuid === '' ? [] : [{ source: `/sys/block/${disk.name}/dm/uuid`, value: uuid, meaning: 'who made it' }],
  };
}

function loopObstacle(tree: SystemTree, disk: BlockDevice): Obstacle {
  const source = `/sys/block/${disk.name}/loop/backing_file`;
  const value = tree.text(`${disk.dir}/loop/backing_file`);
  return {
    reason: 'A loop device: the driver has no direct access, even over a DAX file.',
    evidence:
      value === undefined ? [] : [{ source, value, meaning: 'the file behind it; mount its device, not a loop' }],
  };
}

function pmemObstacle(pmem: PmemInfo, partitions: readonly BlockDevice[]): Obstacle {
  const loss = partitions.length === 0 ? 'the data' : `all its partitions (${partitions.map(({ name }) => name).join(', ')})`;
  const evidence = [
    {
      source: `/sys/bus/nd/devices/${pmem.dev}/mode`,
      value: pmem.mode ?? 'unknown',
      meaning: 'fsdax is the mode with DAX',
    },
  ];
  if (pmem.mode === 'sector') {
    return {
      reason:
        'A namespace in sector mode: a translation table (BTT) makes sectors atomic and stands between the program ' +
        `and the memory. The command that changes the mode erases ${loss}.`,
      evidence,
      fix: `ndctl create-namespace -f -e ${pmem.dev} -m fsdax`,
    };
  }
  if (pmem.mode === 'raw') {
    return {
      reason:
        'A namespace in raw mode: the kernel has no page structures for it, and does no DAX without. Mode devdax maps ' +
        `the memory directly (fsdax: through a filesystem). The command that changes the mode erases ${loss}.`,
      evidence,
      fix: `ndctl create-namespace -f -e ${pmem.dev} -m devdax`,
    };
  }
  return { reason: 'The driver of this pmem device offers no direct access.', evidence };
}

/** Whether some device under it is virtio-pmem, which needs an fsync that reaches the host. */
export function standsOnAsynchronous(tree: SystemTree, device: BlockDevice): boolean {
  return pmemUnder(tree, device).some((pmem) => pmem !== undefined && isAsynchronous(pmem.region));
}

/** The command that mounts a filesystem again with DAX, which the kernel does not do with -o remount. */
export function remount(mount: Mount): string {
  const option = mount.fstype === 'ext2' ? 'dax' : 'dax=always';
  const mountpoint = quoted(mount.mountpoint);
  return `umount ${mountpoint} && mount -o ${option} ${quoted(mount.source)} ${mountpoint}`;
}

// An xfs with reflink on a partition cannot be mounted with dax=always, only with dax=inode. New files in a directory inherit the
// attribute of the directory.
function mountWithDax(device: BlockDevice, directory: string): string {
  if (!isPartition(device)) return `mount -o dax=always ${nodeOf(device)} ${directory}`;
  return `mount -o dax=inode ${nodeOf(device)} ${directory} && xfs_io -c 'chattr +x' ${directory}`;
}

/** The queue/dax flag as evidence. */
export function daxFlag(device: BlockDevice): Evidence {
  const meaning = device.dax ? 'a filesystem on it can be DAX' : 'no filesystem on it can be DAX';
  return { source: `/sys/block/${nameOfDisk(device)}/queue/dax`, value: device.dax ? '1' : '0', meaning };
}

function nameOfDisk(device: BlockDevice): string {
  return device.diskDir.slice(device.diskDir.lastIndexOf('/') + 1);
}

function mounted(mount: Mount | undefined): Evidence {
  if (mount === undefined) return { source: MOUNTINFO, value: 'absent', meaning: 'it is not mounted' };
  const option = daxOption(mount);
  const meaning = option === undefined ? 'mounted with no dax option' : `mounted with dax=${option}`;
  return { source: MOUNTINFO, value: `${mount.mountpoint} ${mount.fstype}`, meaning };
}

function fixIf(fix: string | undefined): { fix?: string } {
  return fix === undefined ? {} : { fix };
}
