// A small filesystem: one directory, files made of extents, metadata that survives a power cut at any moment.

import { createHash } from 'node:crypto';
import { DaxError, DaxFile, daxClearBlocks, Inode, type BlockDevice, type BufferHead, type InodeOperations } from 'node-dax';

// The layout, in blocks of 4096 bytes: 0 the superblock, 1 to 64 one for each file, data from 65 on.
const BLOCK = 4096;
const FILES = 64;
const DATA = 1 + FILES;
const MAGIC = 'TINYFS01';
// A file's block holds its record twice, so that storing one never harms the other.
const RECORD = BLOCK / 2;
const HEADER = 96;
const MAX_RUNS = Math.floor((RECORD - HEADER) / 12);
const MAX_NAME = 40;
// A record has 32 bits for the number of a block.
const MAX_BYTES = 2 ** 32 * BLOCK;

function fail(errno: string, hint: string): never {
  throw new DaxError({ errno, syscall: 'tinyfs', hint });
}

const digestOf = (record: Buffer): Buffer => createHash('sha256').update(record.subarray(16)).digest().subarray(0, 16);

/** `count` blocks of a file from `iblock` on, which lie at `block` and after it. */
interface Run {
  iblock: number;
  block: number;
  count: number;
}

/** The parts of `runs` that hold blocks of the file from `from` to before `to`. */
function within(runs: Run[], from: number, to: number): Run[] {
  return runs
    .map(({ iblock, block, count }) => {
      const first = Math.max(from, iblock);
      return { iblock: first, block: block + first - iblock, count: Math.min(to, iblock + count) - first };
    })
    .filter(({ count }) => count > 0);
}

/** An inode with its name and its runs, in the order of the file. */
class TinyInode extends Inode {
  name = '';
  runs: Run[] = [];
  /** How often its record was stored: the larger number is the newer record. */
  version = 0;
}

/** A record without what lies past the end: those blocks are of a write under way, and nobody's after a power cut. */
function encode({ name, runs, version, size, mtimeMs }: TinyInode): Buffer {
  const record = Buffer.alloc(RECORD);
  const stored = within(runs, 0, Math.ceil(size / BLOCK));
  for (const [index, number] of [version, size, mtimeMs].entries()) record.writeDoubleLE(number, 16 + index * 8);
  record.writeUInt32LE(stored.length, 40);
  record.writeUInt32LE(record.write(name, 48, MAX_NAME), 44);
  for (const [index, { iblock, block, count }] of stored.entries()) {
    for (const [field, number] of [iblock, block, count].entries()) {
      record.writeUInt32LE(number, HEADER + index * 12 + field * 4);
    }
  }
  digestOf(record).copy(record);
  return record;
}

/** Whether `record` is whole; if so, the inode becomes what it says. */
function decode(record: Buffer, inode: TinyInode): boolean {
  const count = record.readUInt32LE(40);
  if (!digestOf(record).equals(record.subarray(0, 16)) || count > MAX_RUNS) return false;
  inode.version = record.readDoubleLE(16);
  inode.size = record.readDoubleLE(24);
  inode.mtimeMs = record.readDoubleLE(32);
  inode.name = record.toString('utf8', 48, 48 + Math.min(MAX_NAME, record.readUInt32LE(44)));
  inode.runs = Array.from({ length: count }, (_, index) => ({
    iblock: record.readUInt32LE(HEADER + index * 12),
    block: record.readUInt32LE(HEADER + index * 12 + 4),
    count: record.readUInt32LE(HEADER + index * 12 + 8),
  }));
  return true;
}

