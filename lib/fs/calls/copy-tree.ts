// Owns cp: copying files, links, and directories with everything in them, by the rules of node:fs.
//
// Both forms share one walk: it yields the steps that may take long, and the form decides whether to wait for them.

import type { CopyOptions, Stats } from 'node:fs';
import { dirname, isAbsolute, join, parse, resolve } from 'node:path';
import { types } from 'node:util';
import { loopTurn } from 'node-dax';
import { toOptions, toPath } from '../arguments/arguments.js';
import { systemError, type SystemErrorCode } from '../errors/system-error.js';
import { NODE_MAJOR } from '../release.js';
import { entriesOf } from '../tree/entries.js';
import type { Tree } from '../tree/tree.js';
import type { SyncCalls } from './sync-calls.js';

/** A step that may be waited for: the answer of a filter, the copy of one file, or the event loop's turn. */
type Step = { readonly answer: unknown } | { readonly turn: true } | { readonly source: string; readonly destination: string; readonly mode: number };

type Walk<T = void> = Generator<Step, T, unknown>;
type Found = Stats | undefined;

const MODE = 0o7777;
const OWNER_WRITE = 0o200;

/** One copy, with its options. */
export class CopyTree {
  readonly #tree: Tree;
  readonly #calls: SyncCalls;
  readonly #options: CopyOptions;
  readonly #isSync: boolean;

  constructor(tree: Tree, calls: SyncCalls, options: unknown, isSync: boolean) {
    this.#tree = tree;
    this.#calls = calls;
    this.#options = { force: true, ...toOptions<CopyOptions>(options) };
    this.#isSync = isSync;
  }

  *copy(from: unknown, to: unknown): Walk {
    const [src, dest] = [toPath(from), toPath(to)] as [string, string];
    const found = yield* this.#look(src, dest);
    if (found === undefined) return;
    this.#checkParents(src, found.source, dest);
    const parent = dirname(dest);
    if (!this.#calls.existsSync(parent)) this.#calls.mkdirSync(parent, { recursive: true });
    yield* this.#one(found.source, found.target, src, dest);
  }

  // Undefined if the filter rejects the file.
  *#look(src: string, dest: string): Walk<{ source: Stats; target: Found } | undefined> {
    const { filter } = this.#options;
    if (typeof filter === 'function') {
      const answer = filter(src, dest);
      if (this.#isSync && types.isPromise(answer)) throw noBoolean(answer);
      if (!(yield { answer })) return undefined;
    }
    const source = this.#stat(src) as Stats;
    const target = this.#stat(dest, false);
    if (target !== undefined) {
      if (source.ino === target.ino) this.#fail('ERR_FS_CP_EINVAL', 'EINVAL', 'src and dest cannot be the same', dest);
      if (source.isDirectory() && !target.isDirectory()) {
        this.#fail('ERR_FS_CP_DIR_TO_NON_DIR', 'EISDIR', `cannot overwrite non-directory ${dest} with directory ${src}`, dest);
      }
      if (!source.isDirectory() && target.isDirectory()) {
        this.#fail('ERR_FS_CP_NON_DIR_TO_DIR', 'ENOTDIR', `cannot overwrite directory ${dest} with non-directory ${src}`, dest);
      }
    }
    if (source.isDirectory() && this.#isWithin(src, dest)) this.#failSelf(src, dest);
    return { source, target };
  }

  #stat(path: string, throwIfNoEntry = true): Found {
    const name = this.#options.dereference === true ? 'statSync' : 'lstatSync';
    return this.#calls[name](path, { throwIfNoEntry }) as Found;
  }

  // No directory above the destination may be the source.
  #checkParents(src: string, source: Stats, dest: string): void {
    const parent = this.#resolve(dirname(dest));
    if (parent === this.#resolve(dirname(src)) || parent === parse(parent).root) return;
    const above = this.#calls.statSync(parent, { throwIfNoEntry: false });
    if (above === undefined) return;
    if (Number(above.ino) === source.ino) this.#failSelf(src, dest);
    this.#checkParents(src, source, parent);
  }

  *#one(source: Stats, target: Found, src: string, dest: string): Walk {
    if (source.isDirectory()) {
      if (this.#options.recursive !== true) this.#failDirectory(src);
      yield* this.#directory(source, target, src, dest);
    } else if (source.isFile() || source.isCharacterDevice() || source.isBlockDevice()) yield* this.#file(source, target, src, dest);
    else if (source.isSymbolicLink()) this.#link(target, src, dest);
    else if (source.isSocket()) this.#fail('ERR_FS_CP_SOCKET', 'EINVAL', `cannot copy a socket file: ${dest}`, dest);
    else if (source.isFIFO()) this.#fail('ERR_FS_CP_FIFO_PIPE', 'EINVAL', `cannot copy a FIFO pipe: ${dest}`, dest);
    else this.#fail('ERR_FS_CP_UNKNOWN', 'EINVAL', `cannot copy an unknown file type: ${dest}`, dest);
  }

  *#directory(source: Stats, target: Found, src: string, dest: string): Walk {
    if (target === undefined) this.#calls.mkdirSync(dest);
    for (const { text } of entriesOf(this.#tree, src, { syscall: 'opendir', path: src })) {
      const [inner, copied] = [join(src, text), join(dest, text)];
      const found = yield* this.#look(inner, copied);
      if (found !== undefined) yield* this.#one(found.source, found.target, inner, copied);
      yield { turn: true };
    }
    if (target === undefined) this.#calls.chmodSync(dest, source.mode % (MODE + 1));
  }

  *#file(source: Stats, target: Found, src: string, dest: string): Walk {
    const { force, errorOnExist, mode = 0, preserveTimestamps } = this.#options;
    if (target !== undefined) {
      if (force !== true) {
        if (errorOnExist === true) this.#fail('ERR_FS_CP_EEXIST', 'EEXIST', `${dest} already exists`, dest);
        return;
      }
      this.#calls.unlinkSync(dest);
    }
    yield { source: src, destination: dest, mode };
    const permissions = source.mode % (MODE + 1);
    if (preserveTimestamps === true) {
      // eslint-disable-next-line no-bitwise -- permissions
      if ((permissions & OWNER_WRITE) === 0) this.#calls.chmodSync(dest, permissions + OWNER_WRITE);
      const { atime, mtime } = this.#calls.statSync(src) as Stats;
      this.#calls.utimesSync(dest, atime, mtime);
    }
    this.#calls.chmodSync(dest, permissions);
  }

