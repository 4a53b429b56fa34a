// Owns the check of what a superblock says of a journal, and of where that begins. What is in it is no business of ext2.

import type { Census } from './census.js';
import { inodePos } from './check-tables.js';
import { COMPAT, EXT2_BAD_INO, EXT2_DYNAMIC_REV, FT, hasFlag, INODE, unknownFlags } from '../format/disk.js';
import { decode } from '../format/layout.js';

const MAGIC = 0xc03b3998;
// Blocktypes of a journal's superblock: both of its versions. The first has no more than the fields up to s_errno.
const SUPERBLOCK_V2 = 4;
const SUPERBLOCKS: readonly number[] = [3, SUPERBLOCK_V2];
// revoke, 64bit, async_commit, csum_v2, csum_v3, fast_commit.
const KNOWN_INCOMPAT = 0x3f;

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
  const journal = ino <= geometry.inodesCount && isReadable[group] === true ? journalOf(census, ino) : undefined;
  if (journal === undefined) findings.error(`inode ${ino} is no journal, and the superblock has it as one`, {});
  else if (!isExpected) findings.add('unclean', 'it has a journal, and the feature has_journal is not there');
  else checkSuperblock(census, ino, journal);
}

interface Journal {
  /** The beginning of its first block, whose numbers are big-endian. */
  superblock: DataView;
  /** Blocks of the filesystem that the file has. */
  blocks: number;
}

function journalOf(census: Census, ino: number): Journal | undefined {
  if (!census.isUsed(ino) || census.typeOf(ino) !== FT.REG_FILE) return undefined;
  const raw = census.load(inodePos(census, ino), 128);
  if (raw === undefined) return undefined;
  const { i_block: [first = 0], i_size: size } = decode(INODE, raw);
  const bytes = census.isBlock(first) ? census.loadBlock(first) : undefined;
  if (bytes === undefined) return undefined;
  const superblock = new DataView(bytes.buffer);
  if (superblock.getUint32(0) !== MAGIC || !SUPERBLOCKS.includes(superblock.getUint32(4))) return undefined;
  return { superblock, blocks: Math.floor(size / census.geometry.blockSize) };
}

// What e2fsck refuses of the fields that jbd2 reads before anything else. Their checksum, where they have one, is not computed.
function checkSuperblock(census: Census, ino: number, { superblock, blocks }: Journal): void {
  const { findings, geometry: { blockSize } } = census;
  const is = (text: string): void => {
    findings.error(`the journal in inode ${ino} ${text}`, {});
  };
  const unit = superblock.getUint32(12);
  if (unit !== blockSize) is(`has blocks of ${unit} bytes, and the filesystem of ${blockSize}`);
  const length = superblock.getUint32(16);
  if (length > blocks) is(`says that it has ${length} blocks, and the file has ${blocks}`);
  if (superblock.getUint32(4) !== SUPERBLOCK_V2) return;
  if (unknownFlags(superblock.getUint32(40), KNOWN_INCOMPAT) !== 0 || superblock.getUint32(44) !== 0) is('has features that nobody knows');
  const users = superblock.getUint32(64);
  if (users > 1) is(`says that ${users} filesystems use it`);
}
