// Owns what must hold of an inode before anyone uses it.

import { fileTypeOf, FOREIGN_INODE_FLAGS, FT, GOOD_OLD_INODE_SIZE, hasFlag } from '../format/disk.js';
import type { Super } from '../space/super.js';

const FOREIGN_FLAGS = Object.entries(FOREIGN_INODE_FLAGS);

/** What is checked of an inode. */
interface CheckedInode {
  readonly sb: Super;
  readonly ino: number;
  readonly mode: number;
  readonly size: number;
  readonly nlink: number;
  readonly flags: number;
  readonly fieldsEnd: number;
  readonly fileAcl: number;
  readonly translator: number;
  readonly isRegular: boolean;
  readonly isDirectory: boolean;
}

/** Throws `EUCLEAN` if the inode is not in use or is invalid. */
export function checkInode(inode: CheckedInode): void {
  const { sb, ino, mode, size, flags, fieldsEnd, fileAcl, translator } = inode;
  const corrupt = (what: string) => sb.corrupt(what, { ino });
  if (inode.nlink === 0) throw corrupt('is deleted, and an entry leads to it');
  if (fileTypeOf(mode) === FT.UNKNOWN) throw corrupt(`has mode ${mode.toString(8)}`);
  const foreign = flags === 0 ? undefined : FOREIGN_FLAGS.find(([, flag]) => hasFlag(flags, flag));
  if (foreign !== undefined) throw corrupt(`has the flag ${foreign[0]}, which ext2 does not know`);
  if (fieldsEnd % 4 !== 0 || fieldsEnd > sb.image.size) throw corrupt(`has i_extra_isize ${fieldsEnd - GOOD_OLD_INODE_SIZE}`);
  if (inode.isRegular && size > sb.maxBytes) throw corrupt(`has ${size} bytes: more than a file can`);
  if (inode.isDirectory && !isDirectorySize(sb, size)) throw corrupt(`is a directory of ${size} bytes`);
  if (fileAcl !== 0) sb.checkData(fileAcl, 1, ino);
  if (translator !== 0) sb.checkData(translator, 1, ino);
}

// A directory has no holes and no block twice, so it cannot have more blocks than the filesystem.
function isDirectorySize({ blockSize, geometry }: Super, size: number): boolean {
  const blocks = size / blockSize;
  return Number.isInteger(blocks) && blocks > 0 && blocks <= geometry.blocksCount;
}
