// Owns the list of the filesystem's own inodes, which are in use without a name.

import { COMPAT, EXT2_BAD_INO, EXT2_ROOT_INO, hasFlag, type Superblock } from './disk.js';
import type { Geometry } from './geometry.js';

/**
 * The reserved inodes except the root (bad blocks, reserved descriptor blocks, a journal and more), and those named in the
 * superblock: a journal, and the orphan file.
 */
export function ownInodes(sb: Superblock, { firstIno, inodesCount }: Geometry): number[] {
  const own = [];
  for (let ino = EXT2_BAD_INO; ino < firstIno; ino++) if (ino !== EXT2_ROOT_INO) own.push(ino);
  const named = [
    ...(hasFlag(sb.s_feature_compat, COMPAT.HAS_JOURNAL) ? [sb.s_journal_inum] : []),
    ...(hasFlag(sb.s_feature_compat, COMPAT.ORPHAN_FILE) ? [sb.s_orphan_file_inum] : []),
  ];
  return [...own, ...named.filter((ino) => ino >= firstIno && ino <= inodesCount)];
}
