// Owns the group descriptors: the checked places of each group's bitmaps and inode table, and the group's counts.

import { EXT2_BAD_INO, GROUP_DESC, GROUP_DESC_SIZE, type Superblock } from '../format/disk.js';
import { corruption } from '../format/error.js';
import { hasSuperblock, type Geometry } from '../format/geometry.js';
import type { Medium } from './medium.js';

type Count = 'bg_free_blocks_count' | 'bg_free_inodes_count' | 'bg_used_dirs_count';

export class Groups {
  readonly count: number;
  readonly #geometry: Geometry;
  readonly #medium: Medium;
  readonly #table: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #hasSuperblock: Uint8Array;
  readonly #dirty = new Set<number>();

  /** Throws `EUCLEAN` for a group whose bitmaps or inode table lie outside it or overlap. */
  constructor(medium: Medium, sb: Superblock, geometry: Geometry) {
    this.#medium = medium;
    this.#geometry = geometry;
    this.count = geometry.groups;
    this.#table = medium.load(geometry.descBlock * geometry.blockSize, this.count * GROUP_DESC_SIZE);
    this.#view = new DataView(this.#table.buffer);
    this.#hasSuperblock = Uint8Array.from({ length: this.count }, (_, group) => Number(hasSuperblock(sb, group)));
    for (let group = 0; group < this.count; group++) this.#check(group);
  }

  groupOf(block: number): number {
    return Math.floor((block - this.#geometry.firstDataBlock) / this.#geometry.blocksPerGroup);
  }

  /** The group's first block. */
  start(group: number): number {
    return this.#geometry.firstDataBlock + group * this.#geometry.blocksPerGroup;
  }

  /** The number of blocks in the group; the last group may have fewer. */
  blocksIn(group: number): number {
    return Math.min(this.#geometry.blocksPerGroup, this.#geometry.blocksCount - this.start(group));
  }

  blockBitmap(group: number): number {
    return this.#view.getUint32(group * GROUP_DESC_SIZE + GROUP_DESC.bg_block_bitmap[1], true);
  }

  inodeBitmap(group: number): number {
    return this.#view.getUint32(group * GROUP_DESC_SIZE + GROUP_DESC.bg_inode_bitmap[1], true);
  }

  inodeTable(group: number): number {
    return this.#view.getUint32(group * GROUP_DESC_SIZE + GROUP_DESC.bg_inode_table[1], true);
  }

  get(count: Count, group: number): number {
    return this.#view.getUint16(group * GROUP_DESC_SIZE + GROUP_DESC[count][1], true);
  }

  /** Sets a count in memory; `flush` stores it. */
  set(count: Count, group: number, value: number): void {
    this.#view.setUint16(group * GROUP_DESC_SIZE + GROUP_DESC[count][1], value, true);
    this.#dirty.add(group);
  }

  total(count: Count): number {
    let sum = 0;
    for (let group = 0; group < this.count; group++) sum += this.get(count, group);
    return sum;
  }

  /** The byte of the medium at which an inode begins. `ino` must exist. */
  inodePos(ino: number): number {
    const { inodesPerGroup, inodeSize, blockSize } = this.#geometry;
    const index = ino - EXT2_BAD_INO;
    const group = Math.floor(index / inodesPerGroup);
    return this.inodeTable(group) * blockSize + (index % inodesPerGroup) * inodeSize;
  }

  /** Whether all of the `count` blocks from `block` on are in the filesystem and none belongs to its own tables. */
  isData(block: number, count: number): boolean {
    const { firstDataBlock, blocksCount } = this.#geometry;
    const end = block + count;
    if (block < firstDataBlock || end > blocksCount) return false;
    const last = this.groupOf(end - 1);
    for (let group = this.groupOf(block); group <= last; group++) {
      const overlaps = (first: number, length: number) => block < first + length && end > first;
      if (overlaps(this.start(group), this.headBlocks(group))) return false;
      if (overlaps(this.blockBitmap(group), 1) || overlaps(this.inodeBitmap(group), 1)) return false;
      if (overlaps(this.inodeTable(group), this.#geometry.inodeTableBlocks)) return false;
    }
    return true;
  }

  /** The number of blocks at the group's start that hold copies of the superblock and of the descriptors. */
  headBlocks(group: number): number {
    const { descBlocks, reservedDescBlocks } = this.#geometry;
    return this.#hasSuperblock[group] === 1 ? 1 + descBlocks + reservedDescBlocks : 0;
  }

  /** Stores the counts that changed. */
  flush(): void {
    const { descBlock, blockSize } = this.#geometry;
    const counts = GROUP_DESC.bg_free_blocks_count[1];
    for (const group of this.#dirty) {
      const at = group * GROUP_DESC_SIZE + counts;
      this.#medium.store(descBlock * blockSize + at, this.#table.subarray(at, at + 6));
    }
    this.#dirty.clear();
  }

  #check(group: number): void {
    const start = this.start(group);
    const end = start + this.blocksIn(group);
    const parts: [string, number, number][] = [
      ['the block bitmap', this.blockBitmap(group), 1],
      ['the inode bitmap', this.inodeBitmap(group), 1],
      ['the inode table', this.inodeTable(group), this.#geometry.inodeTableBlocks],
    ];
    const taken: [number, number][] = [[start, start + this.headBlocks(group)]];
    for (const [what, first, length] of parts) {
      if (first < start || first + length > end) throw corruption(`${what} at ${first} is outside the group`, { group });
      if (taken.some(([from, to]) => first < to && first + length > from)) {
        throw corruption(`${what} at ${first} lies on other tables`, { group });
      }
      taken.push([first, first + length]);
    }
  }
}
