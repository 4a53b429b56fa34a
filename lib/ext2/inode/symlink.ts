// Owns the targets of symbolic links: in the inode if they are short (fast symlinks), else in a block.

import { FAST_SYMLINK_LIMIT } from '../format/disk.js';
import { fail } from '../format/error.js';
import type { IncoreInode } from './inode.js';

/** Sets the target of a new symbolic link; it must be shorter than a block. */
export function putTarget(inode: IncoreInode, target: Uint8Array): void {
  inode.size = target.length;
  if (target.length < FAST_SYMLINK_LIMIT) {
    inode.inlineBytes = target;
    return;
  }
  const { medium, blockSize } = inode.sb;
  const { block } = inode.map.create(0, 1, inode.group);
  const content = new Uint8Array(blockSize);
  content.set(target);
  medium.store(block * blockSize, content);
  inode.map.settle(0, 1);
}

/** The bytes of a link's target. Throws `EINVAL` for anything but a symbolic link. */
export function readTarget(inode: IncoreInode): Uint8Array {
  if (!inode.isSymlink) fail('EINVAL', 'readlink', `inode ${inode.ino} is no symbolic link`);
  const { sb, size, ino } = inode;
  const limit = inode.isFastSymlink ? FAST_SYMLINK_LIMIT : sb.blockSize;
  if (size === 0 || size >= limit) throw sb.corrupt(`is a symbolic link of ${size} bytes`, { ino });
  if (inode.isFastSymlink) return inode.inlineBytes.slice(0, size);
  const { block } = inode.map.find(0, 1);
  if (block === 0) throw sb.corrupt('is a symbolic link without a block', { ino });
  return sb.medium.load(block * sb.blockSize, size);
}
