// Owns the `FileHandle` of the promise forms: an open file with its methods.

import { EventEmitter } from 'node:events';
import type { BigIntStats, ReadStream, Stats, WriteStream } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { ReadableStream } from 'node:stream/web';
import * as workers from 'node:worker_threads';
import { loopTurn } from 'node-dax';
import { toLength, toPosition } from '../arguments/arguments.js';
import { toRead, toVector, toWrite, type Transfer } from '../arguments/transfer.js';
import { attemptAsync } from '../errors/failure.js';
import type { OpenFile } from './open-files.js';
import { readWhole, writeWhole } from './whole-file.js';

/** Calls by descriptor that do not wait. */
interface DescriptorCalls {
  fstatSync(fd: number, options?: unknown): Stats | BigIntStats;
  fsyncSync(fd: number): void;
  fdatasyncSync(fd: number): void;
  fchmodSync(fd: number, mode: unknown): void;
  fchownSync(fd: number, uid: unknown, gid: unknown): void;
  futimesSync(fd: number, atime: unknown, mtime: unknown): void;
}

/** What a handle needs of the facade that created it. */
export interface HandleSource {
  readonly calls: DescriptorCalls;
  close(fd: number): Promise<void>;
  createReadStream(handle: FileHandle, options: unknown): ReadStream;
  createWriteStream(handle: FileHandle, options: unknown): WriteStream;
  /** Throws Node's error if the arguments of a call by descriptor are invalid. */
  judge(name: string, args: readonly unknown[]): void;
  /** As `judge`, for a call that accepts a handle in place of a path. */
  judgeWhole(name: string, args: readonly unknown[]): Promise<void>;
}

let ids = 0;

// Closes a handle that is garbage-collected while open, late and with a warning, as node:fs does.
const lost = new FinalizationRegistry<{ fd: number; source: HandleSource }>(({ fd, source }) => {
  process.emitWarning(`Closing file descriptor ${fd} on garbage collection`);
  source.close(fd).catch(() => undefined);
});

// Since Node 22.10.
const { markAsUncloneable } = workers as { markAsUncloneable?: (value: object) => void };

/** As `FileHandle` of `node:fs/promises`. It must be closed. */
export class FileHandle extends EventEmitter {
  readonly #opened: OpenFile;
  readonly #source: HandleSource;
  readonly #id = ++ids;
  #fd: number;
  // The number of calls under way, and the function to call when they have ended.
  #begun = 0;
  #whenDone: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #isStreamed = false;

  /** @internal Use `open`. */
  constructor(fd: number, opened: OpenFile, source: HandleSource) {
    super();
    this.#fd = fd;
    this.#opened = opened;
    this.#source = source;
    lost.register(this, { fd, source }, this);
    markAsUncloneable?.(this);
  }

  /** The descriptor; -1 once the handle is closed. */
  get fd(): number {
    return this.#fd;
  }

  getAsyncId(): number {
    return this.#id;
  }

