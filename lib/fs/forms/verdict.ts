// Owns the judgement of arguments: node:fs itself says what is wrong with those that are not plainly right, in the words and
// with the codes of the Node that runs.
//
// Node is asked with a path that is too long for every system call and a descriptor that no process can have: the kernel
// refuses both before it looks at anything, so that nothing of the host's is read, made or changed.

import * as nodeFs from 'node:fs';
import { types } from 'node:util';
import { DaxError } from 'node-dax';
import { isPath, toOptions } from '../arguments/arguments.js';
import { FileHandle } from '../open/file-handle.js';

type Table = Readonly<Record<string, ((...args: unknown[]) => unknown) | undefined>>;

// PATH_MAX of Linux is 4096.
const NOWHERE = `/${'x'.repeat(8191)}`;
// Beyond the most that fs.nr_open can be.
const NOBODY = 2 ** 31 - 1;

/** The functions that take two paths. */
const TWO_PATHS: ReadonlySet<string> = new Set(['copyFile', 'cp', 'link', 'rename', 'symlink']);
/** Those that take a descriptor. */
const DESCRIPTORS = /^(?:f[a-z]+|close|readv?|writev?)$/;
/** Those that take either. */
const EITHER: ReadonlySet<string> = new Set(['appendFile', 'readFile', 'truncate', 'writeFile']);

function isDescriptor(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= NOBODY;
}

/** What stands for a value in the place of a path or descriptor when Node is asked: it judges both alike. */
function standIn(name: string, value: unknown, takesHandles = false): unknown {
  const takesDescriptor = DESCRIPTORS.test(name);
  if (isDescriptor(value)) return takesDescriptor || (EITHER.has(name) && !takesHandles) ? NOBODY : value;
  if (takesDescriptor) return value;
  if (isPath(value) || (takesHandles && value instanceof FileHandle)) return NOWHERE;
  // What has a descriptor may be a handle of Node's, which it would use.
  if (typeof value !== 'object' || value === null || types.isProxy(value) || !('fd' in value)) return value;
  return Object.create({ constructor: value.constructor }) as unknown;
}

/** Where a mode is. */
const MODES: Readonly<Record<string, number>> = { chmod: 1, fchmod: 1, mkdir: 1, open: 2 };

// Such a mode is right for certain, and needs no judge.
function withoutLastBit(mode: unknown): unknown {
  const number = typeof mode === 'string' && /^[0-7]+$/.test(mode) ? parseInt(mode, 8) : mode;
  return typeof number === 'number' && number >= 2 ** 31 && number < 2 ** 32 ? 0 : mode;
}

function standIns(name: string, args: readonly unknown[], takesHandles = false): unknown[] {
  const paths = TWO_PATHS.has(name) ? 2 : 1;
  return args.map((arg, index) => {
    if (index < paths) return standIn(name, arg, takesHandles);
    if (Object.is(arg, -0)) return 0;
    if (index === MODES[name]) return withoutLastBit(arg);
    return name === 'cp' && typeof arg === 'object' && arg !== null ? unfiltered(arg) : arg;
  });
}

// A filter is asked about paths that there are.
function unfiltered(options: object): object {
  const { filter } = options as { filter: unknown };
  return typeof filter === 'function' && !Array.isArray(options) ? (Object.assign(Object.create(options) as object, { filter: () => true })) : options;
}

// Errors of system calls have a number; those of arguments have none, nor has a refusal of the permission model.
function rethrow(error: unknown): void {
  const { errno, code } = error as { errno?: unknown; code?: unknown };
  if (typeof errno !== 'number' && code !== 'ERR_ACCESS_DENIED' && !(error instanceof DaxError)) throw error;
}

// What is no number, and has no name that a message could tell, is judged by a function that takes more than a descriptor.
function checkNamed(name: string, [value]: readonly unknown[]): void {
  const isNamed = typeof value === 'object' && value !== null ? 'constructor' in value : typeof value !== 'symbol';
  if (!isNamed && /^(?:f|close)/.test(name)) nodeFs.readSync(value as number, Buffer.alloc(1));
}

