// Owns the check of the superblock's journal fields and of the journal's own superblock. The rest of a journal is not ext2's
// concern.

import { crc32c } from 'node-dax';
import type { Census } from './census.js';
import { inodePos } from './check-tables.js';
import { COMPAT, EXT2_BAD_INO, EXT2_DYNAMIC_REV, FT, hasFlag, INODE, unknownFlags } from '../format/disk.js';
import { decode } from '../format/layout.js';

const MAGIC = 0xc03b3998;
// Block types of both versions of a journal superblock. The first version has only the fields up to s_errno.
const SUPERBLOCK_V2 = 4;
const SUPERBLOCKS: readonly number[] = [3, SUPERBLOCK_V2];
const SUPERBLOCK_LENGTH = 1024;
// The compat feature `checksum` is the oldest kind of checksums; the later kinds are incompat features, and with them the
// superblock has a checksum too.
const COMPAT_CHECKSUM = 1;
const INCOMPAT = { REVOKE: 1, BITS64: 2, ASYNC_COMMIT: 4, CSUM_V2: 8, CSUM_V3: 16, FAST_COMMIT: 32 } as const;
const KNOWN_INCOMPAT = Object.values(INCOMPAT).reduce<number>((all, flag) => all + flag, 0);
const CRC32C_CHKSUM = 4;
const S_CHECKSUM = 252;
// The default number of fast commit blocks, and the minimum of other blocks in a journal.
const FAST_COMMIT_BLOCKS = 256;
const MINIMUM_BLOCKS = 1024;

/** Compares the fields with the has_journal feature. `isReadable` says for each group whether its inode table can be read. */
export function checkJournal(census: Census, isReadable: readonly boolean[]): void {
  const { sb, geometry, findings } = census;
  if (sb.s_rev_level < EXT2_DYNAMIC_REV) return;
  const { s_journal_inum: ino } = sb;
  const isElsewhere = sb.s_journal_uuid.some((byte) => byte !== 0);
  const isExpected = hasFlag(sb.s_feature_compat, COMPAT.HAS_JOURNAL);
  if (ino === 0) {
    // A journal on another device cannot be checked here.
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
  /** The length of the file in blocks of the filesystem. */
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

// Checks what e2fsck checks in the fields that jbd2 reads first.
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
  // Computed with the checksum's own four bytes as zeros. jbd2 does not invert the final CRC.
  const bytes = new Uint8Array(superblock.buffer, superblock.byteOffset, SUPERBLOCK_LENGTH).slice();
  bytes.fill(0, S_CHECKSUM, S_CHECKSUM + 4);
  if (0xffffffff - crc32c(bytes) !== superblock.getUint32(S_CHECKSUM)) is('has a superblock with a wrong checksum');
}
