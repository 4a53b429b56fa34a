// Owns the test filesystem: blocks in a map, switches for every answer that getBlock may give, and a log of what it was asked.

import {
  BH_NEW,
  BH_UNWRITTEN,
  DaxDevice,
  DaxError,
  DaxFile,
  Inode,
  type BlockDevice,
  type BufferHead,
  type DaxFileOptions,
  type InodeOperations,
  type SuperBlock,
} from 'node-dax';
import { GARBAGE, MemoryDevice } from './memory-device.js';

export interface TfsOptions {
  blockSize?: number;
  /** Default: one `MemoryDevice` of 16 MiB. Blocks are numbered through all devices. */
  devices?: readonly BlockDevice[];
  /** Blocks of each device that are used; default all. */
  blocksPerDevice?: number;
  /** New blocks are zeroed before they are told of, and are plain data. Otherwise they are New, and garbage. */
  zeroOnAlloc?: boolean;
  /** Holes are told with their length. */
  holeLen?: boolean;
  /** New blocks are unwritten until endIo. */
  unwritten?: boolean;
  /** Blocks that one answer describes at most. */
  maxRun?: number;
  /**
   * Blocks are allocated in aligned, zeroed runs of this length, as a device that maps more than a block at a time needs.
   * `blocksPerDevice` must be a multiple of it.
   */
  cluster?: number;
  maxBytes?: number;
  synchronous?: boolean;
  readOnly?: boolean;
  strictInit?: boolean;
  /** Without `punchBlocks`. */
  noPunch?: boolean;
}

interface Block {
  /** Counted through all devices. */
  block: number;
  unwritten: boolean;
}

export class TfsInode extends Inode {
  readonly blocks = new Map<number, Block>();
}

function own(inode: Inode): TfsInode {
  if (inode instanceof TfsInode) return inode;
  throw new TypeError('not an inode of this filesystem');
}

function memoryOf(bdev: BlockDevice): MemoryDevice {
  if (bdev instanceof MemoryDevice) return bdev;
  throw new TypeError('not a device made of memory');
}

// What a block holds, as the device shows it.
function mediaOf(bdev: BlockDevice, pos: number, length: number): Uint8Array {
  return bdev instanceof DaxDevice ? bdev.view(pos, length) : memoryOf(bdev).memory.subarray(pos, pos + length);
}

/** No lock of the inode is held, and no I/O counted. */
export function isFree({ ilock, inval, dioCount }: Inode): boolean {
  const isLocked = [ilock, inval].some((lock) => {
    if (!lock.tryExclusive()) return true;
    lock.releaseExclusive();
    return false;
  });
  return !isLocked && dioCount === 0;
}

export type GetBlockCall = [iblock: number, size: number, create: boolean];

export class Tfs {
  readonly sb: SuperBlock;
  readonly devices: readonly BlockDevice[];
  readonly options: TfsOptions;
  /** Every call of getBlock. */
  calls: GetBlockCall[] = [];
  /** Every call of endIo. */
  ends: { pos: number; result: number; cookie: unknown }[] = [];
  /** Every call of completeUnwritten. */
  completions: { iblock: number; count: number; ok: boolean }[] = [];
  /** Every call of fsync. */
  syncs: { pos: number; end: number }[] = [];
  /** Called before a call is answered. What it returns, if anything, is the answer. */
  onGetBlock: ((inode: Inode, iblock: number, bh: BufferHead, create: boolean) => unknown) | undefined;
  onEndIo: ((inode: Inode, pos: number, result: number) => unknown) | undefined;
  onTruncateBlocks: ((inode: Inode) => void) | undefined;
  onFsync: ((inode: Inode) => void) | undefined;
  readonly operations: InodeOperations;
  readonly #perDevice: number;
  // The inode that owns a block, 0 for a free one.
  readonly #owners: Int32Array;
  readonly #failures = new Map<number, string>();
  readonly #garbage: Uint8Array;
  #free: number;
  #cursor = 0;
  #inodes = 0;

