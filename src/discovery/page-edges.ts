// Owns devices that do not begin and end with a page: partitions, and what device-mapper cuts out.

import { type BlockDevice, diskOf, isPartition } from './block.js';
import type { Evidence } from './evidence.js';
import type { SystemTree } from './system-tree.js';
import { PAGE_SIZE, SECTOR_SIZE } from '../units.js';

const SECTORS = PAGE_SIZE / SECTOR_SIZE;

/** What keeps a filesystem on the device from DAX. */
interface EdgeObstacle {
  reason: string;
  evidence: Evidence[];
  fix?: string | undefined;
}

/** Undefined for a device of whole pages. */
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

// device-mapper lets DAX through from any sector on, and rounds down: it reaches other bytes than reads and writes do.
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

/** Undefined where DAX reaches the bytes that reads and writes do. */
export function misplacement(tree: SystemTree, device: BlockDevice): Evidence | undefined {
  const offset = tree.number(`${device.dir}/alignment_offset`) ?? 0;
  if (offset % PAGE_SIZE === 0) return undefined;
  return {
    source: `/sys/class/block/${device.name}/alignment_offset`,
    value: String(offset),
    meaning: 'bytes to its first whole page: DAX reaches the wrong bytes',
  };
}
