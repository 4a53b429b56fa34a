// Owns a filesystem whose files may have blocks in common, and which gives a file its own in each of the ways that there are.

import {
  BH_NEW,
  BH_SHARED,
  BH_UNWRITTEN,
  DaxError,
  DaxFile,
  daxWriteback,
  Inode,
  type BlockDevice,
  type BufferHead,
  type InodeOperations,
  type SuperBlock,
} from 'node-dax';

/**
 * How a file is given its own blocks: they are the file's at once and New, or unwritten until they are filled (so that a failed
 * write leaves the file as it was), or the filesystem has copied the data itself.
 */
export type CowWay = 'new' | 'unwritten' | 'copied';

export const COW_WAYS: readonly CowWay[] = ['new', 'unwritten', 'copied'];

export interface CowOptions {
  way: CowWay;
  blockSize?: number;
  blocks?: number;
  /** Blocks that are given together: what a device maps at once. More than one goes with `copied` alone. */
  cluster?: number;
  strictInit?: boolean;
}

class CowInode extends Inode {
  /** By block of the file: the block of the device. */
  readonly blocks = new Map<number, number>();
  /** Given, and not the file's before they are filled. */
  readonly pending = new Map<number, number>();
}

function own(inode: Inode): CowInode {
  if (inode instanceof CowInode) return inode;
  throw new TypeError('not an inode of this filesystem');
}

export class CowFs {
  readonly sb: SuperBlock;
  readonly operations: InodeOperations;
  /** What `create` was asked for. */
  created: number[] = [];
  readonly #way: CowWay;
  readonly #cluster: number;
  // How many files a block is of.
  readonly #owners: Uint8Array;
  #cursor = 0;
  #inodes = 0;

  constructor(bdev: BlockDevice, { way, blockSize = 4096, blocks, cluster = 1, strictInit = false }: CowOptions) {
    this.sb = { blockSize, bdev, strictInit };
    this.#way = way;
    this.#cluster = cluster;
    this.#owners = new Uint8Array(blocks ?? Math.floor(bdev.size / blockSize));
    this.operations = {
      getBlock: (inode, iblock, bh, create) => {
        this.#getBlock(own(inode), iblock, bh, create);
      },
      endIo: (inode, pos, result) => {
        const end = result > 0 ? Math.ceil((pos + result) / blockSize) : 0;
        this.#settle(own(inode), Math.floor(pos / blockSize), end);
      },
      completeUnwritten: (inode, iblock, bh, ok) => {
        this.#settle(own(inode), iblock, ok ? iblock + bh.size / blockSize : iblock);
      },
      truncateBlocks: (inode, size) => {
        this.#drop(own(inode), Math.ceil(size / blockSize / cluster) * cluster, Number.POSITIVE_INFINITY);
      },
      punchBlocks: (inode, iblock, count) => {
        this.#punch(own(inode), iblock, iblock + count);
      },
      fsync: () => undefined,
    };
  }

  get freeBlocks(): number {
    return this.#owners.filter((owners) => owners === 0).length;
  }

