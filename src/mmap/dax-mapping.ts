// Owns DaxMapping: a mapped part of a file, in the isolate that owns the file or in another one.

import { argumentError } from '../argument-error.js';
import { EventEmitter } from 'node:events';
import type { AddressSpace, OwnView, Viewer } from './address-space.js';
import { faultMode, mapFailure, watchRegion } from './address-space.js';
import { addon, type FaultMode, type NativeRegion } from '../binding.js';
import { DaxError, type DaxErrorReason } from '../errors.js';
import { keepInPlace } from '../device/leased-buffer.js';
import { mappedPageSizes } from './page-sizes.js';
import { roundUp, toBytes, type Bytes } from '../units.js';

/** The kernel's names and values. */
export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const MAP_SHARED = 0x1;
export const MAP_PRIVATE = 0x2;
export const MAP_SYNC = 0x80000;

/** What a mapping looks like. Can be sent to other isolates of the process, by `postMessage` or as `workerData`. */
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
  /** The device's position of the first page, modulo 2 MiB. */
  readonly phase: number;
}

/** What faults a mapping has cost. */
export interface FaultInfo {
  /**
   * Which touches are served: `full`; `user`, where system calls on what was not touched before get EFAULT; `none`, where
   * everything was installed when it was mapped.
   */
  readonly mode: FaultMode;
  /** Served from what was known. */
  readonly minor: number;
  /** A block was allocated. */
  readonly major: number;
  /** The owner of the file had to be asked. */
  readonly asked: number;
  /** Zeros were installed for a hole. */
  readonly hole: number;
  /** First stores to such zeros. */
  readonly mkwrite: number;
  /** Answered with SIGBUS. */
  readonly refused: number;
  /** How long the service took over a fault: `count` of them less than `below` nanoseconds, and at least half of that. */
  readonly latency: readonly { readonly below: number; readonly count: number }[];
  /** Bytes that are mapped by pages of 4 KiB, and by larger ones, which not every kernel tells of DAX files. */
  readonly pageSizes: { readonly small: number; readonly huge: number };
}

/** The owner's side of a mapping. */
export interface Owner {
  readonly space: AddressSpace;
  /** Resolves what the mapping shows, as far as the file reaches: the owner's thread must never have to wait for itself. */
  resolve(): void;
  /** Stores were made durable: the times of the file change (POSIX, for msync). */
  stored(): void;
}

type Reasons = Readonly<Record<string, { reason?: DaxErrorReason; hint: string }>>;

