// Owns what a mapped file tells the fault service, and answers what the service asks (the kernel's address_space).

import { addon, type FaultMode, type NativeFile } from './binding.js';
import { backingOf, type Backing, type BlockDevice } from './block-device.js';
import { BufferHead } from './buffer-head.js';
import { daxFault, daxMkwrite, pageCount, VM_FAULT_MAJOR, VM_FAULT_RETRY, type FaultOperations, type VmArea, type VmFault } from './dax-fault.js';
import { DaxError } from './errors.js';
import type { Extent, ExtentWatcher } from './extent-cache.js';
import { freezeGate } from './freeze.js';
import type { FileMappings, GetBlock, Inode } from './inode.js';
import { asOperation } from './lock-order.js';
import { mapBlocks, mapPage } from './map-blocks.js';
import { roundUp } from './units.js';

/** A region of this isolate: a mapping of its own file, or of another isolate's. */
export interface Viewer {
  /** A page was touched that could not be had: zeros are there. `errno` says why. */
  lost(page: number, errno: number): void;
}

/** A mapping of the file on its owner's thread. */
export interface OwnView {
  /** Takes the buffer away from those who hold it, if it shows one of these pages. */
  detach(first: number, end: number): void;
  /** As `detach`, if stores through it reach the file. */
  detachWritable(): void;
}

/** Pages of a file that a fault handler fills. */
export interface MappedArea extends VmArea {
  /** After the handler: shows what it inserted, made durable before where that was promised. Throws what fsync throws. */
  settle(): void;
}

let mode: FaultMode | undefined;
const spaces = new Map<number, WeakRef<AddressSpace>>();
const viewers = new Map<number, WeakRef<Viewer>>();
const goneViewers = new FinalizationRegistry<number>((region) => viewers.delete(region));
// A mapping that nobody unmapped.
const goneViews = new FinalizationRegistry<{ space: WeakRef<AddressSpace>; ref: WeakRef<OwnView> }>(({ space, ref }) => {
  space.deref()?.removeView(ref);
});
// The file's handle goes with its space, and whoever waits for an answer is refused then.
const goneSpaces = new FinalizationRegistry<number>((file) => spaces.delete(file));

// Called by the service on this thread. Nothing may come out of it.
function onMessage(isLoss: boolean, file: number, region: number, page: number, detail: boolean | number, isMkwrite: boolean): void {
  if (isLoss) viewers.get(region)?.deref()?.lost(page, detail as number);
  else void spaces.get(file)?.deref()?.serve(region, page, detail as boolean, isMkwrite);
}

/** What touches of mapped memory come to in this process. Starts the fault service. */
export function faultMode(): FaultMode {
  return (mode ??= addon().faultConnect(onMessage));
}

/** Tells `viewer` of losses in a region until it is collected. */
export function watchRegion(region: number, viewer: Viewer): void {
  viewers.set(region, new WeakRef(viewer));
  goneViewers.register(viewer, region);
}

/** What all mappings of one file have in common, on the thread that owns it. */
export class AddressSpace implements FileMappings, ExtentWatcher {
  readonly inode: Inode;
  readonly id: number;
  /** Bytes in a page: what the device maps at the least. */
  readonly pageSize: number;
  readonly #file: NativeFile;
  readonly #views = new Set<WeakRef<OwnView>>();
  #getBlock: GetBlock;
  #operations: FaultOperations;
  // What the service was told of i_size.
  #size: number;
  // What makes blocks the file's for good before they are seen (MAP_SYNC).
  #durably: FaultOperations | undefined;

