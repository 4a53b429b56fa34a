// Owns streams: Node's own, which call the facade's public functions through their `fs` option.

import * as nodeFs from 'node:fs';
import { settle, type Done } from '../settle.js';
import { FileHandle } from './file-handle.js';

/** The functions that Node's streams call; replacing one in the facade replaces it for the streams. */
type Calls = object;

// Calls for a stream of a handle: they go through the handle, which also closes the descriptor.
function callsOf(handle: FileHandle): Calls {
  return {
    open: () => undefined,
    read: (_fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null, done: Done) => {
      settle(handle.read(buffer, offset, length, position), done, ({ bytesRead }) => [bytesRead, buffer]);
    },
    write: (_fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null, done: Done) => {
      settle(handle.write(buffer, offset, length, position), done, ({ bytesWritten }) => [bytesWritten, buffer]);
    },
    writev: (_fd: number, buffers: Uint8Array[], position: number | null, done: Done) => {
      settle(handle.writev(buffers, position), done, ({ bytesWritten }) => [bytesWritten, buffers]);
    },
    fsync: (_fd: number, done: Done) => { settle(handle.sync(), done); },
    close: (_fd: number, done: Done) => { settle(handle.close(), done); },
  };
}

interface StreamOptions {
  readonly fd?: unknown;
  readonly fs?: object;
}

/** The options that make a Node stream use `calls`. If `fd` is a handle, the stream ends with the handle, which is returned too. */
function withCalls(options: unknown, calls: Calls): { options: unknown; handle?: FileHandle } {
  // Node treats a function as no options.
  if (options === undefined || options === null || typeof options === 'function') return { options: { fs: calls } };
  if (typeof options === 'string') return { options: { encoding: options, fs: calls } };
  if (typeof options !== 'object') return { options };
  const { fd, fs } = options as StreamOptions;
  // The given options become the prototype, so inherited options count too.
  const given = Object.assign(Object.create(options) as object, { fs: fs ?? calls });
  if (!(fd instanceof FileHandle)) return { options: given };
  return { options: Object.assign(given, { fd: fd.fd, fs: callsOf(fd) }), handle: fd };
}

function endWith(stream: nodeFs.ReadStream, handle: FileHandle | undefined): nodeFs.ReadStream {
  if (handle === undefined) return stream;
  const end = () => { stream.close(); };
  handle.once('close', end);
  stream.once('close', () => { handle.off('close', end); });
  return stream;
}

/** A stream class, as in node:fs. */
type StreamClass<T> = new (path: unknown, options?: unknown) => T;

/** The stream classes. Their streams use what `calls` returns when they are created. */
export function streams(calls: () => Calls) {
  const make = <T extends nodeFs.ReadStream | nodeFs.WriteStream>(Base: new (...args: never[]) => T): StreamClass<T> => {
    // Callable without `new`, as Node's own are.
    const Stream = function (this: unknown, path: unknown, options: unknown): object {
      const { options: given, handle } = withCalls(options, calls());
      const stream = Reflect.construct(Base, [path, given] as never[], ((new.target as unknown) as typeof Stream | undefined) ?? Stream) as nodeFs.ReadStream;
      return endWith(stream, handle);
    };
    Object.defineProperty(Stream, 'name', { value: Base.name });
    Object.setPrototypeOf(Stream, Base);
    Stream.prototype = Object.create(Base.prototype as object, { constructor: { value: Stream, writable: true, configurable: true } }) as unknown;
    return Stream as unknown as StreamClass<T>;
  };
  return { ReadStream: make(nodeFs.ReadStream), WriteStream: make(nodeFs.WriteStream) };
}
