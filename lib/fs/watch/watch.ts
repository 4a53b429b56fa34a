// Owns watching: events for changes made through this facade, as fs.watch and fs.promises.watch report them.

import { EventEmitter } from 'node:events';
import { setInterval } from 'node:timers';
import { encodeName, toEncoding, toOptions, toPath, type Encoding, type FsPath } from '../arguments/arguments.js';
import type { FsInode } from '../contract.js';
import { attempt, checkAborted } from '../errors/failure.js';
import type { Change } from '../tree/changes.js';
import { isDirectory, modeOfType } from '../tree/stats.js';
import type { Tree } from '../tree/tree.js';

type EventType = 'rename' | 'change';

interface WatchOptions {
  readonly encoding?: Encoding;
  readonly persistent?: boolean;
  readonly recursive?: boolean;
  readonly signal?: AbortSignal;
  readonly maxQueue?: number;
  readonly overflow?: 'ignore' | 'throw';
}

const LONGEST = 2 ** 31 - 1;
const MOST_QUEUED = 2048;

/** A watched directory: its names by inode number, and the path before its names in events. */
interface Watched {
  readonly names: Map<number, Uint8Array>;
  readonly before: string;
}

/** Reports changes at a path and below it. */
class Sight {
  readonly #tree: Tree;
  readonly #tell: (type: EventType, name: Uint8Array) => void;
  readonly #isRecursive: boolean;
  readonly #directories = new Map<number, Watched>();
  readonly #own: { readonly ino: number; readonly dir: number; readonly name: Uint8Array };
  readonly #stop: () => void;

  constructor(tree: Tree, path: FsPath, isRecursive: boolean, tell: (type: EventType, name: Uint8Array) => void) {
    this.#tree = tree;
    this.#tell = tell;
    this.#isRecursive = isRecursive;
    const inode = tree.resolve(path);
    const { dir, name } = tree.resolveParent(path);
    this.#own = { ino: inode.ino, dir: dir.ino, name };
    if (inode.isDirectory) this.#add(inode, '');
    this.#stop = tree.changes.listen((change) => { this.#see(change); });
  }

  close(): void {
    this.#stop();
  }

  #add(dir: FsInode, before: string): void {
    const names = new Map<number, Uint8Array>();
    this.#directories.set(dir.ino, { names, before });
    for (const { name, bytes, ino, type } of this.#tree.readdir(dir)) {
      if (name === '.' || name === '..') continue;
      names.set(ino, bytes);
      if (this.#isRecursive && isDirectory(modeOfType(type) ?? 0)) this.#enter(dir, bytes, before);
    }
  }

  #enter(dir: FsInode, name: Uint8Array, before: string): void {
    const inner = this.#tree.lookup(dir, name);
    if (inner?.isDirectory === true) this.#add(inner, `${before}${Buffer.from(name).toString('latin1')}/`);
  }

  #see(change: Change): void {
    if ('ino' in change) this.#changed(change.ino);
    else this.#named(change.dir, change.name);
  }

  #changed(ino: number): void {
    if (ino === this.#own.ino) this.#tell('change', this.#own.name);
    for (const { names, before } of this.#directories.values()) {
      const name = names.get(ino);
      if (name !== undefined) this.#tell('change', below(before, name));
    }
  }

  #named(dir: FsInode, name: Uint8Array): void {
    if (dir.ino === this.#own.dir && Buffer.compare(name, this.#own.name) === 0) this.#tell('rename', name);
    const watched = this.#directories.get(dir.ino);
    if (watched === undefined) return;
    this.#tell('rename', below(watched.before, name));
    for (const [ino, old] of watched.names) if (Buffer.compare(old, name) === 0) watched.names.delete(ino);
    const inode = this.#tree.lookup(dir, name);
    if (inode === undefined) return;
    watched.names.set(inode.ino, name);
    if (this.#isRecursive && inode.isDirectory) this.#enter(dir, name, watched.before);
  }
}

function below(before: string, name: Uint8Array): Uint8Array {
  return before === '' ? name : Buffer.concat([Buffer.from(before, 'latin1'), name]);
}

/** As `fs.FSWatcher`. */
export class FSWatcher extends EventEmitter {
  readonly #sight: Sight;
  // Keeps the process alive while the watcher is open.
  readonly #life = setInterval(() => undefined, LONGEST);
  #isClosed = false;

  constructor(tree: Tree, given: unknown, options: unknown) {
    super();
    const path = toPath(given);
    const { persistent, recursive, signal } = toOptions<WatchOptions>(options);
    const encoding = toEncoding(options);
    const tell = (type: EventType, name: Uint8Array) => {
      const filename = encodeName(name, encoding);
      process.nextTick(() => {
        if (!this.#isClosed) this.emit('change', type, filename);
      });
    };
    try {
      this.#sight = attempt({ syscall: 'watch', path }, () => new Sight(tree, path, recursive === true, tell));
    } catch (error) {
      clearInterval(this.#life);
      throw Object.assign(error as Error, { filename: (error as { path?: string }).path });
    }
    if (persistent === false) this.#life.unref();
    if (signal?.aborted === true) process.nextTick(() => { this.close(); });
    else signal?.addEventListener('abort', () => { this.close(); }, { once: true });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sight.close();
    clearInterval(this.#life);
    process.nextTick(() => { this.emit('close'); });
  }

  ref(): this {
    this.#life.ref();
    return this;
  }

  unref(): this {
    this.#life.unref();
    return this;
  }
}

/** As `fs.promises.watch`. */
export async function* watching(tree: Tree, path: unknown, options: unknown): AsyncGenerator<{ eventType: string; filename: string | Buffer }> {
  const { signal, maxQueue = MOST_QUEUED, overflow = 'ignore' } = toOptions<WatchOptions>(options);
  checkAborted(signal);
  const queue: { eventType: string; filename: string | Buffer }[] = [];
  let failure: Error | undefined;
  let wake: () => void = () => undefined;
  const watcher = new FSWatcher(tree, path, options);
  watcher.on('change', (eventType: string, filename: string | Buffer) => {
    if (queue.length < maxQueue) queue.push({ eventType, filename });
    else if (overflow === 'throw') failure ??= overflowed(maxQueue);
    else process.emitWarning(`fs.watch maxQueue exceeded`);
    wake();
  });
  watcher.on('close', () => { wake(); });
  try {
    for (;;) {
      checkAborted(signal);
      if (failure !== undefined) throw failure;
      const event = queue.shift();
      if (event !== undefined) yield event;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    watcher.close();
  }
}

function overflowed(most: number): Error {
  const error = new Error(`fs.watch() queued more than ${most} events`);
  return Object.assign(error, { code: 'ERR_FS_WATCH_QUEUE_OVERFLOW' });
}