  /** `(buffer, offset, length, position)` or `(buffer, options)` or `(options)`. */
  async read(...args: unknown[]): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    return this.#call('read', async (opened) => {
      const asked = handleRead(args);
      this.#judge('read', asked);
      const { transfer, buffer } = toRead(asked);
      return { bytesRead: await readPart(opened, transfer), buffer };
    }, 0);
  }

  /** `(buffer, offset, length, position)` or `(buffer, options)` or `(string, position, encoding)`. */
  async write<T>(data: T, ...args: unknown[]): Promise<{ bytesWritten: number; buffer: T }> {
    return this.#call('write', async (opened) => {
      if (ArrayBuffer.isView(data) && data.byteLength === 0) return { bytesWritten: 0, buffer: data };
      this.#judge('write', [data, ...args]);
      const { bytes, position } = toWrite([data, ...args]);
      return { bytesWritten: await attemptAsync({ syscall: 'write' }, () => opened.write(bytes, position)), buffer: data };
    }, 0);
  }

  async readv<T>(buffers: T, position?: unknown): Promise<{ bytesRead: number; buffers: T }> {
    return this.#call('read', async (opened) => {
      this.#judge('readv', [buffers, position]);
      const [vector, at] = [toVector(buffers), toPosition(position)];
      return { bytesRead: await attemptAsync({ syscall: 'read' }, () => opened.read(vector, at)), buffers };
    });
  }

  async writev<T>(buffers: T, position?: unknown): Promise<{ bytesWritten: number; buffers: T }> {
    return this.#call('write', async (opened) => {
      this.#judge('writev', [buffers, position]);
      const [vector, at] = [toVector(buffers), toPosition(position)];
      if (vector.length === 0) return { bytesWritten: 0, buffers };
      return { bytesWritten: await attemptAsync({ syscall: 'write' }, () => opened.write(vector, at)), buffers };
    });
  }

  /** Reads from the current position to the end of the file. */
  async readFile(options?: unknown): Promise<string | Buffer> {
    return this.#call('read', async (opened) => {
      await this.#source.judgeWhole('readFile', [this, options]);
      return readWhole(opened, options);
    });
  }

  /** Writes from the current position on, without truncating. `data` is bytes, text, or an iterable of either. */
  async writeFile(data: unknown, options?: unknown): Promise<void> {
    return this.#call('write', async (opened) => {
      await this.#source.judgeWhole('writeFile', [this, data, options]);
      await writeWhole(opened, data, options);
    });
  }

  async appendFile(data: unknown, options?: unknown): Promise<void> {
    await this.writeFile(data, options);
  }

  async truncate(length: unknown = 0): Promise<void> {
    await this.#call('ftruncate', async (opened) => {
      this.#judge('ftruncate', [length]);
      await attemptAsync({ syscall: 'ftruncate' }, () => opened.truncate(toLength(length)));
    });
  }

  async stat(options?: unknown) {
    return this.#atOnce('fstat', options);
  }

  async sync(): Promise<void> {
    await this.#atOnce('fsync');
  }

  async datasync(): Promise<void> {
    await this.#atOnce('fdatasync');
  }

  async chmod(mode: unknown): Promise<void> {
    await this.#atOnce('fchmod', mode);
  }

  async chown(uid: unknown, gid: unknown): Promise<void> {
    await this.#atOnce('fchown', uid, gid);
  }

  async utimes(atime: unknown, mtime: unknown): Promise<void> {
    await this.#atOnce('futimes', atime, mtime);
  }

  /** The lines from the current position on. Closing the interface closes the file. */
  readLines(options?: object): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Infinity });
  }

  createReadStream(options?: unknown): ReadStream {
    return this.#source.createReadStream(this, options);
  }

  createWriteStream(options?: unknown): WriteStream {
    return this.#source.createWriteStream(this, options);
  }

  /** A byte stream from the current position on; a handle can have only one. `autoClose` closes the file at the stream's end. */
  readableWebStream(options: { readonly autoClose?: boolean; readonly type?: unknown } = {}): ReadableStream {
    if (this.#fd === -1) throw invalidState('The FileHandle is closed');
    if (this.#isStreamed) throw invalidState('The FileHandle is locked');
    this.#isStreamed = true;
    const end = async () => {
      if (options.autoClose === true) await this.close();
    };
    const pull = async (controller: { byobRequest: { view: Uint8Array; respond(bytes: number): void } | null; close(): void }) => {
      const request = controller.byobRequest;
      if (request === null) return;
      const { bytesRead } = await this.read(request.view);
      if (bytesRead === 0) {
        controller.close();
        await end();
      }
      request.respond(bytesRead);
    };
    return new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 16384, pull, cancel: end } as never);
  }

  /** Closes the file after the calls made before have ended. Later calls reject with `EBADF`. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      // Set before `#end` emits 'close'.
      const { promise, resolve } = withResolver();
      this.#closing = promise;
      resolve(this.#end());
    }
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(): Promise<void> {
    const fd = this.#fd;
    lost.unregister(this);
    const done = this.#begun === 0 ? undefined : new Promise<void>((resolve) => (this.#whenDone = resolve));
    if (done === undefined) this.#fd = -1;
    this.emit('close');
    await done;
    this.#fd = -1;
    await this.#source.close(fd);
  }

  #judge(name: string, args: readonly unknown[]): void {
    this.#source.judge(name, [this.#fd, ...args]);
  }

  async #atOnce<N extends 'fstat' | 'fsync' | 'fdatasync' | 'fchmod' | 'fchown' | 'futimes'>(
    name: N,
    ...args: unknown[]
  ): Promise<ReturnType<DescriptorCalls[`${N}Sync`]>> {
    return this.#call(name === 'futimes' ? 'futime' : name, () => {
      this.#judge(name, args);
      return (this.#source.calls[`${name}Sync`] as (...all: unknown[]) => ReturnType<DescriptorCalls[`${N}Sync`]>)(this.#fd, ...args);
    });
  }

  // `bytes` is passed to `loopTurn`: 0 for work that goes on to a read or write, which gives way to the event loop itself.
  async #call<T>(syscall: string, work: (opened: OpenFile) => Promise<T> | T, bytes?: number): Promise<T> {
    if (this.#closing !== undefined) throw Object.assign(new Error('file closed'), { code: 'EBADF', syscall });
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

function withResolver(): { promise: Promise<void>; resolve: (value: Promise<void>) => void } {
  let resolve: ((value: Promise<void>) => void) | undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve: resolve as unknown as (value: Promise<void>) => void };
}

function invalidState(what: string): Error {
  return Object.assign(new Error(`Invalid state: ${what}`), { code: 'ERR_INVALID_STATE' });
}

// Converts the arguments of a handle's `read` to those of a read by descriptor: without a length, a handle reads to the end of the
// buffer, a descriptor nothing.
function handleRead([buffer, offset, length, position]: readonly unknown[]): unknown[] {
  if (!ArrayBuffer.isView(buffer)) return [buffer];
  if (typeof offset === 'object' && offset !== null) return [buffer, offset];
  return [buffer, offset ?? 0, length ?? buffer.byteLength - (typeof offset === 'number' ? offset : 0), position];
}

async function readPart(opened: OpenFile, { bytes, position }: Transfer): Promise<number> {
  if (bytes.byteLength === 0) return 0;
  return attemptAsync({ syscall: 'read' }, () => opened.read(bytes, position));
}
