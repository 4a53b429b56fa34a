// Owns the dispatch of requests: the function that answers each, the errno of its errors, and requests that must wait.

import { DaxError } from 'node-dax';
import type { FuseFilesystem, FuseInode } from '../filesystem/contract.js';
import { MAX_TRANSFER, putInit } from '../protocol/init.js';
import { OP } from '../protocol/numbers.js';
import { Reply } from '../protocol/reply.js';
import type { Request } from '../protocol/request.js';
import { ATTRIBUTES } from './attributes.js';
import { DIRECTORIES } from './directories.js';
import { FILES } from './files.js';
import { NAMES } from './names.js';
import { Notices, type Notify } from './notices.js';
import { Served, type FuseStatistics, type Handlers } from './served.js';

const HANDLERS: Handlers = { ...NAMES, ...DIRECTORIES, ...ATTRIBUTES, ...FILES };

const EINTR = 4;
const EIO = 5;
const EAGAIN = 11;
const EINVAL = 22;
const ENOSYS = 38;

// Milliseconds until a request that found a file locked is tried again, the first time and at most.
const FIRST_PATIENCE = 1;
const MOST_PATIENCE = 50;

/** The way to the kernel. */
export interface Kernel {
  /**
   * Hands an answer over: the first `length` bytes of `memory`, and `parts`. While a request is handled, it may do so only when
   * `handle` has returned: there is one answer to a request, and the memory stays as it is until the next request.
   */
  readonly send: (memory: Uint8Array, length: number, parts: readonly Uint8Array[]) => void;
  readonly notify: Notify;
}

/** The events of the server besides its answers. */
export interface ServerEvents {
  /** The kernel and the server have agreed: the mount works. */
  readonly begun: () => void;
  /** An error that is not a filesystem's answer: a program got `EIO` for it, or no program was told of it. */
  readonly broken: (error: unknown) => void;
}

/** What the kernel may keep in its memory. */
export interface Caching {
  /** Milliseconds for which it may cache names and attributes. */
  readonly cacheMs: number;
  /** Whether it may keep written bytes until it must write them back. */
  readonly writebackCache: boolean;
}

export class Server<I extends FuseInode> {
  readonly #served: Served<I>;
  readonly #writebackCache: boolean;
  readonly #kernel: Kernel;
  readonly #notices: Notices<I>;
  readonly #events: ServerEvents;
  readonly #reply = new Reply(MAX_TRANSFER + 4096);
  // Requests that wait to be tried again, by their `unique` number.
  readonly #waiting = new Map<number, NodeJS.Timeout>();
  #requests = 0;
  #errors = 0;

  constructor(fs: FuseFilesystem<I>, caching: Caching, kernel: Kernel, events: ServerEvents) {
    this.#served = new Served(fs, caching.cacheMs);
    this.#writebackCache = caching.writebackCache;
    this.#kernel = kernel;
    this.#notices = new Notices(fs, this.#served.nodes, kernel.notify);
    this.#events = events;
  }

  get statistics(): FuseStatistics {
    const { bytesRead, bytesWritten, openFiles, nodes } = this.#served;
    return { requests: this.#requests, errors: this.#errors, bytesRead, bytesWritten, inodes: nodes.size, openFiles };
  }

  /** Answers a request. Its memory may be used again afterwards. */
  handle(request: Request): void {
    this.#requests++;
    if (request.opcode === OP.init) this.#init(request);
    else if (request.opcode === OP.interrupt) this.#interrupt(request.u64(0));
    else this.#answer(request, FIRST_PATIENCE);
  }

  /** No more requests come: closes what is open, and releases what is held. */
  async end(): Promise<void> {
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    this.#notices.end();
    await this.#served.end(this.#events.broken);
  }

  #init(request: Request): void {
    this.#reply.begin();
    const { fs } = this.#served;
    try {
      const hasAcls = fs.getxattr !== undefined && fs.setxattr !== undefined;
      putInit(request, this.#reply, { hasAcls, appliesUmask: fs.appliesUmask ?? false, writebackCache: this.#writebackCache });
    } catch (error) {
      this.#fail(request.unique, error);
      throw error;
    }
    this.#finish(request.unique);
    this.#events.begun();
  }

  #answer(request: Request, patience: number): void {
    const { opcode, unique } = request;
    const handler = HANDLERS[opcode];
    if (handler === undefined) {
      // After ENOSYS the kernel does not send this request again.
      if (opcode !== OP.destroy) this.#refuse(unique, ENOSYS);
      return;
    }
    const reply = this.#reply;
    const notices = this.#notices;
    reply.begin();
    notices.isServing = true;
    try {
      const later = handler(this.#served, request, reply);
      if (later !== undefined) this.#finishLater(unique, later);
      else if (opcode !== OP.forget && opcode !== OP.batchForget) this.#finish(unique);
    } catch (error) {
      if (errnoOf(error) === EAGAIN) this.#wait(request.copy(), patience);
      else this.#fail(unique, error);
    } finally {
      notices.isServing = false;
    }
  }

  #finishLater(unique: number, later: Promise<void>): void {
    later.then(() => {
      this.#reply.begin();
      this.#finish(unique);
    }, (error: unknown) => { this.#fail(unique, error); });
  }

  #wait(request: Request, patience: number): void {
    const again = (): void => {
      this.#waiting.delete(request.unique);
      this.#answer(request, Math.min(patience * 2, MOST_PATIENCE));
    };
    this.#waiting.set(request.unique, setTimeout(again, patience));
  }

  // The program got a signal: it need not wait any longer.
  #interrupt(unique: number): void {
    const timer = this.#waiting.get(unique);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#waiting.delete(unique);
    this.#refuse(unique, EINTR);
  }

  #fail(unique: number, error: unknown): void {
    const errno = errnoOf(error);
    if (errno === undefined) this.#events.broken(error);
    this.#refuse(unique, errno ?? EIO);
  }

  #refuse(unique: number, errno: number): void {
    this.#reply.refuse(errno);
    this.#finish(unique);
  }

  #finish(unique: number): void {
    const reply = this.#reply;
    if (reply.finish(unique) !== 0) this.#errors++;
    this.#kernel.send(reply.memory, reply.end, reply.parts);
  }
}

// The errno of an error that a program may get; undefined for others.
function errnoOf(error: unknown): number | undefined {
  if (error instanceof DaxError) return -error.errno;
  // A number out of the filesystem's range, which the program may have chosen.
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_OUT_OF_RANGE' ? EINVAL : undefined;
}