  file(bytes?: Uint8Array): DaxFile {
    const file = new DaxFile(new CowInode(this.sb, ++this.#inodes), this.operations);
    if (bytes !== undefined) file.writeSync(bytes, 0);
    return file;
  }

  /** A file of the same bytes in the same blocks. */
  clone({ inode }: DaxFile): DaxFile {
    const copy = this.file();
    copy.inode.size = inode.size;
    for (const [iblock, block] of own(inode).blocks) {
      own(copy.inode).blocks.set(iblock, block);
      this.#keep(block);
    }
    // From now on nobody may store there, whoever looked before.
    inode.extents.invalidate();
    // What was stored through mappings until now is the copy's too, which knows nothing of it.
    daxWriteback(inode);
    return copy;
  }

  /** Where block `iblock` of the file lies on the device, in bytes. */
  placeOf({ inode }: DaxFile, iblock: number): number | undefined {
    const block = own(inode).blocks.get(iblock);
    return block === undefined ? undefined : block * this.sb.blockSize;
  }

  isShared({ inode }: DaxFile, iblock: number): boolean {
    return this.#isShared(own(inode).blocks.get(iblock));
  }

  /** Throws unless every block has the owners that it is counted for. */
  check(files: readonly DaxFile[]): void {
    const counted = new Uint8Array(this.#owners.length);
    for (const { inode } of files) {
      const { blocks, pending } = own(inode);
      if (pending.size > 0) throw new Error(`inode ${inode.ino} has blocks of which nobody told what became of them`);
      for (const block of blocks.values()) counted[block] = (counted[block] ?? 0) + 1;
    }
    if (!Buffer.from(counted).equals(this.#owners)) throw new Error('blocks have other owners than they are counted for');
  }

  #isShared(block: number | undefined): boolean {
    return block !== undefined && (this.#owners[block] as number) > 1;
  }

  #getBlock(inode: CowInode, iblock: number, bh: BufferHead, create: boolean): void {
    const { bdev, blockSize } = this.sb;
    const wanted = bh.size / blockSize;
    const first = inode.blocks.get(iblock);
    const isShared = this.#isShared(first);
    if (create && (first === undefined || isShared)) {
      this.#create(inode, iblock, wanted, bh);
      return;
    }
    if (first === undefined) return;
    let count = 1;
    for (; count < wanted; count++) {
      const next = inode.blocks.get(iblock + count);
      if (next !== first + count || this.#isShared(next) !== isShared) break;
    }
    bh.map(bdev, first, count * blockSize, isShared ? BH_SHARED : 0);
  }

  // A run as long as the one that is shared, or is a hole, and as there is room for together.
  #create(inode: CowInode, iblock: number, wanted: number, bh: BufferHead): void {
    const { bdev, blockSize } = this.sb;
    this.created.push(iblock);
    if (this.#cluster > 1) {
      this.#createCluster(inode, iblock, bh);
      return;
    }
    const source = inode.blocks.get(iblock);
    const start = this.#findFree();
    let count = 0;
    for (; count < wanted && this.#owners[start + count] === 0; count++) {
      const block = inode.blocks.get(iblock + count);
      const goesOn = source === undefined ? block === undefined : block === source + count && this.#isShared(block);
      if (!goesOn) break;
    }
    const isPending = this.#way === 'unwritten';
    if (this.#way === 'copied') this.#fill(source, start, count);
    for (let n = 0; n < count; n++) {
      // Asked again before the first was filled.
      this.#forget(inode.pending.get(iblock + n));
      this.#owners[start + n] = 1;
      if (!isPending) this.#forget(source === undefined ? undefined : source + n);
      (isPending ? inode.pending : inode.blocks).set(iblock + n, start + n);
    }
    if (this.#way === 'copied') {
      bh.map(bdev, start, count * blockSize);
      return;
    }
    bh.map(bdev, start, count * blockSize, isPending ? BH_UNWRITTEN : BH_NEW);
    if (source !== undefined) bh.copyFrom(bdev, source);
  }

  #createCluster(inode: CowInode, iblock: number, bh: BufferHead): void {
    const { bdev, blockSize } = this.sb;
    const cluster = this.#cluster;
    const first = iblock - (iblock % cluster);
    const source = inode.blocks.get(first);
    const start = this.#findFree();
    this.#fill(source, start, cluster);
    for (let n = 0; n < cluster; n++) {
      this.#owners[start + n] = 1;
      this.#forget(source === undefined ? undefined : source + n);
      inode.blocks.set(first + n, start + n);
    }
    // More than was asked for: they may be remembered as they were.
    inode.extents.forget(first, cluster);
    const count = Math.min(bh.size / blockSize, first + cluster - iblock);
    bh.map(bdev, start + (iblock - first), count * blockSize);
  }

  #fill(source: number | undefined, start: number, count: number): void {
    const { bdev, blockSize } = this.sb;
    if (source === undefined) {
      bdev.zeroSync(start * blockSize, count * blockSize);
      return;
    }
    const bytes = Buffer.alloc(count * blockSize);
    bdev.readSync(bytes, source * blockSize);
    bdev.writeSync(bytes, start * blockSize);
  }

  #findFree(): number {
    const { length } = this.#owners;
    const cluster = this.#cluster;
    for (let tried = 0; tried < length; tried += cluster) {
      const at = (this.#cursor + tried) % length;
      if (this.#owners[at] !== 0) continue;
      this.#cursor = at + cluster;
      return at;
    }
    throw new DaxError({ errno: 'ENOSPC', syscall: 'getBlock' });
  }

  // What was given is the file's from `from` to before `to`, and goes again elsewhere.
  #settle(inode: CowInode, from: number, to: number): void {
    for (const [iblock, block] of inode.pending) {
      if (iblock >= from && iblock < to) {
        this.#forget(inode.blocks.get(iblock));
        inode.blocks.set(iblock, block);
      } else {
        this.#forget(block);
      }
    }
    inode.pending.clear();
  }

  #keep(block: number): void {
    this.#owners[block] = (this.#owners[block] ?? 0) + 1;
  }

  #forget(block: number | undefined): void {
    if (block !== undefined) this.#owners[block] = (this.#owners[block] ?? 0) - 1;
  }

  #punch(inode: CowInode, from: number, to: number): void {
    const cluster = this.#cluster;
    if (from % cluster !== 0 || to % cluster !== 0) throw new DaxError({ errno: 'EOPNOTSUPP', syscall: 'punchBlocks' });
    this.#drop(inode, from, to);
  }

  #drop({ blocks }: CowInode, from: number, to: number): void {
    for (const [iblock, block] of blocks) {
      if (iblock < from || iblock >= to) continue;
      this.#forget(block);
      blocks.delete(iblock);
    }
  }
}
