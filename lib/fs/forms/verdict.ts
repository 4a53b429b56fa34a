// Owns the full check of arguments that are not plain: node:fs itself throws the error, with the message and code of the running
// Node.
//
// Node is called with a path that is too long for every system call, and with a descriptor that no process can have: the kernel
// refuses both before it looks at anything, so nothing on the host is read, created or changed.

import * as nodeFs from 'node:fs';
import { types } from 'node:util';
import { DaxError } from 'node-dax';
import { isPath, toOptions } from '../arguments/arguments.js';
import { FileHandle } from '../open/file-handle.js';

type Table = Readonly<Record<string, ((...args: unknown[]) => unknown) | undefined>>;

// PATH_MAX of Linux is 4096.
const NOWHERE = `/${'x'.repeat(8191)}`;
// Above the highest possible fs.nr_open.
const NOBODY = 2 ** 31 - 1;

/** The functions that take two paths. */
const TWO_PATHS: ReadonlySet<string> = new Set(['copyFile', 'cp', 'link', 'rename', 'symlink']);
/** The functions that take a descriptor. */
const DESCRIPTORS = /^(?:f[a-z]+|close|readv?|writev?)$/;
/** The functions that take either a path or a descriptor. */
const EITHER: ReadonlySet<string> = new Set(['appendFile', 'readFile', 'truncate', 'writeFile']);

function isDescriptor(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= NOBODY;
}

/** What Node is called with in place of a path or descriptor: it judges both alike. */
function standIn(name: string, value: unknown, takesHandles = false): unknown {
  const takesDescriptor = DESCRIPTORS.test(name);
  if (isDescriptor(value)) return takesDescriptor || (EITHER.has(name) && !takesHandles) ? NOBODY : value;
  if (takesDescriptor) return value;
  if (isPath(value) || (takesHandles && value instanceof FileHandle)) return NOWHERE;
  // An object with `fd` may be a handle of Node's own, which Node would use.
  if (typeof value !== 'object' || value === null || types.isProxy(value) || !('fd' in value)) return value;
  return Object.create({ constructor: value.constructor }) as unknown;
}

/** The index of the mode among the arguments. */
const MODES: Readonly<Record<string, number>> = { chmod: 1, fchmod: 1, mkdir: 1, open: 2 };

// Replaces a mode with bit 31 set, which is certainly valid and needs no check, by 0.
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

// A filter must be called only for real paths, not for the stand-ins.
function unfiltered(options: object): object {
  const { filter } = options as { filter: unknown };
  return typeof filter === 'function' && !Array.isArray(options) ? (Object.assign(Object.create(options) as object, { filter: () => true })) : options;
}

// Rethrows errors about arguments, which have no errno. Errors of system calls have one; a refusal by the permission model has none
// either, and is recognised by its code.
function rethrow(error: unknown): void {
  const { errno, code } = error as { errno?: unknown; code?: unknown };
  if (typeof errno !== 'number' && code !== 'ERR_ACCESS_DENIED' && !(error instanceof DaxError)) throw error;
}

// A value that is no number, and that Node's message could not name, is passed to a function that takes more than a descriptor.
function checkNamed(name: string, [value]: readonly unknown[]): void {
  const isNamed = typeof value === 'object' && value !== null ? 'constructor' in value : typeof value !== 'symbol';
  if (!isNamed && /^(?:f|close)/.test(name)) nodeFs.readSync(value as number, Buffer.alloc(1));
}

const sync = nodeFs as unknown as Table;
const promises = nodeFs.promises as unknown as Table;

// The forms of realpath that Node has in JavaScript accept anything that can be made a string.
function asText(name: string, args: readonly unknown[]): readonly unknown[] {
  const [value, ...others] = args;
  if (name !== 'realpath' || typeof value === 'symbol' || isPath(value)) return args;
  return String(value).includes('\0') || value instanceof URL ? args : [NOWHERE, ...others];
}

/** Throws the error of Node's synchronous form of `name` for the arguments, if they are invalid. */
export function judgeSync(name: string, args: readonly unknown[]): void {
  try {
    checkNamed(name, args);
    sync[`${name}Sync`]?.(...standIns(name, asText(name, args)));
  } catch (error) {
    rethrow(error);
  }
}

/** As `judgeSync`, for the callback form. The callback is not called. */
export function judgeCallback(name: string, args: readonly unknown[]): void {
  // An anonymous function, so Node's messages contain no name for it.
  const ignore = (() => () => undefined)();
  try {
    const given = args.map((arg, index) => (index > 0 && typeof arg === 'function' ? ignore : arg));
    checkNamed(name, args);
    // Only `close` needs no callback; without one, it would throw later.
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

/** Throws Node's error if the arguments of `promises.watch` are invalid. */
export async function judgeWatch(path: unknown, options: unknown): Promise<void> {
  try {
    await nodeFs.promises.watch(standIn('watch', path) as string, flat(options) as object)[Symbol.asyncIterator]().next();
  } catch (error) {
    rethrow(error);
  }
}

// Not recursive, because a recursive watch looks up its path only later.
function flat(options: unknown): unknown {
  return toOptions<{ recursive: unknown }>(options).recursive === true ? { ...(options as object), recursive: false } : options;
}

/** Throws Node's error if the arguments of `watch` are invalid. */
export function judgeWatchSync([path, ...args]: readonly unknown[]): void {
  judgeCallback('watch', [path, ...args.map(flat)]);
}

/** Throws Node's error if the arguments of `watchFile` are invalid. */
export function judgeWatchFile(args: readonly unknown[]): void {
  try {
    judgeCallback('watchFile', args);
  } finally {
    nodeFs.unwatchFile(NOWHERE);
  }
}

/** Throws Node's error if the arguments of `glob` are invalid. */
export function judgeGlob(pattern: unknown, options: unknown): void {
  const harmless = (one: unknown) => (typeof one === 'string' ? 'x' : one);
  const { exclude } = toOptions<{ exclude: unknown }>(options);
  const elsewhere = typeof options === 'object' && options !== null ? { ...options, ...hidden(options), ...(typeof exclude === 'function' && { exclude: () => false }) } : options;
  sync['globSync']?.(Array.isArray(pattern) ? pattern.map(harmless) : harmless(pattern), elsewhere);
}

function hidden({ cwd }: { cwd?: unknown }): object {
  return cwd === undefined || isPath(cwd) ? { cwd: NOWHERE } : {};
}

/** Throws Node's error if the arguments of `openAsBlob` are invalid and, if `isMissing` is true, that for a missing file. */
export function judgeBlob(path: unknown, options: unknown, isMissing = false): void {
  try {
    void nodeFs.openAsBlob(standIn('openAsBlob', path) as string, options as object);
  } catch (error) {
    const { code, errno, message } = error as NodeJS.ErrnoException;
    // The kernel refused the path: this release of Node makes a system call here.
    if (typeof errno === 'number') return;
    const isOfFile = code === 'ERR_INVALID_ARG_VALUE' && message === 'Unable to open file as blob';
    if (isMissing || !isOfFile) throw error;
  }
}
