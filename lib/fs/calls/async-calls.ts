// Owns the asynchronous calls, from which the callback and promise forms are made. They do work on names and inodes at once, and
// move content on other threads where that is faster. They expect valid arguments.

import { constants } from 'node:fs';
import { loopTurn } from 'node-dax';
import { hasOpenFlag, toBytes, toEncoding, toFlags, toLength, toMode, toOptions, toPath, type FsPath } from '../arguments/arguments.js';
import { toRead, toVector, toNumericPosition, toWrite } from '../arguments/transfer.js';
import { attempt, attemptAsync, checkAborted, fail } from '../errors/failure.js';
import { FileHandle, type HandleSource } from '../open/file-handle.js';
import type { OpenFile, OpenFiles } from '../open/open-files.js';
import { readWhole, writeWhole, type FileOptions } from '../open/whole-file.js';
import { NODE_MAJOR } from '../release.js';
import { takeInTurns, type Steps } from '../tree/steps.js';
import type { Tree } from '../tree/tree.js';
import { appending, copiedAttributes, copyBuffer, copyFlags, copyTimes, dropCopy, isSame } from './content-calls.js';
import type { SyncCalls } from './sync-calls.js';

/** Calls that wait only for their turn in the event loop. */
const AT_ONCE = [
  'access',
  'chmod',
  'chown',
  'fchmod',
  'fchown',
  'fdatasync',
  'fstat',
  'fsync',
  'futimes',
  'lchown',
  'link',
  'lstat',
  'lutimes',
  'mkdtemp',
  'readlink',
  'realpath',
  'rename',
  'stat',
  'statfs',
  'symlink',
  'unlink',
  'utimes',
] as const;

type AtOnce = (typeof AT_ONCE)[number];
type Promised<F> = F extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : never;

/** Makes a synchronous call asynchronous: it is made when its turn in the event loop comes. */
export function inTurn<A extends unknown[], R>(call: (...args: A) => R): (...args: A) => Promise<R> {
  return async (...args) => {
    const turn = loopTurn();
    if (turn !== undefined) await turn;
    return call(...args);
  };
}

// Makes a call of many steps asynchronous.
function inSteps<A extends unknown[], R>(call: (...args: A) => Steps<R>): (...args: A) => Promise<R> {
  return async (...args) => takeInTurns(call(...args));
}

export type AsyncCalls = ReturnType<typeof asyncCalls>;

