// Owns the handling of one page fault (dax_fault, dax_mkwrite, dax_pfn_mkwrite: rules FT-1 to FT-12, MK-1 to MK-7).

import { backingOf, type BlockDevice } from '../device/block-device.js';
import { BufferHead } from '../inode/buffer-head.js';
import { alignFix } from '../device/align-fix.js'; // late
import { DaxError } from '../errors.js';
import { hasData, isUninitialised, type Extent } from '../inode/extent-cache.js';
import { completeBlocks, fillBlocks } from '../inode/fill-blocks.js';
import { freezeGate } from '../inode/freeze.js';
import { type GetBlock, type Inode, type InodeOperations, wouldBlock } from '../inode/inode.js';
import { mapBlocks, mapPage } from '../inode/map-blocks.js';
import { PAGE_SIZE, SECTOR_SIZE } from '../units.js';

/** The bits of what a fault handler returns, with the kernel's names and values. */
export const VM_FAULT_OOM = 0x1;
export const VM_FAULT_SIGBUS = 0x2;
/** The fault asked for a block to be allocated, whether or not it succeeded. */
export const VM_FAULT_MAJOR = 0x4;
/** The page is installed. */
export const VM_FAULT_NOPAGE = 0x100;
/** Zeros are installed, or `cowPage` is filled. */
export const VM_FAULT_LOCKED = 0x200;
/** The fault would have to wait for a lock: try again later. */
export const VM_FAULT_RETRY = 0x400;
/** A huge page cannot be installed: fault again for a small one. */
export const VM_FAULT_FALLBACK = 0x800;

/** The operations of a filesystem, besides `getBlock`, that a fault calls. */
export type FaultOperations = Partial<Pick<InodeOperations, 'completeUnwritten' | 'dirty' | 'fsync'>>;

/** A mapping of a file, as a fault handler sees it (vm_area_struct). */
export interface VmArea {
  readonly inode: Inode;
  /** The first page of the file that the mapping shows, and the number of pages. */
  readonly pgoff: number;
  readonly pages: number;
  /** The size of a page in bytes: the smallest unit that the device maps. */
  readonly pageSize: number;
  readonly shared: boolean;
  readonly operations: FaultOperations;
  /**
   * Shows `count` pages of the file from `pgoff` on: the memory from byte `pos` of `bdev` on. `readOnly`: the file shares the
   * blocks with other files, and the first store must call `daxMkwrite`. Throws `DaxError`, with `EBUSY` for a page that is
   * installed already.
   */
  insert(pgoff: number, count: number, bdev: BlockDevice, pos: number, readOnly: boolean): void;
  /** Shows `count` pages from `pgoff` on as zeros, until the first store. */
  insertZeros(pgoff: number, count: number): void;
}

/** A load or store that must be served (vm_fault). */
export interface VmFault {
  readonly vma: VmArea;
  /** The page of the file. */
  readonly pgoff: number;
  /** Whether the touch is a store. */
  readonly write: boolean;
  /** For a private store: the page to fill with the file's content. */
  readonly cowPage?: Uint8Array;
  /** Out: the reason for SIGBUS or OOM. */
  error?: DaxError;
}

/** The number of pages that a file of `size` bytes has. */
export function pageCount(size: number, pageSize: number): number {
  return Math.ceil(size / pageSize);
}

function beyondEnd({ vma, pgoff }: VmFault): DaxError {
  const position = pgoff * vma.pageSize;
  return new DaxError({
    errno: 'ENXIO',
    syscall: 'fault',
    reason: 'BEYOND_END',
    position,
    hint: `the file has ${vma.inode.size} bytes`,
  });
}

// Refuses a page past the end of the file (FT-2). Called again after every wait and every callback, because either may have
// shortened the file.
function checkEnd(vmf: VmFault): void {
  if (vmf.pgoff >= pageCount(vmf.vma.inode.size, vmf.vma.pageSize)) throw beyondEnd(vmf);
}