export class TinyFs {
  readonly operations: InodeOperations = {
    getBlock: (inode, iblock, bh, create) => { this.#getBlock(inode, iblock, bh, create); },
    truncateBlocks: (inode, size) => { this.#free(inode, Math.ceil(size / BLOCK), Infinity); },
    punchBlocks: (inode, iblock, count) => { this.#free(inode, iblock, iblock + count); },
    fsync: (inode) => { this.#store(inode); },
  };
  readonly #device: BlockDevice;
  readonly #inodes: TinyInode[];
  readonly #used: Uint8Array;

  /** Makes an empty filesystem on `device`, whatever is on it. The superblock goes first and comes last. */
  static mkfs(device: BlockDevice): void {
    if (device.size < (DATA + 1) * BLOCK) fail('ENOSPC', 'the device is too small');
    device.zeroSync(0, DATA * BLOCK);
    const sb = { blockSize: BLOCK, bdev: device };
    for (let ino = 1; ino <= FILES; ino++) device.writeSync(encode(new TinyInode(sb, ino)), ino * BLOCK);
    const superblock = Buffer.alloc(16, MAGIC);
    superblock.writeDoubleLE(Math.floor(device.size / BLOCK), 8);
    device.writeSync(superblock, 0);
  }

  /** Mounts what `mkfs` made. Never formats: anything else is `EUCLEAN`. */
  static mount(device: BlockDevice): TinyFs {
    const superblock = Buffer.alloc(16);
    device.readSync(superblock, 0);
    const blocks = superblock.readDoubleLE(8);
    if (superblock.toString('latin1', 0, 8) !== MAGIC) fail('EUCLEAN', 'there is no filesystem here');
    if (!Number.isInteger(blocks) || blocks <= DATA || blocks * BLOCK > device.size) fail('EUCLEAN', `${blocks} blocks`);
    return new TinyFs(device, blocks);
  }

  private constructor(device: BlockDevice, blocks: number) {
    this.#device = device;
    this.#used = new Uint8Array(blocks).fill(1, 0, DATA);
    const sb = { blockSize: BLOCK, bdev: device, maxBytes: MAX_BYTES };
    this.#inodes = Array.from({ length: FILES }, (_, index) => new TinyInode(sb, index + 1));
    for (const inode of this.#inodes) this.#load(inode);
  }

  // The newer of the two records, checked: numbers from a medium are input. What no file has is free.
  #load(inode: TinyInode): void {
    const block = Buffer.alloc(BLOCK);
    this.#device.readSync(block, inode.ino * BLOCK);
    const other = new TinyInode(inode.sb, inode.ino);
    const isWhole = decode(block.subarray(0, RECORD), inode);
    if (decode(block.subarray(RECORD), other) && (!isWhole || other.version > inode.version)) {
      decode(block.subarray(RECORD), inode);
    } else if (!isWhole) fail('EUCLEAN', `inode ${inode.ino} has no whole record`);
    if (!Number.isSafeInteger(inode.size) || inode.size < 0) fail('EUCLEAN', `inode ${inode.ino}, size ${inode.size}`);
    let end = 0;
    for (const { iblock, block: first, count } of inode.runs) {
      const isFree = count > 0 && first + count <= this.#used.length && !this.#used.subarray(first, first + count).includes(1);
      if (iblock < end || !isFree) fail('EUCLEAN', `inode ${inode.ino}, block ${iblock}`);
      this.#used.fill(1, first, first + count);
      end = iblock + count;
    }
  }

  freeBlocks(): number {
    return this.#used.reduce((free, used) => free - used, this.#used.length);
  }

  names(): string[] {
    return this.#inodes.filter(({ name }) => name !== '').map(({ name }) => name);
  }

  lookup(name: string): DaxFile | undefined {
    const inode = this.#inodes.find((candidate) => name !== '' && candidate.name === name);
    return inode && new DaxFile(inode, this.operations);
  }

  create(name: string): DaxFile {
    if (name === '' || Buffer.byteLength(name) > MAX_NAME || name.includes('\0')) fail('EINVAL', 'no such name');
    if (this.lookup(name) !== undefined) fail('EEXIST', name);
    const index = this.#inodes.findIndex((candidate) => candidate.name === '');
    const unused = this.#inodes[index];
    if (unused === undefined) fail('ENOSPC', `there are ${FILES} files`);
    // An inode of its own: whoever still has the file that was here open must not see this one.
    const inode = new TinyInode(unused.sb, unused.ino);
    Object.assign(inode, { name, version: unused.version, mtimeMs: Date.now() });
    this.#inodes[index] = inode;
    this.#store(inode);
    return new DaxFile(inode, this.operations);
  }

  unlink(name: string): void {
    const inode = this.#own(this.lookup(name)?.inode ?? fail('ENOENT', name));
    if (!inode.ilock.tryExclusive()) fail('EBUSY', name);
    inode.extents.invalidate();
    inode.size = 0;
    inode.name = '';
    this.#free(inode, 0, Infinity);
    inode.ilock.releaseExclusive();
  }

  #own(inode: Inode): TinyInode {
    return this.#inodes.find((candidate) => candidate === inode) ?? fail('ESTALE', `inode ${inode.ino}`);
  }

  #getBlock(inode: Inode, iblock: number, bh: BufferHead, create: boolean): void {
    const own = this.#own(inode);
    const wanted = bh.size / BLOCK;
    const run = own.runs.find((candidate) => iblock < candidate.iblock + candidate.count);
    const isHole = run === undefined || iblock < run.iblock;
    const length = isHole ? (run?.iblock ?? Infinity) - iblock : run.iblock + run.count - iblock;
    const count = Math.min(wanted, length);
    if (!isHole) bh.map(this.#device, run.block + iblock - run.iblock, count * BLOCK);
    else if (!create) bh.mapHole(count * BLOCK);
    else {
      const fresh = this.#allocate(own, iblock, count);
      bh.map(this.#device, fresh.block, fresh.count * BLOCK);
    }
  }

  #allocate(inode: TinyInode, iblock: number, wanted: number): Run {
    if (inode.name === '') fail('ESTALE', 'the file was unlinked');
    const block = this.#used.indexOf(0);
    if (block < 0 || inode.runs.length >= MAX_RUNS) fail('ENOSPC', 'no block, or no room for one more run');
    let count = 1;
    while (count < wanted && this.#used[block + count] === 0) count++;
    // Zeros before anything leads there: no one ever meets what another file left.
    daxClearBlocks(inode, block, count * BLOCK);
    this.#used.fill(1, block, block + count);
    const before = inode.runs.find((run) => run.iblock + run.count === iblock && run.block + run.count === block);
    if (before !== undefined) before.count += count;
    else inode.runs = [...inode.runs, { iblock, block, count }].sort((a, b) => a.iblock - b.iblock);
    return { iblock, block, count };
  }

  // Pointers first, durably; only then may another file have the blocks.
  #free(inode: Inode, from: number, to: number): void {
    const own = this.#own(inode);
    const freed = within(own.runs, from, to);
    const kept = [...within(own.runs, 0, from), ...within(own.runs, to, Infinity)];
    if (kept.length > MAX_RUNS) fail('ENOSPC', 'no room for one more run');
    const before = own.runs;
    own.runs = kept;
    try {
      this.#store(own);
    } catch (error) {
      own.runs = before;
      throw error;
    }
    for (const { block, count } of freed) this.#used.fill(0, block, block + count);
  }

  // Over the older record: if the power goes half-way, its checksum is wrong and the other one counts. If the device fails,
  // the next try goes to the same place.
  #store(inode: Inode): void {
    const own = this.#own(inode);
    own.version++;
    try {
      this.#device.writeSync(encode(own), own.ino * BLOCK + (own.version % 2) * RECORD);
    } catch (error) {
      own.version--;
      throw error;
    }
  }
}
