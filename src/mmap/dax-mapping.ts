// Owns DaxMapping: a mapped part of a file, in the isolate that owns the file or in another one.

import { argumentError } from '../argument-error.js';
import { EventEmitter } from 'node:events';
import type { AddressSpace, OwnView } from './address-space.js';
import { faultMode, mapFailure, watchRegion, type Viewer } from './fault-service.js';
import { addon, type FaultMode, type NativeRegion } from '../binding.js';
import { DaxError, type DaxErrorReason } from '../errors.js';
import { keepInPlace } from '../device/segments.js';
import { mappedPageSizes } from './page-sizes.js';
import { roundUp, toBytes, type Bytes } from '../units.js';

/** The constants of mmap(2) and madvise(2), with the kernel's names and values. */
export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const MAP_SHARED = 0x1;
export const MAP_PRIVATE = 0x2;
export const MAP_SYNC = 0x80000;
export const MADV_NORMAL = 0;
export const MADV_RANDOM = 1;
export const MADV_SEQUENTIAL = 2;
export const MADV_WILLNEED = 3;
export const MADV_DONTNEED = 4;

/** The description of a mapping. Send it to other isolates of the process by `postMessage` or as `workerData`. */
export interface MappingHandle {
  readonly pid: number;
  readonly file: number;
  /** Bytes. */
  readonly pos: number;
  readonly length: number;
  readonly pageSize: number;
  readonly prot: number;
  readonly flags: number;
  readonly onSigbus: 'survive' | 'kill';
  /** The position of the first page on the device, modulo 2 MiB. */
  readonly phase: number;
}

/** The faults of a mapping, counted. */
export interface FaultInfo {
  /**
   * Which touches are served. `full`: all. `user`: a system call on a page that was not touched before gets EFAULT. `none`: none
   * are, because every page was installed when the file was mapped.
   */
  readonly mode: FaultMode;
  /** Faults that the service answered by itself. */
  readonly minor: number;
  /** Faults that asked for a block to be allocated. */
  readonly major: number;
  /** Faults for which the service asked the owner of the file. */
  readonly asked: number;
  /** Faults that installed zeros for a hole. */
  readonly hole: number;
  /** First stores to zeros that a load had installed. */
  readonly mkwrite: number;
  /** Faults that were answered with SIGBUS. */
  readonly refused: number;
  /** How long faults took: `count` of them took less than `below` nanoseconds, and at least half of that. */
  readonly latency: readonly { readonly below: number; readonly count: number }[];
  /** Bytes that are mapped by pages of 4 KiB, and by larger pages. Not every kernel reports the larger pages of DAX files. */
  readonly pageSizes: { readonly small: number; readonly huge: number };
}

/** The owner's side of a mapping. */
export interface Owner {
  readonly space: AddressSpace;
  /** Installs what the mapping shows of the file, so the owner's thread never has to wait for itself. */
  resolve(): void;
  /** Changes the times of the file after stores were made durable, as POSIX asks of msync. */
  stored(): void;
}

type Reasons = Readonly<Record<string, { reason?: DaxErrorReason; hint: string }>>;

const REASONS: Reasons = {
  ENXIO: { reason: 'BEYOND_END', hint: 'the file ends before it' },
  EDEADLK: {
    reason: 'OWNER_THREAD',
    hint: 'the thread that owns the file would have waited for itself: use `mapping.buffer`, which resolves the pages first',
  },
  EROFS: { reason: 'READ_ONLY', hint: 'it was stored to, and may only be read: the store stayed in this process' },
  EIO: { reason: 'MEDIA_ERROR', hint: 'the medium, or the filesystem, could not give the page' },
  ERANGE: { reason: 'OFFSET_OUT_OF_RANGE', hint: 'the filesystem placed its block past the end of the device: it, or its image, is broken' },
  ETIMEDOUT: {
    reason: 'OWNER_BUSY',
    hint: 'the thread that owns the file did not answer for a minute: it must not block while others touch the mapping',
  },
};