  /** The one of a file. The callbacks of its latest mapping count. */
  static of(inode: Inode, pageSize: number, getBlock: GetBlock, operations: FaultOperations): AddressSpace {
    const known = inode.mappings;
    if (!(known instanceof AddressSpace) || !addon().faultSetWanted(known.#file, true)) {
      return new AddressSpace(inode, pageSize, getBlock, operations);
    }
    known.#getBlock = getBlock;
    known.#operations = operations;
    return known;
  }

  private constructor(inode: Inode, pageSize: number, getBlock: GetBlock, operations: FaultOperations) {
    faultMode();
    const { file, id } = addon().faultFile(pageSize, inode.size);
    this.inode = inode;
    this.id = id;
    this.pageSize = pageSize;
    this.#size = inode.size;
    this.#file = file;
    this.#getBlock = getBlock;
    this.#operations = operations;
    spaces.set(id, new WeakRef(this));
    goneSpaces.register(this, id);
    inode.mappings = this;
    inode.extents.watcher = this;
    const gate = freezeGate(inode.sb);
    gate.mapped.add(new WeakRef(this));
    if (gate.isFrozen) addon().faultFreeze(file, true);
  }

  /** `pages` pages of the file from `pgoff` on, as a fault handler sees them. */
  area(pgoff: number, pages: number, shared: boolean): MappedArea {
    // What is shown when it is durable.
    const unsettled: Parameters<VmArea['insert']>[] = [];
    return {
      inode: this.inode,
      pageSize: this.pageSize,
      operations: this.#operations,
      pgoff,
      pages,
      shared,
      insert: (...run) => {
        if (this.#durably !== undefined) unsettled.push(run);
        else this.#data(...run);
      },
      insertZeros: (first, count) => {
        this.#hole(first, count);
      },
      settle: () => {
        const missing = unsettled.filter((run) => this.#compare(...run) !== 'same');
        // Handlers go upwards.
        const [start] = missing[0] ?? [];
        const [last, count] = missing.at(-1) ?? [];
        if (start === undefined || last === undefined || count === undefined) return;
        this.#fsync(start * this.pageSize, (last + count) * this.pageSize);
        for (const run of missing) this.#data(...run);
      },
    };
  }

  /** From now on what is mapped is the file's for good before anybody can store to it (MS-2). Throws what fsync throws. */
  synchronise(operations: FaultOperations): void {
    operations.fsync?.(this.inode, 0, this.inode.size);
    this.#durably = operations;
  }

  addView(view: OwnView): WeakRef<OwnView> {
    const ref = new WeakRef(view);
    this.#views.add(ref);
    goneViews.register(view, { space: new WeakRef(this), ref });
    return ref;
  }

  removeView(ref: WeakRef<OwnView>): void {
    this.#views.delete(ref);
    // Other isolates may still look. Otherwise I/O need not tell.
    if (this.#views.size > 0 || addon().faultSetWanted(this.#file, false) || this.inode.mappings !== this) return;
    this.inode.mappings = undefined;
    this.inode.extents.watcher = undefined;
  }

  /** i_size changed. Lowered, what lies past the end is gone from every mapping when this returns (TR-6.5). */
  resized(): void {
    const { size } = this.inode;
    this.#size = size;
    this.#each((view) => {
      view.detach(pageCount(size, this.pageSize), Number.MAX_SAFE_INTEGER);
    });
    addon().faultSetSize(this.#file, size);
    // Nobody will ask for what is there from now on.
    if (mode === 'none') this.refresh(0, size);
  }

  /** An extent of the file is known: it is seen through every mapping from now on. */
  inserted({ iblock, count, state, bdev, blocknr }: Extent): void {
    const { blockSize } = this.inode.sb;
    const start = iblock * blockSize;
    const first = Math.ceil(start / this.pageSize);
    const end = this.#end(start + count * blockSize);
    if (end <= first) return;
    this.#noticeEnd();
    try {
      if (state === 'hole') this.#hole(first, end - first);
      else if (state === 'written') {
        const pos = blocknr * blockSize + (first * this.pageSize - start);
        const device = bdev as BlockDevice;
        if (this.#durably !== undefined) {
          // Who touches it will ask. Only what was seen as something else must be seen at once.
          if (this.#compare(first, end - first, device, pos) !== 'other') return;
          this.#fsync(first * this.pageSize, end * this.pageSize);
        }
        this.#data(first, end - first, device, pos);
      }
    } catch (error) {
      // Who touches it asks again and is told what is wrong; whoever has just written it has nothing to do with that.
      if (!(error instanceof DaxError)) throw error;
      addon().faultForget(this.#file, first, end - first);
    }
  }

  /** Blocks of the file go, or lie elsewhere: they are gone from every mapping when this returns. */
  invalidated(iblock: number, count: number): void {
    const { blockSize } = this.inode.sb;
    const first = Math.floor((iblock * blockSize) / this.pageSize);
    const end = Number.isFinite(count) ? pageCount((iblock + count) * blockSize, this.pageSize) : Number.MAX_SAFE_INTEGER;
    this.#each((view) => {
      view.detach(first, end);
    });
    addon().faultForget(this.#file, first, end - first);
  }

  /** Looks pages up anew that a write has filled, so that they are seen (IO-13.6). */
  refresh(pos: number, length: number): void {
    const { inode, pageSize } = this;
    const { blockSize } = inode.sb;
    const bh = new BufferHead();
    const end = roundUp(Math.min(pos + length, inode.size), pageSize);
    for (let at = pos - (pos % pageSize); at < end; ) {
      const extent = mapPage(inode, at / blockSize, end - at, pageSize, this.#getBlock, bh);
      this.inserted(extent);
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
    addon().faultFreeze(this.#file, isFrozen);
  }

  /** The service's question. Answered whatever happens: somebody waits. */
  async serve(region: number, page: number, write: boolean, isMkwrite: boolean): Promise<void> {
    try {
      if (!write && freezeGate(this.inode.sb).isFrozen) {
        addon().faultAnswerCopy(this.#file, region, page, this.#content(page));
        return;
      }
      // What lies together is told of at once, whichever region asked.
      const vma = this.area(0, Number.MAX_SAFE_INTEGER, true);
      const vmf: VmFault & { vma: MappedArea } = { vma, pgoff: page, write };
      const code = await asOperation(() => this.#fault(vmf, isMkwrite));
      // eslint-disable-next-line no-bitwise -- a flag
      const isMajor = (code & VM_FAULT_MAJOR) !== 0;
      this.#noticeEnd();
      this.#answer(region, page, isMajor, vmf.error);
    } catch (error) {
      this.#answer(region, page, false, error);
      // A callback broke: whoever wrote it hears of it.
      if (!(error instanceof DaxError)) process.emitWarning(error instanceof Error ? error : String(error));
    }
  }

  #answer(region: number, page: number, isMajor: boolean, error: unknown): void {
    const errno = error === undefined ? 0 : error instanceof DaxError ? -error.errno : 5;
    addon().faultAnswer(this.#file, region, page, isMajor, errno);
    // The next touch asks again: what was refused for want of space may be had by then.
    if (errno !== 0) setTimeout(() => { addon().faultForgive(this.#file); }, 10).unref();
  }

  async #fault(vmf: VmFault & { vma: MappedArea }, isMkwrite: boolean): Promise<number> {
    const { inode } = this;
    for (;;) {
      const code = isMkwrite ? daxMkwrite(vmf, this.#getBlock) : daxFault(vmf, this.#getBlock);
      // eslint-disable-next-line no-bitwise -- a flag
      if ((code & VM_FAULT_RETRY) === 0) {
        if (vmf.error === undefined) vmf.vma.settle();
        return code;
      }
      const { faults } = freezeGate(inode.sb);
      await faults.shared();
      faults.releaseShared();
      await inode.inval.shared();
      inode.inval.releaseShared();
      await inode.pages.change();
    }
  }

  // What a load sees while the filesystem is frozen and no store may reach the device.
  #content(page: number): Uint8Array {
    const { blockSize } = this.inode.sb;
    const bytes = new Uint8Array(this.pageSize);
    const pos = page * this.pageSize;
    const bh = new BufferHead();
    for (let at = pos; at < pos + this.pageSize; ) {
      const extent = mapBlocks(this.inode, at / blockSize, pos + this.pageSize - at, this.#getBlock, false, bh);
      const end = Math.min(pos + this.pageSize, (extent.iblock + extent.count) * blockSize);
      if (extent.state === 'written') {
        const devicePos = (extent.blocknr - extent.iblock) * blockSize + at;
        extent.bdev?.readSync(bytes, devicePos, { offset: at - pos, length: end - at });
      }
      at = end;
    }
    return bytes;
  }

  // A filesystem that cut its file off without a word: nothing may be found past the end.
  #noticeEnd(): void {
    if (this.inode.size < this.#size) this.resized();
  }

  // A page in which the file ends is there as a whole; of a page that only partly has blocks there is nothing.
  #end(end: number): number {
    return Math.floor(end / this.pageSize);
  }

  #data(first: number, count: number, bdev: BlockDevice, pos: number): void {
    const backing = this.#backing(count, bdev, pos);
    this.#check(addon().faultKnow(this.#file, first, count, backing.device.handle, backing.pos));
  }

  // What is known of the pages.
  #compare(first: number, count: number, bdev: BlockDevice, pos: number): 'nothing' | 'other' | 'same' | undefined {
    const backing = this.#backing(count, bdev, pos);
    const known = addon().faultCompare(this.#file, first, count, backing.device.handle, backing.pos);
    this.#check(known);
    return (['nothing', 'other', 'same'] as const)[known];
  }

  #backing(count: number, bdev: BlockDevice, pos: number): Backing {
    const backing = backingOf(bdev, pos, count * this.pageSize);
    if (backing.pos % this.pageSize !== 0) throw unaligned(backing.pos, this.pageSize);
    return backing;
  }

  #fsync(pos: number, end: number): void {
    this.#durably?.fsync?.(this.inode, pos, Math.min(end, this.inode.size));
  }

  #hole(first: number, count: number): void {
    this.#check(addon().faultKnowHole(this.#file, first, count));
  }

  #check(error: number): void {
    if (error < 0) throw mapFailure(error);
  }

  #each(work: (view: OwnView) => void): void {
    for (const ref of this.#views) {
      const view = ref.deref();
      if (view === undefined) this.#views.delete(ref);
      else work(view);
    }
  }
}

function unaligned(pos: number, pageSize: number): DaxError {
  return new DaxError({
    errno: 'EINVAL',
    syscall: 'mmap',
    reason: 'UNALIGNED_EXTENT',
    position: pos,
    hint:
      `the device maps ${pageSize} bytes at a time, and the file's block does not begin at a multiple of that: ` +
      'make the namespace anew with `ndctl create-namespace -m devdax -a 4096`',
  });
}

/** The error for an errno of the service. */
export function mapFailure(errno: number): DaxError {
  return new DaxError({
    errno,
    syscall: 'mmap',
    ...(errno === -12 && {
      reason: 'TOO_MANY_MAPPINGS' as const,
      hint: 'the file lies in more pieces than a process may map: raise vm.max_map_count (sysctl), or map a part of it',
    }),
    ...(errno === -116 && { hint: 'the isolate that the file belongs to is gone, or let go of it' }),
  });
}
