// Owns the synchronous calls on the content of files, by descriptor and whole.

import { constants as bufferConstants } from 'node:buffer';
import { constants } from 'node:fs';
import {
  encodeAll,
  hasOpenFlag,
  toBytes,
  toCount,
  toEncoding,
  toFlags,
  toLength,
  toMode,
  toOptions,
  toPath,
  toPosition,
  viewOf,
  type FsPath,
} from './arguments.js';
import type { MountedFilesystem } from './contract.js';
import { attempt, fail } from './failure.js';
import type { OpenFile, OpenFiles } from './open-files.js';

export interface WriteFileOptions {
  readonly encoding?: unknown;
  readonly flag?: string | number | null;
  readonly mode?: number | string;
  readonly flush?: boolean;
  readonly signal?: AbortSignal;
}

/** What a read or write by descriptor is about. */
export interface Transfer {
  readonly bytes: Uint8Array;
  readonly position: number | null;
}

const COPY_CHUNK = 1024 * 1024;

/** `(buffer, offset, length, position)` or `(buffer, { offset, length, position })`. */
export function toTransfer(buffer: unknown, offset: unknown, length: unknown, position: unknown): Transfer {
  const view = viewOf(buffer, 'buffer');
  if (typeof offset === 'object' && offset !== null) {
    const options = offset as { offset?: unknown; length?: unknown; position?: unknown };
    return toTransfer(buffer, options.offset, options.length, options.position);
  }
  const from = toCount(offset ?? 0, 'offset', view.byteLength);
  const count = toCount(length ?? view.byteLength - from, 'length', view.byteLength - from);
  return { bytes: view.subarray(from, from + count), position: toPosition(position) };
}

/** As `toTransfer`, or `(string, position, encoding)`. */
export function toWrite(data: unknown, second: unknown, third: unknown, fourth: unknown): Transfer {
  if (typeof data !== 'string') return toTransfer(data, second, third, fourth);
  return { bytes: toBytes(data, toEncoding(third)), position: toPosition(second) };
}

/** Vectors are one buffer after the other from a position on. */
export function toVector(buffers: unknown, name = 'buffers'): Uint8Array[] {
  if (!Array.isArray(buffers)) return [viewOf(buffers, name)];
  return buffers.map((buffer) => viewOf(buffer, name));
}

/** A buffer for what is left of a file, and one byte more, so that its end is seen. */
export function bufferFor(opened: OpenFile): Buffer {
  const left = Math.max(0, opened.size - opened.position);
  if (left >= bufferConstants.MAX_LENGTH) {
    const error = new RangeError(`File size (${left}) is greater than ${bufferConstants.MAX_LENGTH} bytes`);
    throw Object.assign(error, { code: 'ERR_FS_FILE_TOO_LARGE' });
  }
  return Buffer.allocUnsafe(left + 1);
}

/** How a file is copied: what to open, and with which permissions. */
export function toCopy(mode: unknown): { flags: number } {
  const flags = toCount(mode ?? 0, 'mode', 7);
  const { COPYFILE_EXCL, COPYFILE_FICLONE_FORCE } = constants;
  if (hasOpenFlag(flags, COPYFILE_FICLONE_FORCE)) fail('ENOSYS', { syscall: 'copyfile' });
  return { flags: toFlags(hasOpenFlag(flags, COPYFILE_EXCL) ? 'wx' : 'w') };
}