  #link(target: Found, src: string, dest: string): void {
    const read = this.#calls.readlinkSync(src) as string;
    const source = this.#options.verbatimSymlinks === true || isAbsolute(read) ? read : this.#resolve(dirname(src), read);
    if (target === undefined) {
      this.#calls.symlinkSync(source, dest);
      return;
    }
    const old = this.#targetOf(dest);
    if (old !== undefined) {
      const there = isAbsolute(old) ? old : this.#resolve(dirname(dest), old);
      if (this.#isWithin(source, there)) this.#failSelf(source, there, dest);
      // Replacing the link would destroy the source, which lies within the old target.
      if ((this.#calls.statSync(dest) as Stats).isDirectory() && this.#isWithin(there, source)) {
        this.#fail('ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY', 'EINVAL', `cannot overwrite ${there} with ${source}`, dest);
      }
      this.#calls.unlinkSync(dest);
    }
    this.#calls.symlinkSync(source, dest);
  }

  // Undefined if the path is not a symbolic link.
  #targetOf(path: string): string | undefined {
    try {
      return this.#calls.readlinkSync(path) as string;
    } catch (error) {
      if ((error as { code?: string }).code === 'EINVAL') return undefined;
      throw error;
    }
  }

  #resolve(...paths: string[]): string {
    return resolve(this.#tree.cwd, ...paths);
  }

  #isWithin(outer: string, inner: string): boolean {
    const [above, below] = [outer, inner].map((path) => this.#resolve(path).split('/').filter(Boolean)) as [string[], string[]];
    return above.every((part, index) => part === below[index]);
  }

  #failSelf(src: string, dest: string, path = dest): never {
    if (this.#isSync && NODE_MAJOR >= 22) throw plainError('ERR_FS_CP_EINVAL', `Cannot copy ${src}/ to a subdirectory of self ${dest}`);
    throw systemError('ERR_FS_CP_EINVAL', 'EINVAL', `cannot copy ${src} to a subdirectory of self ${dest}`, { syscall: 'cp', path });
  }

  #failDirectory(src: string): never {
    if (!this.#isSync) throw systemError('ERR_FS_EISDIR', 'EISDIR', `${src} is a directory (not copied)`, { syscall: 'cp', path: src });
    if (NODE_MAJOR >= 22) throw plainError('ERR_FS_EISDIR', `Recursive option not enabled, cannot copy a directory: ${src}/`);
    // Node 20 uses this errno.
    throw systemError('ERR_FS_EISDIR', 'EISDIR', `${src} is a directory (not copied)`, { syscall: 'cp', path: src }, 22);
  }

  // The synchronous form of Node 22 and later has messages of its own, and no properties beyond the code.
  #fail(code: SystemErrorCode, reason: string, message: string, path: string): never {
    if (this.#isSync && NODE_MAJOR >= 22) {
      const words = message === 'src and dest cannot be the same' ? `${message} ${path}` : `C${message.slice(1)}`;
      throw plainError(code, words);
    }
    throw systemError(code, reason, message, { syscall: 'cp', path });
  }
}

function plainError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function noBoolean(value: unknown): TypeError {
  const what = (value as object).constructor.name;
  const message = `Expected boolean to be returned from the "filter" function but got an instance of ${what}.`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_RETURN_VALUE' });
}

/** Takes all steps synchronously. */
export function copySync(walk: Walk, calls: SyncCalls): void {
  for (let next = walk.next(); next.done !== true; ) {
    const step = next.value;
    if ('source' in step) calls.copyFileSync(step.source, step.destination, step.mode);
    next = walk.next('answer' in step ? step.answer : undefined);
  }
}

/** Takes each step after the one before it has ended. */
export async function copyAsync(walk: Walk, copyFile: (source: string, destination: string, mode: number) => Promise<void>): Promise<void> {
  for (let next = walk.next(); next.done !== true; ) {
    const step = next.value;
    if ('turn' in step) await loopTurn();
    if ('source' in step) await copyFile(step.source, step.destination, step.mode);
    next = walk.next('answer' in step ? await step.answer : undefined);
  }
}
