// Owns open files: their descriptors, and the semantics of open(2), read(2) and write(2).

import { constants } from 'node:fs';
import { AbortError, loopTurn, RwLock } from 'node-dax';
import { endsWithSlash, hasOpenFlag, isDots, joined, SLASH, type FsPath } from '../arguments/arguments.js';
import type { FsFile, FsInode } from '../contract.js';
import { attempt, attemptAsync, fail, type Call } from '../errors/failure.js';
import type { Tree } from '../tree/tree.js';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_DSYNC, O_EXCL, O_NOFOLLOW, O_RDONLY, O_TRUNC, O_WRONLY } = constants;
// O_RDONLY, O_WRONLY and O_RDWR are not flags, but values of the lowest two bits.
const ACCESS_MODES = 4;

// Far above the descriptors of the process and those of node:vfs, which begin at 2 ** 30: a descriptor of the facade passed to
// node:fs, or one of Node's passed to the facade, fails with EBADF.
const FIRST_FD = 2 ** 30 + 2 ** 29;
const MOST_LINKS = 40;

/** The bytes of one read or write. */
type Bytes = Uint8Array | readonly Uint8Array[];

// Copies shared memory, because another thread might change it while it is in use.
function unshared(view: Uint8Array): Uint8Array {
  return view.buffer instanceof ArrayBuffer ? view : Buffer.from(view);
}

function give(from: Bytes, to: Bytes): void {
  const targets = to instanceof Uint8Array ? [to] : to;
  for (const [index, source] of (from instanceof Uint8Array ? [from] : from).entries()) {
    if (source !== targets[index]) targets[index]?.set(source);
  }
}

/** The open file or directory of one descriptor. */
export class OpenFile {
  readonly inode: FsInode;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  readonly isAppending: boolean;
  /** Where the next read or write without a position begins. */
  position = 0;
  readonly #tree: Tree;
  readonly #file: FsFile | undefined;
  readonly #release: (() => void) | undefined;
  // Serialises the operations that move the position.
  readonly #moving = new RwLock();

  /** `held` is the open file or, for a directory, the function that releases it. */
  constructor(tree: Tree, inode: FsInode, flags: number, held: FsFile | (() => void)) {
    this.#tree = tree;
    const access = flags % ACCESS_MODES;
    this.inode = inode;
    if (typeof held === 'function') this.#release = held;
    else this.#file = held;
    this.isReadable = access !== O_WRONLY;
    this.isWritable = access !== O_RDONLY;
    this.isAppending = hasOpenFlag(flags, O_APPEND);
  }

  get size(): number {
    return this.inode.size;
  }

  /** Whether the filesystem still has the file open, as it does after a close that failed. */
  get isHeld(): boolean {
    return this.#file?.isOpen ?? false;
  }

  readSync(target: Uint8Array, position: number | null): number {
    const own = unshared(target);
    const read = this.#readable().readSync(own, position ?? this.position);
    if (own !== target) target.set(own.subarray(0, read));
    if (position === null) this.position += read;
    return read;
  }

  writeSync(source: Uint8Array, position: number | null): number {
    const written = this.#writable('write').writeSync(unshared(source), position ?? this.position);
    if (position === null) this.#moved(written);
    this.#tree.changes.changed(this.inode);
    return written;
  }

  async read(target: Bytes, position: number | null, signal?: AbortSignal): Promise<number> {
    if (target instanceof Uint8Array && target.byteLength === 0) return 0;
    const file = this.#readable();
    const own = target instanceof Uint8Array ? unshared(target) : target.map(unshared);
    const read = await (position === null
      ? this.#inTurn(
          () => file.read(own, this.position, { signal }),
          (bytes) => { this.position += bytes; },
          signal,
        )
      : file.read(own, position, { signal }));
    if (own !== target) give(own, target);
    return read;
  }

  async write(source: Bytes, position: number | null, signal?: AbortSignal): Promise<number> {
    const file = this.#writable('write');
    const own = source instanceof Uint8Array ? unshared(source) : source.map(unshared);
    try {
      if (position !== null) return await file.write(own, position, { signal });
      return await this.#inTurn(
        () => file.write(own, this.position, { signal }),
        (written) => { this.#moved(written); },
        signal,
      );
    } finally {
      this.#tree.changes.changed(this.inode);
    }
  }

  truncateSync(size: number): void {
    this.#writable('ftruncate', 'EINVAL').truncateSync(size);
    this.#tree.changes.changed(this.inode);
  }

  async truncate(size: number): Promise<void> {
    await this.#writable('ftruncate', 'EINVAL').truncate(size);
    this.#tree.changes.changed(this.inode);
  }

  fsync(): void {
    this.#file?.fsync();
  }

  closeSync(): void {
    this.#file?.closeSync();
    this.#release?.();
  }

  /** Closes after the operations under way have ended. */
  async close(): Promise<void> {
    await this.#moving.exclusive();
    await this.#file?.close();
    this.#release?.();
  }

  // Appended bytes are at the end of the file, wherever the position was.
  #moved(written: number): void {
    this.position = this.isAppending ? this.size : this.position + written;
  }

  #readable(): FsFile {
    if (!this.isReadable) fail('EBADF', { syscall: 'read' });
    return this.#file ?? fail('EISDIR', { syscall: 'read' });
  }

  #writable(syscall: string, errno = 'EBADF'): FsFile {
    if (!this.isWritable || this.#file === undefined) fail(errno, { syscall });
    return this.#file;
  }

  async #inTurn(move: () => Promise<number>, moved: (bytes: number) => void, signal: AbortSignal | undefined): Promise<number> {
    await this.#moving.exclusive(signal);
    try {
      const bytes = await move();
      moved(bytes);
      return bytes;
    } catch (error) {
      if (error instanceof AbortError) moved(error.bytesMoved);
      throw error;
    } finally {
      this.#moving.releaseExclusive();
    }
  }
}

