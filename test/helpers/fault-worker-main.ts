// What a FaultWorker's thread can do. Everything happens in one turn of its event loop, unless it says otherwise.

import { createHash } from 'node:crypto';
import { closeSync, constants, createWriteStream, openSync, readSync, writeSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { connect, createServer as createNetServer, type AddressInfo } from 'node:net';
import { finished } from 'node:stream/promises';
import { parentPort, type MessagePort } from 'node:worker_threads';
// Not all of node-dax: threads are started by the hundred.
import { DaxMapping, type FaultInfo, type MappingHandle } from '../../src/mmap/dax-mapping.js';
import { storm, type StormOptions, type StormResult } from './fault-storm.js';

/** A loss that a mapping told of. */
export interface Loss {
  mapping: number;
  code: string;
  reason: string | undefined;
  position: number | undefined;
}

/** What is left of an error on its way between threads. */
export interface PlainError {
  name: string;
  message: string;
  code: string | undefined;
  reason: string | undefined;
  position: number | undefined;
}

export interface Command {
  id: number;
  name: keyof Commands;
  args: unknown[];
}

export type Answer = { id: number; value?: unknown; error?: PlainError } | { loss: Loss };

export type Commands = typeof commands;

const port = parentPort as MessagePort;
const mappings: DaxMapping[] = [];

function mapping(index: number): DaxMapping {
  const found = mappings[index];
  if (found === undefined) throw new RangeError(`no mapping ${index}`);
  return found;
}

function bytesOf(index: number, pos = 0, length?: number): Uint8Array {
  return new Uint8Array(mapping(index).buffer, pos, length);
}

function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function withFile<T>(path: string, flags: number, work: (fd: number) => T): T {
  const fd = openSync(path, flags, 0o600);
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

const { O_CREAT, O_DIRECT, O_RDONLY, O_TRUNC, O_WRONLY } = constants;

const commands = {
  nothing: (): void => undefined,

  attach(handle: MappingHandle): number {
    const attached = DaxMapping.attach(handle);
    const index = mappings.push(attached) - 1;
    attached.on('error', ({ code, reason, position }: PlainError) => {
      port.postMessage({ loss: { mapping: index, code: code ?? '', reason, position } } satisfies Answer);
    });
    return index;
  },

  unmap(index: number): void {
    mapping(index).unmap();
  },

  /** Unmaps all; whatever they still tell is for nobody. */
  forget(): void {
    for (const attached of mappings.splice(0)) {
      attached.removeAllListeners('error').on('error', () => undefined);
      attached.unmap();
    }
  },

  length: (index: number): number => mapping(index).buffer.byteLength,

  load(index: number, pos: number): number {
    return bytesOf(index)[pos] ?? -1;
  },

  store(index: number, pos: number, value: number): void {
    bytesOf(index)[pos] = value;
  },

  /** Stores, and tells what is there then. */
  storeAndLoad(index: number, pos: number, value: number): number {
    const bytes = bytesOf(index);
    bytes[pos] = value;
    return bytes[pos] ?? -1;
  },

  bytes: (index: number, pos: number, length: number): Uint8Array => bytesOf(index, pos, length).slice(),

  fill(index: number, pos: number, length: number, value: number): void {
    bytesOf(index, pos, length).fill(value);
  },

  set(index: number, pos: number, bytes: Uint8Array): void {
    bytesOf(index).set(bytes, pos);
  },

  hash: (index: number, pos: number, length: number): string => sha(bytesOf(index, pos, length)),

  /** One load in each `step` bytes. Their sum. */
  touch(index: number, pos: number, length: number, step: number): number {
    const bytes = bytesOf(index);
    let sum = 0;
    for (let at = pos; at < pos + length; at += step) sum += bytes[at] ?? 0;
    return sum;
  },

  /** Adds 1 to the word at `pos`, so many times. */
  add(index: number, pos: number, times: number): void {
    const words = new Int32Array(mapping(index).buffer);
    for (let n = 0; n < times; n++) Atomics.add(words, pos / 4, 1);
  },

  persist(index: number, pos?: number, length?: number): void {
    mapping(index).persist(pos, length);
  },

  prefault(index: number): void {
    mapping(index).prefault();
  },

  info: (index: number): FaultInfo => mapping(index).faultInfo(),

  /** write(2) of mapped memory. Bytes written. */
  writeFrom: (index: number, pos: number, length: number, path: string): number =>
    withFile(path, O_WRONLY + O_CREAT + O_TRUNC, (fd) => writeSync(fd, bytesOf(index, pos, length))),

  /** The same with O_DIRECT. */
  writeDirect: (index: number, pos: number, length: number, path: string): number =>
    withFile(path, O_WRONLY + O_CREAT + O_TRUNC + O_DIRECT, (fd) => writeSync(fd, bytesOf(index, pos, length))),

  /** read(2) into mapped memory. Bytes read. */
  readInto: (index: number, pos: number, length: number, path: string): number =>
    withFile(path, O_RDONLY, (fd) => readSync(fd, bytesOf(index, pos, length))),

  readDirect: (index: number, pos: number, length: number, path: string): number =>
    withFile(path, O_RDONLY + O_DIRECT, (fd) => readSync(fd, bytesOf(index, pos, length))),

  /** A libuv thread's write(2). */
  async stream(index: number, pos: number, length: number, path: string): Promise<void> {
    const stream = createWriteStream(path);
    stream.end(bytesOf(index, pos, length));
    await finished(stream);
  },

  /** The hash of what a client gets whom an HTTP server sends mapped memory. */
  http(index: number, pos: number, length: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const server = createServer((_request, response) => {
        response.end(bytesOf(index, pos, length));
      });
      server.listen(0, '127.0.0.1', () => {
        const { port: at } = server.address() as AddressInfo;
        get({ host: '127.0.0.1', port: at, agent: false }, (response) => {
          const hash = createHash('sha256');
          response
            .on('data', (chunk: Uint8Array) => hash.update(chunk))
            .on('error', reject)
            .on('end', () => {
              server.close();
              resolve(hash.digest('hex'));
            });
        }).on('error', reject);
      });
    });
  },

  /** The same for a plain TCP socket. */
  socket(index: number, pos: number, length: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const server = createNetServer((socket) => {
        socket.end(bytesOf(index, pos, length));
      });
      server.listen(0, '127.0.0.1', () => {
        const { port: at } = server.address() as AddressInfo;
        const hash = createHash('sha256');
        connect(at, '127.0.0.1')
          .on('data', (chunk: Uint8Array) => hash.update(chunk))
          .on('error', reject)
          .on('end', () => {
            server.close();
            resolve(hash.digest('hex'));
          });
      });
    });
  },

  /** Loads the byte at `pos` again and again until `control[0]` is set; which values it had. */
  watchByte(index: number, pos: number, control: Int32Array): number[] {
    const seen = new Set<number>();
    const bytes = bytesOf(index);
    Atomics.store(control, 1, 1);
    Atomics.notify(control, 1);
    while (Atomics.load(control, 0) === 0) seen.add(bytes[pos] ?? -1);
    return [...seen];
  },

  /** Stores `value` at `pos` and in each `step` bytes from there on, so many times. */
  stride(index: number, pos: number, step: number, times: number, value: number): void {
    const bytes = bytesOf(index);
    for (let n = 0; n < times; n++) bytes[pos + n * step] = value;
  },

  /** As `store`, and sets `control[0]` when it is done. */
  storeAndTell(index: number, pos: number, value: number, control: Int32Array): void {
    bytesOf(index)[pos] = value;
    Atomics.store(control, 0, 1);
    Atomics.notify(control, 0);
  },

  /** Stores other values to `pos` of each of the pages, so many times. */
  rewrite(index: number, pos: number, pageSize: number, pages: number, times: number): void {
    const bytes = bytesOf(index);
    for (let n = 0; n < times; n++) {
      for (let page = 0; page < pages; page++) bytes[page * pageSize + pos + (n % 64)] = n + 1;
    }
  },

  /** Stores 1 at `pos` again and again until `control[0]` is set. */
  churn(index: number, pos: number, control: Int32Array): void {
    const bytes = bytesOf(index);
    while (Atomics.load(control, 0) === 0) bytes[pos] = 1;
  },

  /**
   * Rounds in a mapping that is private, on pages that hold `value` in the file: attaches, loads, stores, checks ten times whether
   * the store is still there, and unmaps. Returns the wrong values that it saw.
   */
  async cow(handle: MappingHandle, pages: number, rounds: number, value: number): Promise<string[]> {
    const wrong: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const attached = DaxMapping.attach(handle);
      const bytes = new Uint8Array(attached.buffer);
      const at = (round % pages) * handle.pageSize;
      const own = round % 200;
      if (bytes[at] !== value) wrong.push(`round ${round}: ${bytes[at]} in the file`);
      bytes[at] = own;
      for (let look = 0; look < 10; look++) {
        if (bytes[at] !== own) wrong.push(`round ${round}, look ${look}: ${bytes[at]} for ${own}`);
      }
      if (bytes[at + 1] !== value) wrong.push(`round ${round}: ${bytes[at + 1]} beside it`);
      attached.unmap();
      // What is unmapped is collected between turns.
      if (round % 100 === 99) await new Promise(setImmediate);
    }
    return wrong;
  },

  /** Stores to every page of a private mapping, and looks later whether each store is still there. */
  async claim(handle: MappingHandle, pages: number, rounds: number, value: number): Promise<string[]> {
    const wrong: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const attached = DaxMapping.attach(handle);
      const bytes = new Uint8Array(attached.buffer);
      const own = round % 200;
      let found = 0;
      for (let page = 0; page < pages; page++) found += bytes[page * handle.pageSize] === value ? 1 : 0;
      if (found !== pages) wrong.push(`round ${round}: ${pages - found} pages are not the file's`);
      for (let page = 0; page < pages; page++) bytes[page * handle.pageSize] = own;
      await new Promise(setImmediate);
      let kept = 0;
      for (let page = 0; page < pages; page++) kept += bytes[page * handle.pageSize] === own ? 1 : 0;
      if (kept !== pages) wrong.push(`round ${round}: ${pages - kept} stores are gone`);
      attached.unmap();
    }
    return wrong;
  },

  /** System calls store to pages of a private mapping that nobody touched before. Returns how many failed. */
  async readZeros(handle: MappingHandle, pages: number, rounds: number): Promise<number> {
    const zeros = openSync('/dev/zero', 'r');
    let failed = 0;
    for (let round = 0; round < rounds; round++) {
      const attached = DaxMapping.attach(handle);
      const bytes = new Uint8Array(attached.buffer);
      for (let page = 0; page < pages; page++) {
        try {
          readSync(zeros, bytes, page * handle.pageSize, 16, null);
        } catch {
          failed++;
        }
      }
      attached.unmap();
      await new Promise(setImmediate);
    }
    closeSync(zeros);
    return failed;
  },

  async storm(options: StormOptions): Promise<StormResult> {
    const losses: PlainError[] = [];
    const result = storm(options, (error) => losses.push(error as PlainError));
    await new Promise(setImmediate);
    const strange = losses.find(({ code }) => code !== 'ENXIO');
    return strange === undefined ? result : { ...result, failure: result.failure ?? strange.message };
  },

  exit(code: number): void {
    process.exit(code);
  },
};

function plain(error: unknown): PlainError {
  const { name, message, code, reason, position } = error as PlainError;
  return { name, message, code, reason, position };
}

port.on('message', (command: Command) => {
  const { id, name, args } = command;
  void (async () => {
    try {
      const value = await (commands[name] as (...given: unknown[]) => unknown)(...args);
      port.postMessage({ id, value } satisfies Answer);
    } catch (error) {
      port.postMessage({ id, error: plain(error) } satisfies Answer);
    }
  })();
});
