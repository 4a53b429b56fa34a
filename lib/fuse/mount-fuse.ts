// Owns mountFuse, which serves a filesystem of this process as a directory of the system until it is unmounted.

import { realpathSync, statSync } from 'node:fs';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { argumentError, checkMethods, checkOptions, DaxError, type OptionNames } from 'node-dax';
import type { FuseFilesystem, FuseInode } from './filesystem/contract.js';
import { MAX_TRANSFER } from './protocol/init.js';
import { Request } from './protocol/request.js';
import type { FuseStatistics } from './server/served.js';
import { Server, type Caching } from './server/server.js';
import { Channel } from './transport/channel.js';
import { holderOf, mount, mountedOn, readAhead, unmount, unmountAtExit } from './transport/mounting.js';

export interface MountFuseOptions {
  /** The source of the mount that mount(8) and the like show. Default: `node-dax`. */
  readonly source?: string;
  /** Whether nothing can be changed through the mount. Default: `readOnly` of the filesystem. */
  readonly readOnly?: boolean;
  /**
   * Whether users other than the one who mounts may use it. Default false. If the one who mounts is not root, /etc/fuse.conf must
   * have `user_allow_other`.
   */
  readonly allowOther?: boolean;
  /** More options of mount(8), such as `noexec`, `nosuid`, `nodev`, `noatime`. */
  readonly mountOptions?: readonly string[];
  /**
   * Milliseconds for which the kernel caches names and attributes. Default 1000. If the filesystem has `watchChanges`, as ext2 has,
   * the kernel is told of changes that this process makes outside the mount, and even a day is correct. Otherwise programs see such
   * changes after this time.
   */
  readonly cacheMs?: number;
  /**
   * Whether the kernel keeps written bytes, sizes and times to itself until a program calls fsync(2), memory is short, or half a
   * minute has passed. Many small writes then become few. Changes that this process makes outside the mount may be overwritten, and
   * a program learns only from fsync(2) or close(2) that no space is left. Default false.
   */
  readonly writebackCache?: boolean;
  /** Called with each error that is not a `DaxError`, for which a program got `EIO`. Default: `process.emitWarning`. */
  readonly onError?: (error: unknown) => void;
}

const OPTIONS: OptionNames<MountFuseOptions> = {
  ...{ source: true, readOnly: true, allowOther: true, mountOptions: true, cacheMs: true, writebackCache: true, onError: true },
};

export interface UnmountOptions {
  /** Whether to unmount while programs still use it: they get `ENOTCONN` from then on. Default false: throw `EBUSY`. */
  readonly force?: boolean;
}

const UNMOUNT_OPTIONS: OptionNames<UnmountOptions> = { force: true };
// Milliseconds in which the kernel ends what was unmounted, unless a program uses it. It tells when it has, and not that it will not.
const ENDING = 1000;
// How often, and after how many milliseconds, a busy mount is tried again: it is busy while another process unmounts it.
const TRIES = 3;
const PAUSE = 50;

/** A mount that is served by this process. */
export class FuseMount {
  /** The directory of the mount: an absolute path without links. */
  readonly directory: string;
  /**
   * Resolves once the filesystem is no longer served, because this process or another unmounted it. Rejects if the connection
   * broke.
   */
  readonly closed: Promise<void>;
  readonly #server: { readonly statistics: FuseStatistics };
  readonly #channel: Channel;
  readonly #device: string | undefined;
  #isOpen = true;
  // Two attempts at the same time would keep the mount busy for each other.
  #detaching: Promise<void> | undefined;

