// Owns the provider: the calls that node:vfs makes of a filesystem, each passed to the `Fs` facade.

import type { Dirent } from 'node:fs';
import { relative } from 'node:path/posix';
import { promisify } from 'node:util';
import { DaxError } from 'node-dax';
import type { Fs, FsPromises, FsSync, MountedFilesystem } from 'node-dax/fs';
import { ProviderFile } from './file.js';
import type { VirtualProvider } from './node-vfs.js';

/** The calls that node:vfs makes both by promise and synchronously, as in node:fs. */
const BOTH = [
  ...(['access', 'appendFile', 'copyFile', 'link', 'lstat', 'mkdir', 'readFile', 'readlink', 'rename', 'rmdir', 'stat'] as const),
  ...(['symlink', 'unlink', 'writeFile'] as const),
];
/** The calls that it makes synchronously alone, even for a caller that gets a promise. */
const SYNC = ['chmodSync', 'chownSync', 'existsSync', 'lchownSync', 'lutimesSync', 'utimesSync'] as const;

type Both = (typeof BOTH)[number];
type Entries = string[] | Buffer[] | Dirent[];

interface ReaddirOptions {
  readonly encoding?: BufferEncoding | 'buffer' | null;
  readonly withFileTypes?: boolean;
  readonly recursive?: boolean;
}

const MODE = 0o666;

/** A provider of node:vfs, an object of its `VirtualProvider`. Paths begin at the root of the filesystem. */
export interface Provider
  extends Pick<FsPromises, Both>,
    Pick<FsSync, `${Both}Sync` | (typeof SYNC)[number]>,
    Pick<Fs, 'unwatchFile' | 'watch' | 'watchFile'> {
  /**
   * The `Fs` facade behind the provider, for calls that node:vfs does not make of one: `statfs`, `fsync`, streams that read as they
   * go.
   */
  readonly fs: Fs;
  readonly readonly: boolean;
  readonly supportsSymlinks: true;
  readonly supportsWatch: true;
  open(path: string, flags?: string | number, mode?: number): Promise<ProviderFile>;
  openSync(path: string, flags?: string | number, mode?: number): ProviderFile;
  readdir(path: string, options?: ReaddirOptions): Promise<Entries>;
  readdirSync(path: string, options?: ReaddirOptions): Entries;
  realpath(path: string): Promise<string>;
  realpathSync(path: string): string;
  lchmodSync(path: string, mode: number): never;
  watchAsync: FsPromises['watch'];
}

/** The provider of a filesystem whose facade is `fs`, as a subclass of Node's class. */
export function providerOf(base: VirtualProvider, filesystem: MountedFilesystem, fs: Fs): Provider {
  class FilesystemProvider extends base {
    readonly fs = fs;

    get readonly(): boolean {
      return filesystem.readOnly;
    }

    async open(path: string, flags: string | number = 'r', mode = MODE): Promise<ProviderFile> {
      return new ProviderFile(fs, await promisify(fs.open)(path, flags, mode), path, flags, mode);
    }

    openSync(path: string, flags: string | number = 'r', mode = MODE): ProviderFile {
      return new ProviderFile(fs, fs.openSync(path, flags, mode), path, flags, mode);
    }

    async readdir(path: string, options?: ReaddirOptions): Promise<Entries> {
      return withPaths(path, await fs.promises.readdir(path, options as object), options);
    }

    readdirSync(path: string, options?: ReaddirOptions): Entries {
      return withPaths(path, fs.readdirSync(path, options as object), options);
    }

    // Called without options: node:vfs puts the mount point before the path, and encodes the result itself.
    async realpath(path: string): Promise<string> {
      return fs.promises.realpath(path);
    }

    realpathSync(path: string): string {
      return fs.realpathSync(path);
    }

    lchmodSync(path: string): never {
      throw new DaxError({ errno: 'EOPNOTSUPP', syscall: 'lchmod', path, hint: 'links have no permissions of their own on Linux' });
    }
  }

  const same = [...BOTH.flatMap((name) => [[name, fs.promises[name]], [`${name}Sync`, fs[`${name}Sync`]]]), ...SYNC.map((name) => [name, fs[name]])];
  const { watch, watchFile, unwatchFile } = fs;
  const provider: object = Object.assign(new FilesystemProvider(), Object.fromEntries(same) as object, { watch, watchFile, unwatchFile, watchAsync: fs.promises.watch });
  // Node's class has accessors for these, so they are defined and not assigned.
  return Object.defineProperties(provider, { supportsSymlinks: { value: true }, supportsWatch: { value: true } }) as Provider;
}

// node:vfs sets the directory of each entry itself, from the entry's name, which must therefore be a path from the directory that
// is read.
function withPaths(path: string, entries: Entries, options: ReaddirOptions | undefined): Entries {
  if (options?.recursive !== true || options.withFileTypes !== true) return entries;
  for (const entry of entries as Dirent[]) entry.name = relative(path, `${entry.parentPath}/${entry.name}`);
  return entries;
}
