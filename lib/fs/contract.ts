// Owns the contract of what lies under the facade: a mounted filesystem, of which it asks no more than this.

import type { Ext2, Ext2File, Ext2Inode } from 'node-dax/ext2';

/** A mounted filesystem: `Ext2`, or another with the same methods. */
export type MountedFilesystem = Pick<
  Ext2,
  | 'readOnly'
  | 'lookup'
  | 'resolve'
  | 'resolveParent'
  | 'readdir'
  | 'create'
  | 'mkdir'
  | 'symlink'
  | 'readlink'
  | 'link'
  | 'unlink'
  | 'rmdir'
  | 'rename'
  | 'stat'
  | 'setattr'
  | 'open'
  | 'hold'
  | 'release'
  | 'statfs'
>;

export type FsInode = Ext2Inode;
export type FsFile = Ext2File;
