// Owns the handles of the promise forms: an open file with its methods.

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

/** Calls by descriptor that wait for nothing. */
interface DescriptorCalls {
  fstatSync(fd: number, options?: unknown): Stats | BigIntStats;
  fsyncSync(fd: number): void;
  fdatasyncSync(fd: number): void;
  fchmodSync(fd: number, mode: unknown): void;
  fchownSync(fd: number, uid: unknown, gid: unknown): void;
  futimesSync(fd: number, atime: unknown, mtime: unknown): void;
}

/** What a handle needs of where it comes from. */
export interface HandleSource {
  readonly calls: DescriptorCalls;
  close(fd: number): Promise<void>;
  createReadStream(handle: FileHandle, options: unknown): ReadStream;
  createWriteStream(handle: FileHandle, options: unknown): WriteStream;
  /** Throws what is wrong with the arguments of a call by descriptor. */
  judge(name: string, args: readonly unknown[]): void;
  /** As `judge`, of a call that may have a handle in place of a path. */
  judgeWhole(name: string, args: readonly unknown[]): Promise<void>;
}

let ids = 0;

// A handle that nobody has any more is closed, late and with a warning, as node:fs does.
const lost = new FinalizationRegistry<{ fd: number; source: HandleSource }>(({ fd, source }) => {
  process.emitWarning(`Closing file descriptor ${fd} on garbage collection`);
  source.close(fd).catch(() => undefined);
});

// Since Node 22.10.
const { markAsUncloneable } = workers as { markAsUncloneable?: (value: object) => void };

/** As `FileHandle` of `node:fs/promises`. Close it. */
export class FileHandle extends EventEmitter {
  readonly #opened: OpenFile;
  readonly #source: HandleSource;
  readonly #id = ++ids;
  #fd: number;
  // Calls that have not ended, and who waits for that.
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

  /** -1 once it is closed. */
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

  /** What is left from the current position on. */
  async readFile(options?: unknown): Promise<string | Buffer> {
    return this.#call('read', async (opened) => {
      await this.#source.judgeWhole('readFile', [this, options]);
      return readWhole(opened, options);
    });
  }

  /** From the current position on; nothing is cut off. Bytes, text, or an iterable of either. */
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

  /** The lines of what is left. Closing them closes the file. */
  readLines(options?: object): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Infinity });
  }

  createReadStream(options?: unknown): ReadStream {
    return this.#source.createReadStream(this, options);
  }

  createWriteStream(options?: unknown): WriteStream {
    return this.#source.createWriteStream(this, options);
  }

  /** What is left, as a stream of bytes; there is one of a handle. `autoClose` closes the file at its end. */
  readableWebStream(options: { readonly autoClose?: boolean } = {}): ReadableStream {
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

  /** Waits for the calls that were made before. Those made from now on reject with `EBADF`. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      // It is marked before anybody hears of it.
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

  // `bytes` as in `loopTurn`: what goes on to read or write gives way there.
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

// What a descriptor is asked for where a handle is asked for `args`: a handle reads what is left of the buffer where no length
// is given, a descriptor reads nothing.
function handleRead([buffer, offset, length, position]: readonly unknown[]): unknown[] {
  if (!ArrayBuffer.isView(buffer)) return [buffer];
  if (typeof offset === 'object' && offset !== null) return [buffer, offset];
  return [buffer, offset ?? 0, length ?? buffer.byteLength - (typeof offset === 'number' ? offset : 0), position];
}

async function readPart(opened: OpenFile, { bytes, position }: Transfer): Promise<number> {
  if (bytes.byteLength === 0) return 0;
  return attemptAsync({ syscall: 'read' }, () => opened.read(bytes, position));
}
