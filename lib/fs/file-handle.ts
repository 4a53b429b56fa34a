// Owns the handles of the promise forms: an open file with its methods.

import { encodeAll, toBytes, toEncoding, toLength, toOptions, toPosition } from './arguments.js';
import { bufferFor, toTransfer, toVector, toWrite, type WriteFileOptions } from './content-calls.js';
import { attemptAsync, checkAborted, fail } from './failure.js';
import type { OpenFile } from './open-files.js';
import type { SyncCalls } from './index.js';

const READ_LENGTH = 16384;

type Chunks = Iterable<unknown> | AsyncIterable<unknown>;

/** As `FileHandle` of `node:fs/promises`, as far as it has methods. Close it. */
export class OpenHandle {
  readonly fd: number;
  readonly #opened: OpenFile;
  readonly #calls: SyncCalls;
  readonly #close: () => Promise<void>;
  #closing: Promise<void> | undefined;

  /** @internal Use `open`. `close` takes the descriptor out of use. */
  constructor(fd: number, opened: OpenFile, calls: SyncCalls, close: () => Promise<void>) {
    this.fd = fd;
    this.#opened = opened;
    this.#calls = calls;
    this.#close = close;
  }

  /** `(buffer, offset, length, position)` or `(buffer, options)` or `(options)`. */
  async read(
    ...args: [buffer?: unknown, offset?: unknown, length?: unknown, position?: unknown]
  ): Promise<{ bytesRead: number; buffer: unknown }> {
    const opened = this.#usable('read');
    const [first, offset, length, at] = args;
    const options = ArrayBuffer.isView(first) ? undefined : ((first ?? {}) as { buffer?: unknown });
    const buffer = options === undefined ? first : (options.buffer ?? Buffer.alloc(READ_LENGTH));
    const { bytes, position } = toTransfer(buffer, options ?? offset, length, at);
    return { bytesRead: await attemptAsync({ syscall: 'read' }, () => opened.read(bytes, position)), buffer };
  }

  /** `(buffer, offset, length, position)` or `(buffer, options)` or `(string, position, encoding)`. */
  async write<T>(data: T, second?: unknown, third?: unknown, fourth?: unknown): Promise<{ bytesWritten: number; buffer: T }> {
    const opened = this.#usable('write');
    const { bytes, position } = toWrite(data, second, third, fourth);
    return { bytesWritten: await attemptAsync({ syscall: 'write' }, () => opened.write(bytes, position)), buffer: data };
  }

  async readv<T>(buffers: T, position?: unknown): Promise<{ bytesRead: number; buffers: T }> {
    const opened = this.#usable('read');
    const read = await this.#each('read', toVector(buffers), position, (buffer, at) => opened.read(buffer, at));
    return { bytesRead: read, buffers };
  }

  async writev<T>(buffers: T, position?: unknown): Promise<{ bytesWritten: number; buffers: T }> {
    const opened = this.#usable('write');
    const written = await this.#each('write', toVector(buffers), position, (buffer, at) => opened.write(buffer, at));
    return { bytesWritten: written, buffers };
  }

  /** What is left from the current position on. */
  async readFile(options?: unknown): Promise<string | Buffer> {
    const opened = this.#usable('read');
    const { signal } = toOptions(options as WriteFileOptions | null | undefined);
    const content = await attemptAsync({ syscall: 'read' }, async () => {
      let buffer = bufferFor(opened);
      let filled = 0;
      for (;;) {
        checkAborted(signal);
        const read = await opened.read(buffer.subarray(filled), null);
        if (read === 0) return buffer.subarray(0, filled);
        filled += read;
        if (filled === buffer.length) buffer = Buffer.concat([buffer, bufferFor(opened)]);
      }
    });
    return encodeAll(content, toEncoding(options));
  }

  /** From the current position on; nothing is cut off. Bytes, text, or an iterable of either. */
  async writeFile(data: unknown, options?: unknown): Promise<void> {
    const opened = this.#usable('write');
    const encoding = toEncoding(options);
    const { signal, flush = false } = toOptions(options as WriteFileOptions | null | undefined);
    for await (const chunk of toChunks(data, encoding)) {
      const bytes = toBytes(chunk, encoding);
      await attemptAsync({ syscall: 'write' }, async () => {
        for (let done = 0; done < bytes.byteLength; ) {
          checkAborted(signal);
          done += await opened.write(bytes.subarray(done), null);
        }
      });
    }
    if (flush) opened.fsync();
  }

  async appendFile(data: unknown, options?: unknown): Promise<void> {
    await this.writeFile(data, options);
  }

  async truncate(length: unknown = 0): Promise<void> {
    const opened = this.#usable('ftruncate');
    const size = toLength(length);
    await attemptAsync({ syscall: 'ftruncate' }, () => opened.truncate(size));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as the others, and as fstatSync
  async stat(options?: unknown) {
    this.#usable('fstat');
    return this.#calls.fstatSync(this.fd, options);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as the others
  async sync(): Promise<void> {
    this.#usable('fsync').fsync();
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as the others
  async datasync(): Promise<void> {
    this.#usable('fdatasync').fsync();
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as the others
  async chmod(mode: unknown): Promise<void> {
    this.#calls.fchmodSync(this.fd, mode);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as the others
  async chown(uid: unknown, gid: unknown): Promise<void> {
    this.#calls.fchownSync(this.fd, uid, gid);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as the others
  async utimes(atime: unknown, mtime: unknown): Promise<void> {
    this.#calls.futimesSync(this.fd, atime, mtime);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #usable(syscall: string): OpenFile {
    if (this.#closing !== undefined) fail('EBADF', { syscall });
    return this.#opened;
  }

  async #each(
    syscall: string,
    buffers: Uint8Array[],
    position: unknown,
    move: (buffer: Uint8Array, at: number | null) => Promise<number>,
  ): Promise<number> {
    const start = toPosition(position);
    let moved = 0;
    for (const buffer of buffers) {
      const count = await attemptAsync({ syscall }, () => move(buffer, start === null ? null : start + moved));
      moved += count;
      if (count < buffer.byteLength) break;
    }
    return moved;
  }
}

/** What is to be written, one after the other. The chunks of an iterable are checked when they come. */
export function toChunks(data: unknown, encoding: ReturnType<typeof toEncoding>): Chunks {
  return isIterable(data) ? data : [toBytes(data, encoding)];
}

function isIterable(data: unknown): data is Chunks {
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data)) return false;
  return Symbol.iterator in data || Symbol.asyncIterator in data;
}