/** The code of the fault that ends with `error` (FT-12). Anything but a `DaxError` is a bug in a callback and is thrown on. */
export function toFaultCode(vmf: VmFault, error: unknown): number {
  if (!(error instanceof DaxError)) throw error;
  if (error.code === 'EBUSY') return VM_FAULT_NOPAGE;
  vmf.error = error;
  return error.code === 'ENOMEM' ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

// The error for an answer about less than a page (FT-4). Either the filesystem is wrong, or the device's pages are larger than
// the filesystem's blocks.
function tooSmall({ vma, pgoff }: VmFault, extent: Extent): DaxError {
  const bytes = extent.count * vma.inode.sb.blockSize;
  return new DaxError({
    errno: 'EIO',
    syscall: 'fault',
    reason: 'UNALIGNED_EXTENT',
    position: pgoff * vma.pageSize,
    hint:
      vma.pageSize > vma.inode.sb.blockSize
        ? `${bytes} bytes lie together where the device maps ${vma.pageSize} at a time: ` +
          `use ${alignFix(backingOf(vma.inode.sb.bdev, 0, PAGE_SIZE).device.path)}`
        : `getBlock described ${bytes} bytes of a page of ${vma.pageSize}`,
  });
}

// Serves one page of a fault, or, for a mapping whose pages are installed ahead, a run of pages.
class Handler {
  readonly #vmf: VmFault;
  readonly #getBlock: GetBlock;
  readonly #bh = new BufferHead();
  #pgoff: number;
  code = 0;

  constructor(vmf: VmFault, getBlock: GetBlock) {
    this.#vmf = vmf;
    this.#getBlock = getBlock;
    this.#pgoff = vmf.pgoff;
  }

  run(): void {
    const { vma, write, cowPage } = this.#vmf;
    checkEnd(this.#vmf);
    const extent = this.#lookUp();
    if (write && !vma.shared && cowPage !== undefined) this.#fill(cowPage, hasData(extent) ? extent : undefined);
    else if (write && vma.shared && extent.state !== 'written') this.#create(1);
    else this.#show(extent);
  }

  /** Installs everything that the mapping shows of the file. If a store needs a block, allocates one or calls `refuse`. */
  populate(allocate: boolean, refuse: (pos: number) => never): void {
    const { vma, write } = this.#vmf;
    const end = this.#end();
    while (this.#pgoff < end) {
      const extent = this.#lookUp();
      const next = Math.min(end, this.#pageEnd(extent));
      if (!write || !vma.shared || extent.state === 'written') this.#show(extent);
      else if (!allocate) refuse(this.#pgoff * vma.pageSize);
      else {
        // The filesystem may allocate fewer pages than it is asked for.
        this.#pgoff = this.#create(next - this.#pgoff);
        continue;
      }
      this.#pgoff = next;
    }
  }

  get #iblock(): number {
    return (this.#pgoff * this.#vmf.vma.pageSize) / this.#vmf.vma.inode.sb.blockSize;
  }

  // The page after the last one that is both in the mapping and in the file.
  #end(): number {
    const { vma } = this.#vmf;
    return Math.min(vma.pgoff + vma.pages, pageCount(vma.inode.size, vma.pageSize));
  }

  // The page after the last one that the extent covers whole.
  #pageEnd({ iblock, count }: Extent): number {
    const { vma } = this.#vmf;
    return Math.floor(((iblock + count) * vma.inode.sb.blockSize) / vma.pageSize);
  }

  // Looks up, without `create`, everything that the mapping shows, because one fault installs all contiguous pages (FT-4).
  #lookUp(): Extent {
    const { vma } = this.#vmf;
    const wanted = Math.max(1, this.#end() - this.#pgoff) * vma.pageSize;
    return this.#whole(mapPage(vma.inode, this.#iblock, wanted, vma.pageSize, this.#getBlock, this.#bh));
  }

  // Refuses an extent that does not cover the whole page.
  #whole(extent: Extent): Extent {
    if (extent.iblock > this.#iblock || this.#pageEnd(extent) <= this.#pgoff) throw tooSmall(this.#vmf, extent);
    return extent;
  }

  // Installs what getBlock has found, without a store.
  #show(extent: Extent): void {
    if (hasData(extent)) this.#insert(extent);
    else this.#zeros(extent);
  }

  // Fills the copy of a private store, which allocates no block and converts nothing (FT-5).
  #fill(page: Uint8Array, extent: Extent | undefined): void {
    if (extent === undefined) page.fill(0);
    else {
      const position = this.#devicePos(extent);
      const read = (extent.bdev as BlockDevice).readSync(page, position);
      if (read < page.byteLength) throw new DaxError({ errno: 'EIO', syscall: 'fault', position });
    }
    checkEnd(this.#vmf);
    this.code = VM_FAULT_LOCKED;
  }

  // Installs zeros for a load of bytes that were never written: a hole (FT-6) or an unwritten page (FT-8).
  #zeros(extent: Extent): void {
    checkEnd(this.#vmf);
    this.#vmf.vma.insertZeros(this.#pgoff, this.#pageEnd(extent) - this.#pgoff);
    this.code = VM_FAULT_LOCKED;
  }

  // Allocates and installs the blocks for a store, in place of a hole (FT-7), of unwritten blocks (FT-8), or of shared ones (CW-2).
  // Returns the page after those that were allocated.
  #create(count: number): number {
    const { vma } = this.#vmf;
    const { inode, pageSize } = vma;
    const bh = this.#bh;
    this.code = VM_FAULT_MAJOR;
    const extent = this.#whole(mapBlocks(inode, this.#iblock, count * pageSize, this.#getBlock, true, bh));
    let isInserted = false;
    try {
      this.#insert(extent);
      isInserted = true;
    } catch (error) {
      // Another fault has installed the same block first.
      isInserted = error instanceof DaxError && error.code === 'EBUSY';
      throw error;
    } finally {
      // On failure too, so the filesystem leaves the page unwritten (FT-11).
      completeBlocks(inode, extent, bh, isInserted, vma.operations);
    }
    return this.#pageEnd(extent);
  }

  // Installs the extent, if its pages still lie in the file and the device gives access to them (FT-10).
  #insert(extent: Extent): void {
    const { vma } = this.#vmf;
    checkEnd(this.#vmf);
    const bdev = extent.bdev as BlockDevice;
    const pos = this.#devicePos(extent);
    const { bytes } = bdev.directAccess(pos / SECTOR_SIZE, vma.pageSize);
    if (bytes < vma.pageSize) throw new DaxError({ errno: 'EIO', syscall: 'directAccess', position: pos });
    const end = this.#pageEnd(extent);
    // New blocks hold garbage and are filled before any mapping shows them.
    if (isUninitialised(extent)) {
      fillBlocks(extent, vma.inode.sb.blockSize, this.#pgoff * vma.pageSize, end * vma.pageSize);
    }
    vma.insert(this.#pgoff, end - this.#pgoff, bdev, pos, extent.state === 'shared');
    this.code += VM_FAULT_NOPAGE;
  }

  #devicePos(extent: Extent): number {
    return (extent.blocknr + this.#iblock - extent.iblock) * this.#vmf.vma.inode.sb.blockSize;
  }
}

/** Runs `work`. A store to a shared mapping first passes the gate that a frozen filesystem closes, and changes the times (FT-1). */
function storing(vmf: VmFault, work: () => number): number {
  const { vma } = vmf;
  const { faults } = freezeGate(vma.inode.sb);
  if (!vmf.write || !vma.shared) return work();
  if (!faults.tryShared()) return VM_FAULT_RETRY;
  try {
    const { inode } = vma;
    inode.mtimeMs = inode.ctimeMs = Date.now();
    vma.operations.dirty?.(inode);
    return work();
  } finally {
    faults.releaseShared();
  }
}

function underInval(inode: Inode, work: () => number): number {
  if (!inode.inval.tryShared()) return VM_FAULT_RETRY;
  try {
    return work();
  } finally {
    inode.inval.releaseShared();
  }
}

/**
 * Serves a fault in a mapping of a file (dax_fault). A load of a hole gets zeros and allocates nothing, a shared store to a hole
 * allocates the page, a private store gets a copy of the page, and a touch past the end of the file is refused.
 *
 * Returns bits of `VM_FAULT_*`: `SIGBUS` or `OOM` with the reason in `vmf.error`, `RETRY` if another operation holds the lock.
 * Throws only the errors of callbacks that are not a `DaxError`.
 */
export function daxFault(vmf: VmFault, getBlock: GetBlock): number {
  const { inode } = vmf.vma;
  return storing(vmf, () =>
    underInval(inode, () => {
      const { pageSize } = vmf.vma;
      const locked = inode.pages.tryLock(vmf.pgoff * pageSize, (vmf.pgoff + 1) * pageSize);
      if (locked === undefined) return VM_FAULT_RETRY;
      const handler = new Handler(vmf, getBlock);
      try {
        handler.run();
        return handler.code;
      } catch (error) {
        return handler.code + toFaultCode(vmf, error);
      } finally {
        inode.pages.unlock(locked);
      }
    }),
  );
}

/** Serves the first store to zeros or shared blocks that a load installed (dax_mkwrite, MK-1), as `daxFault` serves a store. */
export function daxMkwrite(vmf: VmFault, getBlock: GetBlock): number {
  const store: VmFault = { ...vmf, write: true };
  const code = daxFault(store, getBlock);
  if (store.error !== undefined) vmf.error = store.error;
  return code;
}

/**
 * Installs ahead what a mapping shows of its file, as a fault at each page would, because the owner's thread cannot answer its
 * own faults. `allocate`: holes and shared blocks below a writable shared mapping get blocks of their own; without it they are
 * refused. Throws the error of the first page that cannot be installed.
 */
export function daxPopulate(vma: VmArea, write: boolean, allocate: boolean, getBlock: GetBlock): void {
  const vmf: VmFault = { vma, pgoff: vma.pgoff, write };
  const code = storing(vmf, () =>
    underInval(vma.inode, () => {
      const locked = vma.inode.pages.tryLock(vma.pgoff * vma.pageSize, (vma.pgoff + vma.pages) * vma.pageSize);
      if (locked === undefined) return VM_FAULT_RETRY;
      try {
        new Handler(vmf, getBlock).populate(allocate, (position) => {
          throw new DaxError({
            errno: 'EOPNOTSUPP',
            syscall: 'mmap',
            reason: 'HOLE_NOT_ALLOCATED',
            position,
            hint: 'there is a hole or a shared block, and `allocate` is false: a store there could not be resolved on this thread',
          });
        });
        return VM_FAULT_NOPAGE;
      } finally {
        vma.inode.pages.unlock(locked);
      }
    }),
  );
  if (code === VM_FAULT_RETRY) throw wouldBlock(vma.inode);
}

/**
 * Serves the first store to a page of the device that was mapped read-only (dax_pfn_mkwrite, MK-2). It changes the times, and does
 * not call getBlock, because the block exists. Returns `SIGBUS` past the end of the file (MK-4).
 */
export function daxPfnMkwrite(vmf: VmFault): number {
  return storing({ ...vmf, write: true }, () =>
    underInval(vmf.vma.inode, () => {
      try {
        checkEnd(vmf);
        return VM_FAULT_NOPAGE;
      } catch (error) {
        return toFaultCode(vmf, error);
      }
    }),
  );
}
