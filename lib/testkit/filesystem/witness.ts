// Owns the witness: it stands between node-dax and a filesystem's operations, remembers which file each block belongs to, and
// records every call and answer that breaks the contract.

import { inspect } from 'node:util';
import { asOperation, BH_DELAY, BufferHead, DaxError, type BlockDevice, type Inode, type InodeOperations } from 'node-dax';
import type { FilesystemUnderTest } from './contract.js';
import { Failure } from '../failure.js';
import type { RecordingDevice } from '../device/recording-device.js';
import type { RuleId } from '../rules.js';

type State = 'hole' | 'new' | 'written' | 'unwritten';

interface Block {
  readonly bdev: BlockDevice;
  readonly blocknr: number;
  state: State;
}

interface Owner {
  readonly inode: Inode;
  readonly iblock: number;
}

/** The witness's knowledge of one file. */
interface Known {
  readonly blocks: Map<number, Block>;
  /** The block numbers of blocks that the filesystem was told to free, by block of the file. */
  readonly freed: Map<number, number>;
  /** Blocks that the filesystem answered as unwritten to a write, not yet converted. */
  readonly pending: Set<number>;
  /** Blocks for which a create failed. */
  readonly refused: Set<number>;
  /** Blocks that the filesystem answered as New to a write. It may free them if the write fails. */
  readonly fresh: Set<number>;
  /** Whether the file had its blocks before the witness began. */
  readonly mounted: boolean;
}

/**
 * Called by the witness at points where another operation may run at the same time, as an operation with its own locks. An error
 * that it throws before getBlock becomes getBlock's error.
 */
export type Hook = (where: 'before getBlock' | 'after getBlock' | 'endIo', inode: Inode, create: boolean) => void;

/** The rules that the witness watches. */
export const WITNESSED: readonly RuleId[] = [
  'FT-11', 'GB-1', 'GB-2', 'GB-3', 'GB-4', 'GB-6', 'GB-7', 'GB-8',
  'GB-10', 'GB-12', 'IO-13', 'IO-14', 'LK-4', 'TR-6', 'TR-7', 'TR-12',
];

const ENODATA = -61;
const ZEROS = Buffer.alloc(4096);

export class Witness {
  /** The first failure of each rule. */
  readonly failures = new Map<string, Failure>();
  readonly operations: InodeOperations;
  hook: Hook | undefined;

  readonly #fs: FilesystemUnderTest;
  readonly #device: RecordingDevice;
  readonly #files = new Map<Inode, Known>();
  readonly #owners = new Map<BlockDevice, Map<number, Owner>>();

  constructor(fs: FilesystemUnderTest, device: RecordingDevice) {
    this.#fs = fs;
    this.#device = device;
    const has = fs.operations;
    this.operations = {
      getBlock: (inode, iblock, bh, create) => this.#getBlock(inode, iblock, bh, create),
      endIo: (inode, pos, result, cookie) => this.#endIo(inode, pos, result, cookie),
      truncateBlocks: (inode, size) => {
        this.#truncateBlocks(inode, size);
      },
      fsync: (inode, pos, end) => {
        fs.operations.fsync(inode, pos, end);
      },
      ...(has.punchBlocks !== undefined && {
        punchBlocks: (inode: Inode, iblock: number, count: number) => {
          this.#punchBlocks(inode, iblock, count);
        },
      }),
      ...(has.completeUnwritten !== undefined && {
        completeUnwritten: (inode: Inode, iblock: number, bh: BufferHead, ok: boolean) => {
          this.#completeUnwritten(inode, iblock, bh, ok);
        },
      }),
      ...(has.dirty !== undefined && {
        dirty: (inode: Inode) => {
          fs.operations.dirty?.(inode);
        },
      }),
    };
  }

  /** Begins to watch a file. `mounted` if it may have blocks already. */
  begin(inode: Inode, mounted = false): void {
    this.#files.set(inode, { blocks: new Map(), freed: new Map(), pending: new Set(), fresh: new Set(), refused: new Set(), mounted });
  }

  /** Forgets a file that was removed. */
  end(inode: Inode): void {
    for (const block of this.#known(inode).blocks.values()) this.#owned(block.bdev).delete(block.blocknr);
    this.#files.delete(inode);
  }

  /** Asks the filesystem directly, bypassing the witness, for the state of one block. */
  ask(inode: Inode, iblock: number): State {
    return stateOf(this.run(inode, iblock, 1));
  }

  /** Asks in the same way for a run of at most `count` blocks. */
  run(inode: Inode, iblock: number, count: number): BufferHead {
    const bh = new BufferHead();
    bh.size = count * inode.sb.blockSize;
    this.#fs.operations.getBlock(inode, iblock, bh, false);
    if (bh.state === 0) bh.size = inode.sb.blockSize;
    return bh;
  }

  #meanwhile(...args: Parameters<Hook>): void {
    const { hook } = this;
    if (hook !== undefined) asOperation(() => { hook(...args); });
  }

