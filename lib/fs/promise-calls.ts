// Owns the promise forms: names and inodes are dealt with at once, content moves on other threads where that pays.

import { constants } from 'node:fs';
import { loopTurn } from 'node-dax';
import { hasOpenFlag, toEncoding, toFlags, toMode, toOptions, toPath, type FsPath } from './arguments.js';
import { dropCopy, isSame, toCopy, type WriteFileOptions } from './content-calls.js';
import type { MountedFilesystem } from './contract.js';
import { attemptAsync, checkAborted, fail } from './failure.js';
import { OpenHandle, toChunks } from './file-handle.js';
import type { SyncCalls } from './sync-calls.js';
import type { OpenFiles } from './open-files.js';

const COPY_CHUNK = 1024 * 1024;

/** Calls that wait for nothing but the event loop's turn. */
const AT_ONCE = [
  'access',
  'chmod',
  'chown',
  'lchown',
  'link',
  'lstat',
  'lutimes',
  'mkdir',
  'mkdtemp',
  'readdir',
  'readlink',
  'realpath',
  'rename',
  'rm',
  'rmdir',
  'stat',
  'statfs',
  'symlink',
  'unlink',
  'utimes',
] as const;

type AtOnce = (typeof AT_ONCE)[number];
type Promised<F> = F extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : never;

/** The calls of `node:fs/promises`. */
export function promiseCalls(mounted: MountedFilesystem, files: OpenFiles, calls: SyncCalls) {
  const atOnce = Object.fromEntries(
    AT_ONCE.map((name) => [
      name,
      async (...args: unknown[]) => {
        const turn = loopTurn();
        if (turn !== undefined) await turn;
        return (calls[`${name}Sync`] as (...args: unknown[]) => unknown)(...args);
      },
    ]),
  ) as unknown as { [N in AtOnce]: Promised<SyncCalls[`${N}Sync`]> };

  const open = async (path: unknown, flags?: unknown, mode?: unknown): Promise<OpenHandle> => {
    const fd = await files.open(toPath(path), toFlags(flags), toMode(mode, 0o666));
    return new OpenHandle(fd, files.get(fd, 'open'), calls, () => files.close(fd));
  };

  const withHandle = async <T>(file: unknown, flags: string | number, mode: unknown, use: (handle: OpenHandle) => Promise<T>) => {
    if (file instanceof OpenHandle) return use(file);
    const handle = await open(file, flags, mode);
    try {
      return await use(handle);
    } finally {
      await handle.close();
    }
  };

  const writeFile = async (file: unknown, data: unknown, options?: unknown): Promise<void> => {
    const { flag, mode, signal } = toOptions(options as WriteFileOptions | null | undefined);
    checkAborted(signal);
    // What cannot be written empties no file.
    const chunks = toChunks(data, toEncoding(options));
    await withHandle(file, flag ?? 'w', mode, (handle) => handle.writeFile(chunks, options));
  };

  const copy = async (path: FsPath, dest: FsPath, flags: number): Promise<void> => {
    const from = await open(path);
    try {
      const source = files.get(from.fd, 'read');
      if (source.inode.isDirectory) fail('EISDIR', { syscall: 'copyfile' });
      if (!hasOpenFlag(flags, constants.O_EXCL) && isSame(mounted, source, dest)) return;
      await withHandle(dest, flags, source.inode.mode % 0o1000, async (to) => {
        try {
          const chunk = Buffer.allocUnsafe(Math.max(1, Math.min(COPY_CHUNK, source.size)));
          for (let read = await source.read(chunk, null); read > 0; read = await source.read(chunk, null)) {
            await to.writeFile(chunk.subarray(0, read));
          }
          await to.chmod(source.inode.mode % 0o10000);
        } catch (error) {
          dropCopy(mounted, dest);
          throw error;
        }
      });
    } finally {
      await from.close();
    }
  };

  return {
    ...atOnce,
    open,
    readFile: async (file: unknown, options?: unknown): Promise<string | Buffer> => {
      const { flag, signal } = toOptions(options as WriteFileOptions | null | undefined);
      checkAborted(signal);
      return withHandle(file, flag ?? 'r', undefined, (handle) => handle.readFile(options));
    },
    writeFile,
    appendFile: async (file: unknown, data: unknown, options?: unknown): Promise<void> => {
      const given: WriteFileOptions = typeof options === 'string' ? { encoding: options } : toOptions(options as WriteFileOptions | null | undefined);
      await writeFile(file, data, { ...given, flag: given.flag ?? 'a' });
    },
    truncate: async (path: unknown, length?: unknown): Promise<void> => {
      await withHandle(path, 'r+', undefined, (handle) => handle.truncate(length));
    },
    copyFile: async (source: unknown, destination: unknown, mode?: unknown): Promise<void> => {
      const [path, dest] = [toPath(source, 'src'), toPath(destination, 'dest')];
      await attemptAsync({ syscall: 'copyfile', path, dest }, () => copy(path, dest, toCopy(mode).flags));
    },
  };
}
