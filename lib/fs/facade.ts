// Owns the facade: every name of node:fs and node:fs/promises, bound to the call that implements it.

import nodeFs, { constants } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { toEncoding, toOptions, toPath } from './arguments/arguments.js';
import { asyncCalls, inTurn, type AsyncCalls } from './calls/async-calls.js';
import { CopyTree, copyAsync, copySync } from './calls/copy-tree.js';
import type { SyncCalls } from './calls/sync-calls.js';
import { apart, callbackForm, inForm, promiseForm, syncForm, type Call } from './forms/forms.js';
import { isPlain } from './forms/plain.js';
import { judgeBlob, judgeCallback, judgeGlob, judgePromise, judgeSync, judgeWatch, judgeWatchFile, judgeWatchSync } from './forms/verdict.js';
import { Dir, type DirOptions } from './open/dir.js';
import type { HandleSource } from './open/file-handle.js';
import type { OpenFiles } from './open/open-files.js';
import { streams } from './open/streams.js';
import { settle } from './settle.js';
import { entriesOf } from './tree/entries.js';
import { globbed } from './tree/glob.js';
import { statsOfNothing } from './tree/stats.js';
import { takeAll, takeInTurns } from './tree/steps.js';
import type { Tree } from './tree/tree.js';
import { fileWatching } from './watch/watch-file.js';
import { FSWatcher, watching } from './watch/watch.js';

type Any = (...args: unknown[]) => unknown;
type Names = Record<string, unknown>;

const EVERYTHING = { recursive: true, force: true };

/** Exports of node:fs that work for any filesystem. */
const SHARED: ReadonlySet<string> = new Set(['Dirent', 'Stats', '_toUnixTimestamp']);

