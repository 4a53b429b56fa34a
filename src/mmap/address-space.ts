// Owns what the mappings of one file have in common: what they show, what was stored through them, and the handlers of their
// faults (the kernel's address_space).

import { BufferHead } from '../inode/buffer-head.js';
import { daxFault, daxMkwrite, pageCount, VM_FAULT_MAJOR, VM_FAULT_RETRY, type FaultOperations, type VmArea, type VmFault } from './dax-fault.js';
import type { BlockDevice } from '../device/block-device.js';
import { DaxError } from '../errors.js';
import { faultMode, serveFile, type FaultServer } from './fault-service.js';
import { hasData, type Extent, type ExtentWatcher } from '../inode/extent-cache.js';
import { freezeGate } from '../inode/freeze.js';
import type { FileMappings, GetBlock, Inode } from '../inode/inode.js';
import { asOperation } from '../locks/lock-order.js';
import { mapBlocks, mapPage, piecesOf } from '../inode/map-blocks.js';
import { PendingPages } from './map-sync.js';
import { persistPages } from './dax-writeback.js';
import { ServedFile, type Run } from './served-file.js';
import { roundUp } from '../units.js';

/** A mapping of the file on its owner's thread. */
export interface OwnView {
  /** Detaches the mapping's buffer if it shows one of the pages [first, end). */
  detach(first: number, end: number): void;
  /** Detaches the mapping's buffer if stores through it reach the file. */
  detachWritable(): void;
}

// Removes the views that were collected without an `unmap`.
const goneViews = new FinalizationRegistry<{ space: WeakRef<AddressSpace>; ref: WeakRef<OwnView> }>(({ space, ref }) => {
  space.deref()?.removeView(ref);
});

/** What all mappings of one file have in common, on the thread that owns it. */
export class AddressSpace implements FileMappings, ExtentWatcher, FaultServer {
  readonly inode: Inode;
  /** The size of a page in bytes: the smallest unit that the device maps. */
  readonly pageSize: number;
  readonly #file: ServedFile;
  readonly #views = new Set<WeakRef<OwnView>>();
  #getBlock: GetBlock;
  #operations: FaultOperations;
  // The i_size that the service knows.
  #size: number;
  // The operations that make blocks durable before a store can reach them; undefined without a MAP_SYNC mapping.
  #durably: FaultOperations | undefined;
  // What the handler that runs has inserted, if those operations are there.
  #pending: PendingPages | undefined;
  // Whether the inode no longer refers to this address space, and may be gone.
  #isOver = false;
  // Whether the service holds stores back. A filesystem freezes only after writes under way have ended, and those may fault.
  #isFrozen = false;

  /** The address space of a file. It calls the callbacks of the file's latest mapping. */
  static of(inode: Inode, pageSize: number, getBlock: GetBlock, operations: FaultOperations): AddressSpace {
    const known = inode.mappings;
    if (!(known instanceof AddressSpace)) return new AddressSpace(inode, pageSize, getBlock, operations);
    if (!known.#file.setWanted(true)) {
      known.#letGo();
      return new AddressSpace(inode, pageSize, getBlock, operations);
    }
    known.#getBlock = getBlock;
    known.#operations = operations;
    return known;
  }

  private constructor(inode: Inode, pageSize: number, getBlock: GetBlock, operations: FaultOperations) {
    this.inode = inode;
    this.pageSize = pageSize;
    this.#size = inode.size;
    this.#file = new ServedFile(pageSize, inode.size);
    this.#getBlock = getBlock;
    this.#operations = operations;
    serveFile(this.id, this);
    const { unmapped } = inode;
    if (unmapped instanceof AddressSpace) {
      this.#file.takeOver(unmapped.#file);
      unmapped.#isOver = true;
      inode.unmapped = undefined;
    }
    inode.mappings = this;
    inode.extents.watcher = this;
    const gate = freezeGate(inode.sb);
    gate.mapped.add(new WeakRef(this));
    if (gate.isFrozen) this.setFrozen(true);
  }

