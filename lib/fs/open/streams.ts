// Owns streams: those of node:fs itself, through its `fs` option, over the public functions of the facade.

import * as nodeFs from 'node:fs';
import { settle, type Done } from '../settle.js';
import { FileHandle } from './file-handle.js';

/** The functions that node's streams call; who replaces one in the facade replaces it for them. */
type Calls = object;

// A handle's descriptor is closed by the handle.
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

/** Options with which a stream of node's works on `calls`; a handle's stream ends with it. */
function withCalls(options: unknown, calls: Calls): { options: unknown; handle?: FileHandle } {
  // Node takes a function for no options.
  if (options === undefined || options === null || typeof options === 'function') return { options: { fs: calls } };
  if (typeof options === 'string') return { options: { encoding: options, fs: calls } };
  if (typeof options !== 'object') return { options };
  const { fd, fs } = options as StreamOptions;
  // Inherited options count.
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

/** A class of streams, as node:fs has it. */
type StreamClass<T> = new (path: unknown, options?: unknown) => T;

/** The streams and their classes, over what `calls` gives when they are made. */
export function streams(calls: () => Calls) {
  const make = <T extends nodeFs.ReadStream | nodeFs.WriteStream>(Base: new (...args: never[]) => T): StreamClass<T> => {
    // Callable without `new`, as node's own.
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
