// Owns open directories, in the shape of `fs.Dir`.

import type { Dirent } from 'node:fs';
import { encodeName, type Encoding } from '../arguments/arguments.js';
import { settle, type Done } from '../settle.js';
import type { Entry } from '../tree/entries.js';
import { direntOf, isDirectory } from '../tree/stats.js';

type Told<T> = (error: unknown, result?: T) => void;

/** The source of the entries. They are read when a directory is opened. */
interface DirSource {
  /** The entries of the directory at a path. */
  entries(path: unknown): Iterable<Entry>;
  inTurn<T>(action: () => T): Promise<T>;
}

export interface DirOptions {
  readonly encoding?: Encoding;
  readonly recursive?: boolean;
}

function closed(): Error {
  return Object.assign(new Error('Directory handle was closed'), { code: 'ERR_DIR_CLOSED' });
}

function concurrent(): Error {
  const message = 'Cannot do synchronous work on directory handle with concurrent asynchronous operations';
  return Object.assign(new Error(message), { code: 'ERR_DIR_CONCURRENT_OPERATION' });
}

/** As `fs.Dir`. */
export class Dir {
  readonly #path: unknown;
  readonly #source: DirSource;
  readonly #options: DirOptions;
  // The directory being read and those to be read after it, each with its remaining entries.
  readonly #left: { readonly path: unknown; readonly entries: Iterator<Entry> }[] = [];
  #isClosed = false;
  // The end of the last asynchronous operation, for which the next one waits.
  #tail: Promise<unknown> = Promise.resolve();
  #pending = 0;

  constructor(source: DirSource, path: unknown, options: DirOptions) {
    if (arguments.length === 0) {
      throw Object.assign(new TypeError('The "handle" argument must be specified'), { code: 'ERR_MISSING_ARGS' });
    }
    this.#source = source;
    this.#path = path;
    this.#options = options;
    this.#enter(path);
  }

  get path(): string {
    return this.#path as string;
  }

  read(): Promise<Dirent | null>;
  read(done: Told<Dirent | null>): void;
  read(done?: Told<Dirent | null>): Promise<Dirent | null> | undefined {
    return this.#settle(() => this.#next(), done);
  }

  readSync(): Dirent | null {
    this.#check();
    return this.#next();
  }

  close(): Promise<void>;
  close(done: Told<void>): void;
  close(done?: Told<void>): Promise<void> | undefined {
    return this.#settle(() => { this.#isClosed = true; }, done);
  }

  closeSync(): void {
    this.#check();
    this.#isClosed = true;
  }

  async *entries(): AsyncGenerator<Dirent> {
    try {
      for (;;) {
        const entry = await this.read();
        if (entry === null) return;
        yield entry;
      }
    } finally {
      await this.close();
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Dirent> {
    return this.entries();
  }

  [Symbol.dispose](): void {
    if (!this.#isClosed) this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) await this.close();
  }

  #check(): void {
    if (this.#isClosed) throw closed();
    if (this.#pending > 0) throw concurrent();
  }

  #enter(path: unknown): void {
    this.#left.push({ path, entries: this.#source.entries(path)[Symbol.iterator]() });
  }

  // With `recursive`, the entries in a directory come after those beside it.
  #next(): Dirent | null {
    for (let left = this.#left[0]; left !== undefined; left = this.#left[0]) {
      const { value, done } = left.entries.next() as { value: Entry; done?: boolean };
      if (done !== true) {
        const entry = direntOf(encodeName(value.name, this.#options.encoding), left.path, value.mode);
        if (this.#options.recursive === true && isDirectory(value.mode)) this.#enter(`${String(left.path)}/${value.text}`);
        return entry;
      }
      this.#left.shift();
    }
    return null;
  }

  #settle<T>(action: () => T, done: Told<T> | undefined): Promise<T> | undefined {
    const run = async () => {
      if (this.#isClosed) throw closed();
      this.#pending++;
      const turn = this.#tail.then(() => this.#source.inTurn(action));
      this.#tail = turn.catch(() => undefined);
      try {
        return await turn;
      } finally {
        this.#pending--;
      }
    };
    if (done === undefined) return run();
    // `process.nextTick` throws Node's error if `done` is not a function.
    if (typeof (done as unknown) !== 'function') process.nextTick(done);
    if (this.#isClosed) throw closed();
    settle(run(), done as Done, (result) => [result]);
    return undefined;
  }
}
