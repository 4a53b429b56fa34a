// The public interface of node-dax/famfs: files in memory that hosts share, in the format of famfs, without its kernel module.

export type { DeviceEntry as FamfsDevice, Extent as FamfsExtent } from './format/entry.js';
export type { FamfsDamage } from './format/error.js';
export type { FamfsSuperblock } from './format/superblock.js';
export {
  Famfs,
  type FamfsDirent,
  type FamfsMaking,
  type FamfsStat,
  type FamfsStatfs,
  type FamfsTimes,
} from './famfs.js';
export type { FamfsFile } from './files/file.js';
export type { FamfsChange, FollowOptions } from './log/growth.js';
export type { UnknownEntry } from './log/replay.js';
export type { FamfsCreateOptions, FamfsMkdirOptions } from './master/new-entry.js';
export { mkfsFamfs, type FamfsMkfsOptions } from './mkfs.js';
export { mountFamfs, type FamfsMountOptions } from './mount.js';
export { openMountedFamfs, type FamfsMountedOptions } from './mounted.js';
export type { FamfsInode } from './tree/node.js';
