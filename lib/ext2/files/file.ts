// Owns what DAX is told of files: where their blocks are, when they become the file's, and when they go.

import { asOperation, BH_UNWRITTEN, DaxFile, loopTurn, type BufferHead, type DaxFileOptions, type Inode, type InodeOperations } from 'node-dax';
import { fail } from '../format/error.js';
import type { Ext2Inode } from '../volume/ext2-inode.js';
import type { IncoreInode } from '../inode/inode.js';
import type { Volume } from '../volume/volume.js';

/**
 * The functions of one mounted filesystem. A block that a write asks for is taken in memory and answered as unwritten:
 * node-dax zeroes what the write leaves of it, and `endIo` makes it the file's. The medium points to it from the next
 * sync on, when what it holds is durable.
 */
export function operationsOf(volume: Volume): InodeOperations {
  return {
    getBlock(inode, iblock, bh, create) {
      getBlock(volume, own(volume, inode), iblock, bh, create);
    },
    endIo(inode, pos, result) {
      const { map, sb } = own(volume, inode);
      if (result > 0) map.settle(Math.floor(pos / sb.blockSize), Math.ceil((pos + result) / sb.blockSize));
      map.giveBackReserved();
    },
    completeUnwritten(inode, iblock, bh, ok) {
      const { map, sb } = own(volume, inode);
      if (ok) map.settle(iblock, iblock + bh.size / sb.blockSize);
    },
    truncateBlocks(inode, size) {
      const file = own(volume, inode);
      volume.checkChange('truncate');
      volume.cut(file, Math.ceil(size / file.sb.blockSize));
    },
    punchBlocks(inode, iblock, count) {
      volume.checkChange('punchHole');
      volume.punch(own(volume, inode), iblock, count);
    },
    fsync(inode) {
      volume.checkMounted('fsync');
      const file = own(volume, inode);
      if (file.isDirty) volume.store(file);
    },
    dirty(inode) {
      volume.markDirty(own(volume, inode));
    },
  };
}

/** An open file. Its inode lives until the last handle is closed, whatever becomes of its names. */
export class Ext2File extends DaxFile {
  readonly #volume: Volume;
  readonly #identity: Ext2Inode;
  readonly #incore: IncoreInode;
  #closing: Promise<void> | undefined;

  /** @internal Use `Ext2.open`. */
  constructor(volume: Volume, inode: IncoreInode, operations: InodeOperations, options: DaxFileOptions) {
    // The inode itself, which stays in memory while a handle has it: nothing is looked up at each step of a read or write.
    super(inode, operations, options);
    this.#volume = volume;
    this.#identity = volume.identityOf(inode);
    this.#incore = inode;
    volume.open(inode);
  }

  /** The identity of the inode. It may be kept when the handle is closed. */
  override get inode(): Ext2Inode {
    return this.#identity;
  }

  /**
   * Ends the use of this handle: whatever is done with it later throws `EBADF`. With the last one, what changed reaches the
   * medium, and a file without a name goes. While asynchronous work is under way that was begun through it, or through
   * nobody's handle when it is the last one, it throws `EAGAIN`, and the handle stays: `close` waits for that.
   */
  closeSync(): void {
    if (!this.isOpen) return;
    const inode = this.#incore;
    if (this.isBusy || (inode.references === 1 && isInUse(inode))) {
      fail('EAGAIN', 'close', 'reads or writes are under way: await them, or close()');
    }
    this.end();
    this.#volume.close(inode);
  }

  /** As `closeSync`, after what was begun through this handle. What others do with the file is not waited for. */
  close(): Promise<void> {
    if (this.isOpen) this.#closing = this.#end();
    return this.#closing ?? Promise.resolve();
  }

  async #end(): Promise<void> {
    const inode = this.#incore;
    this.end();
    if (this.isBusy) await this.idle();
    const turn = loopTurn();
    if (turn !== undefined) await turn;
    if (inode.references === 1 && isInUse(inode)) await asOperation(() => this.#closeInTurn());
    else this.#volume.close(inode);
  }

  // Work on the inode that has no handle, or has one and began after this one ended: what was begun before goes first, once.
  async #closeInTurn(): Promise<void> {
    const inode = this.#incore;
    await inode.ilock.exclusive();
    try {
      await inode.dioWait();
      this.#volume.close(inode);
    } finally {
      inode.ilock.releaseExclusive();
    }
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

// What has the lock counts a little later. Where nothing was ever done there is no lock.
function isInUse(inode: Inode): boolean {
  if (inode.activity === undefined) return false;
  const { dioCount, ilock } = inode;
  if (dioCount > 0 || !ilock.tryExclusive()) return true;
  ilock.releaseExclusive();
  return false;
}

function own(volume: Volume, inode: Inode): IncoreInode {
  return volume.current(inode, 'ext2');
}

function getBlock(volume: Volume, inode: IncoreInode, iblock: number, bh: BufferHead, create: boolean): void {
  const { blockSize, bdev } = inode.sb;
  const most = bh.size / blockSize;
  if (create) volume.checkChange('write');
  else volume.checkMounted('read');
  const { block, count, isReserved } = create
    ? inode.map.create(iblock, most, inode.group)
    : inode.map.find(iblock, most);
  if (block === 0) bh.mapHole(count * blockSize);
  else bh.map(bdev, block, count * blockSize, isReserved ? BH_UNWRITTEN : 0);
  if (create && isReserved) volume.markDirty(inode);
}