const PERSIST_REASONS: Reasons = {
  EIO: { reason: 'MEDIA_ERROR', hint: 'a page of it was touched in vain, and what was stored there is not in the file' },
  ESTALE: { hint: 'the file has no owner any more, and nobody knows what became of its blocks' },
};

function explained(errno: number, syscall: string, position: number, reasons: Reasons): DaxError {
  const error = new DaxError({ errno, syscall, position });
  const known = reasons[error.code];
  return known === undefined ? error : new DaxError({ errno, syscall, position, ...known });
}

// The mappings that other isolates may be attached to. They keep their files from being collected.
const shared = new Set<DaxMapping>();

// Keeps a mapping for as long as its buffer, so losses of pages are reported to a program that holds only the buffer.
const mappingOf = new WeakMap<ArrayBuffer, DaxMapping>();

// Checks a handle, which comes from another isolate.
function checkHandle({ pos, length, pageSize, prot, flags, phase }: MappingHandle): void {
  const unit = toBytes(pageSize, 'pageSize');
  const isPart = toBytes(length, 'length') > 0 && toBytes(pos, 'pos') % unit === 0 && toBytes(phase, 'phase') % unit === 0;
  const isKnown = [PROT_READ, PROT_READ + PROT_WRITE].includes(prot) && [MAP_SHARED, MAP_PRIVATE].includes(flags);
  if (!isPart || !isKnown) throw argumentError('ERR_INVALID_ARG_VALUE', 'handle is not what `mapping.handle` was');
}

/**
 * A part of a file as memory, made by `daxMmap` or `attach`. When a touch of a page is refused, zeros take its place, `persist`
 * of the page throws, and the mapping emits `'error'` with a `DaxError` whose `position` is the byte in the file. Without a
 * listener the error becomes a process warning.
 */
export class DaxMapping extends EventEmitter {
  readonly #handle: MappingHandle;
  readonly #region: NativeRegion;
  readonly #owner: Owner | undefined;
  readonly #view: WeakRef<OwnView> | undefined;
  #buffer: ArrayBuffer | undefined;
  // Buffers from before the file grew. Programs may still use them.
  readonly #shorter = new Set<WeakRef<ArrayBuffer>>();
  #isMapped = true;
  // Kept here, because the registry of losses and the address space hold it weakly.
  readonly #viewer: Viewer & OwnView;

  /** @internal Use `daxMmap` or `attach`. */
  constructor(handle: MappingHandle, owner?: Owner) {
    super();
    const { file, pos, length, pageSize, prot, flags, onSigbus, phase } = handle;
    const first = pos / pageSize;
    const count = Math.ceil(length / pageSize);
    const isWritable = has(prot, PROT_WRITE);
    const opened = addon().regionOpen(file, first, count, isWritable, flags === MAP_SHARED, onSigbus === 'kill', phase);
    if (typeof opened === 'number') throw mapFailure(opened);
    this.#handle = Object.freeze({ ...handle });
    this.#region = opened.region;
    this.#owner = owner;
    this.#viewer = {
      lost: (page, errno) => {
        this.#lost(page, errno);
      },
      detach: (from, to) => {
        if (from < first + count && to > first) this.#detach((from - first) * pageSize);
      },
      detachWritable: () => {
        if (isWritable && flags === MAP_SHARED) this.#detach();
      },
    };
    watchRegion(opened.id, this.#viewer);
    this.#view = owner?.space.addView(this.#viewer);
  }

  /**
   * Maps the same part of the file in this isolate, at addresses of its own. Each touch is served when it happens; if the place of
   * a page is not known, the isolate that owns the file is asked. Throws `ESTALE` if no isolate owns the file any more.
   */
  static attach(handle: MappingHandle): DaxMapping {
    if (typeof handle !== 'object' || (handle as unknown) === null || handle.pid !== process.pid) {
      throw argumentError('ERR_INVALID_ARG_VALUE', 'handle must be the `handle` of a mapping of this process');
    }
    checkHandle(handle);
    const mode = faultMode();
    const mapping = new DaxMapping(handle);
    // If system calls cannot fault, or nothing can, the pages that are known are installed now.
    if (mode !== 'full') mapping.#install();
    return mapping;
  }

