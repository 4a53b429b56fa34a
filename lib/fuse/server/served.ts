// Owns the state from which every request is answered: the filesystem, the inodes that the kernel knows, and the open files.

import { setTimeout as sleep } from 'node:timers/promises';
import { DaxError } from 'node-dax';
import type { FuseFile, FuseFilesystem, FuseInode, FuseStat } from '../filesystem/contract.js';
import { FLAG, hasFlag } from '../protocol/numbers.js';
import type { Reply } from '../protocol/reply.js';
import type { Request } from '../protocol/request.js';
import { Nodes } from './nodes.js';

// Milliseconds between two attempts to close a file that other work still uses.
const PATIENCE = 5;

/** Answers a request. If it returns a promise, the answer is empty and is sent once that resolves. */
export type Handler = <I extends FuseInode>(served: Served<I>, request: Request, reply: Reply) => Promise<void> | undefined;

export type Handlers = Readonly<Record<number, Handler>>;

export function fail(errno: string): never {
  throw new DaxError({ errno, syscall: 'fuse' });
}

/** Statistics of a mount. The counts of requests, errors and bytes grow as it is used. */
export interface FuseStatistics {
  readonly requests: number;
  /** Requests that were answered with an errno. */
  readonly errors: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Inodes that the kernel knows now. */
  readonly inodes: number;
  /** Files that are open now. */
  readonly openFiles: number;
}

export class Served<I extends FuseInode> {
  readonly fs: FuseFilesystem<I>;
  readonly nodes: Nodes<I>;
  /** Milliseconds for which the kernel may cache names and attributes. */
  readonly cacheMs: number;
  bytesRead = 0;
  bytesWritten = 0;
  readonly #files = new Map<number, FuseFile>();
  #lastHandle = 0;

  constructor(fs: FuseFilesystem<I>, cacheMs: number) {
    this.fs = fs;
    this.cacheMs = cacheMs;
    this.nodes = new Nodes(fs);
  }

  get openFiles(): number {
    return this.#files.size;
  }

  /** The inode that a request is about. */
  inode(request: Request): I {
    return this.nodes.inode(request.nodeId);
  }

  stat(inode: I): FuseStat {
    return this.fs.stat(inode, { nanoseconds: true });
  }

  /** The attributes of an inode, for an answer: the kernel knows them from now on. */
  attributes(inode: I): FuseStat {
    const node = this.nodes.known(inode.ino);
    if (node !== undefined) node.isStale = false;
    return this.stat(inode);
  }

  /** Whether the kernel's pages of an inode that it opens are the file's. */
  hasPages({ ino }: I): boolean {
    if (this.fs.isShared === true) return false;
    const node = this.nodes.known(ino);
    if (node?.hasOldPages !== true) return true;
    node.hasOldPages = false;
    return false;
  }

  /** Whether bytes can only be added to the inode. */
  isAppendOnly(inode: I): boolean {
    return hasFlag(this.stat(inode).flags ?? 0, FLAG.append);
  }

  /** Throws `EPERM` for an inode to which bytes can only be added, for what also an open file may not do with it. */
  checkNotAppendOnly(inode: I): void {
    if (this.isAppendOnly(inode)) fail('EPERM');
  }

  /** Keeps an open file, and gives it a number. */
  opened(file: FuseFile): number {
    this.#files.set(++this.#lastHandle, file);
    return this.#lastHandle;
  }

  /** The open file of a number. Throws `EBADF`. */
  file(handle: number): FuseFile {
    return this.#files.get(handle) ?? fail('EBADF');
  }

  /** Closes an open file. Throws `EAGAIN`, and keeps it open, while work on it is under way. */
  close(handle: number): void {
    this.#files.get(handle)?.closeSync();
    this.#files.delete(handle);
  }

  /** No more requests come: closes and releases everything, once other work on the files is done. */
  async end(broken: (error: unknown) => void): Promise<void> {
    for (const handle of [...this.#files.keys()]) {
      while (!this.#hasClosed(handle, broken)) await sleep(PATIENCE);
    }
    await this.nodes.end(broken);
  }

  #hasClosed(handle: number, broken: (error: unknown) => void): boolean {
    try {
      this.close(handle);
    } catch (error) {
      if (error instanceof DaxError && error.code === 'EAGAIN') return false;
      broken(error);
    }
    return true;
  }
}