  /** The number by which other isolates know the file. */
  get id(): number {
    return this.#file.id;
  }

  /**
   * Runs a fault handler for `pages` pages of the file from `pgoff` on. Mappings show what the handler inserts at once; with
   * MAP_SYNC they show it when fsync has returned. Throws what the handler or fsync throws, and then shows nothing of it.
   */
  handle<T>(pgoff: number, pages: number, shared: boolean, handler: (vma: VmArea) => T): T {
    const outer = this.#pending;
    const pending = this.#durably && new PendingPages();
    const shown: Run[] = [];
    this.#pending = pending;
    try {
      const result = handler({
        inode: this.inode,
        pageSize: this.pageSize,
        operations: this.#operations,
        pgoff,
        pages,
        shared,
        insert: (...run) => {
          if (pending !== undefined) pending.insert(run);
          else {
            this.#data(...run);
            shown.push(run);
          }
        },
        insertZeros: (first, count) => {
          this.#hole(first, count);
        },
      });
      if (pending !== undefined) this.#settle(pending);
      return result;
    } catch (error) {
      // The file has given up the blocks that these pages showed before.
      for (const [first, count] of pending?.replaced(this.#file) ?? []) this.#forget(first, first + count);
      // The filesystem could not convert these pages, so they hold no data.
      for (const [first, count] of shown) if (!this.#isData(first)) this.#forget(first, first + count);
      throw error;
    } finally {
      this.#pending = outer;
    }
  }

  /** From now on, makes blocks durable before a store can reach them (MS-2). Throws what fsync throws. */
  synchronise(operations: FaultOperations): void {
    operations.fsync?.(this.inode, 0, this.inode.size);
    this.#durably = operations;
    this.#file.needsMapSync = true;
  }

  addView(view: OwnView): WeakRef<OwnView> {
    const ref = new WeakRef(view);
    this.#views.add(ref);
    goneViews.register(view, { space: new WeakRef(this), ref });
    return ref;
  }

  removeView(ref: WeakRef<OwnView>): void {
    this.#views.delete(ref);
    this.release();
  }

  /** Ends the address space if no view of it is left in any isolate. */
  release(): void {
    if (this.#isOver || this.#views.size > 0 || this.#file.setWanted(false) || this.inode.mappings !== this) return;
    this.#letGo();
  }

  // The inode may be collected once `mappings` is undefined, so `unmapped` is set before that if some stores are not yet durable.
  #letGo(): void {
    const { inode } = this;
    inode.extents.watcher = undefined;
    if (this.#isStored) inode.unmapped = this;
    else this.#isOver = true;
    inode.mappings = undefined;
  }

  // Stores past the end of the file do not count.
  get #isStored(): boolean {
    return this.#file.isVolatile && this.#file.isStored(0, pageCount(this.inode.size, this.pageSize));
  }

  /** Makes durable what was stored through mappings to bytes [pos, end) of the file (PS-2). Throws what the device throws. */
  writeBack(pos: number, end: number): void {
    if (!this.#file.isVolatile || this.#isOver) return;
    const first = Math.floor(pos / this.pageSize);
    const count = pageCount(end, this.pageSize) - first;
    const stored = this.#file.takeStored(first, count);
    const { inode } = this;
    if (persistPages(inode, this.pageSize, stored, this.#getBlock)) {
      // The stores themselves changed no times.
      inode.mtimeMs = inode.ctimeMs = Date.now();
      this.#operations.dirty?.(inode);
    }
    this.#file.setDurable(first, count);
    if (inode.unmapped !== this || this.#isStored) return;
    this.#isOver = true;
    inode.unmapped = undefined;
  }

  /** Follows a change of i_size: no mapping shows what lies past the new end when this returns (TR-6.5). */
  resized(): void {
    const { size } = this.inode;
    this.#size = size;
    this.#each((view) => {
      view.detach(pageCount(size, this.pageSize), Number.MAX_SAFE_INTEGER);
    });
    this.#file.setSize(size);
    // Where touches of a mapping raise no faults, nothing else would bring the new pages into it.
    if (faultMode() === 'none') this.refresh(0, size);
  }

  /** Shows, through every mapping, an extent that has become known. */
  inserted(extent: Extent): void {
    const { iblock, count, state, bdev, blocknr } = extent;
    const { blockSize } = this.inode.sb;
    const start = iblock * blockSize;
    const first = Math.ceil(start / this.pageSize);
    const end = this.#end(start + count * blockSize);
    if (end <= first) return;
    try {
      if (state === 'hole') this.#hole(first, end - first);
      else if (hasData(extent)) {
        const pos = blocknr * blockSize + (first * this.pageSize - start);
        const run: Run = [first, end - first, bdev as BlockDevice, pos, state === 'shared'];
        if (this.#durably === undefined) this.#data(...run);
        // The next touch asks for these pages, and a handler that is under way shows them itself.
        else if (this.#pending === undefined && this.#file.compare(...run) === 'other') this.#forget(first, end);
      }
    } catch (error) {
      // The next touch asks again and gets this error. The write that made the extent known has not failed.
      if (!(error instanceof DaxError)) throw error;
      this.#forget(first, end);
    }
  }

  /** Removes the blocks that the filesystem frees or moves from every mapping, before it returns. */
  invalidated(iblock: number, count: number): void {
    const { blockSize } = this.inode.sb;
    const first = Math.floor((iblock * blockSize) / this.pageSize);
    const end = Number.isFinite(count) ? pageCount((iblock + count) * blockSize, this.pageSize) : Number.MAX_SAFE_INTEGER;
    this.#pending?.invalidated(first, end);
    this.#forget(first, end);
  }

  /** Looks up the pages that a write has filled, so mappings show them (IO-13.6). */
  refresh(pos: number, length: number): void {
    const { inode, pageSize } = this;
    const { blockSize } = inode.sb;
    const bh = new BufferHead();
    const end = roundUp(Math.min(pos + length, inode.size), pageSize);
    for (let at = pos - (pos % pageSize); at < end; ) {
      const extent = mapPage(inode, at / blockSize, end - at, pageSize, this.#getBlock, bh);
      if (inode.pages.firstFilling(at, at + pageSize) === at + pageSize) this.inserted(extent);
      const told = this.#end((extent.iblock + extent.count) * blockSize) * pageSize;
      at = Math.max(told, at + pageSize);
    }
  }

  setFrozen(isFrozen: boolean): void {
    if (isFrozen) {
      this.#each((view) => {
        view.detachWritable();
      });
    }
    this.#isFrozen = isFrozen;
    this.#file.setFrozen(isFrozen);
  }

  /** Answers a question of the service. It answers whatever happens, because a thread waits for it. */
  async serve(region: number, page: number, write: boolean, isMkwrite: boolean): Promise<void> {
    try {
      const served = await asOperation(() => this.#fault(page, write, isMkwrite));
      // A writable mapping shows a copy of a page that no store may reach now.
      if (!write && served.error === undefined && (this.#isFrozen || this.#isShared(page))) {
        this.#file.answerCopy(region, page, this.#content(page));
        return;
      }
      // eslint-disable-next-line no-bitwise -- a flag
      this.#answer(region, page, (served.code & VM_FAULT_MAJOR) !== 0, served.error);
    } catch (error) {
      this.#answer(region, page, false, error);
      // A callback has a bug: its author is warned.
      if (!(error instanceof DaxError)) process.emitWarning(error instanceof Error ? error : String(error));
    }
  }

  #answer(region: number, page: number, isMajor: boolean, error: unknown): void {
    this.#noticeEnd();
    const errno = error === undefined ? 0 : error instanceof DaxError ? -error.errno : 5;
    this.#file.answer(region, page, isMajor, errno);
  }

  // Returns VM_FAULT_*, and the error behind a SIGBUS.
  async #fault(pgoff: number, write: boolean, isMkwrite: boolean): Promise<{ code: number; error?: DaxError | undefined }> {
    const { inode } = this;
    for (;;) {
      // One answer covers all pages that are contiguous on the device, whichever region asked.
      let code = 0;
      try {
        this.handle(0, Number.MAX_SAFE_INTEGER, true, (vma) => {
          const vmf: VmFault = { vma, pgoff, write };
          code = isMkwrite ? daxMkwrite(vmf, this.#getBlock) : daxFault(vmf, this.#getBlock);
          if (vmf.error !== undefined) throw vmf.error;
        });
      } catch (error) {
        if (!(error instanceof DaxError)) throw error;
        return { code, error };
      }
      // eslint-disable-next-line no-bitwise -- a flag
      if ((code & VM_FAULT_RETRY) === 0) return { code };
      if (write) await freezeGate(inode.sb).faults.whenFree();
      await inode.inval.whenFree();
      await inode.pages.change();
    }
  }

  #isData(page: number): boolean {
    const extent = this.inode.extents.find((page * this.pageSize) / this.inode.sb.blockSize);
    return extent !== undefined && hasData(extent);
  }

  #isShared(page: number): boolean {
    const iblock = (page * this.pageSize) / this.inode.sb.blockSize;
    return mapBlocks(this.inode, iblock, this.pageSize, this.#getBlock, false, new BufferHead()).state === 'shared';
  }

  // The bytes of a page that no store may reach, because the filesystem is frozen or the page is shared.
  #content(page: number): Uint8Array {
    const bytes = new Uint8Array(this.pageSize);
    const start = page * this.pageSize;
    for (const { extent, pos, end, devicePos } of piecesOf(this.inode, start, start + this.pageSize, this.#getBlock)) {
      if (!hasData(extent)) continue;
      const read = extent.bdev?.readSync(bytes, devicePos, { offset: pos - start, length: end - pos });
      if (read !== end - pos) throw new DaxError({ errno: 'EIO', syscall: 'fault', position: devicePos });
    }
    return bytes;
  }

  // Notices that a filesystem has lowered i_size without telling: no touch may find anything past the end.
  #noticeEnd(): void {
    if (this.inode.size < this.#size) this.resized();
  }

  // Returns the first page that does not have all of its blocks before byte `end`. Such a page is not shown. The page in which the
  // file ends does have all of its blocks.
  #end(end: number): number {
    return Math.floor(end / this.pageSize);
  }

  #data(...run: Run): void {
    this.#noticeEnd();
    this.#file.show(...run);
  }

  // Shows what lies elsewhere now, once the filesystem has made its new places durable (MS-2).
  #settle(pending: PendingPages): void {
    const runs = pending.changed(this.#file);
    // Handlers insert pages in ascending order, so the first and the last run bound the range to sync.
    const [start] = runs[0] ?? [];
    const [last, count] = runs.at(-1) ?? [];
    if (start !== undefined && last !== undefined && count !== undefined) {
      const end = Math.min((last + count) * this.pageSize, this.inode.size);
      this.#durably?.fsync?.(this.inode, start * this.pageSize, end);
    }
    pending.checkUnmoved();
    for (const run of runs) this.#data(...run);
  }

  #forget(first: number, end: number): void {
    this.#each((view) => {
      view.detach(first, end);
    });
    this.#file.forget(first, end - first);
  }

  #hole(first: number, count: number): void {
    this.#noticeEnd();
    this.#file.showHole(first, count);
  }

  #each(work: (view: OwnView) => void): void {
    for (const ref of this.#views) {
      const view = ref.deref();
      if (view === undefined) this.#views.delete(ref);
      else work(view);
    }
  }
}
