// Owns the inode operations for DAX and open files: where a file's blocks are, and when they become or cease to be the file's.

import { asOperation, BH_UNWRITTEN, DaxFile, loopTurn, type BufferHead, type DaxFileOptions, type Inode, type InodeOperations } from 'node-dax';
import { fail } from '../format/error.js';
import type { Ext2Inode } from '../volume/ext2-inode.js';
import type { IncoreInode } from '../inode/inode.js';
import type { Volume } from '../volume/volume.js';

// The state of a block that a write must fill first. It is a constant of this file because a use of an import asks the other
// file for it each time.
const RESERVED = BH_UNWRITTEN;

/**
 * The inode operations of one mounted filesystem. A block that a write needs is allocated in memory and reported as unwritten:
 * node-dax zeroes what the write does not cover, and `endIo` makes the block the file's. The medium points to it only from the next
 * sync on, when its contents are durable.
 */
export function operationsOf(volume: Volume): InodeOperations {
  return {
    getBlock(inode, iblock, bh, create) {
      getBlock(volume, own(volume, inode), iblock, bh, create);
    },
    endIo(inode, pos, result) {
      const { ino, map, sb } = own(volume, inode);
      if (result > 0) {
        if (volume.changes.isHeard) volume.changes.tell({ ino });
        map.settle(Math.floor(pos / sb.blockSize), Math.ceil((pos + result) / sb.blockSize));
      }
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
      file.sb.settle();
    },
    dirty(inode) {
      volume.markDirty(own(volume, inode));
    },
  };
}

/** An open file. Its inode exists until the last handle is closed, even without a name. */
export class Ext2File extends DaxFile {
  readonly #volume: Volume;
  readonly #identity: Ext2Inode;
  readonly #incore: IncoreInode;
  #closing: Promise<void> | undefined;

  /** @internal Use `Ext2.open`. */
  constructor(volume: Volume, inode: IncoreInode, operations: InodeOperations, options: DaxFileOptions) {
    // Keeps the inode in memory rather than its identity, so that reads and writes need no look-up.
    super(inode, operations, options);
    this.#volume = volume;
    this.#identity = volume.identityOf(inode);
    this.#incore = inode;
    volume.open(inode);
  }

  /** The identity of the inode. It stays valid after the handle is closed. */
  override get inode(): Ext2Inode {
    return this.#identity;
  }

  /**
   * Closes this handle: any later use throws `EBADF`. Closing the last handle stores changes on the medium, and deletes a file
   * without a name. Throws `EAGAIN`, and leaves the handle open, while asynchronous work that began through this handle is under
   * way. If this is the last handle, the same holds for work that began without a handle. `close` waits for such work.
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

  /** As `closeSync`, but waits for the work begun through this handle. It does not wait for work begun through other handles. */
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

  // Closes the inode's last handle while work on the inode is under way that began without a handle, or through another handle
  // after this one was closed. Waits for the work that has begun by now, but not for work that begins later.
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

// An operation takes the lock before it raises `dioCount`, so both are checked. An inode without activity has no lock to check.
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
  else bh.map(bdev, block, count * blockSize, isReserved ? RESERVED : 0);
  if (create && isReserved) volume.markDirty(inode);
}
