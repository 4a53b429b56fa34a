// Owns which inodes are the filesystem's own: they have no name, and are in use.

import { COMPAT, EXT2_BAD_INO, EXT2_ROOT_INO, hasFlag, type Superblock } from './disk.js';
import type { Geometry } from './geometry.js';

/**
 * The first inodes but the root (bad blocks, room for descriptors, a journal and more), and those that the superblock names
 * elsewhere: a journal, and the file of orphans.
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
