// The public interface of node-dax/ext2: the second extended filesystem on any block device of node-dax.

export { FT, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, type Superblock } from './disk.js';
export {
  Ext2,
  type Ext2Attributes,
  type Ext2Dirent,
  type Ext2Stat,
  type Ext2Statfs,
  type MakeOptions,
} from './ext2.js';
export type { Ext2File } from './file.js';
export type { Ext2Inode } from './ext2-inode.js';
export type { Ext2Times } from './inode.js';
export { check, type CheckOptions, type CheckReport } from './check.js';
export { describeFinding, type Finding, type FindingClass } from './findings.js';
export { mkfs, mkfsSync, type MkfsOptions } from './mkfs.js';
export type { Layout } from './mkfs-geometry.js';
export { mount, type MountOptions } from './mount.js';
export type { Name } from './name.js';
export type { DeviceNumber } from './namei.js';
export type { Reclaimed } from './reclaim.js';
export type { Owner } from './super.js';
export type { XattrFlag } from './xattr.js';
