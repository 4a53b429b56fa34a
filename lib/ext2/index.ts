// The public interface of node-dax/ext2: the second extended filesystem on any block device of node-dax.

export { FT, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, type Superblock } from './format/disk.js';
export {
  Ext2,
  type Ext2Attributes,
  type Ext2Dirent,
  type Ext2Stat,
  type Ext2Statfs,
  type MakeOptions,
} from './ext2.js';
export type { Ext2File } from './files/file.js';
export type { Ext2Change } from './volume/changes.js';
export type { Ext2Inode } from './volume/ext2-inode.js';
export type { Ext2Times } from './inode/inode.js';
export { check, type CheckOptions, type CheckReport } from './check/check.js';
export { describeFinding, type Finding, type FindingClass } from './check/findings.js';
export { mkfs, mkfsSync, type MkfsOptions } from './mkfs/mkfs.js';
export type { Layout } from './mkfs/mkfs-geometry.js';
export { mount, type MountOptions } from './mount.js';
export type { Name } from './format/name.js';
export type { DeviceNumber } from './names/namei.js';
export type { Reclaimed } from './volume/reclaim.js';
export type { Owner } from './space/super.js';
export type { XattrFlag } from './xattr/xattr.js';