const REASONS: Reasons = {
  ENXIO: { reason: 'BEYOND_END', hint: 'the file ends before it' },
  EDEADLK: {
    reason: 'OWNER_THREAD',
    hint: 'the thread that owns the file would have had to wait for itself: use `mapping.buffer`, which is resolved ahead',
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

// Those that others may be attached to: the file must not be collected below them.
const shared = new Set<DaxMapping>();

// Whoever has a buffer and no mapping is told all the same when it goes, or loses a page.
const mappingOf = new WeakMap<ArrayBuffer, DaxMapping>();

// It has been sent around.
function checkHandle({ pos, length, pageSize, prot, flags, phase }: MappingHandle): void {
  const unit = toBytes(pageSize, 'pageSize');
  const isPart = toBytes(length, 'length') > 0 && toBytes(pos, 'pos') % unit === 0 && toBytes(phase, 'phase') % unit === 0;
  const isKnown = [PROT_READ, PROT_READ + PROT_WRITE].includes(prot) && [MAP_SHARED, MAP_PRIVATE].includes(flags);
  if (!isPart || !isKnown) throw argumentError('ERR_INVALID_ARG_VALUE', 'handle is not what `mapping.handle` was');
}

/**
 * A part of a file as memory (daxMmap). Emits `'error'` with a `DaxError`, whose `position` is the byte in the file, when a
 * page was touched that could not be had: zeros are in its place, and `persist` of it throws. Without a listener it is
 * a process warning.
 */
export class DaxMapping extends EventEmitter {
  readonly #handle: MappingHandle;
  readonly #region: NativeRegion;
  readonly #owner: Owner | undefined;
  readonly #view: WeakRef<OwnView> | undefined;
  #buffer: ArrayBuffer | undefined;
  // Those of before the file grew, which may still be in use.
  readonly #shorter = new Set<WeakRef<ArrayBuffer>>();
  #isMapped = true;
  // Kept for as long as this is: the registry of losses and the address space hold it weakly.
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
   * The same part of the file in this isolate: its own addresses, whose every touch is served as it comes, by asking the
   * isolate that owns the file where that has to be. Throws `ESTALE` where the file is nobody's any more.
   */
  static attach(handle: MappingHandle): DaxMapping {
    if (typeof handle !== 'object' || (handle as unknown) === null || handle.pid !== process.pid) {
      throw argumentError('ERR_INVALID_ARG_VALUE', 'handle must be the `handle` of a mapping of this process');
    }
    checkHandle(handle);
    const mode = faultMode();
    const mapping = new DaxMapping(handle);
    // Where system calls cannot fault, or nothing can, what is known is installed beforehand.
    if (mode !== 'full') mapping.#install();
    return mapping;
  }

  /** What others attach by. A mapping whose handle was taken lives until `unmap`, and their access with it. */
  get handle(): MappingHandle {
    this.#check('handle');
    if (this.#owner !== undefined) shared.add(this);
    return this.#handle;
  }

  /** Bytes from the start of the file. */
  get pos(): number {
    return this.#handle.pos;
  }

  /** Bytes. */
  get length(): number {
    return this.#handle.length;
  }

  /**
   * The memory. On the owner's thread it ends where the mapping does, at the latest with the page that the file ends in, and is
   * detached when blocks below it go: take it again then. Elsewhere it always has the mapping's length; beyond the file's end
   * there is nothing. Throws `EAGAIN` while the filesystem is frozen, or an asynchronous write fills blocks there.
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

  /** @internal Whatever a touch of the owner's thread could fail for is met, and thrown, here. */
  prepare(): void {
    if (this.#owner === undefined) return;
    this.#owner.resolve();
    this.#install();
  }

  /**
   * Makes stores to `length` bytes at `pos`, counted from the start of the mapping, durable (msync). Throws `EIO` where a
   * page of them was lost, with the `position` in the file of the first such byte, and `ESTALE` where the file has no owner any
   * more.
   */
  persist(pos: Bytes = 0, length?: Bytes): void {
    const start = toBytes(pos, 'pos');
    const bytes = length === undefined ? Math.max(0, this.length - start) : toBytes(length, 'length');
    if (start + bytes > this.length) {
      throw argumentError('ERR_OUT_OF_RANGE', `${bytes} bytes at ${start} reach past the ${this.length} bytes of the mapping`);
    }
    this.#check('persist');
    const error = addon().regionPersist(this.#region, start, bytes);
    if (error < 0) {
      const intact = addon().regionIntact(this.#region, start, bytes);
      throw explained(error, 'persist', this.pos + start + (intact < bytes ? intact : 0), PERSIST_REASONS);
    }
    if (has(this.#handle.prot, PROT_WRITE) && this.#handle.flags === MAP_SHARED) this.#owner?.stored();
  }

  /** Touches every page that the file has. Throws `EIO` with the `position` of the first that cannot be had. */
  prefault(): void {
    this.#check('prefault');
    const length = this.#owner === undefined ? this.length : this.buffer.byteLength;
    const reached = addon().regionPrefault(this.#region, length);
    if (reached >= length) return;
    throw new DaxError({ errno: 'EIO', syscall: 'prefault', position: this.pos + reached, hint: 'the page cannot be had' });
  }

  faultInfo(): FaultInfo {
    this.#check('faultInfo');
    const { start, end, minor, major, asked, hole, mkwrite, refused, nanoseconds } = addon().regionInfo(this.#region);
    const latency = nanoseconds.map((count, index) => ({ below: 2 ** index, count })).filter(({ count }) => count > 0);
    const pageSizes = mappedPageSizes(start, end);
    return { mode: faultMode(), minor, major, asked, hole, mkwrite, refused, latency, pageSizes };
  }

  /** Detaches the buffer and gives the memory back. Idempotent. Makes nothing durable. */
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

  #install(): void {
    const { pos, length, pageSize } = this.#handle;
    const error = addon().regionInstall(this.#region, pos / pageSize, Math.ceil(length / pageSize));
    if (error < 0) throw mapFailure(error);
  }

  // The end of the buffer: on the owner's thread there is nothing past the end of the file to touch in vain.
  #reach(): number {
    if (this.#owner === undefined) return this.length;
    const { space } = this.#owner;
    return Math.max(0, Math.min(this.length, roundUp(space.inode.size, space.pageSize) - this.pos));
  }

  #check(syscall: string): void {
    if (!this.#isMapped) throw new DaxError({ errno: 'EBADF', syscall, hint: 'it was unmapped' });
  }

  // Those that reach past `from` bytes.
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
