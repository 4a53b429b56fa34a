// Owns what DAX is told of files: where their blocks are, when they become the file's, and when they go.

import { BH_UNWRITTEN, DaxFile, type BufferHead, type DaxFileOptions, type Inode, type InodeOperations } from 'node-dax';
import { groupOf } from './dir.js';
import { fail } from './error.js';
import type { Ext2Inode } from './ext2-inode.js';
import type { IncoreInode } from './inode.js';
import type { Volume } from './volume.js';

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
  declare readonly inode: Ext2Inode;
  readonly #volume: Volume;
  readonly #incore: IncoreInode;

  /** @internal Use `Ext2.open`. */
  constructor(volume: Volume, inode: IncoreInode, operations: InodeOperations, options: DaxFileOptions) {
    super(volume.identityOf(inode), operations, options);
    this.#volume = volume;
    this.#incore = inode;
    volume.open(inode);
  }

  /**
   * Ends the use of this handle: whatever is done with it later throws `EBADF`. With the last one, what changed reaches the
   * medium, and a file without a name goes; while asynchronous work on the file is under way that one throws `EAGAIN`:
   * `close` waits for it.
   */
  closeSync(): void {
    if (!this.isOpen) return;
    const inode = this.#incore;
    if (inode.references === 1 && isBusy(inode)) fail('EAGAIN', 'close', 'reads or writes are under way: await close()');
    this.end();
    this.#volume.close(inode);
  }

  async close(): Promise<void> {
    const { inode } = this;
    while (isBusy(inode)) {
      // What was begun before it has its turn.
      await inode.ilock.exclusive();
      inode.ilock.releaseExclusive();
      await inode.dioWait();
    }
    this.closeSync();
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

// What has the lock counts a little later.
function isBusy({ dioCount, ilock }: Inode): boolean {
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
    ? inode.map.create(iblock, most, groupOf(inode))
    : inode.map.find(iblock, most);
  if (block === 0) bh.mapHole(count * blockSize);
  else bh.map(bdev, block, count * blockSize, isReserved ? BH_UNWRITTEN : 0);
  if (create && isReserved) volume.markDirty(inode);
}