  constructor(options: TfsOptions = {}) {
    this.options = options;
    this.devices = options.devices ?? [new MemoryDevice()];
    const bdev = this.devices[0] as BlockDevice;
    const { blockSize = 4096, maxBytes, synchronous, readOnly, strictInit } = options;
    this.sb = {
      blockSize,
      bdev,
      ...(maxBytes !== undefined && { maxBytes }),
      ...(synchronous !== undefined && { synchronous }),
      ...(readOnly !== undefined && { readOnly }),
      ...(strictInit !== undefined && { strictInit }),
    };
    this.#perDevice = options.blocksPerDevice ?? Math.floor(bdev.size / blockSize);
    this.#owners = new Int32Array(this.#perDevice * this.devices.length);
    this.#free = this.#owners.length;
    this.#garbage = new Uint8Array(blockSize).fill(GARBAGE);
    this.operations = {
      getBlock: (inode, iblock, bh, create) => this.#getBlock(own(inode), iblock, bh, create),
      endIo: (inode, pos, result, cookie) => this.#endIo(own(inode), pos, result, cookie),
      truncateBlocks: (inode, size) => {
        this.onTruncateBlocks?.(inode);
        const unit = blockSize * (options.cluster ?? 1);
        this.#release(own(inode), Math.ceil(size / unit) * (options.cluster ?? 1), Number.POSITIVE_INFINITY);
      },
      ...(options.noPunch !== true && {
        punchBlocks: (inode: Inode, iblock: number, count: number) => {
          this.#punch(own(inode), iblock, iblock + count);
        },
      }),
      fsync: (inode, pos, end) => {
        this.syncs.push({ pos, end });
        this.onFsync?.(inode);
      },
      completeUnwritten: (inode, _iblock, bh, ok) => {
        this.#complete(own(inode), bh, ok);
      },
    };
  }

  /** Blocks of all devices. */
  get blockCount(): number {
    return this.#owners.length;
  }

  get freeBlocks(): number {
    return this.#free;
  }

  get device(): MemoryDevice {
    return memoryOf(this.sb.bdev);
  }

