// The public interface of node-dax/fs: a mounted filesystem in the shape of node:fs.

import type * as nodeFs from 'node:fs';
import { argumentError, checkMethods, checkOptions } from 'node-dax';
import { toMode } from './arguments/arguments.js';
import type { MountedFilesystem } from './contract.js';
import { facade } from './facade.js';
import { OpenFiles } from './open/open-files.js';
import { syncCalls } from './calls/sync-calls.js';
import { Tree } from './tree/tree.js';

export type {
  FsAttributes,
  FsDirent,
  FsFile,
  FsInode,
  FsName,
  FsStat,
  FsStatfs,
  FsTimes,
  MountedFilesystem,
} from './contract.js';

/** A mounted filesystem in the shape of node:fs, with node's types. Its functions need no `this`. */
export type Fs = typeof nodeFs;

/** The synchronous calls. */
export type FsSync = Pick<Fs, Extract<keyof Fs, `${string}Sync`>>;

/** The calls of `node:fs/promises`, with node's types. */
export type FsPromises = Fs['promises'];

/** An open file of the promise forms, with node's type. */
export type FileHandle = nodeFs.promises.FileHandle;

export interface FsOptions {
  /** Permission bits that are cleared in everything new. Default 0o022; the process's umask is not used. */
  readonly umask?: number;
  /** The directory at which relative paths begin, as an absolute path. Default `/`; the process's working directory is not used. */
  readonly cwd?: string;
}

// Each facade has its own device number, so (dev, ino) identifies a file, as in node:fs.
let devices = 0;

/**
 * The calls of node:fs on the files of a mounted filesystem, whose root is `/`. Errors have node's `code`, `errno`, `syscall`,
 * `path`, `dest` and message; they are `DaxError`s. Descriptors are numbers that nothing else in the process uses. Permissions are
 * stored, not enforced. Close all files before unmounting the filesystem.
 */
export function createFs(mounted: MountedFilesystem, options: FsOptions = {}): Fs {
  checkMethods(mounted, ['lookup', 'resolve', 'readdir', 'stat', 'open'], 'mounted', 'a mounted filesystem, such as mount() of node-dax/ext2 gives');
  checkOptions(options, { umask: true, cwd: true });
  const { umask = 0o022, cwd = '/' } = options;
  if (typeof cwd !== 'string') throw argumentError('ERR_INVALID_ARG_TYPE', `cwd must be a string, it is ${String(cwd)}`);
  if (!cwd.startsWith('/')) throw argumentError('ERR_INVALID_ARG_VALUE', `cwd begins with a slash, it is '${cwd}'`);
  const tree = new Tree(mounted, cwd);
  const files = new OpenFiles(tree, toMode(umask));
  return facade(tree, files, syncCalls(tree, files, ++devices)) as unknown as Fs;
}
