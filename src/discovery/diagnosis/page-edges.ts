// Owns the diagnosis of devices that do not begin and end with a page: partitions, and volumes of device-mapper.

import { type BlockDevice, diskOf, isPartition } from '../devices/block.js';
import type { Evidence } from '../evidence.js';
import type { SystemTree } from '../system/system-tree.js';
import { PAGE_SIZE, SECTOR_SIZE } from '../../units.js';

const SECTORS = PAGE_SIZE / SECTOR_SIZE;

/** The reason why a filesystem on the device cannot use DAX. */
interface EdgeObstacle {
  reason: string;
  evidence: Evidence[];
  fix?: string | undefined;
}

/** Why the edges of a device keep filesystems on it from DAX; undefined if they do not. */
export function whyNotWholePages(tree: SystemTree, device: BlockDevice): EdgeObstacle | undefined {
  const start = tree.number(`${device.dir}/start`) ?? 0;
  const begins = start % SECTORS !== 0;
  if (!begins && device.size % PAGE_SIZE === 0) return misplaced(tree, device);
  const what = begins ? `begins at sector ${start}` : `has ${device.size / SECTOR_SIZE} sectors`;
  const attribute = begins ? 'start' : 'size';
  const evidence = [
    {
      source: `/sys/class/block/${device.name}/${attribute}`,
      value: String(begins ? start : device.size / SECTOR_SIZE),
      meaning: `no multiple of ${SECTORS} sectors, a page`,
    },
  ];
  if (!isPartition(device)) return { reason: `It ${what}, which is not in whole pages, as DAX needs.`, evidence };
  const reason =
    `The partition ${what}, and DAX needs one that begins and ends with a page (${SECTORS} sectors). The command moves its ` +
    'edges inwards, which erases the data in it.';
  return { reason, evidence, fix: moveEdges(tree, device, start) };
}

function moveEdges(tree: SystemTree, device: BlockDevice, start: number): string {
  const first = Math.ceil(start / SECTORS) * SECTORS;
  const end = Math.floor((start + device.size / SECTOR_SIZE) / SECTORS) * SECTORS;
  const number = tree.number(`${device.dir}/partition`) ?? 1;
  return `echo start=${first},size=${end - first} | sfdisk -N ${number} /dev/${diskOf(tree, device).label}`;
}

// device-mapper passes DAX through from any sector on, but rounds down to a page: DAX then reaches other bytes than reads and
// writes do.
function misplaced(tree: SystemTree, device: BlockDevice): EdgeObstacle | undefined {
  const evidence = misplacement(tree, device);
  if (evidence === undefined) return undefined;
  return {
    reason:
      'It begins within a page of the device under it. The kernel mounts it with DAX all the same, and then programs reach ' +
      'other bytes than without DAX: what was written one way is damaged the other. Make it begin at a multiple of ' +
      `${SECTORS} sectors.`,
    evidence: [evidence],
  };
}

/** The evidence that DAX reaches other bytes than reads and writes do; undefined if it reaches the same bytes. */
export function misplacement(tree: SystemTree, device: BlockDevice): Evidence | undefined {
  const offset = tree.number(`${device.dir}/alignment_offset`) ?? 0;
  if (offset % PAGE_SIZE === 0) return undefined;
  return {
    source: `/sys/class/block/${device.name}/alignment_offset`,
    value: String(offset),
    meaning: 'bytes to its first whole page: DAX reaches the wrong bytes',
  };
}
