// Owns the handles of the promise forms: an open file with its methods.

import { AbortError, loopTurn } from 'node-dax';
import { encodeAll, toBytes, toEncoding, toLength, toOptions, toPosition } from './arguments.js';
import { bufferFor, toTransfer, toVector, toWrite, type WriteFileOptions } from './content-calls.js';
import { attemptAsync, checkAborted, fail } from './failure.js';
import type { OpenFile } from './open-files.js';
import type { SyncCalls } from './sync-calls.js';

const READ_LENGTH = 16384;

type Chunks = Iterable<unknown> | AsyncIterable<unknown>;

/** As `FileHandle` of `node:fs/promises`, as far as it has methods. Close it. */
export class OpenHandle {
  readonly fd: number;
  readonly #opened: OpenFile;
  readonly #calls: SyncCalls;
  readonly #close: () => Promise<void>;
  // Calls that have not ended, and who waits for that.
  #begun = 0;
  #whenDone: (() => void) | undefined;
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
    return this.#call('read', async (opened) => {
      const [first, offset, length, at] = args;
      const options = ArrayBuffer.isView(first) ? undefined : ((first ?? {}) as { buffer?: unknown });
      const buffer = options === undefined ? first : (options.buffer ?? Buffer.alloc(READ_LENGTH));
      const { bytes, position } = toTransfer(buffer, options ?? offset, length, at);
      return { bytesRead: await attemptAsync({ syscall: 'read' }, () => opened.read(bytes, position)), buffer };
    }, 0);
  }

  /** `(buffer, offset, length, position)` or `(buffer, options)` or `(string, position, encoding)`. */
  async write<T>(data: T, second?: unknown, third?: unknown, fourth?: unknown): Promise<{ bytesWritten: number; buffer: T }> {
    return this.#call('write', async (opened) => {
      const { bytes, position } = toWrite(data, second, third, fourth);
      return { bytesWritten: await attemptAsync({ syscall: 'write' }, () => opened.write(bytes, position)), buffer: data };
    }, 0);
  }

  async readv<T>(buffers: T, position?: unknown): Promise<{ bytesRead: number; buffers: T }> {
    return this.#call('read', async (opened) => {
      const [vector, at] = [toVector(buffers), toPosition(position)];
      return { bytesRead: await attemptAsync({ syscall: 'read' }, () => opened.read(vector, at)), buffers };
    });
  }

  async writev<T>(buffers: T, position?: unknown): Promise<{ bytesWritten: number; buffers: T }> {
    return this.#call('write', async (opened) => {
      const [vector, at] = [toVector(buffers), toPosition(position)];
      return { bytesWritten: await attemptAsync({ syscall: 'write' }, () => opened.write(vector, at)), buffers };
    });
  }

  /** What is left from the current position on. */
  async readFile(options?: unknown): Promise<string | Buffer> {
    return this.#call('read', async (opened) => {
      const { signal } = toOptions(options as WriteFileOptions | null | undefined);
      const content = await attemptAsync({ syscall: 'read' }, async () => {
        let buffer = bufferFor(opened);
        let filled = 0;
        for (;;) {
          checkAborted(signal);
          const read = await opened.read(buffer.subarray(filled), null, signal);
          if (read === 0) return buffer.subarray(0, filled);
          filled += read;
          if (filled === buffer.length) buffer = Buffer.concat([buffer, bufferFor(opened)]);
        }
      });
      return encodeAll(content, toEncoding(options));
    });
  }

  /** From the current position on; nothing is cut off. Bytes, text, or an iterable of either. */
  async writeFile(data: unknown, options?: unknown): Promise<void> {
    return this.#call('write', async (opened) => {
      const encoding = toEncoding(options);
      const { signal, flush = false } = toOptions(options as WriteFileOptions | null | undefined);
      let written = 0;
      try {
        for await (const chunk of toChunks(data, encoding)) {
          const bytes = toBytes(chunk, encoding);
          await attemptAsync({ syscall: 'write' }, async () => {
            for (let done = 0; done < bytes.byteLength; ) {
              checkAborted(signal);
              const moved = await opened.write(bytes.subarray(done), null, signal);
              done += moved;
              written += moved;
            }
          });
        }
      } catch (error) {
        if (error instanceof AbortError) error.bytesMoved += written;
        throw error;
      }
      if (flush) opened.fsync();
    });
  }

  async appendFile(data: unknown, options?: unknown): Promise<void> {
    await this.writeFile(data, options);
  }

  async truncate(length: unknown = 0): Promise<void> {
    await this.#call('ftruncate', async (opened) => {
      const size = toLength(length);
      await attemptAsync({ syscall: 'ftruncate' }, () => opened.truncate(size));
    });
  }

  async stat(options?: unknown) {
    return this.#call('fstat', () => this.#calls.fstatSync(this.fd, options));
  }

  async sync(): Promise<void> {
    await this.#call('fsync', () => { this.#calls.fsyncSync(this.fd); });
  }

  async datasync(): Promise<void> {
    await this.#call('fdatasync', () => { this.#calls.fdatasyncSync(this.fd); });
  }

  async chmod(mode: unknown): Promise<void> {
    await this.#call('fchmod', () => { this.#calls.fchmodSync(this.fd, mode); });
  }

  async chown(uid: unknown, gid: unknown): Promise<void> {
    await this.#call('fchown', () => { this.#calls.fchownSync(this.fd, uid, gid); });
  }

  async utimes(atime: unknown, mtime: unknown): Promise<void> {
    await this.#call('futime', () => { this.#calls.futimesSync(this.fd, atime, mtime); });
  }

  /** Waits for the calls that were made before. Those made from now on reject with `EBADF`. */
  close(): Promise<void> {
    return (this.#closing ??= this.#end());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(): Promise<void> {
    if (this.#begun > 0) await new Promise<void>((resolve) => (this.#whenDone = resolve));
    await this.#close();
  }

  // `bytes` as in `loopTurn`: what goes on to read or write gives way there.
  async #call<T>(syscall: string, work: (opened: OpenFile) => Promise<T> | T, bytes?: number): Promise<T> {
    if (this.#closing !== undefined) fail('EBADF', { syscall });
    this.#begun++;
    try {
      const turn = loopTurn(bytes);
      if (turn !== undefined) await turn;
      return await work(this.#opened);
    } finally {
      if (--this.#begun === 0) this.#whenDone?.();
    }
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