  /** @internal Use `mountFuse`. */
  constructor(directory: string, server: { readonly statistics: FuseStatistics }, channel: Channel, closed: Promise<void>) {
    this.directory = directory;
    this.#device = mountedOn(directory);
    this.#server = server;
    this.#channel = channel;
    this.closed = closed.finally(() => { this.#isOpen = false; });
    // A rejection that no caller waits for must not end the process.
    this.closed.catch(() => undefined);
  }

  get statistics(): FuseStatistics {
    return this.#server.statistics;
  }

  /**
   * Resolves once the kernel has dropped from its caches everything that this process has changed so far outside the mount:
   * programs see the changes then. Without this call, programs see content, sizes and other attributes at once, and names as soon
   * as the kernel can drop the old ones.
   */
  notified(): Promise<void> {
    return this.#channel.notified();
  }

  /**
   * Unmounts. Once it resolves, all files are closed and all inodes released. It does nothing if this call or another process has
   * unmounted it already. Throws `EBUSY` while a program has something open in the mount.
   */
  async unmount(options: UnmountOptions = {}): Promise<void> {
    checkOptions(options, UNMOUNT_OPTIONS);
    if (this.#isOpen) {
      if (options.force === true) {
        await this.#detach(true);
        this.#channel.close();
      } else {
        await (this.#detaching ??= this.#detach(false).finally(() => { this.#detaching = undefined; }));
        await this.#untilUnused();
      }
    }
    await this.closed;
  }

  #isThere(): boolean {
    return mountedOn(this.directory) === this.#device;
  }

  // Another process may have unmounted it, or do it at the same time. What is on the directory then is not this mount.
  async #detach(lazy: boolean): Promise<void> {
    for (let tries = 1; this.#isThere(); tries++) {
      try {
        await unmount(this.directory, lazy);
        return;
      } catch (error) {
        const isBusy = error instanceof DaxError && error.code === 'EBUSY';
        if (this.#isThere() && !(isBusy && tries < TRIES)) throw error;
      }
      await sleep(PAUSE);
    }
  }

  async #untilUnused(): Promise<void> {
    await Promise.race([this.closed, sleep(ENDING, undefined, { ref: false })]);
    // What the kernel has told during a long turn of the event loop is heard first.
    await turn();
    if (!this.#channel.isConnected) return;
    const holder = this.#device === undefined ? undefined : holderOf(this.#device);
    const who = holder === undefined ? 'a program has a file open in it, or works in it' : `process ${holder} has a copy of the mount in another mount namespace`;
    const hint = `it is unmounted from there, but ${who}`;
    throw new DaxError({ errno: 'EBUSY', syscall: 'umount', path: this.directory, hint });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unmount();
  }
}

/**
 * Serves `filesystem` to every program of this machine as `directory`, which must exist; its own content is hidden meanwhile. The
 * kernel enforces permissions by the owners and modes that the filesystem reports. The filesystem itself stays mounted when this
 * mount ends: unmount it afterwards.
 *
 * This process itself must not use a path in the mount in a synchronous call: it would wait for itself forever. Calls of
 * `node:fs/promises` are fine, and so are child processes that are awaited by the event loop.
 *
 * Throws `DaxError`: `ENOENT` and `EACCES` of /dev/fuse; `ENOTDIR`; `EPERM`, with the message of the command that mounts. Throws
 * `TypeError` or `RangeError` for wrong options.
 */
export async function mountFuse<I extends FuseInode>(
  filesystem: FuseFilesystem<I>,
  directory: string,
  options: MountFuseOptions = {},
): Promise<FuseMount> {
  checkMethods(filesystem, ['lookup', 'stat', 'readdir', 'statfs', 'open'], 'filesystem', 'a mounted filesystem, such as mount() of node-dax/ext2 gives');
  checkOptions(options, OPTIONS);
  const { source = 'node-dax', cacheMs = 1000, writebackCache = false, onError = warn, allowOther = false, mountOptions = [] } = options;
  if (!Number.isFinite(cacheMs) || cacheMs < 0) throw argumentError('ERR_OUT_OF_RANGE', `cacheMs must be a number from 0 on, it is ${cacheMs}`);
  const path = directoryOf(directory);
  const isReadOnly = options.readOnly ?? filesystem.readOnly ?? false;
  const all = [isReadOnly ? 'ro' : 'rw', 'default_permissions', ...(allowOther ? ['allow_other'] : []), ...mountOptions];
  const fd = await mount({ directory: path, source, options: all });
  return serve(filesystem, path, fd, { cacheMs, writebackCache }, onError);
}

/**
 * Unmounts the mount on `directory`, whichever process serves it. With `force` it works even if that process is dead and every
 * access to the directory fails with `ENOTCONN`. It may resolve before the serving process is done with the filesystem. Throws as
 * `FuseMount.unmount` does, and `EINVAL` if nothing is mounted.
 */
export async function unmountFuse(directory: string, options: UnmountOptions = {}): Promise<void> {
  checkOptions(options, UNMOUNT_OPTIONS);
  await unmount(directory, options.force ?? false);
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? (error.stack ?? error.message) : String(error), { code: 'NODE_DAX_FUSE' });
}

function directoryOf(directory: string): string {
  if (typeof directory !== 'string') throw argumentError('ERR_INVALID_ARG_TYPE', `directory must be a path, it is ${String(directory)}`);
  try {
    const path = realpathSync(directory);
    if (statSync(path).isDirectory()) return path;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'EIO';
    const hint = code === 'ENOTCONN' ? 'a dead mount is there: `umount -l` takes it away' : 'make the directory first';
    throw new DaxError({ errno: code, syscall: 'mount', path: directory, cause, hint });
  }
  throw new DaxError({ errno: 'ENOTDIR', syscall: 'mount', path: directory, hint: 'a filesystem is mounted on a directory' });
}

interface Promised {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

// As Promise.withResolvers, which Node 20 lacks.
function promised(): Promised {
  let ends: Pick<Promised, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<void>((resolve, reject) => { ends = { resolve, reject }; });
  return { promise, ...(ends as unknown as Pick<Promised, 'resolve' | 'reject'>) };
}

async function serve<I extends FuseInode>(
  filesystem: FuseFilesystem<I>,
  directory: string,
  fd: number,
  caching: Caching,
  onError: (error: unknown) => void,
): Promise<FuseMount> {
  const begun = promised();
  const closed = promised();
  const atExit = (): void => {
    channel.closeAtExit();
    unmountAtExit(directory);
  };
  const channel = new Channel(fd, {
    request: (length) => { server.handle(request.is(length)); },
    refused: onError,
    ended: (error) => {
      process.off('exit', atExit);
      // Both promises get the error: `begun` is awaited until the mount works, and `closed` belongs to the caller after that.
      begun.reject(error ?? new DaxError({ errno: 'ENOTCONN', syscall: 'mount', path: directory, hint: 'it was unmounted at once' }));
      void server.end().then(() => {
        if (error === undefined) closed.resolve();
        else closed.reject(error);
      });
    },
  });
  const request = new Request(channel.memory);
  const kernel = {
    send: (memory: Uint8Array, length: number, parts: readonly Uint8Array[]): void => { channel.send(memory, length, parts); },
    notify: {
      now: (message: Uint8Array): void => { channel.notifyNow(message); },
      soon: (key: string, message: () => Uint8Array): void => { channel.notifySoon(key, message); },
    },
  };
  const server = new Server(filesystem, caching, kernel, { begun: begun.resolve, broken: onError });
  process.on('exit', atExit);
  const mounted = new FuseMount(directory, server, channel, closed.promise);
  channel.start();
  try {
    await begun.promise;
  } catch (error) {
    await unmount(directory, true).catch(() => undefined);
    throw error;
  }
  const device = mountedOn(directory);
  if (device !== undefined) readAhead(device, MAX_TRANSFER);
  return mounted;
}