/** The synchronous calls of node:fs on content. */
export function contentCalls(mounted: MountedFilesystem, files: OpenFiles) {
  const openSync = (path: unknown, flags?: unknown, mode?: unknown): number =>
    files.openSync(toPath(path), toFlags(flags), toMode(mode, 0o666));

  const closeSync = (fd: number): void => {
    attempt({ syscall: 'close' }, () => { files.closeSync(fd); });
  };

  // A descriptor is used as it is; a path is opened for as long as it takes.
  const withFile = <T>(file: unknown, flags: string | number, mode: unknown, use: (opened: OpenFile) => T): T => {
    if (typeof file === 'number') return use(files.get(file, 'read'));
    const fd = openSync(file, flags, mode);
    try {
      return use(files.get(fd, 'read'));
    } finally {
      closeSync(fd);
    }
  };

  const readAll = (opened: OpenFile): Buffer => {
    let buffer = bufferFor(opened);
    let filled = 0;
    for (;;) {
      const read = opened.readSync(buffer.subarray(filled), null);
      if (read === 0) return buffer.subarray(0, filled);
      filled += read;
      if (filled === buffer.length) buffer = Buffer.concat([buffer, bufferFor(opened)]);
    }
  };

  const writeAll = (opened: OpenFile, bytes: Uint8Array): void => {
    for (let done = 0; done < bytes.byteLength; ) done += opened.writeSync(bytes.subarray(done), null);
  };

  const moveEach = (buffers: Uint8Array[], position: unknown, move: (buffer: Uint8Array, at: number | null) => number) => {
    const start = toPosition(position);
    let moved = 0;
    for (const buffer of buffers) {
      const count = move(buffer, start === null ? null : start + moved);
      moved += count;
      if (count < buffer.byteLength) break;
    }
    return moved;
  };

  const writeFileSync = (file: unknown, data: unknown, options?: unknown): void => {
    const { flag, mode, flush = false } = toOptions(options as WriteFileOptions | null | undefined);
    const bytes = toBytes(data, toEncoding(options));
    withFile(file, flag ?? 'w', mode, (opened) => {
      attempt({ syscall: 'write' }, () => { writeAll(opened, bytes); });
      if (flush) opened.fsync();
    });
  };

  return {
    openSync,
    closeSync,
    readSync: (fd: number, buffer: unknown, offset?: unknown, length?: unknown, position?: unknown): number => {
      const { bytes, position: at } = toTransfer(buffer, offset, length, position);
      // Node asks nobody then.
      if (bytes.byteLength === 0) return 0;
      return attempt({ syscall: 'read' }, () => files.get(fd, 'read').readSync(bytes, at));
    },
    writeSync: (fd: number, data: unknown, second?: unknown, third?: unknown, fourth?: unknown): number => {
      const { bytes, position } = toWrite(data, second, third, fourth);
      return attempt({ syscall: 'write' }, () => files.get(fd, 'write').writeSync(bytes, position));
    },
    readvSync: (fd: number, buffers: unknown, position?: unknown): number => {
      const opened = files.get(fd, 'read');
      return attempt({ syscall: 'read' }, () => moveEach(toVector(buffers), position, (buffer, at) => opened.readSync(buffer, at)));
    },
    writevSync: (fd: number, buffers: unknown, position?: unknown): number => {
      const opened = files.get(fd, 'write');
      return attempt({ syscall: 'write' }, () => moveEach(toVector(buffers), position, (buffer, at) => opened.writeSync(buffer, at)));
    },
    ftruncateSync: (fd: number, length: unknown = 0): void => {
      const size = toLength(length);
      attempt({ syscall: 'ftruncate' }, () => { files.get(fd, 'ftruncate').truncateSync(size); });
    },
    fsyncSync: (fd: number): void => {
      attempt({ syscall: 'fsync' }, () => { files.get(fd, 'fsync').fsync(); });
    },
    fdatasyncSync: (fd: number): void => {
      attempt({ syscall: 'fdatasync' }, () => { files.get(fd, 'fdatasync').fsync(); });
    },
    readFileSync: (file: unknown, options?: unknown): string | Buffer => {
      const encoding = toEncoding(options);
      const { flag } = toOptions(options as WriteFileOptions | null | undefined);
      const content = withFile(file, flag ?? 'r', undefined, (opened) => attempt({ syscall: 'read' }, () => readAll(opened)));
      return encodeAll(content, encoding);
    },
    writeFileSync,
    appendFileSync: (file: unknown, data: unknown, options?: unknown): void => {
      const given: WriteFileOptions = typeof options === 'string' ? { encoding: options } : toOptions(options as WriteFileOptions | null | undefined);
      writeFileSync(file, data, { ...given, flag: given.flag ?? 'a' });
    },
    truncateSync: (path: unknown, length: unknown = 0): void => {
      withFile(path, 'r+', undefined, (opened) => {
        attempt({ syscall: 'ftruncate' }, () => { opened.truncateSync(toLength(length)); });
      });
    },
    copyFileSync: (source: unknown, destination: unknown, mode?: unknown): void => {
      const [path, dest] = [toPath(source, 'src'), toPath(destination, 'dest')];
      attempt({ syscall: 'copyfile', path, dest }, () => {
        const { flags } = toCopy(mode);
        withFile(path, 'r', undefined, (from) => {
          if (from.inode.isDirectory) fail('EISDIR', { syscall: 'copyfile' });
          if (!hasOpenFlag(flags, constants.O_EXCL) && isSame(mounted, from, dest)) return;
          withFile(dest, flags, from.inode.mode % 0o1000, (to) => {
            try {
              const chunk = Buffer.allocUnsafe(Math.max(1, Math.min(COPY_CHUNK, from.size)));
              for (let read = from.readSync(chunk, null); read > 0; read = from.readSync(chunk, null)) {
                writeAll(to, chunk.subarray(0, read));
              }
              mounted.setattr(to.inode, { mode: toMode(from.inode.mode) });
            } catch (error) {
              dropCopy(mounted, dest);
              throw error;
            }
          });
        });
      });
    },
  };
}

/** Removes the destination of a copy that failed, as node:fs does, even if it was there before. */
export function dropCopy(mounted: MountedFilesystem, dest: FsPath): void {
  try {
    const { dir, name } = mounted.resolveParent(dest);
    mounted.unlink(dir, name);
  } catch {
    // What the copy failed of is what is told.
  }
}

/** Whether a file is to be copied to itself, which would leave nothing of it. */
export function isSame(mounted: MountedFilesystem, from: OpenFile, dest: FsPath): boolean {
  try {
    return mounted.resolve(dest).ino === from.inode.ino;
  } catch {
    return false;
  }
}

