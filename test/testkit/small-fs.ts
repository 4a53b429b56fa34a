// Owns a little filesystem, correct unless it is told to break a rule: what the kit is tested with.

import {
  BH_DELAY,
  BH_MAPPED,
  BH_NEW,
  BH_UNWRITTEN,
  DaxError,
  DaxFile,
  daxClearBlocks,
  daxTruncatePage,
  Inode,
  type BlockDevice,
  type BufferHead,
  type Bytes,
  type InodeOperations,
} from 'node-dax';
import type { FilesystemUnderTest, FileUnderTest, MakeFilesystem } from 'node-dax/testkit';

/** One rule each. */
export type Fault =
  | 'reports new blocks as written and does not zero them'
  | 'answers from a cache that truncation does not clear'
  | 'frees blocks and keeps the pointers to them'
  | 'frees blocks before the size is lowered'
  | 'grows i_size in getBlock'
  | 'grows i_size in endIo'
  | 'gives a block to two files'
  | 'leaves a hole on create'
  | 'grows the size of the answer'
  | 'answers with a run that is not contiguous'
  | 'returns the number of blocks'
  | 'fails a lookup of a hole with ENODATA'
  | 'delays allocation'
  | 'says New of a block again'
  | 'leaks blocks when there is no room'
  | 'leaks blocks in truncation'
  | 'frees the block that holds the tail'
  | 'frees the blocks at the edges of a punched hole'
  | 'does not convert unwritten blocks'
  | 'returns a positive errno'
  | 'throws what is no DaxError'
  | 'allocates on lookup'
  | 'truncates without the lock'
  | 'truncates without zeroing the tail'
  | 'extends without zeroing what is past the end'
  | 'loses the last byte of a vector'
  | 'extends without telling the mappings'
  | 'does not convert what a fault has filled'
  | "makes blocks the file's before they are zeroed"
  | 'converts the block that a failed write began in'
  | 'loses a block when the device fails'
  | "tells another error than the device's"
  | 'keeps the lock when the device fails'
  | 'cannot write the last byte'
  | 'moves blocks and keeps the extents'
  | 'moves blocks and tells the cache alone';

export interface SmallFsOptions {
  blockSize?: number;
  /** What it does about the content of new blocks. */
  initialises?: 'zeroes' | 'tells New' | 'tells Unwritten';
  fault?: Fault;
  /** Blocks that it allocates at once at most. */
  maxRun?: number;
  /** fsync moves the file's first block. */
  moves?: boolean;
  /** Has no punchBlocks. */
  cannotPunch?: boolean;
}

interface Block {
  blocknr: number;
  unwritten: boolean;
}

class SmallInode extends Inode {
  readonly blocks = new Map<number, Block>();
  /** Blocks that what is under way was told of as New: they hold garbage until it ends. */
  readonly fresh = new Set<number>();
  lastLookup: { iblock: number; blocknr: number } | undefined;
}

function own(inode: Inode): SmallInode {
  if (!(inode instanceof SmallInode)) throw new TypeError('not an inode of this filesystem');
  return inode;
}

const ENOSPC = 28;

export class SmallFs implements FilesystemUnderTest {
  readonly operations: InodeOperations;
  readonly #device: BlockDevice;
  readonly #options: SmallFsOptions;
  readonly #sb;
  readonly #free: number[];
  readonly #files = new Map<string, SmallInode>();
  #nextIno = 1;

