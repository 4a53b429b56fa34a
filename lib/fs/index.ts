// The public interface of node-dax/fs: a mounted filesystem in the shape of node:fs.

import { constants } from 'node:fs';
import type * as nodeFs from 'node:fs';
import type * as nodePromises from 'node:fs/promises';
import { checkOptions } from 'node-dax';
import { toMode } from './arguments.js';
import type { MountedFilesystem } from './contract.js';
import type { OpenHandle } from './file-handle.js';
import { OpenFiles } from './open-files.js';
import { promiseCalls } from './promise-calls.js';
import { streams } from './streams.js';
import { syncCalls, type SyncCalls } from './sync-calls.js';

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

/** The synchronous calls, with node's types. */
export type FsSync = Pick<typeof nodeFs, Extract<keyof SyncCalls, keyof typeof nodeFs>>;

type PromiseName = Exclude<Extract<keyof ReturnType<typeof promiseCalls>, keyof typeof nodePromises>, 'open'>;

/** An open file of the promise forms: what there is of node's FileHandle, with node's types. */
export type FileHandle = Pick<nodePromises.FileHandle, Extract<keyof OpenHandle, keyof nodePromises.FileHandle>>;

/** The promise forms, with node's types but for the handles, which are ours. */
export interface FsPromises extends Pick<typeof nodePromises, PromiseName> {
  open(path: nodeFs.PathLike, flags?: string | number, mode?: nodeFs.Mode): Promise<FileHandle>;
  readonly constants: typeof nodePromises.constants;
}

/** A mounted filesystem in the shape of node:fs. Its functions need no `this`. */
export interface Fs extends FsSync {
  readonly promises: FsPromises;
  readonly constants: typeof nodeFs.constants;
  readonly createReadStream: typeof nodeFs.createReadStream;
  readonly createWriteStream: typeof nodeFs.createWriteStream;
}

export interface FsOptions {
  /** Permissions that nothing new gets. Default 0o022; the process's own is not asked. */
  readonly umask?: number;
}

// One for each facade, so that (dev, ino) is what it is in node:fs: the identity of a file.
let devices = 0;

/**
 * The calls of node:fs on the files of a mounted filesystem, whose root is `/`. Errors have node's `code`, `errno`,
 * `syscall`, `path`, `dest` and message; they are `DaxError`s. Descriptors are numbers that no other part of the process
 * has. Permissions are kept, not enforced. Close what was opened before the filesystem is unmounted.
 */
export function createFs(mounted: MountedFilesystem, options: FsOptions = {}): Fs {
  checkOptions(options, { umask: true });
  const files = new OpenFiles(mounted, toMode(options.umask, 0o022));
  const calls = syncCalls(mounted, files, ++devices);
  const promises = { ...promiseCalls(mounted, files, calls), constants };
  return { ...calls, ...streams(files), promises, constants } as unknown as Fs;
}
