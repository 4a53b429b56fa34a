// Owns DaxFile: a file that a filesystem hands to its users, with the locks, times and sizes that POSIX asks for.

import { checkMethods } from '../argument-error.js';
import { AbortError } from '../abort.js';
import { ABORTABLE, type Abortable } from '../device/block-device.js';
import { daxDoIo, daxDoIoAsync, DIO_LOCKING } from '../io/dax-io.js';
import { changeSize, freePastEnd, punchRange, zeroPastEnd, zeroRange } from '../io/dax-truncate.js'; // late
import { MAP_PRIVATE, PROT_READ, PROT_WRITE, type DaxMapping } from '../mmap/dax-mapping.js'; // late
import { checkMmapOptions, daxMmap, type MmapOptions } from '../mmap/dax-mmap.js'; // late
import type { Iter } from '../io/dax-walk.js';
import { daxWriteback } from '../mmap/dax-writeback.js'; // late
import { DaxError, type DaxErrorInit } from '../errors.js';
import { freezeGate, type FreezeGate } from '../inode/freeze.js';
import { type EndIo, type Inode, type InodeOperations, setSize, wouldBlock } from '../inode/inode.js';
import { asOperation } from '../locks/lock-order.js';
import { loopTurn } from '../locks/loop-turn.js';
import { toUint8Array } from '../device/memory.js';
import { checkOptions, type OptionNames } from '../options.js';
import { PAGE_SIZE, roundDown, toBytes, type Bytes } from '../units.js';

/** The options of a file. */
export interface DaxFileOptions {
  /** Whether every write goes to the end of the file (O_APPEND). Default false. */
  append?: boolean;
  /** Whether an fsync follows every write (O_DSYNC). Default false. */
  sync?: boolean;
  readOnly?: boolean;
}

const OPTIONS: OptionNames<DaxFileOptions> = { append: true, sync: true, readOnly: true };

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const SET_ID_BITS = 0o6000;

// Bytes to zero before the event loop may have a turn: a multiple of every page size.
const ZERO_CHUNK = 256 * 1024;

/**
 * An open file, which reads and writes with `daxDoIo`. Reads share the inode's lock; operations that change the file hold it
 * exclusively. The synchronous forms cannot wait: while asynchronous work holds the lock they throw `EAGAIN`. Several files may be
 * open on one inode.
 */
export class DaxFile {
  readonly #inode: Inode;
  readonly #operations: InodeOperations;
  readonly #gate: FreezeGate;
  readonly #append: boolean;
  readonly #sync: boolean;
  readonly #isReader: boolean;
  readonly #accessed: EndIo | undefined;
  #isOpen = true;
  // The number of operations under way that were begun through this handle, and the callbacks that wait for it to reach 0.
  #begun = 0;
  #whenDone: (() => void)[] = [];

  constructor(inode: Inode, operations: InodeOperations, options: DaxFileOptions = {}) {
    checkMethods(operations, ['getBlock'], 'operations', 'the operations of an inode');
    checkOptions(options, OPTIONS);
    this.#inode = inode;
    this.#operations = operations;
    this.#gate = freezeGate(inode.sb);
    this.#append = options.append ?? false;
    this.#sync = options.sync ?? false;
    this.#isReader = options.readOnly ?? false;
    this.#accessed = this.#readOnly ? undefined : touch;
  }

  /** The inode of the file. */
  get inode(): Inode {
    return this.#inode;
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#inode.size;
  }

  /** False once the filesystem has closed the file. Operations begun after that throw `EBADF`. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Closes the handle, for filesystems whose handles can be closed. Operations already begun go on. */
  protected end(): void {
    this.#isOpen = false;
  }

  /** Whether asynchronous work that was begun through this handle is under way. */
  protected get isBusy(): boolean {
    return this.#begun > 0;
  }

  /** Resolves when the work that was begun through this handle has ended. It does not wait for work of other handles. */
  protected async idle(): Promise<void> {
    while (this.#begun > 0) await new Promise<void>((resolve) => this.#whenDone.push(resolve));
  }

  async #begin<T>(work: () => Promise<T>): Promise<T> {
    this.#begun++;
    try {
      return await work();
    } finally {
      this.#ended();
    }
  }

  #ended(): void {
    if (--this.#begun === 0 && this.#whenDone.length > 0) for (const wake of this.#whenDone.splice(0)) wake();
  }