  constructor(device: BlockDevice, options: SmallFsOptions = {}) {
    this.#device = device;
    this.#options = options;
    this.#sb = { blockSize: options.blockSize ?? 4096, bdev: device };
    this.#free = Array.from({ length: device.size / this.#sb.blockSize - 8 }, (_, index) => index + 8);
    this.operations = {
      getBlock: (inode, iblock, bh, create) => this.#getBlock(own(inode), iblock, bh, create),
      endIo: (inode, pos, result, cookie) => {
        this.#endIo(own(inode), pos, result, cookie);
      },
      truncateBlocks: (inode, size) => {
        this.#truncateBlocks(own(inode), size);
      },
      // Something begins, or has ended.
      dirty: (inode) => {
        own(inode).fresh.clear();
      },
      fsync: (inode) => {
        if (this.#options.moves === true) this.#moveFirst(own(inode));
      },
      completeUnwritten: (inode, iblock, bh, ok) => {
        if (ok && !this.#has('does not convert what a fault has filled')) this.#convert(own(inode), iblock, bh.size / this.#sb.blockSize);
      },
      ...(!options.cannotPunch && {
        punchBlocks: (inode: Inode, iblock: number, count: number) => {
          const more = this.#has('frees the blocks at the edges of a punched hole') ? 1 : 0;
          this.#release(own(inode), iblock - more, iblock + count + more);
        },
      }),
    };
    if (this.#opensItself()) this.open = (inode, operations) => new OddFile(inode, operations, options.fault);
  }

  open?: (inode: Inode, operations: InodeOperations) => FileUnderTest;

  create(name: string): Inode {
    const inode = new SmallInode(this.#sb, this.#nextIno++);
    this.#files.set(name, inode);
    return inode;
  }

  unlink(name: string): void {
    const inode = this.#files.get(name) as SmallInode;
    this.#release(inode, 0, Number.POSITIVE_INFINITY);
    this.#files.delete(name);
  }

  freeBlocks(): number {
    return this.#free.length;
  }

  #has(fault: Fault): boolean {
    return this.#options.fault === fault;
  }

  #opensItself(): boolean {
    return /^(?:frees blocks before|truncates without|extends without|loses the last|keeps the lock)/.test(this.#options.fault ?? '');
  }

  #getBlock(inode: SmallInode, iblock: number, bh: BufferHead, create: boolean): number {
    const { blockSize } = this.#sb;
    const wanted = bh.size;
    if (this.#has('cannot write the last byte') && iblock >= 2 ** 31) throw new DaxError({ errno: 'EFBIG', syscall: 'getBlock' });
    if (this.#has('answers from a cache that truncation does not clear') && !create) {
      const last = inode.lastLookup;
      if (last?.iblock === iblock) {
        bh.map(this.#device, last.blocknr, blockSize);
        return 0;
      }
    }
    // Blocks that this call allocates.
    let fresh = 0;
    if (!inode.blocks.has(iblock) && (create || this.#has('allocates on lookup'))) {
      if (this.#has('leaves a hole on create')) return 0;
      fresh = this.#allocate(inode, iblock, wanted / blockSize);
      if (fresh === 0) return ENOSPC;
    }
    const first = inode.blocks.get(iblock);
    if (first === undefined) {
      if (this.#has('fails a lookup of a hole with ENODATA')) return -61;
      bh.mapHole(this.#holeLength(inode, iblock, wanted / blockSize) * blockSize);
      return 0;
    }
    const grown = this.#has('grows the size of the answer') ? wanted + blockSize : 0;
    const size = grown || this.#runLength(inode, iblock, fresh || wanted / blockSize) * blockSize;
    bh.map(this.#device, first.blocknr, size);
    const says = first.unwritten ? BH_UNWRITTEN : 0;
    const isNew = this.#options.initialises === 'tells New' && fresh > 0;
    bh.state = BH_MAPPED | says | (isNew || (create && this.#has('says New of a block again')) ? BH_NEW : 0);
    if (this.#has('delays allocation') && fresh > 0) bh.state |= BH_DELAY;
    if (create && first.unwritten) bh.private = inode;
    if (create && this.#has('grows i_size in getBlock')) inode.size = Math.max(inode.size, iblock * blockSize + size);
    inode.lastLookup = { iblock, blocknr: first.blocknr };
    return this.#has('returns the number of blocks') ? size / blockSize : 0;
  }

  // One run, as long as there is room for it. Returns its blocks.
  #allocate(inode: SmallInode, iblock: number, wanted: number): number {
    const { blockSize } = this.#sb;
    const { initialises = 'zeroes' } = this.#options;
    if (this.#has('leaks blocks when there is no room') && this.#free.length < wanted) this.#free.length = 0;
    if (this.#free.length === 0) {
      if (this.#has('throws what is no DaxError')) throw new Error('no room');
      if (this.#has('returns a positive errno')) return 0;
      throw new DaxError({ errno: 'ENOSPC', syscall: 'getBlock' });
    }
    const first = this.#free[0] as number;
    this.#tryDevice(first);
    let i = 0;
    const most = Math.min(wanted, this.#options.maxRun ?? wanted);
    for (; i < most && this.#free[0] === first + i && !inode.blocks.has(iblock + i); i++) {
      const blocknr = first + i;
      const early = this.#has("makes blocks the file's before they are zeroed");
      if (early) {
        this.#free.shift();
        inode.blocks.set(iblock + i, { blocknr, unwritten: false });
      }
      const forgets = this.#has('reports new blocks as written and does not zero them');
      // If the device fails, nothing has happened yet.
      if (initialises === 'zeroes' && !forgets) daxClearBlocks(inode, blocknr, blockSize);
      if (!early) this.#free.shift();
      const other = [...this.#files.values()].find((file) => file !== inode && file.blocks.has(iblock));
      if (this.#has('gives a block to two files') && other !== undefined) {
        inode.blocks.set(iblock, other.blocks.get(iblock) as Block);
        return 1;
      }
      inode.blocks.set(iblock + i, { blocknr, unwritten: initialises === 'tells Unwritten' });
      if (initialises === 'tells New') inode.fresh.add(iblock + i);
    }
    return i;
  }

  // For the faults that show when the device fails.
  #tryDevice(blocknr: number): void {
    try {
      if ((this.#options.fault ?? '').includes('device')) this.#device.zeroSync(blocknr * this.#sb.blockSize, this.#sb.blockSize);
    } catch (error) {
      if (this.#has("tells another error than the device's")) throw new DaxError({ errno: 'ENOSPC', syscall: 'getBlock' });
      if (this.#has('loses a block when the device fails')) this.#free.shift();
      throw error;
    }
  }

  #holeLength(inode: SmallInode, iblock: number, wanted: number): number {
    let count = 1;
    while (count < wanted && !inode.blocks.has(iblock + count)) count++;
    return count;
  }

  #runLength(inode: SmallInode, iblock: number, wanted: number): number {
    const first = inode.blocks.get(iblock) as Block;
    let count = 1;
    for (; count < wanted; count++) {
      const next = inode.blocks.get(iblock + count);
      const follows = this.#has('answers with a run that is not contiguous') || next?.blocknr === first.blocknr + count;
      if (next === undefined || !follows || next.unwritten !== first.unwritten) break;
    }
    return count;
  }

  #endIo(inode: SmallInode, pos: number, result: number, cookie: unknown): void {
    const { blockSize } = this.#sb;
    if (result > 0 && this.#has('grows i_size in endIo')) inode.size = Math.max(inode.size, pos + result);
    const first = Math.floor(pos / blockSize);
    const end = result > 0 ? Math.ceil((pos + result) / blockSize) : first;
    // What the write did not reach is garbage still.
    for (const iblock of inode.fresh) if (iblock < first || iblock >= end) this.#release(inode, iblock, iblock + 1);
    inode.fresh.clear();
    if (cookie !== inode || this.#has('does not convert unwritten blocks')) return;
    const failed = result < 0 && this.#has('converts the block that a failed write began in') ? 1 : 0;
    this.#convert(inode, first, end - first + failed);
  }

  #convert(inode: SmallInode, iblock: number, count: number): void {
    for (let at = iblock; at < iblock + count; at++) {
      const block = inode.blocks.get(at);
      if (block !== undefined) block.unwritten = false;
    }
  }

  // As one does that cleans up behind itself.
  #moveFirst(inode: SmallInode): void {
    const { blockSize } = this.#sb;
    const block = inode.blocks.get(0);
    const to = this.#free.at(-1);
    if (block === undefined || block.unwritten || to === undefined) return;
    const content = new Uint8Array(blockSize);
    this.#device.readSync(content, block.blocknr * blockSize);
    this.#device.writeSync(content, to * blockSize);
    this.#free.pop();
    if (this.#has('moves blocks and tells the cache alone')) inode.extents.forget(0, 1);
    else if (!this.#has('moves blocks and keeps the extents')) inode.extents.invalidate(0, 1);
    this.#free.unshift(block.blocknr);
    block.blocknr = to;
  }

  #truncateBlocks(inode: SmallInode, size: number): void {
    const { blockSize } = this.#sb;
    const tail = this.#has('frees the block that holds the tail');
    const first = tail ? Math.floor(size / blockSize) : Math.ceil(size / blockSize);
    if (!this.#has('answers from a cache that truncation does not clear')) inode.lastLookup = undefined;
    this.#release(inode, first, Number.POSITIVE_INFINITY, this.#has('leaks blocks in truncation'));
  }

  #release(inode: SmallInode, first: number, end: number, leaks = false): void {
    for (const [iblock, { blocknr }] of [...inode.blocks]) {
      if (iblock < first || iblock >= end) continue;
      // The last to go is the first to come.
      if (!leaks) this.#free.unshift(blocknr);
      if (!this.#has('frees blocks and keeps the pointers to them')) inode.blocks.delete(iblock);
    }
  }
}

/** A file object of its author's own, for the mistakes that `DaxFile` does not let one make. */
class OddFile extends DaxFile {
  readonly #operations: InodeOperations;
  readonly #fault: Fault | undefined;

  constructor(inode: Inode, operations: InodeOperations, fault: Fault | undefined) {
    super(inode, operations);
    this.#operations = operations;
    this.#fault = fault;
  }

  override truncateSync(size: Bytes): void {
    const bytes = Number(size);
    const { inode } = this;
    const grows = bytes > inode.size && this.#fault?.startsWith('extends') === true;
    const shrinks = bytes < inode.size && /^(?:truncates|frees)/.test(this.#fault ?? '');
    const locks = this.#fault !== 'truncates without the lock';
    if (!grows && !shrinks) super.truncateSync(bytes);
    else if (locks && !inode.ilock.tryExclusive()) throw new DaxError({ errno: 'EAGAIN', syscall: 'truncate' });
    else {
      try {
        if (grows) this.#extend(bytes);
        else this.#shrink(bytes);
      } finally {
        if (locks) inode.ilock.releaseExclusive();
      }
    }
  }

  #extend(bytes: number): void {
    const { inode } = this;
    const zeroes = this.#fault === 'extends without telling the mappings';
    if (zeroes) daxTruncatePage(inode, inode.size, this.#operations.getBlock);
    inode.size = bytes;
    if (!zeroes) inode.mappings?.resized();
  }

  #shrink(bytes: number): void {
    const { inode } = this;
    const setSize = () => {
      inode.size = bytes;
      inode.mappings?.resized();
    };
    const isLate = this.#fault === 'frees blocks before the size is lowered';
    if (!isLate) setSize();
    inode.extents.invalidate();
    this.#operations.truncateBlocks(inode, bytes);
    if (isLate) setSize();
  }

  override writeSync(...[source, pos]: Parameters<DaxFile['writeSync']>): number {
    if (this.#fault === 'keeps the lock when the device fails') {
      try {
        return super.writeSync(source, pos);
      } catch (error) {
        if (error instanceof DaxError && error.code === 'EIO') this.inode.ilock.tryShared();
        throw error;
      }
    }
    if (this.#fault !== 'loses the last byte of a vector' || !Array.isArray(source)) return super.writeSync(source, pos);
    const vector = source as Uint8Array[];
    const last = vector.findLastIndex(({ byteLength }) => byteLength > 0);
    const lost = vector.map((bytes, index) => (index === last ? Uint8Array.from(bytes).fill(0, -1) : bytes));
    return super.writeSync(lost, pos);
  }
}

/** Makes them for the kit. */
export function smallFs(options: SmallFsOptions = {}): MakeFilesystem {
  return (device) => new SmallFs(device, options);
}