function unavailable(name: string): Any {
  return () => {
    const message = `The feature ${name} is unavailable on the current platform, which is being used to run Node.js`;
    throw Object.assign(new TypeError(message), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
  };
}

/**
 * An object with all names of `node`. A name that `own` has comes from `own`. Any other comes from `node`, but a function that is
 * not in `SHARED` throws that it is unavailable.
 */
function likeNode(node: object, own: Names): Names {
  const descriptors = Object.entries(Object.getOwnPropertyDescriptors(node)).map(([name, theirs]): [string, PropertyDescriptor] => {
    if (name in own) {
      const { enumerable } = theirs;
      return [name, { ...(Object.getOwnPropertyDescriptor(own, name) as PropertyDescriptor), enumerable: enumerable === true }];
    }
    const isCall = typeof theirs.value === 'function' && !SHARED.has(name);
    return [name, isCall ? { ...theirs, value: unavailable(name) } : theirs];
  });
  return Object.defineProperties({}, Object.fromEntries(descriptors));
}

function promisified(call: Any, custom: Any): Any {
  return Object.defineProperty(call, promisify.custom, { value: custom });
}

/** All names of node:fs, working on `tree`. */
export function facade(tree: Tree, files: OpenFiles, calls: SyncCalls): Names {
  const result: Names = {};
  const { ReadStream, WriteStream } = streams(() => result);
  const source: HandleSource = {
    calls,
    close: (fd) => files.close(fd),
    createReadStream: (handle, options) => new ReadStream(undefined, { ...(options as object), fd: handle }),
    createWriteStream: (handle, options) => new WriteStream(undefined, { ...(options as object), fd: handle }),
    judge: (name, args) => {
      if (!isPlain(name, args)) judgeCallback(name, [...args, () => undefined]);
    },
    judgeWhole: async (name, args) => {
      if (!isPlain(name, args)) await judgePromise(name, args);
    },
  };
  const tasks = asyncCalls(tree, files, calls, source);
  const directories = dirCalls(tree);
  const copies = copyCalls(tree, calls, tasks);
  const temporary = temporaryCalls(tree, calls, tasks);
  const { nativeRealpathSync, ...sync } = calls;
  const { nativeRealpath, promisedReaddir, openFd, exists, open, ...both } = tasks;

  // Node checks the length only after it has opened the file.
  const judgeLength = (path: unknown, length: unknown): void => {
    if (typeof path === 'number' || isPlain('ftruncate', [0, length])) return;
    calls.closeSync(calls.openSync(path, 'r+'));
    judgeSync('ftruncate', [0, length]);
  };
  const truncateSync = (path: unknown, length?: unknown): void => {
    if (length !== undefined) judgeLength(path, length);
    calls.truncateSync(path, length);
  };
  const syncForms = inForm(
    bySyncName({ ...sync, truncateSync, ...directories.sync, ...copies.sync, ...temporary.sync }),
    syncForm,
  );
  const callbackForms: Record<string, Any> = {
    ...inForm({ ...both, open: openFd, opendir: directories.opendir }, callbackForm),
    ...transferForms(tasks),
    cp: callbackForm('cp', copies.cp, (value) => [value]),
    stat: callbackForm('stat', tasks.stat, (value) => [value]),
    exists: existsForm(exists),
  };
  const promises = likeNode(nodeFs.promises, {
    ...inForm({ ...both, open, realpath: nativeRealpath, readdir: promisedReaddir, opendir: directories.opendir, cp: copies.cp }, promiseForm),
    mkdtempDisposable: promiseForm('mkdtempDisposable', temporary.mkdtempDisposable),
    // Node's own function, which throws on Linux because it is not implemented there.
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- node:fs has it
    lchmod: nodeFs.promises.lchmod,
    watch: async function* (path: unknown, options?: unknown) {
      // Arguments that are plainly valid need no check, and are watched from now on.
      if (!isPlain('watch', [path, options])) await judgeWatch(path, options);
      yield* watching(tree, path, options);
    },
    glob: async function* (pattern: string, options?: unknown) {
      judgeGlob(pattern, options);
      yield* await takeInTurns(globbed(tree, pattern, options));
    },
    constants,
  });

  const own: Names = {
    ...Object.fromEntries(Object.entries(syncForms).map(([name, form]) => [`${name}Sync`, form])),
    ...callbackForms,
    ...watchCalls(tree, calls),
    ...globCalls(tree),
    ...blobCalls(calls),
    realpathSync: Object.assign(syncForms['realpath'] as Any, { native: syncForm('realpath', nativeRealpathSync) }),
    realpath: Object.assign(callbackForms['realpath'] as Any, { native: callbackForm('realpath', nativeRealpath) }),
    ...{ ReadStream, WriteStream, FileReadStream: ReadStream, FileWriteStream: WriteStream, Dir },
    ...utf8Stream(() => result),
    createReadStream: (path: unknown, options?: unknown) => new (result['ReadStream'] as typeof ReadStream)(path, options),
    createWriteStream: (path: unknown, options?: unknown) => new (result['WriteStream'] as typeof WriteStream)(path, options),
    promises,
    constants,
  };
  return Object.defineProperties(result, Object.getOwnPropertyDescriptors(likeNode(nodeFs, own)));
}

function bySyncName(calls: object): Record<string, Call> {
  return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name.replace(/Sync$/, ''), call as Call]));
}

/** The callback forms of the calls with two results, which their promisified forms return as members of an object. */
function transferForms({ read, write, readv, writev }: AsyncCalls): Record<string, Any> {
  const toResults = (value: object) => Object.values(value) as unknown[];
  const form = (name: string, call: Call) =>
    promisified(callbackForm(name, call, toResults, ([, memory]) => [0, memory]), async (...args: unknown[]): Promise<unknown> => {
      const { given } = apart(name, [...args, () => undefined]);
      return await (call as Any)(...given);
    });
  return inForm({ read, readv, write, writev }, form);
}

function existsForm(exists: AsyncCalls['exists']): Any {
  const form = (...args: unknown[]): void => {
    const { given, done } = apart('exists', args);
    settle(exists(given[0]), (_error, found) => { done(found); });
  };
  return promisified(form, async (path) => exists(path));
}

function dirCalls(tree: Tree) {
  const openDir = (given: unknown, options: unknown, isSync: boolean) => {
    const path = toPath(given);
    const { recursive } = toOptions<DirOptions>(options);
    // Errors of Node's synchronous form name no path.
    const entries = (at: unknown) => entriesOf(tree, at as string, isSync ? { syscall: 'opendir' } : { syscall: 'opendir', path: at as string });
    return new Dir({ entries, inTurn: (action) => inTurn(action)() }, path, { encoding: toEncoding(options), recursive: recursive === true });
  };
  return {
    sync: { opendirSync: (path: unknown, options?: unknown) => openDir(path, options, true) },
    opendir: inTurn((path: unknown, options?: unknown) => openDir(path, options, false)),
  };
}