  #fail(rule: RuleId, message: string): void {
    if (!this.failures.has(rule)) this.failures.set(rule, new Failure(rule, message));
  }

  #known(inode: Inode): Known {
    const known = this.#files.get(inode);
    if (known === undefined) throw new Failure('GB-1', `inode ${inode.ino} is none that the kit made`);
    return known;
  }

  #owned(bdev: BlockDevice): Map<number, Owner> {
    let owners = this.#owners.get(bdev);
    if (owners === undefined) this.#owners.set(bdev, (owners = new Map<number, Owner>()));
    return owners;
  }

  #getBlock(inode: Inode, iblock: number, bh: BufferHead, create: boolean): number {
    const wanted = bh.size;
    const call = `getBlock(inode ${inode.ino}, ${iblock}, ${wanted} bytes, ${create ? 'create' : 'look up'})`;
    const { blockSize } = inode.sb;
    if (!(Number.isSafeInteger(iblock) && iblock >= 0 && wanted > 0 && wanted % blockSize === 0 && bh.state === 0)) {
      this.#fail('GB-1', `${call} was called with a state of ${bh.state}`);
    }
    this.#meanwhile('before getBlock', inode, create);
    const before = { size: inode.size, free: this.#fs.freeBlocks(), stored: this.#device.stored };
    let answer: unknown;
    try {
      answer = this.#fs.operations.getBlock(inode, iblock, bh, create);
    } catch (error) {
      if (!(error instanceof DaxError)) this.#fail('GB-10', `${call} threw what is no DaxError: ${String(error)}`);
      else if (!create && error.errno === ENODATA) this.#fail('GB-4', `${call} threw ENODATA for a hole`);
      if (create) for (let i = 0; i < wanted / blockSize; i++) this.#known(inode).refused.add(iblock + i);
      throw error;
    }
    const allocated = before.free - this.#fs.freeBlocks();
    if (inode.size !== before.size) this.#fail('IO-13', `${call} changed i_size from ${before.size} to ${inode.size}`);
    if (!create && allocated !== 0) this.#fail('GB-2', `${call} changed the free blocks by ${-allocated}`);
    if (!create && this.#device.stored > before.stored) this.#fail('GB-2', `${call} stored to the device`);
    if (this.#checkAnswer(call, answer, bh, create)) this.#learn(call, inode, iblock, bh, wanted, create, allocated);
    this.#meanwhile('after getBlock', inode, create);
    return (answer ?? 0) as number;
  }

  // Checks the answer itself. Returns whether it says anything about blocks.
  #checkAnswer(call: string, answer: unknown, bh: BufferHead, create: boolean): boolean {
    if (answer === undefined || answer === 0) return true;
    if (typeof answer === 'number' && answer < 0) {
      if (!create && answer === ENODATA) this.#fail('GB-4', `${call} returned -ENODATA for a hole`);
    } else if (create && bh.isHole) {
      this.#fail('GB-10', `${call} failed with ${inspect(answer)}, which is no negative errno`);
    } else {
      this.#fail('GB-4', `${call} returned ${inspect(answer)}`);
    }
    return false;
  }

  #learn(
    call: string,
    inode: Inode,
    iblock: number,
    bh: BufferHead,
    wanted: number,
    create: boolean,
    allocated: number,
  ): void {
    const { blockSize } = inode.sb;
    const size = bh.state === 0 ? blockSize : bh.size;
    if (!(size > 0 && size <= wanted && size % blockSize === 0)) {
      this.#fail('GB-3', `${call} answered with ${size} bytes`);
      return;
    }
    if (Math.floor(bh.state / BH_DELAY) % 2 === 1) this.#fail('GB-8', `${call} answered with a delayed allocation`);
    if (bh.isHole) {
      if (create) this.#fail('GB-7', `${call} left a hole`);
      return;
    }
    const { bdev, blocknr } = bh;
    if (bdev === undefined || !Number.isSafeInteger(blocknr) || blocknr < 0 || blocknr * blockSize + size > bdev.size) {
      this.#fail('GB-3', `${call} named ${size} bytes at block ${blocknr}, which ${bdev === undefined ? 'no' : 'the'} device has`);
      return;
    }
    for (let i = 0; i < size / blockSize; i++) {
      this.#learnBlock(call, inode, iblock + i, { bdev, blocknr: blocknr + i, state: stateOf(bh) }, create, allocated);
    }
  }

  #learnBlock(call: string, inode: Inode, iblock: number, told: Block, create: boolean, allocated: number): void {
    const known = this.#known(inode);
    const { bdev, blocknr, state } = told;
    const block = known.blocks.get(iblock);
    const owner = this.#ownerOf(bdev, blocknr);
    const isNew = block?.blocknr !== blocknr || block.bdev !== bdev;
    const wasFreed = known.freed.get(iblock) === blocknr;
    // A filesystem may allocate blocks ahead and answer with them later; then they must at least be clean.
    const isClean = () => isZero(bdev, blocknr, inode.sb.blockSize);
    if (isNew && wasFreed && state === 'written' && !known.mounted && (!create || (allocated === 0 && !isClean()))) {
      this.#fail('TR-7', `${call} still answers with block ${blocknr}, which was freed`);
      return;
    }
    if (owner !== undefined && (owner.inode !== inode || owner.iblock !== iblock)) {
      const whose = `block ${owner.iblock} of inode ${owner.inode.ino}`;
      this.#fail('GB-12', `${call} answers with block ${blocknr} for block ${iblock}: it is ${whose}`);
      return;
    }
    if (!isNew) {
      if (state === 'new' && block.state === 'written') this.#fail('GB-12', `${call} said New of block ${blocknr} again`);
      block.state = state === 'new' ? 'written' : state;
    } else {
      // A block that was there before may have been moved.
      if (!create && state !== 'unwritten' && !known.mounted && block === undefined) {
        if (!known.refused.has(iblock)) this.#fail('GB-2', `${call} found block ${blocknr}, which no create had made`);
        else if (!isClean()) this.#fail('GB-6', `${call} found block ${blocknr}, not zeros, of a create that had failed`);
      }
      // A block that was moved has the data of the old one, and is not checked.
      if (create && state === 'written' && block === undefined && !isClean()) {
        this.#fail('GB-6', `${call} answered Mapped for block ${blocknr}, just allocated and not zeros`);
      }
      if (block !== undefined) this.#owned(block.bdev).delete(block.blocknr);
      known.blocks.set(iblock, { bdev, blocknr, state: state === 'new' ? 'written' : state });
      this.#owned(bdev).set(blocknr, { inode, iblock });
      known.freed.delete(iblock);
    }
    if (create && state === 'unwritten') known.pending.add(iblock);
    if (create && state === 'new') known.fresh.add(iblock);
  }

  // The owner of a block; undefined if the filesystem has since moved or freed the owner's block.
  #ownerOf(bdev: BlockDevice, blocknr: number): Owner | undefined {
    const owner = this.#owned(bdev).get(blocknr);
    if (owner === undefined) return undefined;
    const { inode, iblock } = owner;
    const now = this.run(inode, iblock, 1);
    if (!now.isHole && now.blocknr === blocknr && now.bdev === bdev) return owner;
    const cached = inode.extents.find(iblock);
    if (cached?.bdev === bdev && cached.blocknr + (iblock - cached.iblock) === blocknr) {
      this.#fail('TR-7', `block ${iblock} of inode ${inode.ino} is no longer at ${blocknr}, and the cache still says so`);
    }
    const known = this.#known(inode);
    this.#forget(known, iblock);
    if (!now.isHole && now.bdev !== undefined) {
      known.blocks.set(iblock, { bdev: now.bdev, blocknr: now.blocknr, state: stateOf(now) });
      this.#owned(now.bdev).set(now.blocknr, owner);
    }
    return undefined;
  }

  #completeUnwritten(inode: Inode, iblock: number, bh: BufferHead, ok: boolean): void {
    const call = `completeUnwritten(inode ${inode.ino}, ${iblock}, ${bh.size} bytes, ${ok})`;
    this.#fs.operations.completeUnwritten?.(inode, iblock, bh, ok);
    if (!ok) return;
    const { blocks, pending } = this.#known(inode);
    for (let at = iblock; at < iblock + bh.size / inode.sb.blockSize; at++) {
      if (this.ask(inode, at) !== 'written') this.#fail('FT-11', `after ${call} block ${at} is not written data`);
      const block = blocks.get(at);
      if (block !== undefined) block.state = 'written';
      pending.delete(at);
    }
  }

  #endIo(inode: Inode, pos: number, result: number, cookie: unknown): number {
    const { size } = inode;
    const answer = this.#fs.operations.endIo?.(inode, pos, result, cookie) ?? 0;
    if (inode.size !== size) this.#fail('IO-13', `endIo changed i_size from ${size} to ${inode.size}`);
    const known = this.#known(inode);
    const { pending, fresh, blocks } = known;
    for (const iblock of fresh) if (this.ask(inode, iblock) === 'hole') this.#forget(known, iblock);
    fresh.clear();
    for (const iblock of pending) {
      const start = iblock * inode.sb.blockSize;
      if (answer < 0 || result <= 0 || start >= pos + result || start + inode.sb.blockSize <= pos) {
        // The filesystem may free at once what was not filled.
        if (this.ask(inode, iblock) === 'hole') this.#forget(known, iblock);
        continue;
      }
      const block = blocks.get(iblock);
      if (this.ask(inode, iblock) !== 'written') {
        this.#fail('IO-14', `after endIo(inode ${inode.ino}, ${pos}, ${result}) block ${iblock} is not written data`);
      } else if (block !== undefined) {
        block.state = 'written';
      }
    }
    if (answer >= 0) pending.clear();
    this.#meanwhile('endIo', inode, false);
    return answer;
  }

  #truncateBlocks(inode: Inode, size: number): void {
    const call = `truncateBlocks(inode ${inode.ino}, ${size})`;
    const first = Math.ceil(size / inode.sb.blockSize);
    if (inode.size > size) this.#fail('TR-7', `${call} was called while i_size was ${inode.size}`);
    if (inode.dioCount > 0) this.#fail('TR-6', `${call} was called while I/O was under way`);
    this.#freeing(call, 'TR-6', inode, first, Number.POSITIVE_INFINITY, () => {
      this.#fs.operations.truncateBlocks(inode, size);
    });
  }

  #punchBlocks(inode: Inode, iblock: number, count: number): void {
    this.#freeing(`punchBlocks(inode ${inode.ino}, ${iblock}, ${count})`, 'TR-12', inode, iblock, count, () => {
      this.#fs.operations.punchBlocks?.(inode, iblock, count);
    });
  }

  #freeing(call: string, rule: RuleId, inode: Inode, first: number, count: number, work: () => void): void {
    const known = this.#known(inode);
    const within = [...known.blocks.keys()].filter((iblock) => iblock >= first && iblock < first + count);
    if (!inode.ilock.isHeldExclusive) this.#fail('LK-4', `${call} was called without the inode's lock`);
    if (within.some((iblock) => (inode.extents.find(iblock)?.state ?? 'hole') !== 'hole')) {
      this.#fail('TR-7', `${call} was called while the cache still had extents of what it frees`);
    }
    const free = this.#fs.freeBlocks();
    try {
      work();
    } catch (error) {
      // The filesystem may have freed some of the blocks before it failed.
      for (const iblock of within) if (this.ask(inode, iblock) === 'hole') this.#forget(known, iblock);
      throw error;
    }
    const gained = this.#fs.freeBlocks() - free;
    if (gained < within.length) this.#fail(rule, `${call} freed ${gained} blocks, there were ${within.length}`);
    for (const iblock of within) {
      const block = known.blocks.get(iblock) as Block;
      const state = this.ask(inode, iblock);
      if (state !== 'hole') this.#fail('TR-7', `after ${call}, block ${iblock} is still answered as ${state}`);
      known.freed.set(iblock, block.blocknr);
      this.#forget(known, iblock);
    }
    for (const iblock of [first - 1, first + count]) {
      if (known.blocks.has(iblock) && this.ask(inode, iblock) === 'hole') {
        this.#fail(rule, `${call} freed block ${iblock}, of which it was told nothing`);
        this.#forget(known, iblock);
      }
    }
  }

  #forget(known: Known, iblock: number): void {
    const block = known.blocks.get(iblock);
    if (block !== undefined) this.#owned(block.bdev).delete(block.blocknr);
    known.blocks.delete(iblock);
    known.pending.delete(iblock);
  }
}

function stateOf(bh: BufferHead): State {
  if (bh.isHole) return 'hole';
  if (bh.isUnwritten) return 'unwritten';
  return bh.isUninitialised ? 'new' : 'written';
}

function isZero(bdev: BlockDevice, blocknr: number, blockSize: number): boolean {
  const content = Buffer.alloc(blockSize);
  try {
    bdev.readSync(content, blocknr * blockSize);
  } catch (error) {
    // The device under this one is made to fail now, and this one asks it for direct access first.
    if (!(error instanceof DaxError)) throw error;
  }
  return content.equals(ZEROS.subarray(0, blockSize));
}