  /** The handle by which other isolates attach. Once it has been read, this mapping and those attached by it live until `unmap`. */
  get handle(): MappingHandle {
    this.#check('handle');
    if (this.#owner !== undefined) shared.add(this);
    return this.#handle;
  }

  /** The first byte of the mapping: bytes from the start of the file. */
  get pos(): number {
    return this.#handle.pos;
  }

  /** Bytes. */
  get length(): number {
    return this.#handle.length;
  }

  /**
   * The memory of the mapping. On the owner's thread it ends with the mapping, or earlier, with the page in which the file ends,
   * and it is detached when the filesystem frees or moves blocks below it: get `buffer` again then. In other isolates it always has
   * the mapping's length, and touches past the end of the file are refused. Throws `EAGAIN` while the filesystem is frozen or an
   * asynchronous write fills blocks there.
   */
  get buffer(): ArrayBuffer {
    if (!this.#isMapped) throw new DaxError({ errno: 'EBADF', syscall: 'mmap', hint: 'it was unmapped' });
    const length = this.#reach();
    if (this.#buffer?.byteLength === length && length > 0) return this.#buffer;
    this.prepare();
    const buffer = addon().regionBuffer(this.#region, length);
    if (typeof buffer === 'number') throw mapFailure(buffer);
    if (this.#buffer !== undefined) this.#shorter.add(new WeakRef(this.#buffer));
    this.#buffer = keepInPlace(buffer);
    mappingOf.set(buffer, this);
    return buffer;
  }

  /** @internal Installs the pages that the owner's thread may touch. Throws if a touch of one of them would be refused. */
  prepare(): void {
    if (this.#owner === undefined) return;
    this.#owner.resolve();
    this.#install();
  }

  /**
   * Starts to make stores to `length` bytes at `pos`, counted from the start of the mapping, durable (libpmem2's flush): by cache
   * lines, or by msync if the device's granularity is `page`. They are durable after a `drain` in the same isolate. By default,
   * `pos` is 0 and the range ends with the mapping. Throws `EIO` if a page of the range was lost, with the `position` in the file
   * of the first such byte, `ESTALE` if no isolate owns the file any more, and `EBADF` after `unmap`.
   */
  flush(pos: Bytes = 0, length?: Bytes): void {
    const { start, bytes } = this.#part(pos, length);
    this.#check('flush');
    this.#flushed('flush', start, bytes, addon().regionFlush(this.#region, start, bytes));
  }

  /** Waits until everything that this isolate flushed before is durable. Throws `EBADF` after `unmap`. */
  drain(): void {
    this.#check('drain');
    addon().regionDrain();
  }

  /** `flush`, then `drain`: makes the stores to a range durable (msync). Takes and throws what `flush` does. */
  persist(pos: Bytes = 0, length?: Bytes): void {
    const { start, bytes } = this.#part(pos, length);
    this.#check('persist');
    this.#flushed('persist', start, bytes, addon().regionPersist(this.#region, start, bytes));
  }

  /**
   * Touches every page of the mapping that lies in the file. Throws `EIO` with the `position` of the first page that is refused.
   */
  prefault(): void {
    this.#check('prefault');
    const length = this.#owner === undefined ? this.length : this.buffer.byteLength;
    const reached = addon().regionPrefault(this.#region, length);
    if (reached >= length) return;
    throw new DaxError({ errno: 'EIO', syscall: 'prefault', position: this.pos + reached, hint: 'the page cannot be mapped' });
  }

  /**
   * Takes advice about `length` bytes at `pos` (madvise), and ignores it: there is no cache to fill or to empty, and no content
   * changes. For the effect of `MADV_WILLNEED`, use `prefault`. Throws `EINVAL` for unknown advice.
   */
  advise(advice: number, pos: Bytes = 0, length?: Bytes): void {
    this.#check('madvise');
    this.#part(pos, length);
    if ([MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED].includes(advice)) return;
    throw new DaxError({ errno: 'EINVAL', syscall: 'madvise', hint: `${String(advice)} is no advice: there are MADV_NORMAL, _RANDOM, _SEQUENTIAL, _WILLNEED and _DONTNEED` });
  }

  faultInfo(): FaultInfo {
    this.#check('faultInfo');
    const { start, end, minor, major, asked, hole, mkwrite, refused, nanoseconds } = addon().regionInfo(this.#region);
    const latency = nanoseconds.map((count, index) => ({ below: 2 ** index, count })).filter(({ count }) => count > 0);
    const pageSizes = mappedPageSizes(start, end);
    return { mode: faultMode(), minor, major, asked, hole, mkwrite, refused, latency, pageSizes };
  }

  /** Detaches the buffer and gives the memory back. May be called again. Makes nothing durable. */
  unmap(): void {
    if (!this.#isMapped) return;
    this.#isMapped = false;
    shared.delete(this);
    this.#detach();
    addon().regionClose(this.#region);
    if (this.#view !== undefined) this.#owner?.space.removeView(this.#view);
  }

  [Symbol.dispose](): void {
    this.unmap();
  }

  // A part of the mapping, in bytes. Throws `RangeError` if it reaches past the end.
  #part(pos: Bytes, length?: Bytes): { start: number; bytes: number } {
    const start = toBytes(pos, 'pos');
    const bytes = length === undefined ? Math.max(0, this.length - start) : toBytes(length, 'length');
    if (start + bytes > this.length) {
      throw argumentError('ERR_OUT_OF_RANGE', `${bytes} bytes at ${start} reach past the ${this.length} bytes of the mapping`);
    }
    return { start, bytes };
  }

  // Throws the error that a flush returned, or, if it succeeded, changes the times of the file.
  #flushed(syscall: string, start: number, bytes: number, error: number): void {
    if (error < 0) {
      const intact = addon().regionIntact(this.#region, start, bytes);
      throw explained(error, syscall, this.pos + start + (intact < bytes ? intact : 0), PERSIST_REASONS);
    }
    if (has(this.#handle.prot, PROT_WRITE) && this.#handle.flags === MAP_SHARED) this.#owner?.stored();
  }

  #install(): void {
    const { pos, length, pageSize } = this.#handle;
    const error = addon().regionInstall(this.#region, pos / pageSize, Math.ceil(length / pageSize));
    if (error < 0) throw mapFailure(error);
  }

  // The length of the buffer. On the owner's thread the buffer ends with the file, so no touch can be refused there.
  #reach(): number {
    if (this.#owner === undefined) return this.length;
    const { space } = this.#owner;
    return Math.max(0, Math.min(this.length, roundUp(space.inode.size, space.pageSize) - this.pos));
  }

  #check(syscall: string): void {
    if (!this.#isMapped) throw new DaxError({ errno: 'EBADF', syscall, hint: 'it was unmapped' });
  }

  // Detaches the buffers that reach past `from` bytes.
  #detach(from = 0): void {
    for (const ref of this.#shorter) {
      const buffer = ref.deref();
      if (buffer !== undefined && buffer.byteLength > from) addon().detach(buffer);
      if (!(buffer?.byteLength)) this.#shorter.delete(ref);
    }
    if (this.#buffer === undefined || this.#buffer.byteLength <= from) return;
    addon().detach(this.#buffer);
    this.#buffer = undefined;
  }

  #lost(page: number, errno: number): void {
    const told = explained(errno, 'access', page * this.#handle.pageSize, REASONS);
    if (this.listenerCount('error') > 0) this.emit('error', told);
    else process.emitWarning(told);
  }
}

function has(prot: number, flag: number): boolean {
  // eslint-disable-next-line no-bitwise -- a flag
  return (prot & flag) !== 0;
}
