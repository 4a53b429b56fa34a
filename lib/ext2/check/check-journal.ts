// Owns the check of what a superblock says of a journal, and of where that begins. What is in it is no business of ext2.

import { crc32c } from 'node-dax';
import type { Census } from './census.js';
import { inodePos } from './check-tables.js';
import { COMPAT, EXT2_BAD_INO, EXT2_DYNAMIC_REV, FT, hasFlag, INODE, unknownFlags } from '../format/disk.js';
import { decode } from '../format/layout.js';

const MAGIC = 0xc03b3998;
// Blocktypes of a journal's superblock: both of its versions. The first has no more than the fields up to s_errno.
const SUPERBLOCK_V2 = 4;
const SUPERBLOCKS: readonly number[] = [3, SUPERBLOCK_V2];
const SUPERBLOCK_LENGTH = 1024;
// The feature `checksum` is the first kind of checksums; those of incompat came after it, and the superblock has one with them.
const COMPAT_CHECKSUM = 1;
const INCOMPAT = { REVOKE: 1, BITS64: 2, ASYNC_COMMIT: 4, CSUM_V2: 8, CSUM_V3: 16, FAST_COMMIT: 32 } as const;
const KNOWN_INCOMPAT = Object.values(INCOMPAT).reduce<number>((all, flag) => all + flag, 0);
const CRC32C_CHKSUM = 4;
const S_CHECKSUM = 252;
// Blocks for fast commits where none are told, and those that a journal must have beside them.
const FAST_COMMIT_BLOCKS = 256;
const MINIMUM_BLOCKS = 1024;

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

// What e2fsck minds in the fields that jbd2 reads before anything else.
function checkSuperblock(census: Census, ino: number, { superblock, blocks }: Journal): void {
  const { findings, geometry: { blockSize } } = census;
  const is = (text: string): void => {
    findings.error(`the journal in inode ${ino} ${text}`, {});
  };
  const unit = superblock.getUint32(12);
  if (unit !== blockSize) is(`has blocks of ${unit} bytes, and the filesystem of ${blockSize}`);
  const length = superblock.getUint32(16);
  if (length > blocks) is(`says that it has ${length} blocks, and the file has ${blocks}`);
  const errno = superblock.getInt32(32);
  if (errno !== 0) is(`has a note of error ${errno}, for which the kernel gave it up`);
  if (superblock.getUint32(4) !== SUPERBLOCK_V2) return;
  const incompat = superblock.getUint32(40);
  if (unknownFlags(incompat, KNOWN_INCOMPAT) !== 0 || superblock.getUint32(44) !== 0) is('has features that nobody knows');
  checkChecksum(superblock, incompat, is);
  const fastCommits = superblock.getUint32(84) || FAST_COMMIT_BLOCKS;
  if (hasFlag(incompat, INCOMPAT.FAST_COMMIT) && length - fastCommits < MINIMUM_BLOCKS) is(`keeps ${fastCommits} of its ${length} blocks for fast commits`);
  const users = superblock.getUint32(64);
  if (users > 1) is(`says that ${users} filesystems use it`);
}

function checkChecksum(superblock: DataView, incompat: number, is: (text: string) => void): void {
  const [isV2, isV3] = [hasFlag(incompat, INCOMPAT.CSUM_V2), hasFlag(incompat, INCOMPAT.CSUM_V3)];
  if (!isV2 && !isV3) return;
  if ((isV2 && isV3) || hasFlag(superblock.getUint32(36), COMPAT_CHECKSUM)) {
    is('has two kinds of checksums');
    return;
  }
  const kind = superblock.getUint8(80);
  if (kind !== CRC32C_CHKSUM) {
    is(`has checksums of kind ${kind}, which nobody knows`);
    return;
  }
  // As if its own four bytes were zeros. jbd2 does not invert the end of it.
  const bytes = new Uint8Array(superblock.buffer, superblock.byteOffset, SUPERBLOCK_LENGTH).slice();
  bytes.fill(0, S_CHECKSUM, S_CHECKSUM + 4);
  if (0xffffffff - crc32c(bytes) !== superblock.getUint32(S_CHECKSUM)) is('has a superblock with a wrong checksum');
}