const sync = nodeFs as unknown as Table;
const promises = nodeFs.promises as unknown as Table;

// The forms of realpath that Node has in JavaScript take whatever can be a string.
function asText(name: string, args: readonly unknown[]): readonly unknown[] {
  const [value, ...others] = args;
  if (name !== 'realpath' || typeof value === 'symbol' || isPath(value)) return args;
  return String(value).includes('\0') || value instanceof URL ? args : [NOWHERE, ...others];
}

/** Throws what the synchronous form of `name` says of the arguments, if anything. */
export function judgeSync(name: string, args: readonly unknown[]): void {
  try {
    checkNamed(name, args);
    sync[`${name}Sync`]?.(...standIns(name, asText(name, args)));
  } catch (error) {
    rethrow(error);
  }
}

/** As `judgeSync`, for the form with a callback, which is not called. */
export function judgeCallback(name: string, args: readonly unknown[]): void {
  // It has no name that Node could tell.
  const ignore = (() => () => undefined)();
  try {
    const given = args.map((arg, index) => (index > 0 && typeof arg === 'function' ? ignore : arg));
    checkNamed(name, args);
    // It alone needs no callback, and would throw later.
    if (name === 'close' && given.length < 2) given.push(ignore);
    sync[name]?.(...standIns(name, asText(name, given)));
  } catch (error) {
    rethrow(error);
  }
}

/** As `judgeSync`, for the promise form. */
export async function judgePromise(name: string, args: readonly unknown[]): Promise<void> {
  try {
    await promises[name]?.(...standIns(name, args, true));
  } catch (error) {
    rethrow(error);
  }
}

/** Throws what `promises.watch` says of its arguments, if anything. */
export async function judgeWatch(path: unknown, options: unknown): Promise<void> {
  try {
    await nodeFs.promises.watch(standIn('watch', path) as string, flat(options) as object)[Symbol.asyncIterator]().next();
  } catch (error) {
    rethrow(error);
  }
}

// What watches recursively looks for its path later.
function flat(options: unknown): unknown {
  return toOptions<{ recursive: unknown }>(options).recursive === true ? { ...(options as object), recursive: false } : options;
}

/** Throws what `watch` says of its arguments, if anything. */
export function judgeWatchSync([path, ...args]: readonly unknown[]): void {
  judgeCallback('watch', [path, ...args.map(flat)]);
}

/** Throws what `watchFile` says of its arguments, if anything. */
export function judgeWatchFile(args: readonly unknown[]): void {
  try {
    judgeCallback('watchFile', args);
  } finally {
    nodeFs.unwatchFile(NOWHERE);
  }
}

/** Throws what `glob` says of its arguments, if anything. */
export function judgeGlob(pattern: unknown, options: unknown): void {
  const harmless = (one: unknown) => (typeof one === 'string' ? 'x' : one);
  const { exclude } = toOptions<{ exclude: unknown }>(options);
  const elsewhere = typeof options === 'object' && options !== null ? { ...options, ...hidden(options), ...(typeof exclude === 'function' && { exclude: () => false }) } : options;
  sync['globSync']?.(Array.isArray(pattern) ? pattern.map(harmless) : harmless(pattern), elsewhere);
}

function hidden({ cwd }: { cwd?: unknown }): object {
  return cwd === undefined || isPath(cwd) ? { cwd: NOWHERE } : {};
}

/** Throws what `openAsBlob` says of its arguments, if anything; of a file that is not there, if `isMissing` says so. */
export function judgeBlob(path: unknown, options: unknown, isMissing = false): void {
  try {
    void nodeFs.openAsBlob(standIn('openAsBlob', path) as string, options as object);
  } catch (error) {
    const { code, errno, message } = error as NodeJS.ErrnoException;
    // Of a path that the kernel refused, where this Node asks it.
    if (typeof errno === 'number') return;
    const isOfFile = code === 'ERR_INVALID_ARG_VALUE' && message === 'Unable to open file as blob';
    if (isMissing || !isOfFile) throw error;
  }
}