export class OpenFiles {
  readonly #tree: Tree;
  readonly #umask: number;
  readonly #open = new Map<number, OpenFile>();
  #next = FIRST_FD;

  constructor(tree: Tree, umask: number) {
    this.#tree = tree;
    this.#umask = umask;
  }

  /** The permissions of something new: `mode` without the bits of the umask. */
  newMode(mode: number): number {
    // eslint-disable-next-line no-bitwise -- permissions
    return mode & ~this.#umask;
  }

  /** As open(2). Throws `EAGAIN` if it must truncate a file on which asynchronous work is under way. */
  openSync(path: FsPath, flags: number, mode: number): number {
    const call = { syscall: 'open', path };
    return attempt(call, () => {
      const { opened, empties } = this.#openAt(path, flags, this.newMode(mode), call);
      try {
        if (empties) opened.truncateSync(0);
      } catch (error) {
        opened.closeSync();
        throw error;
      }
      return this.#describe(opened);
    });
  }

  /** As `openSync`, but waits for the asynchronous work on the file. */
  async open(path: FsPath, flags: number, mode: number): Promise<number> {
    const call = { syscall: 'open', path };
    return attemptAsync(call, async () => {
      const turn = loopTurn();
      if (turn !== undefined) await turn;
      const { opened, empties } = this.#openAt(path, flags, this.newMode(mode), call);
      try {
        if (empties) await opened.truncate(0);
      } catch (error) {
        await opened.close();
        throw error;
      }
      return this.#describe(opened);
    });
  }

  #describe(opened: OpenFile): number {
    const fd = this.#next++;
    this.#open.set(fd, opened);
    return fd;
  }

  /** The open file of a descriptor. Throws `EBADF`. */
  get(fd: number, syscall: string): OpenFile {
    return this.#open.get(fd) ?? fail('EBADF', { syscall });
  }

  /** As close(2). Throws `EAGAIN` while asynchronous work is under way; the descriptor then stays open. */
  closeSync(fd: number): void {
    const opened = this.get(fd, 'close');
    try {
      opened.closeSync();
    } finally {
      if (!opened.isHeld) this.#open.delete(fd);
    }
  }

  /** Invalidates a descriptor, and closes the file after the operations under way have ended. */
  async close(fd: number): Promise<void> {
    const opened = this.get(fd, 'close');
    this.#open.delete(fd);
    await opened.close();
  }

  // `empties`: whether the file is still to be truncated.
  #openAt(path: FsPath, flags: number, mode: number, call: Call): { opened: OpenFile; empties: boolean } {
    const { inode, isNew } = this.#find(path, flags, mode, call);
    const access = flags % ACCESS_MODES;
    if (inode.isSymlink) fail('ELOOP', call);
    if (inode.isDirectory) {
      if (access !== O_RDONLY || hasOpenFlag(flags, O_CREAT)) fail('EISDIR', call);
      this.#tree.hold(inode);
      return { opened: new OpenFile(this.#tree, inode, flags, () => { this.#tree.release(inode); }), empties: false };
    }
    if (hasOpenFlag(flags, O_DIRECTORY)) fail('ENOTDIR', call);
    // Device files, pipes and sockets would be those of the system, which the facade does not open.
    if (!inode.isRegular) fail('ENXIO', call);
    if (access !== O_RDONLY && this.#tree.readOnly) fail('EROFS', call);
    const append = hasOpenFlag(flags, O_APPEND);
    const sync = hasOpenFlag(flags, O_DSYNC);
    const file = this.#tree.open(inode, { readOnly: access === O_RDONLY, append, sync });
    const empties = hasOpenFlag(flags, O_TRUNC) && access !== O_RDONLY && !isNew;
    return { opened: new OpenFile(this.#tree, inode, flags, file), empties };
  }

  // A missing file is created where the last symbolic link points.
  #find(path: FsPath, flags: number, mode: number, call: Call): { inode: FsInode; isNew: boolean } {
    const tree = this.#tree;
    const follow = !hasOpenFlag(flags, O_NOFOLLOW);
    if (!hasOpenFlag(flags, O_CREAT)) return { inode: tree.resolve(path, { follow }), isNew: false };
    let at = path;
    for (let links = 0; links <= MOST_LINKS; links++) {
      const { dir, name } = tree.resolveParent(at);
      const isOwn = isDots(name);
      // Opening does not create directories.
      if (!isOwn && endsWithSlash(at)) fail('EISDIR', call);
      const inode = isOwn ? tree.resolve(at) : tree.lookup(dir, name);
      if (inode === undefined) return { inode: tree.create(dir, name, mode), isNew: true };
      if (hasOpenFlag(flags, O_EXCL)) fail('EEXIST', call);
      if (!inode.isSymlink || !follow) return { inode, isNew: false };
      const target = tree.readlink(inode);
      at = target[0] === SLASH ? target : joined(parentOf(at), target);
    }
    return fail('ELOOP', call);
  }
}

function parentOf(path: FsPath): FsPath {
  const text = Buffer.from(path).toString('latin1').replace(/\/+$/, '');
  const slash = text.lastIndexOf('/');
  // A single name is in the working directory.
  return slash < 0 ? '.' : Buffer.from(text.slice(0, slash), 'latin1');
}