function copyCalls(tree: Tree, calls: SyncCalls, { copyFile }: AsyncCalls) {
  return {
    sync: {
      cpSync: (source: unknown, destination: unknown, options?: unknown): void => {
        copySync(new CopyTree(tree, calls, options, true).copy(source, destination), calls);
      },
    },
    cp: async (source: unknown, destination: unknown, options?: unknown): Promise<void> =>
      copyAsync(new CopyTree(tree, calls, options, false).copy(source, destination), copyFile),
  };
}

function temporaryCalls(tree: Tree, calls: SyncCalls, { rm }: AsyncCalls) {
  const make = (prefix: unknown, options: unknown) => {
    const path = calls.mkdtempSync(prefix, options);
    const whole = typeof path === 'string' ? resolve(tree.cwd, path) : path;
    return { path, whole };
  };
  return {
    sync: {
      mkdtempDisposableSync: (prefix: unknown, options?: unknown) => {
        const { path, whole } = make(prefix, options);
        const remove = () => { calls.rmSync(whole, EVERYTHING); };
        return { path, remove, [Symbol.dispose]: remove };
      },
    },
    mkdtempDisposable: async (prefix: unknown, options?: unknown) => {
      const { path, whole } = await inTurn(make)(prefix, options);
      const remove = async () => rm(whole, EVERYTHING);
      return { path, remove, [Symbol.asyncDispose]: remove };
    },
  };
}

function watchCalls(tree: Tree, calls: SyncCalls): Names {
  const look = (path: string, bigint: boolean) =>
    (calls.statSync(path, { bigint, throwIfNoEntry: false }) ?? statsOfNothing(bigint)) as nodeFs.Stats;
  const { watchFile, unwatchFile } = fileWatching(look);
  const key = (path: unknown) => resolve(tree.cwd, Buffer.from(toPath(path)).toString());
  return {
    watch: (path: unknown, ...args: unknown[]) => {
      judgeWatchSync([path, ...args]);
      const watcher = new FSWatcher(tree, path, typeof args[0] === 'function' ? undefined : args[0]);
      const listener = args.find((arg) => typeof arg === 'function');
      return listener === undefined ? watcher : watcher.on('change', listener as Any);
    },
    watchFile: (path: unknown, ...args: unknown[]) => {
      judgeWatchFile([path, ...args]);
      return watchFile(key(path), ...args);
    },
    unwatchFile: (path: unknown, listener?: unknown) => {
      judgeCallback('unwatchFile', [path, listener]);
      unwatchFile(key(path), listener);
    },
  };
}

function globCalls(tree: Tree): Names {
  return {
    globSync: (pattern: string, options?: unknown) => {
      judgeGlob(pattern, options);
      return takeAll(globbed(tree, pattern, options));
    },
    glob: (pattern: string, ...args: unknown[]) => {
      const { given, done } = apart('glob', [pattern, ...args]);
      settle(takeInTurns(globbed(tree, pattern, given[1])), done);
    },
  };
}

// Makes a Blob of the file's present content; later writes do not change it.
function blobCalls(calls: SyncCalls): Names {
  const openAsBlobSync = (path: unknown, options?: unknown): Blob => {
    judgeBlob(path, options);
    if (!calls.existsSync(path)) {
      judgeBlob(path, options, true);
      calls.statSync(path);
    }
    const { type = '' } = toOptions<{ type: string }>(options);
    return new Blob([calls.readFileSync(path)], { type });
  };
  const openAsBlob = (path: unknown, options?: unknown): Promise<Blob> => {
    // Node's own throws at once too.
    const blob = openAsBlobSync(path, options);
    return inTurn(() => blob)();
  };
  return { openAsBlobSync, openAsBlob };
}

// Since Node 24.
function utf8Stream(calls: () => object): Names {
  const { Utf8Stream: Base } = nodeFs as { Utf8Stream?: new (options?: object) => object };
  if (Base === undefined) return {};
  return {
    Utf8Stream: class Utf8Stream extends Base {
      constructor(options?: object) {
        super({ fs: calls(), ...options });
      }
    },
  };
}
