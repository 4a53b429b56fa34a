// Owns the synchronous calls on file content, by descriptor and on whole files.

import { constants } from 'node:fs';
import {
  encodeAll,
  hasOpenFlag,
  toBytes,
  toEncoding,
  toFlags,
  toLength,
  toMode,
  toOptions,
  toPath,
  type FsPath,
} from '../arguments/arguments.js';
import { toRead, toVector, toNumericPosition, toWrite } from '../arguments/transfer.js';
import type { FsAttributes } from '../contract.js';
import { attempt, fail } from '../errors/failure.js';
import type { OpenFile, OpenFiles } from '../open/open-files.js';
import { readWholeSync, writeWholeSync, type FileOptions } from '../open/whole-file.js';
import { NODE_MAJOR } from '../release.js';
import type { Tree } from '../tree/tree.js';

const COPY_CHUNK = 1024 * 1024;
const LEAST_CHUNK = 64 * 1024;

/** The buffer through which a copy moves a file in chunks: not too small for a file that grows meanwhile. */
export function copyBuffer(from: OpenFile): Buffer {
  return Buffer.allocUnsafe(Math.max(LEAST_CHUNK, Math.min(COPY_CHUNK, from.size)));
}

/** The flags with which a copy opens its destination. */
export function copyFlags(mode: unknown): number {
  const flags = Number(mode ?? 0);
  const { COPYFILE_EXCL, COPYFILE_FICLONE_FORCE } = constants;
  if (hasOpenFlag(flags, COPYFILE_FICLONE_FORCE)) fail('EOPNOTSUPP', { syscall: 'copyfile' });
  return toFlags(hasOpenFlag(flags, COPYFILE_EXCL) ? 'wx' : 'w');
}

/** The options of `appendFile`. */
export function appending(options: unknown): FileOptions {
  const given = typeof options === 'string' ? { encoding: options as BufferEncoding } : toOptions<FileOptions>(options);
  return { ...given, flag: given.flag ?? 'a' };
}

