// Owns an open file with the interface that node:vfs expects of a provider's files: its VirtualFileHandle, which it does not
// export.

import { promisify } from 'node:util';
import { AbortError } from 'node-dax';
import type { Fs } from 'node-dax/fs';

type View = NodeJS.ArrayBufferView;
type Position = number | bigint | null | undefined;
type Chunk = string | View;
type Data = Chunk | Iterable<Chunk> | AsyncIterable<Chunk>;
type Encoding = BufferEncoding | 'buffer' | null | undefined;
type Options = Encoding | { readonly encoding?: Encoding; readonly signal?: AbortSignal };

/** A file that a provider has opened, over a descriptor of the `Fs` facade. Close it. */
export class ProviderFile {
  readonly path: string;
  readonly flags: string | number;
  readonly mode: number;
  readonly #fs: Fs;
  readonly #fd: number;
  #isClosed = false;
  // Where reads and writes without a position continue, once it was set: node:fs cannot set the position of a descriptor.
  #position: number | undefined;

  /** @internal Use `open` of a provider. */
  constructor(fs: Fs, fd: number, path: string, flags: string | number, mode: number) {
    this.path = path;
    this.flags = flags;
    this.mode = mode;
    this.#fs = fs;
    this.#fd = fd;
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  /** Sets where reads and writes without a position continue. A stream of node:vfs with a `start` sets it; nothing reads it. */
  set position(position: number) {
    this.#position = position;
  }

  /** Returns how many bytes were read. */
  readSync(buffer: View, offset?: number, length?: number, position?: Position): number {
    return this.#moveSync(position, (at) => this.#fs.readSync(this.#fd, buffer, offset as number, length as number, (at ?? null) as number | null));
  }

  async read<B extends View>(buffer: B, offset?: number, length?: number, position?: Position): Promise<{ bytesRead: number; buffer: B }> {
    const bytesRead = await this.#move(position, length ?? 0, async (at) => {
      const read = promisify(this.#fs.read);
      return (await read(this.#fd, buffer, offset as number, length as number, (at ?? null) as number | null)).bytesRead;
    });
    return { bytesRead, buffer };
  }

  /** Returns how many bytes were written. They are durable. */
  writeSync(buffer: View, offset?: number, length?: number, position?: Position): number {
    return this.#moveSync(position, (at) => this.#fs.writeSync(this.#fd, buffer, offset, length, (at ?? null) as number | null));
  }

  async write<B extends View>(buffer: B, offset?: number, length?: number, position?: Position): Promise<{ bytesWritten: number; buffer: B }> {
    const bytesWritten = await this.#move(position, length ?? 0, async (at) => {
      const write = promisify(this.#fs.write);
      return (await write(this.#fd, buffer, offset, length, (at ?? null) as number | null)).bytesWritten;
    });
    return { bytesWritten, buffer };
  }

  async readv<B extends readonly View[]>(buffers: B, position?: Position): Promise<{ bytesRead: number; buffers: B }> {
    const bytesRead = await this.#move(position, lengthOf(buffers), async (at) => {
      const readv = promisify(this.#fs.readv);
      return (await readv(this.#fd, buffers, (at ?? null) as number)).bytesRead;
    });
    return { bytesRead, buffers };
  }

  async writev<B extends readonly View[]>(buffers: B, position?: Position): Promise<{ bytesWritten: number; buffers: B }> {
    const bytesWritten = await this.#move(position, lengthOf(buffers), async (at) => {
      const writev = promisify(this.#fs.writev);
      return (await writev(this.#fd, buffers, (at ?? null) as number)).bytesWritten;
    });
    return { bytesWritten, buffers };
  }

  /** Reads the whole file from its beginning, as node:vfs expects; the position stays. */
  readFileSync(options?: Options): string | Buffer {
    const buffer = Buffer.allocUnsafe(this.#fs.fstatSync(this.#fd).size);
    let filled = 0;
    for (let read = -1; read !== 0 && filled < buffer.length; filled += read) read = this.readSync(buffer, filled, buffer.length - filled, filled);
    return encoded(buffer.subarray(0, filled), options);
  }

  async readFile(options?: Options): Promise<string | Buffer> {
    const buffer = Buffer.allocUnsafe((await this.stat()).size);
    let filled = 0;
    for (let read = -1; read !== 0 && filled < buffer.length; filled += read) {
      checkAborted(options);
      read = (await this.read(buffer, filled, buffer.length - filled, filled)).bytesRead;
    }
    return encoded(buffer.subarray(0, filled), options);
  }

  /** Writes from the position on. The file is not truncated. */
  writeFileSync(data: Chunk, options?: Options): void {
    const bytes = bytesOf(data, options);
    for (let done = 0; done < bytes.length; ) done += this.writeSync(bytes, done, bytes.length - done, null);
  }

  async writeFile(data: Data, options?: Options): Promise<void> {
    checkAborted(options);
    for await (const chunk of isChunk(data) ? [data] : data) {
      const bytes = bytesOf(chunk, options);
      for (let done = 0; done < bytes.length; ) {
        checkAborted(options);
        done += (await this.write(bytes, done, bytes.length - done, null)).bytesWritten;
      }
    }
  }

  async appendFile(data: Data, options?: Options): Promise<void> {
    await this.writeFile(data, options);
  }

  statSync(options?: object) {
    return this.#fs.fstatSync(this.#fd, options);
  }

  async stat(options?: object) {
    return promisify(this.#fs.fstat)(this.#fd, options);
  }

  truncateSync(length = 0): void {
    this.#fs.ftruncateSync(this.#fd, length);
  }

  async truncate(length = 0): Promise<void> {
    await promisify(this.#fs.ftruncate)(this.#fd, length);
  }

  chmodSync(mode: number): void {
    this.#fs.fchmodSync(this.#fd, mode);
  }

  async chmod(mode: number): Promise<void> {
    await promisify(this.#fs.fchmod)(this.#fd, mode);
  }

  async chown(uid: number, gid: number): Promise<void> {
    await promisify(this.#fs.fchown)(this.#fd, uid, gid);
  }

  utimesSync(atime: number | Date, mtime: number | Date): void {
    this.#fs.futimesSync(this.#fd, atime, mtime);
  }

  async utimes(atime: number | Date, mtime: number | Date): Promise<void> {
    await promisify(this.#fs.futimes)(this.#fd, atime, mtime);
  }

  async sync(): Promise<void> {
    await promisify(this.#fs.fsync)(this.#fd);
  }

  async datasync(): Promise<void> {
    await promisify(this.#fs.fdatasync)(this.#fd);
  }

  /** Throws `EAGAIN` while asynchronous work of this file is under way; the file then stays open. */
  closeSync(): void {
    if (this.#isClosed) return;
    this.#fs.closeSync(this.#fd);
    this.#isClosed = true;
  }

  /** Closes the file after the work that is under way. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await promisify(this.#fs.close)(this.#fd);
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #moveSync(position: Position, move: (at: Position) => number): number {
    const at = this.#position;
    if (at === undefined || !isCurrent(position)) return move(position);
    const moved = move(at);
    this.#position = at + moved;
    return moved;
  }

  // A call made meanwhile continues after all the bytes that this one asked for.
  async #move(position: Position, length: number, move: (at: Position) => Promise<number>): Promise<number> {
    const at = this.#position;
    if (at === undefined || !isCurrent(position)) return move(position);
    this.#position = at + length;
    const moved = await move(at);
    if (this.#position === at + length) this.#position = at + moved;
    return moved;
  }
}

function isCurrent(position: Position): boolean {
  return position === undefined || position === null || Number(position) === -1;
}

function lengthOf(buffers: readonly View[]): number {
  return buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function encodingOf(options: Options): BufferEncoding | undefined {
  const encoding = typeof options === 'object' && options !== null ? options.encoding : options;
  return encoding === 'buffer' ? undefined : encoding ?? undefined;
}

function encoded(bytes: Buffer, options: Options): string | Buffer {
  const encoding = encodingOf(options);
  return encoding === undefined ? bytes : bytes.toString(encoding);
}

function isChunk(data: Data): data is Chunk {
  return typeof data === 'string' || ArrayBuffer.isView(data);
}

function bytesOf(data: Chunk, options: Options): Buffer {
  return typeof data === 'string' ? Buffer.from(data, encodingOf(options)) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function checkAborted(options: Options): void {
  const signal = typeof options === 'object' && options !== null ? options.signal : undefined;
  if (signal?.aborted === true) throw new AbortError(signal);
}
