// The public interface of node-dax/fuse: it serves a filesystem of this process as a directory that every program can use.

export type {
  FuseAttributes,
  FuseChange,
  FuseDirent,
  FuseFile,
  FuseFilesystem,
  FuseInode,
  FuseMaking,
  FuseStat,
  FuseStatfs,
} from './filesystem/contract.js';
export { FuseMount, mountFuse, unmountFuse, type MountFuseOptions, type UnmountOptions } from './mount-fuse.js';
export type { FuseStatistics } from './server/served.js';
