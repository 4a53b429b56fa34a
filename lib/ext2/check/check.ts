// Owns checking a filesystem: a walk over the whole medium that stores nothing and shares no code path with mounting.

import { argumentError, checkDevice, checkOptions, type BlockDevice } from 'node-dax';
import { Census } from './census.js';
import { checkBitmaps, checkLinks } from './check-counts.js';
import { checkDirectories } from './check-directories.js';
import { checkInodes } from './check-inodes.js';
import { checkJournal } from './check-journal.js';
import { checkSuperblock, claimTables, inodePos } from './check-tables.js';
import { checkAttributeUsers } from './check-xattr.js';
import { CHECKED_COMPAT, EXT2_DYNAMIC_REV, FT, GROUP_DESC_SIZE, INODE, readGroupDesc, readSuperblock, SUPERBLOCK_POS, SUPERBLOCK_SIZE, unknownFlags } from '../format/disk.js';
import { fail } from '../format/error.js';
import { featureNames } from '../format/features.js';
import { Findings, type Finding, type FindingClass } from './findings.js';
import { geometryOf } from '../format/geometry.js';
import { Medium } from '../space/medium.js';

export interface CheckOptions {
  /** How many findings of each class are reported; all are counted. Default 100. */
  readonly limit?: number;
}

export interface CheckReport {
  /** There are no findings, or only ones of class `unclean`: `e2fsck -fn` would not object. */
  readonly isClean: boolean;
  /** There are no findings of class `error`: the filesystem can be mounted and written to. */
  readonly isSound: boolean;
  /** The first findings of each class, the worst class first. */
  readonly findings: readonly Finding[];
  /** The number of findings of each class. */
  readonly totals: Readonly<Record<FindingClass, number>>;
  readonly usedInodes: number;
  readonly usedBlocks: number;
  readonly directories: number;
}

/**
 * Checks the ext2 filesystem on `device`, which must not change meanwhile. Stores nothing. Time and memory are bounded by the size
 * of the device, whatever its contents.
 *
 * Throws `EINVAL` if there is no ext2 filesystem, `EOPNOTSUPP` for unknown features, `EUCLEAN` if the superblock is too corrupt for
 * a check.
 */
export function check(device: BlockDevice, options: CheckOptions = {}): CheckReport {
  checkDevice(device);
  checkOptions(options, { limit: true });
  const { limit = 100 } = options;
  if (!Number.isSafeInteger(limit) || limit < 0) throw argumentError('ERR_OUT_OF_RANGE', `limit must be a number of findings, it is ${limit}`);
  const findings = new Findings(limit);
  const census = open(device, findings);
  const { geometry } = census;
  checkSuperblock(census);
  const isReadable = claimTables(census);
  checkInodes(census, isReadable);
  checkJournal(census, isReadable);
  checkOrphans(census, isReadable);
  checkDirectories(census);
  checkAttributeUsers(census);
  checkLinks(census);
  const freeBlocks = checkBitmaps(census);
  const { totals } = findings;
  return {
    isClean: totals.error + totals.leak + totals.count === 0,
    isSound: totals.error === 0,
    findings: findings.kept,
    totals,
    usedInodes: census.usedInodes,
    usedBlocks: geometry.blocksCount - geometry.firstDataBlock - freeBlocks,
    directories: census.directories.size,
  };
}

function open(device: BlockDevice, findings: Findings): Census {
  if (device.size < SUPERBLOCK_POS + SUPERBLOCK_SIZE) fail('EINVAL', 'check', `no ext2 is on ${device.size} bytes`);
  const whole = new Medium(device, device.size);
  const sb = readSuperblock(whole.load(SUPERBLOCK_POS, SUPERBLOCK_SIZE));
  const geometry = geometryOf(sb, device.size);
  const unknown = [
    ...featureNames('s_feature_compat', sb.s_rev_level < EXT2_DYNAMIC_REV ? 0 : unknownFlags(sb.s_feature_compat, CHECKED_COMPAT)),
    ...featureNames('s_feature_ro_compat', geometry.unknownRoCompat),
  ];
  if (unknown.length > 0) fail('EOPNOTSUPP', 'check', `it has ${unknown.join(', ')}, which ext2 has not: run e2fsck`);
  const medium = new Medium(device, geometry.blocksCount * geometry.blockSize);
  const table = medium.load(geometry.descBlock * geometry.blockSize, geometry.groups * GROUP_DESC_SIZE);
  const descs = Array.from({ length: geometry.groups }, (_, group) => readGroupDesc(table, group));
  return new Census(medium, sb, geometry, descs, findings);
}

// The list of orphans: inodes that were open without a name. A mount stops at the first entry that cannot be an orphan.
function checkOrphans(census: Census, isReadable: readonly boolean[]): void {
  const { sb, geometry, findings } = census;
  const seen = new Set<number>();
  for (let ino = sb.s_last_orphan; ino !== 0; ) {
    const group = Math.floor((ino - 1) / geometry.inodesPerGroup);
    if (ino < geometry.firstIno || ino > geometry.inodesCount || seen.has(ino) || isReadable[group] !== true) {
      findings.add('unclean', 'is in the list of orphans, and cannot be', { ino });
      return;
    }
    seen.add(ino);
    if (census.isUsed(ino) && census.typeOf(ino) !== FT.REG_FILE) {
      findings.add('unclean', 'is in the list of orphans, and in use', { ino });
      return;
    }
    const raw = census.load(inodePos(census, ino), 128);
    if (raw === undefined) return;
    ino = new DataView(raw.buffer).getUint32(INODE.i_dtime[1], true);
  }
}