  // A filesystem may become read-only while its files are open.
  get #readOnly(): boolean {
    return this.#isReader || this.#inode.sb.readOnly === true;
  }

  /** Reads at byte `pos` into one buffer or several. Returns the bytes read, 0 at the end. Throws as `daxDoIo`. */
  readSync(target: Iter, pos: Bytes): number {
    const start = toBytes(pos, 'pos');
    this.#checkOpen('read');
    if (lengthOf(target) === 0) return 0;
    const { getBlock } = this.#operations;
    return daxDoIo('read', this.#inode, target, start, getBlock, this.#accessed, DIO_LOCKING);
  }

  /** Reads as `readSync` does, and waits for the lock. Rejects with an `AbortError` once `signal` is aborted. */
  async read(target: Iter, pos: Bytes, options?: Abortable): Promise<number> {
    checkOptions(options, ABORTABLE);
    const start = toBytes(pos, 'pos');
    this.#checkOpen('read');
    if (lengthOf(target) === 0) return 0;
    const { getBlock } = this.#operations;
    const { signal } = options ?? {};
    this.#begun++;
    try {
      return await daxDoIoAsync('read', this.#inode, target, start, getBlock, this.#accessed, DIO_LOCKING, signal);
    } finally {
      this.#ended();
    }
  }

  /**
   * Writes one buffer or several at byte `pos`, or at the end if the file was opened to append. Returns the bytes written. They are
   * durable on return; the size of the file and the places of its blocks are durable after `fsync`.
   *
   * Throws `EROFS`, `EFBIG` at the maximum size of a file, `ENOSPC`, and whatever else getBlock or the device throws.
   */
  writeSync(source: Iter, pos: Bytes): number {
    const start = toBytes(pos, 'pos');
    const length = lengthOf(source);
    if (!this.#mayWrite(length)) return 0;
    const { getBlock, endIo } = this.#operations;
    let at: number;
    let written = 0;
    this.#lock();
    try {
      at = this.#beginWrite(start, length);
      const bytes = Math.min(length, this.#maxBytes - at);
      try {
        written = daxDoIo('write', this.#inode, clipped(source, length, bytes), at, getBlock, endIo);
      } finally {
        this.#endWrite(at, bytes, written);
      }
    } finally {
      this.#unlock();
    }
    this.#afterWrite(at, written);
    return written;
  }

  /**
   * Writes as `writeSync` does, and waits for the lock. Once `signal` is aborted it rejects with an `AbortError`: the first
   * `bytesMoved` bytes were written, and the file is as after a write of these bytes alone.
   */
  async write(source: Iter, pos: Bytes, options?: Abortable): Promise<number> {
    checkOptions(options, ABORTABLE);
    const start = toBytes(pos, 'pos');
    const length = lengthOf(source);
    if (!this.#mayWrite(length)) return 0;
    const { getBlock, endIo } = this.#operations;
    const signal = options?.signal;
    let at = start;
    let written = 0;
    const write = async () => {
      at = this.#beginWrite(start, length);
      const bytes = Math.min(length, this.#maxBytes - at);
      const iter = clipped(source, length, bytes);
      try {
        written = await daxDoIoAsync('write', this.#inode, iter, at, getBlock, endIo, 0, signal);
      } catch (error) {
        if (error instanceof AbortError) written = error.bytesMoved;
        throw error;
      } finally {
        this.#endWrite(at, bytes, written);
      }
    };
    await this.#begin(async () => {
      try {
        await this.#aloneAsync(write, signal);
      } finally {
        this.#afterWrite(at, written);
      }
    });
    return written;
  }

  /**
   * Appends at the end of the file. Looks up the end once it holds the lock. Returns the bytes written. Throws as `writeSync`.
   */
  appendSync(source: Iter): number {
    return this.#appending().writeSync(source, 0);
  }

  async append(source: Iter, options?: Abortable): Promise<number> {
    return this.#begin(() => this.#appending().write(source, 0, options));
  }

  /** Sets the size in bytes. Bytes that are cut off are gone, and bytes that are added read as zeros. */
  truncateSync(size: Bytes): void {
    const bytes = this.#checkSize(size);
    this.#alone(() => {
      this.#checkNoDio();
      this.#truncate(bytes);
    });
  }

  async truncate(size: Bytes): Promise<void> {
    const bytes = this.#checkSize(size);
    await this.#aloneAsync(async () => {
      await this.#inode.dioWait();
      this.#truncate(bytes);
    });
  }

  /** Punches a hole of `length` bytes from `pos` on: frees the whole blocks in it, and zeroes the rest. The size stays. */
  punchHoleSync(pos: Bytes, length: Bytes): void {
    const { from, to } = this.#checkRange(pos, length);
    this.#alone(() => {
      this.#checkNoDio();
      this.#change(() => {
        punchRange(this.#inode, from, to, this.#operations);
      });
    });
  }

  async punchHole(pos: Bytes, length: Bytes): Promise<void> {
    const { from, to } = this.#checkRange(pos, length);
    await this.#aloneAsync(async () => {
      await this.#inode.dioWait();
      this.#change(() => {
        punchRange(this.#inode, from, to, this.#operations);
      });
    });
  }

  /** Makes `length` bytes from `pos` on read as zeros, up to the end of the file. Frees and allocates nothing. */
  zeroRangeSync(pos: Bytes, length: Bytes): void {
    const { from, to } = this.#checkRange(pos, length);
    this.#alone(() => {
      this.#checkNoDio();
      this.#zero(from, to);
    });
  }

  async zeroRange(pos: Bytes, length: Bytes): Promise<void> {
    const { from, to } = this.#checkRange(pos, length);
    await this.#aloneAsync(async () => {
      await this.#inode.dioWait();
      let pos = from;
      do {
        const end = Math.min(to, roundDown(pos + ZERO_CHUNK, ZERO_CHUNK));
        this.#zero(pos, end);
        const turn = loopTurn(ZERO_CHUNK);
        if (turn !== undefined) await turn;
        pos = end;
      } while (pos < Math.min(to, this.#inode.size));
    });
  }

  /** Maps a part of the file: see `daxMmap`. A file that was opened read-only can be mapped `PROT_READ` or privately. */
  mmap(options: MmapOptions = {}): DaxMapping {
    checkMmapOptions(options);
    this.#checkOpen('mmap');
    if (this.#readOnly && options.flags !== MAP_PRIVATE && (options.prot ?? PROT_READ + PROT_WRITE) !== PROT_READ) {
      this.#fail('mmap', 'EACCES', { reason: 'READ_ONLY' });
    }
    const mapping = daxMmap(this.inode, options, this.#operations.getBlock, this.#operations);
    if (!this.#readOnly) touch(this.#inode);
    return mapping;
  }

  /**
   * Makes durable the stores through mappings of the file, and the file's size, times and blocks. Writes are durable without it.
   * Throws what the device and the filesystem throw.
   */
  fsync(): void {
    this.#checkOpen('fsync');
    this.#bring(0, this.#inode.size);
  }

  #bring(pos: number, end: number): void {
    daxWriteback(this.#inode, pos, end - pos);
    this.#operations.fsync(this.#inode, pos, end);
  }

  #appending(): DaxFile {
    this.#checkOpen('write');
    return this.#append ? this : new DaxFile(this.#inode, this.#operations, this.#options({ append: true }));
  }

  #options(more: DaxFileOptions): DaxFileOptions {
    return { append: this.#append, sync: this.#sync, readOnly: this.#isReader, ...more };
  }

  #fail(syscall: string, errno: string, more?: Partial<DaxErrorInit>): never {
    throw new DaxError({ errno, syscall, hint: `inode ${this.#inode.ino}`, ...more });
  }

  #checkOpen(syscall: string): void {
    if (!this.#isOpen) this.#fail(syscall, 'EBADF', { hint: `inode ${this.#inode.ino}: it was closed` });
  }

  #checkWritable(syscall: string): void {
    this.#checkOpen(syscall);
    if (this.#readOnly) this.#fail(syscall, 'EROFS', { reason: 'READ_ONLY' });
  }

  #mayWrite(length: number): boolean {
    this.#checkWritable('write');
    return length > 0;
  }

  #checkRange(pos: Bytes, length: Bytes): { from: number; to: number } {
    this.#checkWritable('write');
    const from = toBytes(pos, 'pos');
    return { from, to: from + toBytes(length, 'length') };
  }

  #checkSize(size: Bytes): number {
    const bytes = toBytes(size, 'size');
    this.#checkWritable('truncate');
    if (!isRegular(this.#inode.mode)) this.#fail('truncate', 'EINVAL');
    if (bytes > this.#maxBytes) this.#fail('truncate', 'EFBIG');
    return bytes;
  }

  get #maxBytes(): number {
    return this.#inode.sb.maxBytes ?? Number.MAX_SAFE_INTEGER;
  }

  #checkNoDio(): void {
    if (this.#inode.dioCount > 0) throw wouldBlock(this.#inode);
  }

  // Takes the locks of an operation that changes the file: it shares the gate that a frozen filesystem closes, and holds the
  // inode's lock exclusively.
  #lock(): void {
    if (!this.#gate.writers.tryShared()) throw wouldBlock(this.#inode);
    if (this.#inode.ilock.tryExclusive()) return;
    this.#gate.writers.releaseShared();
    throw wouldBlock(this.#inode);
  }

  async #lockAsync(signal: AbortSignal | undefined): Promise<void> {
    // If both locks are free, takes them before it first yields, so the next call finds the file locked.
    if (!this.#gate.writers.tryShared()) await this.#gate.writers.shared(signal);
    try {
      await this.#inode.ilock.exclusive(signal);
    } catch (error) {
      this.#gate.writers.releaseShared();
      throw error;
    }
  }

  #unlock(): void {
    this.#inode.ilock.releaseExclusive();
    this.#gate.writers.releaseShared();
  }

  #alone<T>(work: () => T): T {
    this.#lock();
    try {
      return work();
    } finally {
      this.#unlock();
    }
  }

  #aloneAsync<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const alone = async () => {
      await this.#lockAsync(signal);
      try {
        return await work();
      } finally {
        this.#unlock();
      }
    };
    return this.#begin(() => asOperation(alone));
  }

  // Makes the changes that a write makes even if it fails: to set-id bits and times (IO-13). Returns the position of the write.
  #beginWrite(pos: number, length: number): number {
    const inode = this.#inode;
    const start = this.#append ? inode.size : pos;
    if (start >= this.#maxBytes) this.#fail('write', 'EFBIG', { position: start });
    modified(inode);
    this.#operations.dirty?.(inode);
    if (inode.isFreeingDue && start + length > inode.size) freePastEnd(inode, this.#operations);
    if (start > inode.size && endsWithinPage(inode)) zeroPastEnd(inode, this.#operations);
    return start;
  }

  // Raises i_size after the data is there (IO-13.7), and frees blocks that a failed or short write left past it (IO-16).
  #endWrite(pos: number, length: number, written: number): void {
    const inode = this.#inode;
    if (written > 0 && pos + written > inode.size) {
      setSize(inode, pos + written);
      this.#operations.dirty?.(inode);
    }
    if (written === length || pos + length <= inode.size) return;
    try {
      freePastEnd(inode, this.#operations);
    } catch (error) {
      // The result of the write takes precedence. The next operation that makes the file grow gets this error.
      if (!(error instanceof DaxError)) throw error;
    }
  }

  // A filesystem may become synchronous while the file is open.
  get #isSync(): boolean {
    return this.#sync || (this.#inode.sb.synchronous ?? false);
  }

  #afterWrite(pos: number, written: number): void {
    if (this.#isSync && written > 0) this.#bring(pos, pos + written);
  }

  // A truncation to the same size changes the times of the file too, as ftruncate(2) does.
  #truncate(size: number): void {
    this.#change(() => {
      if (size !== this.#inode.size) changeSize(this.#inode, size, this.#operations);
    });
  }

  #zero(from: number, to: number): void {
    this.#change(() => {
      zeroRange(this.#inode, from, Math.min(to, this.#inode.size), this.#operations);
    });
  }

  #change(work: () => void): void {
    const inode = this.#inode;
    work();
    modified(inode);
    this.#operations.dirty?.(inode);
    if (this.#isSync) this.#bring(0, inode.size);
  }
}