/** The synchronous calls of node:fs on content. */
export function contentCalls(tree: Tree, files: OpenFiles) {
  const openSync = (path: unknown, flags?: unknown, mode?: unknown): number =>
    files.openSync(toPath(path), toFlags(flags), toMode(mode, 0o666));

  const closeSync = (fd: number): void => {
    attempt({ syscall: 'close' }, () => { files.closeSync(fd); });
  };

  // A descriptor is used as it is; a path is opened for the duration of the call.
  const withFile = <T>(file: unknown, flags: unknown, mode: unknown, syscall: string, use: (opened: OpenFile) => T): T => {
    if (typeof file === 'number') return use(files.get(file, syscall));
    const fd = openSync(file, flags, mode);
    try {
      return use(files.get(fd, syscall));
    } finally {
      closeSync(fd);
    }
  };

  const moveEach = (buffers: Uint8Array[], position: unknown, move: (buffer: Uint8Array, at: number | null) => number) => {
    const start = toNumericPosition(position);
    let moved = 0;
    for (const buffer of buffers) {
      const count = move(buffer, start === null ? null : start + moved);
      moved += count;
      if (count < buffer.byteLength) break;
    }
    return moved;
  };

  const writeFileSync = (file: unknown, data: unknown, options?: unknown): void => {
    const { flag, mode, flush } = toOptions<FileOptions>(options);
    const bytes = toBytes(data, toEncoding(options));
    // Node makes no system call in this case.
    if (typeof file === 'number' && bytes.byteLength === 0 && flush !== true) return;
    withFile(file, flag ?? 'w', mode ?? 0o666, 'write', (opened) => {
      attempt({ syscall: 'write' }, () => { writeWholeSync(opened, bytes); });
      if (flush === true) opened.fsync();
    });
  };

  return {
    openSync,
    closeSync,
    readSync: (fd: number, ...args: readonly unknown[]): number => {
      // Only the synchronous form accepts null as options.
      const { bytes, position } = toRead(args[1] === null ? [args[0]] : args).transfer;
      // Node makes no system call in this case.
      if (bytes.byteLength === 0) return 0;
      return attempt({ syscall: 'read' }, () => files.get(fd, 'read').readSync(bytes, position));
    },
    writeSync: (fd: number, ...args: readonly unknown[]): number => {
      const { bytes, position } = toWrite(args);
      return attempt({ syscall: 'write' }, () => files.get(fd, 'write').writeSync(bytes, position));
    },
    readvSync: (fd: number, buffers: unknown, position?: unknown): number => {
      const vector = toVector(buffers);
      const opened = files.get(fd, 'read');
      if (vector.length === 0) fail('EINVAL', { syscall: 'read' });
      return attempt({ syscall: 'read' }, () => moveEach(vector, position, (buffer, at) => opened.readSync(buffer, at)));
    },
    writevSync: (fd: number, buffers: unknown, position?: unknown): number => {
      const vector = toVector(buffers);
      // Node makes no system call in this case.
      if (vector.length === 0) return 0;
      const opened = files.get(fd, 'write');
      return attempt({ syscall: 'write' }, () => moveEach(vector, position, (buffer, at) => opened.writeSync(buffer, at)));
    },
    ftruncateSync: (fd: number, length?: unknown): void => {
      attempt({ syscall: 'ftruncate' }, () => { files.get(fd, 'ftruncate').truncateSync(toLength(length)); });
    },
    fsyncSync: (fd: number): void => {
      attempt({ syscall: 'fsync' }, () => { files.get(fd, 'fsync').fsync(); });
    },
    fdatasyncSync: (fd: number): void => {
      attempt({ syscall: 'fdatasync' }, () => { files.get(fd, 'fdatasync').fsync(); });
    },
    readFileSync: (file: unknown, options?: unknown): string | Buffer => {
      const { flag } = toOptions<FileOptions>(options);
      const encoding = toEncoding(options);
      // The system call that fails first in Node.
      const syscall = encoding === 'utf8' || encoding === 'utf-8' ? 'read' : 'fstat';
      const content = withFile(file, flag ?? 'r', 0o666, syscall, (opened) => attempt({ syscall: 'read' }, () => readWholeSync(opened, options)));
      return encodeAll(content, encoding);
    },
    writeFileSync,
    appendFileSync: (file: unknown, data: unknown, options?: unknown): void => {
      writeFileSync(file, data, appending(options));
    },
    truncateSync: (path: unknown, length?: unknown): void => {
      withFile(path, 'r+', undefined, 'ftruncate', (opened) => {
        attempt({ syscall: 'ftruncate' }, () => { opened.truncateSync(toLength(length)); });
      });
    },
    copyFileSync: (source: unknown, destination: unknown, mode?: unknown): void => {
      const [path, dest] = [toPath(source), toPath(destination)];
      attempt({ syscall: 'copyfile', path, dest }, () => {
        const flags = copyFlags(mode);
        withFile(path, 'r', undefined, 'copyfile', (from) => {
          if (from.inode.isDirectory) fail('EISDIR', { syscall: 'copyfile' });
          if (!hasOpenFlag(flags, constants.O_EXCL) && isSame(tree, from, dest)) return;
          withFile(dest, flags, from.inode.mode % 0o1000, 'copyfile', (to) => {
            try {
              copyTimes(tree, from, to);
              const chunk = copyBuffer(from);
              for (let read = from.readSync(chunk, null); read > 0; read = from.readSync(chunk, null)) {
                writeWholeSync(to, chunk.subarray(0, read));
              }
              tree.setattr(to.inode, copiedAttributes(tree, from));
            } catch (error) {
              dropCopy(tree, dest);
              throw error;
            }
          });
        });
      });
    },
  };
}

/** What a copy takes over from its source: the permissions and, with the libuv of later Nodes, the owners. */
export function copiedAttributes(tree: Tree, { inode }: OpenFile): FsAttributes {
  const mode = toMode(inode.mode);
  if (NODE_MAJOR < 22) return { mode };
  const { uid, gid } = tree.stat(inode);
  return { mode, uid, gid };
}

/** Gives a copy the times of its source before it has content, as the libuv of later Nodes does: only an empty one keeps both. */
export function copyTimes(tree: Tree, from: OpenFile, to: OpenFile): void {
  if (NODE_MAJOR < 22) return;
  const { atimeNs, mtimeNs } = tree.stat(from.inode, { nanoseconds: true });
  tree.setattr(to.inode, { atimeNs, mtimeNs });
}

/** Removes the destination of a failed copy, as node:fs does, even if it existed before. */
export function dropCopy(tree: Tree, dest: FsPath): void {
  try {
    const { dir, name } = tree.resolveParent(dest);
    tree.unlink(dir, name);
  } catch {
    // The error of the copy is reported instead.
  }
}

/** Whether a file would be copied onto itself, which would destroy its content. */
export function isSame(tree: Tree, from: OpenFile, dest: FsPath): boolean {
  try {
    return tree.resolve(dest).ino === from.inode.ino;
  } catch {
    return false;
  }
}