  inode(size = 0): TfsInode {
    return new TfsInode(this.sb, ++this.#inodes, size);
  }

  file(inode: Inode = this.inode(), options: DaxFileOptions = {}): DaxFile {
    return new DaxFile(inode, this.operations, options);
  }

  /** A file of written blocks that hold `bytes`; the logs are empty afterwards. */
  fileOf(bytes: Uint8Array): DaxFile {
    const file = this.file();
    file.writeSync(bytes, 0);
    this.forget(file);
    return file;
  }

  /** Empties the logs and the cache of extents. */
  forget(file: DaxFile): void {
    file.inode.extents.invalidate();
    this.calls = [];
    this.ends = [];
    this.completions = [];
    this.syncs = [];
    if (this.devices[0] instanceof MemoryDevice) {
      this.device.directAccesses.length = 0;
      this.device.stores.length = 0;
    }
  }

  unlink(inode: Inode): void {
    inode.extents.invalidate();
    this.#release(own(inode), 0, Number.POSITIVE_INFINITY);
  }

  /** Every answer about this block of a file is this errno; undefined: no longer. */
  failOn(iblock: number, code: string | undefined): void {
    if (code === undefined) this.#failures.delete(iblock);
    else this.#failures.set(iblock, code);
  }

  /** Gives blocks to the file, one after the other on the device. */
  allocate(inode: Inode, iblock: number, count: number, unwritten = false): void {
    const start = this.#findRun(count);
    for (let n = 0; n < count; n++) this.#take(own(inode), iblock + n, start + n, unwritten);
    this.#cursor = start + count;
  }

  /** The next blocks that are given begin at the first free one from `block` on. */
  seek(block: number): void {
    this.#cursor = block;
  }

  /** Where on its device a block of the file lies; undefined for a hole. */
  placeOf(inode: Inode, iblock: number): { bdev: BlockDevice; pos: number; unwritten: boolean } | undefined {
    const found = own(inode).blocks.get(iblock);
    if (found === undefined) return undefined;
    const { bdev, blocknr } = this.#place(found.block);
    return { bdev, pos: blocknr * this.sb.blockSize, unwritten: found.unwritten };
  }

  /** What the medium holds for a block of the file. */
  media(inode: Inode, iblock: number): Uint8Array {
    const place = this.placeOf(inode, iblock);
    if (place === undefined) throw new Error(`block ${iblock} is a hole`);
    return mediaOf(place.bdev, place.pos, this.sb.blockSize);
  }

  /** Throws unless every block has one owner, which knows of it. */
  check(inodes: readonly Inode[]): void {
    let owned = 0;
    for (const inode of inodes) {
      for (const { block } of own(inode).blocks.values()) {
        if (this.#owners[block] !== inode.ino) throw new Error(`block ${block} is inode ${inode.ino}'s, or is not`);
        owned++;
      }
    }
    if (owned + this.#free !== this.#owners.length) throw new Error(`${owned} owned and ${this.#free} free blocks`);
  }

  #place(block: number): { bdev: BlockDevice; blocknr: number } {
    const bdev = this.devices[Math.floor(block / this.#perDevice)] as BlockDevice;
    return { bdev, blocknr: block % this.#perDevice };
  }

  #getBlock(inode: TfsInode, iblock: number, bh: BufferHead, create: boolean): number | undefined {
    this.calls.push([iblock, bh.size, create]);
    const answer = this.onGetBlock?.(inode, iblock, bh, create);
    if (answer !== undefined) return answer as number;
    const failure = this.#failures.get(iblock);
    if (failure !== undefined) throw new DaxError({ errno: failure, syscall: 'getBlock' });
    const { blockSize } = this.sb;
    const { maxRun = Number.POSITIVE_INFINITY, holeLen = false, zeroOnAlloc = false } = this.options;
    const wanted = this.#limit(iblock, Math.min(bh.size / blockSize, maxRun));
    const first = inode.blocks.get(iblock);
    if (first === undefined && !create) {
      if (holeLen) bh.mapHole(this.#holeAt(inode, iblock, wanted) * blockSize);
      return undefined;
    }
    const { cluster = 1 } = this.options;
    if (first === undefined && cluster > 1) this.#createClusters(inode, iblock, wanted, cluster);
    const isCreated = first === undefined && cluster === 1;
    const count = isCreated ? this.#create(inode, iblock, wanted) : this.#runAt(inode, iblock, wanted);
    const { block, unwritten } = inode.blocks.get(iblock) as Block;
    const { bdev, blocknr } = this.#place(block);
    const isNew = isCreated && !unwritten;
    if (isNew && zeroOnAlloc) bdev.zeroSync(blocknr * blockSize, count * blockSize);
    bh.map(bdev, blocknr, count * blockSize, unwritten ? BH_UNWRITTEN : isNew && !zeroOnAlloc ? BH_NEW : 0);
    return 0;
  }

  // Blocks up to the first that is to fail.
  #limit(iblock: number, wanted: number): number {
    let limit = wanted;
    for (const failing of this.#failures.keys()) if (failing > iblock) limit = Math.min(limit, failing - iblock);
    return limit;
  }

  #holeAt({ blocks }: TfsInode, iblock: number, wanted: number): number {
    let count = 1;
    while (count < wanted && !blocks.has(iblock + count)) count++;
    return count;
  }

  // Blocks from `iblock` on that lie one after the other on one device, in one state.
  #runAt({ blocks }: TfsInode, iblock: number, wanted: number): number {
    const first = blocks.get(iblock) as Block;
    let count = 1;
    for (; count < wanted; count++) {
      const next = blocks.get(iblock + count);
      if (next?.block !== first.block + count || next.unwritten !== first.unwritten) break;
      if (next.block % this.#perDevice === 0) break;
    }
    return count;
  }

  // Where `wanted` free blocks are contiguous, or else the first free one.
  #findRun(wanted: number): number {
    if (this.#free === 0) throw new DaxError({ errno: 'ENOSPC', syscall: 'getBlock' });
    const { length } = this.#owners;
    for (let tried = 0; tried < length; tried++) {
      const start = (this.#cursor + tried) % length;
      if (this.#owners[start] !== 0) continue;
      this.#cursor = start;
      if (this.#freeAt(start, wanted) === wanted) return start;
      break;
    }
    return this.#cursor;
  }

  #freeAt(start: number, wanted: number): number {
    const end = Math.min(start + wanted, (Math.floor(start / this.#perDevice) + 1) * this.#perDevice);
    let at = start;
    while (at < end && this.#owners[at] === 0) at++;
    return at - start;
  }

  // Allocates as many blocks as are contiguous. Returns how many.
  #create(inode: TfsInode, iblock: number, wanted: number): number {
    const hole = this.#holeAt(inode, iblock, wanted);
    const start = this.#findRun(hole);
    const count = this.#freeAt(start, hole);
    for (let n = 0; n < count; n++) this.#take(inode, iblock + n, start + n, this.options.unwritten === true);
    this.#cursor = start + count;
    return count;
  }

  // Every cluster that one of the blocks lies in, as far as they are contiguous.
  #createClusters(inode: TfsInode, iblock: number, wanted: number, cluster: number): void {
    const from = iblock - (iblock % cluster);
    const end = Math.ceil((iblock + wanted) / cluster) * cluster;
    const unwritten = this.options.unwritten === true;
    for (let at = from; at < end && !inode.blocks.has(at); at += cluster) {
      this.#cursor = Math.ceil(this.#cursor / cluster) * cluster % this.#owners.length;
      const start = this.#findRun(cluster);
      if (start % cluster !== 0 || this.#freeAt(start, cluster) < cluster) {
        if (at > iblock) return;
        throw new DaxError({ errno: 'ENOSPC', syscall: 'getBlock' });
      }
      for (let n = 0; n < cluster; n++) this.#take(inode, at + n, start + n, unwritten);
      this.#cursor = start + cluster;
      // More than was asked for: they may be remembered as a hole.
      inode.extents.forget(at, cluster);
      const { bdev, blocknr } = this.#place(start);
      if (!unwritten) bdev.zeroSync(blocknr * this.sb.blockSize, cluster * this.sb.blockSize);
    }
  }

  #complete(inode: TfsInode, bh: BufferHead, ok: boolean): void {
    const { blocknr, bdev, size } = bh;
    const first = this.devices.indexOf(bdev as BlockDevice) * this.#perDevice + blocknr;
    const count = size / this.sb.blockSize;
    const filled = [...inode.blocks].filter(([, { block }]) => block >= first && block < first + count);
    this.completions.push({ iblock: Math.min(...filled.map(([iblock]) => iblock)), count, ok });
    if (ok) for (const [, block] of filled) block.unwritten = false;
  }

  #take(inode: TfsInode, iblock: number, block: number, unwritten: boolean): void {
    if (this.#owners[block] !== 0 || inode.blocks.has(iblock)) throw new Error(`block ${block} is used twice`);
    this.#owners[block] = inode.ino;
    this.#free--;
    inode.blocks.set(iblock, { block, unwritten });
    const { bdev, blocknr } = this.#place(block);
    // As memory is that is made for a test: whatever nobody initialises shows.
    if (bdev instanceof DaxDevice && !bdev.readOnly) bdev.writeSync(this.#garbage, blocknr * this.sb.blockSize, { flush: false });
  }

  #release(inode: TfsInode, from: number, to: number): void {
    for (const [iblock, { block }] of inode.blocks) {
      if (iblock < from || iblock >= to) continue;
      if (this.#owners[block] !== inode.ino) throw new Error(`block ${block} is freed twice`);
      this.#owners[block] = 0;
      this.#free++;
      inode.blocks.delete(iblock);
    }
  }

  // Of a cluster that keeps other blocks nothing can be freed: what goes is zeroed.
  #punch(inode: TfsInode, from: number, to: number): void {
    const { cluster = 1 } = this.options;
    const first = Math.ceil(from / cluster) * cluster;
    const last = Math.floor(to / cluster) * cluster;
    for (const iblock of inode.blocks.keys()) {
      const isEdge = iblock >= from && iblock < to && (iblock < first || iblock >= last);
      if (isEdge) this.media(inode, iblock).fill(0);
    }
    this.#release(inode, first, last);
  }

  #endIo(inode: TfsInode, pos: number, result: number, cookie: unknown): number | undefined {
    this.ends.push({ pos, result, cookie });
    const answer = this.onEndIo?.(inode, pos, result);
    if (answer !== undefined) return answer as number;
    if (result <= 0) return undefined;
    const last = Math.floor((pos + result - 1) / this.sb.blockSize);
    for (let iblock = Math.floor(pos / this.sb.blockSize); iblock <= last; iblock++) {
      const block = inode.blocks.get(iblock);
      if (block !== undefined) block.unwritten = false;
    }
    return undefined;
  }
}