export function asyncCalls(tree: Tree, files: OpenFiles, calls: SyncCalls, source: HandleSource) {
  const atOnce = Object.fromEntries(
    AT_ONCE.map((name) => [name, inTurn(calls[`${name}Sync`] as (...args: unknown[]) => unknown)]),
  ) as unknown as { [N in AtOnce]: Promised<SyncCalls[`${N}Sync`]> };

  const openFd = async (path: unknown, flags?: unknown, mode?: unknown): Promise<number> =>
    files.open(toPath(path), toFlags(flags), toMode(mode, 0o666));

  const open = async (path: unknown, flags?: unknown, mode?: unknown): Promise<FileHandle> => {
    const fd = await openFd(path, flags, mode);
    return new FileHandle(fd, files.get(fd, 'open'), source);
  };

  // A descriptor is used as it is; a path is opened for the duration of the call.
  const withFile = async <T>(file: unknown, flags: unknown, mode: unknown, syscall: string, use: (opened: OpenFile) => Promise<T>) => {
    if (typeof file === 'number') return inTurn(use)(files.get(file, syscall));
    const fd = await openFd(file, flags, mode);
    try {
      return await use(files.get(fd, syscall));
    } finally {
      await files.close(fd);
    }
  };

  const writeFile = async (file: unknown, data: unknown, options?: unknown): Promise<void> => {
    const { flag, mode, signal } = toOptions<FileOptions>(options);
    // Before the file is opened, which empties it: text may have an encoding that nobody knows.
    const content = typeof data === 'string' ? toBytes(data, toEncoding(options)) : data;
    checkAborted(signal);
    if (file instanceof FileHandle) await file.writeFile(content, options);
    else await withFile(file, flag ?? 'w', mode ?? 0o666, 'write', async (opened) => {
      // By descriptor, node:fs writes even if there is nothing to write, and fails where the file is open for reading only.
      const isNothing = typeof file === 'number' && ArrayBuffer.isView(content) && content.byteLength === 0;
      if (isNothing) await attemptAsync({ syscall: 'write' }, () => opened.write(new Uint8Array(0), null));
      await writeWhole(opened, content, options);
    });
  };

  const copy = async (path: FsPath, dest: FsPath, flags: number): Promise<void> =>
    withFile(path, 'r', undefined, 'copyfile', async (from) => {
      if (from.inode.isDirectory) fail('EISDIR', { syscall: 'copyfile' });
      if (!hasOpenFlag(flags, constants.O_EXCL) && isSame(tree, from, dest)) return;
      await withFile(dest, flags, from.inode.mode % 0o1000, 'copyfile', async (to) => {
        try {
          copyTimes(tree, from, to);
          const chunk = copyBuffer(from);
          for (let read = await from.read(chunk, null); read > 0; read = await from.read(chunk, null)) {
            await writeWhole(to, chunk.subarray(0, read));
          }
          tree.setattr(to.inode, copiedAttributes(tree, from));
        } catch (error) {
          dropCopy(tree, dest);
          throw error;
        }
      });
    });

  // Since Node 26 these take a signal.
  const unlessAborted = (call: (file: never, options?: unknown) => unknown) =>
    inTurn((file: unknown, options?: unknown) => {
      if (NODE_MAJOR >= 26) checkAborted(toOptions<FileOptions>(options).signal);
      return call(file as never, options);
    });

  return {
    ...atOnce,
    // `throwIfNoEntry` is an option of the synchronous calls only, and of `stat` since Node 24.
    stat: unlessAborted((path, options) => calls.statSync(path, NODE_MAJOR >= 24 ? options : onlyBigint(options))),
    lstat: unlessAborted((path, options) => calls.lstatSync(path, onlyBigint(options))),
    fstat: unlessAborted(calls.fstatSync),
    nativeRealpath: inTurn(calls.nativeRealpathSync),
    rm: inSteps(calls.rmSteps),
    mkdir: inTurn(calls.mkdirLater),
    rmdir: inSteps(calls.rmdirSteps),
    readdir: inSteps((path: unknown, options?: unknown) => calls.readdirSteps(path, options, false)),
    promisedReaddir: inSteps((path: unknown, options?: unknown) => calls.readdirSteps(path, options, true)),
    exists: inTurn(calls.existsSync),
    openFd,
    open,
    close: async (fd: number): Promise<void> => files.close(fd),
    read: async (fd: number, ...args: unknown[]) => {
      const { transfer, buffer } = toRead(args);
      const { bytes, position } = transfer;
      if (bytes.byteLength === 0) return { bytesRead: 0, buffer };
      const turn = loopTurn(0);
      if (turn !== undefined) await turn;
      const bytesRead = await attemptAsync({ syscall: 'read' }, async () => files.get(fd, 'read').read(bytes, position));
      return { bytesRead, buffer };
    },
    write: async (fd: number, ...args: unknown[]) => {
      const { bytes, position } = toWrite(args);
      const turn = loopTurn(0);
      if (turn !== undefined) await turn;
      const bytesWritten = await attemptAsync({ syscall: 'write' }, async () => files.get(fd, 'write').write(bytes, position));
      return { bytesWritten, buffer: args[0] };
    },
    readv: async (fd: number, buffers: unknown, position?: unknown) => {
      const vector = toVector(buffers);
      const read = async () => {
        const opened = files.get(fd, 'read');
        return vector.length === 0 ? fail('EINVAL', { syscall: 'read' }) : opened.read(vector, toNumericPosition(position));
      };
      return { bytesRead: await attemptAsync({ syscall: 'read' }, read), buffers };
    },
    writev: async (fd: number, buffers: unknown, position?: unknown) => {
      const vector = toVector(buffers);
      if (vector.length === 0) return { bytesWritten: 0, buffers };
      const write = async () => files.get(fd, 'write').write(vector, toNumericPosition(position));
      return { bytesWritten: await attemptAsync({ syscall: 'write' }, write), buffers };
    },
    ftruncate: async (fd: number, length?: unknown): Promise<void> => {
      await attemptAsync({ syscall: 'ftruncate' }, async () => files.get(fd, 'ftruncate').truncate(toLength(length)));
    },
    readFile: async (file: unknown, options?: unknown): Promise<string | Buffer> => {
      const { flag, signal } = toOptions<FileOptions>(options);
      checkAborted(signal);
      if (file instanceof FileHandle) return file.readFile(options);
      // Since Node 26 an error of reading names the path.
      const call = { syscall: 'read', path: NODE_MAJOR < 26 || typeof file === 'number' ? undefined : toPath(file) };
      return withFile(file, flag ?? 'r', 0o666, 'read', (opened) => attemptAsync(call, () => readWhole(opened, options)));
    },
    writeFile,
    appendFile: async (file: unknown, data: unknown, options?: unknown): Promise<void> => writeFile(file, data, appending(options)),
    truncate: async (path: unknown, length?: unknown): Promise<void> => {
      await withFile(path, 'r+', undefined, 'ftruncate', async (opened) => {
        // Node checks the length only after it has opened the file.
        source.judge('ftruncate', [0, length]);
        await attemptAsync({ syscall: 'ftruncate' }, () => opened.truncate(toLength(length)));
      });
    },
    copyFile: async (source: unknown, destination: unknown, mode?: unknown): Promise<void> => {
      const [path, dest] = [toPath(source), toPath(destination)];
      const flags = attempt({ syscall: 'copyfile', path, dest }, () => copyFlags(mode));
      await attemptAsync({ syscall: 'copyfile', path, dest }, () => copy(path, dest, flags));
    },
  };
}

function onlyBigint(options: unknown): object {
  return { bigint: toOptions<{ bigint: unknown }>(options).bigint };
}
