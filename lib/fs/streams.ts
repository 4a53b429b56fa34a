// Owns streams: those of node:fs itself, over calls of the facade.

import * as nodeFs from 'node:fs';
import { toFlags, toMode, toPath, toPosition } from './arguments.js';
import { toTransfer, toVector } from './content-calls.js';
import { attemptAsync } from './failure.js';
import type { OpenFiles } from './open-files.js';

type Done<T extends unknown[] = []> = (error: unknown, ...results: T) => void;

/** What node's streams ask of a filesystem: the forms with a callback of a few calls. */
export function streamCalls(files: OpenFiles) {
  const settle = <T>(action: () => Promise<T>, done: (error: unknown, result?: T) => void) => {
    action().then(
      (result) => { done(null, result); },
      (error: unknown) => { done(error); },
    );
  };
  return {
    open: (path: unknown, flags: unknown, mode: unknown, done: Done<[fd?: number]>) => {
      settle(async () => files.open(toPath(path), toFlags(flags), toMode(mode, 0o666)), done);
    },
    close: (fd: number, done: Done) => {
      settle(() => files.close(fd), done);
    },
    read: (fd: number, buffer: unknown, offset: unknown, length: unknown, at: unknown, done: Done<[count?: number, buffer?: unknown]>) => {
      const { bytes, position } = toTransfer(buffer, offset, length, at);
      const read = async () => files.get(fd, 'read').read(bytes, position);
      settle(() => attemptAsync({ syscall: 'read' }, read), (error, count) => { done(error, count, buffer); });
    },
    write: (fd: number, buffer: unknown, offset: unknown, length: unknown, at: unknown, done: Done<[count?: number, buffer?: unknown]>) => {
      const { bytes, position } = toTransfer(buffer, offset, length, at);
      const write = async () => files.get(fd, 'write').write(bytes, position);
      settle(() => attemptAsync({ syscall: 'write' }, write), (error, count) => { done(error, count, buffer); });
    },
    writev: (fd: number, buffers: unknown, at: unknown, done: Done<[count?: number, buffers?: unknown]>) => {
      const [vector, position] = [toVector(buffers), toPosition(at)];
      const write = async () => files.get(fd, 'write').write(vector, position);
      settle(() => attemptAsync({ syscall: 'write' }, write), (error, count) => { done(error, count, buffers); });
    },
    fsync: (fd: number, done: Done) => {
      settle(async () => { await Promise.resolve(); files.get(fd, 'fsync').fsync(); }, done);
    },
  };
}

type ReadStreamOptions = Parameters<typeof nodeFs.createReadStream>[1];
type WriteStreamOptions = Parameters<typeof nodeFs.createWriteStream>[1];

function withCalls<T>(options: T, calls: ReturnType<typeof streamCalls>): T {
  const given = typeof options === 'string' ? { encoding: options } : (options ?? {});
  return { ...given, fs: calls } as T;
}

/** As `fs.createReadStream` and `fs.createWriteStream`. */
export function streams(files: OpenFiles) {
  const calls = streamCalls(files);
  return {
    createReadStream: (path: nodeFs.PathLike, options?: ReadStreamOptions) =>
      nodeFs.createReadStream(path, withCalls(options, calls)),
    createWriteStream: (path: nodeFs.PathLike, options?: WriteStreamOptions) =>
      nodeFs.createWriteStream(path, withCalls(options, calls)),
  };
}
