// Owns the check of what a superblock says of a journal, and of where that begins. What is in it is no business of ext2.

import type { Census } from './census.js';
import { inodePos } from './check-tables.js';
import { COMPAT, EXT2_BAD_INO, EXT2_DYNAMIC_REV, FT, hasFlag, INODE } from '../format/disk.js';
import { decode } from '../format/layout.js';

const MAGIC = 0xc03b3998;
// Blocktypes of a journal's superblock: both of its versions.
const SUPERBLOCKS: readonly number[] = [3, 4];

/** Compares the fields with the feature has_journal. `isReadable`: of each group, whether its inodes can be read. */
export function checkJournal(census: Census, isReadable: readonly boolean[]): void {
  const { sb, geometry, findings } = census;
  if (sb.s_rev_level < EXT2_DYNAMIC_REV) return;
  const { s_journal_inum: ino } = sb;
  const isElsewhere = sb.s_journal_uuid.some((byte) => byte !== 0);
  const isExpected = hasFlag(sb.s_feature_compat, COMPAT.HAS_JOURNAL);
  if (ino === 0) {
    // One on another device is not to be seen from here.
    if (isExpected && !isElsewhere) findings.error('it has no journal, and the feature has_journal is there', {});
    if (!isExpected && isElsewhere) findings.error('it has a journal, and the feature has_journal is not there', {});
    return;
  }
  const group = Math.floor((ino - EXT2_BAD_INO) / geometry.inodesPerGroup);
  const isJournal = ino <= geometry.inodesCount && isReadable[group] === true && begins(census, ino);
  if (!isJournal) findings.error(`inode ${ino} is no journal, and the superblock has it as one`, {});
  else if (!isExpected) findings.add('unclean', 'it has a journal, and the feature has_journal is not there');
}

function begins(census: Census, ino: number): boolean {
  if (!census.isUsed(ino) || census.typeOf(ino) !== FT.REG_FILE) return false;
  const raw = census.load(inodePos(census, ino), 128);
  const [first = 0] = raw === undefined ? [] : decode(INODE, raw).i_block;
  const bytes = census.isBlock(first) ? census.loadBlock(first) : undefined;
  if (bytes === undefined) return false;
  const view = new DataView(bytes.buffer);
  return view.getUint32(0) === MAGIC && SUPERBLOCKS.includes(view.getUint32(4));
}
