// Owns watchFile: polling a file's Stats, as fs.watchFile does.

import { EventEmitter } from 'node:events';
import type { Stats } from 'node:fs';
import { setInterval } from 'node:timers';
import { toOptions } from '../arguments/arguments.js';

// The members that are compared to detect a change.
const MEMBERS = ['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'mtimeMs', 'ctimeMs', 'birthtimeMs'] as const;

type Told = Pick<Stats, (typeof MEMBERS)[number]>;
type Listener = (current: Told, previous: Told) => void;

interface WatchFileOptions {
  readonly bigint?: boolean;
  readonly interval?: number;
  readonly persistent?: boolean;
}

const INTERVAL = 5007;

function isSame(a: Told, b: Told): boolean {
  return MEMBERS.every((name) => a[name] === b[name]);
}

/** As `fs.StatWatcher`. */
class StatWatcher extends EventEmitter {
  readonly #timer: NodeJS.Timeout;

  constructor(look: () => Told, { interval = INTERVAL, persistent = true }: WatchFileOptions) {
    super();
    let last = look();
    // Node emits an event if the file does not exist at the start.
    if (last.nlink === 0 && last.ino === 0) process.nextTick(() => this.emit('change', last, last));
    this.#timer = setInterval(() => {
      const found = look();
      if (isSame(found, last)) return;
      const previous = last;
      last = found;
      this.emit('change', found, previous);
    }, Math.max(1, interval));
    if (!persistent) this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    process.nextTick(() => this.emit('stop'));
  }

  ref(): this {
    this.#timer.ref();
    return this;
  }

  unref(): this {
    this.#timer.unref();
    return this;
  }
}

/** `watchFile` and `unwatchFile`; `look` returns the Stats of a path, or those of a missing file. */
export function fileWatching(look: (path: string, bigint: boolean) => Told) {
  const watchers = new Map<string, StatWatcher>();
  return {
    watchFile: (path: string, ...args: unknown[]): StatWatcher => {
      const listener = args.find((arg) => typeof arg === 'function') as Listener;
      const options = toOptions<WatchFileOptions>(args[0]);
      let watcher = watchers.get(path);
      if (watcher === undefined) {
        watcher = new StatWatcher(() => look(path, options.bigint === true), options);
        watchers.set(path, watcher);
      }
      watcher.on('change', listener);
      return watcher;
    },
    unwatchFile: (path: string, listener?: unknown): void => {
      const watcher = watchers.get(path);
      if (watcher === undefined) return;
      if (typeof listener === 'function') watcher.off('change', listener as Listener);
      else watcher.removeAllListeners('change');
      if (watcher.listenerCount('change') > 0) return;
      watcher.stop();
      watchers.delete(path);
    },
  };
}