// Clears the set-id bits, as the kernel does after a change by an unprivileged user (file_modified), so a changed program does not
// run with its owner's rights. Updates the times.
function modified(inode: Inode): void {
  // eslint-disable-next-line no-bitwise -- permission bits
  inode.mode &= ~SET_ID_BITS;
  inode.mtimeMs = inode.ctimeMs = Date.now();
}

// Updates the access time, even if nothing was read or the read failed (IO-12). Reads call it in place of the filesystem's endIo,
// which would convert unwritten blocks that were only read.
function touch(inode: Inode): void {
  inode.atimeMs = Date.now();
}

// Whether there are bytes past the end that a mapping may show, and so may have stored to.
function endsWithinPage({ size, mappings }: Inode): boolean {
  return size % (mappings?.pageSize ?? PAGE_SIZE) !== 0;
}

function isRegular(mode: number): boolean {
  // eslint-disable-next-line no-bitwise -- the type in a mode
  return (mode & S_IFMT) === S_IFREG;
}

function isVector(iter: Iter): iter is readonly NodeJS.ArrayBufferView[] {
  return Array.isArray(iter);
}

function lengthOf(iter: Iter): number {
  if (!isVector(iter)) return toUint8Array(iter, 'iter').byteLength;
  return iter.reduce((sum, view, index) => sum + toUint8Array(view, `iter[${index}]`).byteLength, 0);
}

// The first `bytes` bytes of `iter`, which has `length` bytes.
function clipped(iter: Iter, length: number, bytes: number): Iter {
  if (bytes === length) return iter;
  let left = bytes;
  return (isVector(iter) ? iter : [iter]).map(({ buffer, byteOffset, byteLength }) => {
    const part = Math.min(left, byteLength);
    left -= part;
    return new Uint8Array(buffer, byteOffset, part);
  });
}
