// Owns what a check learns of blocks and inodes: which blocks are claimed, and how many names each inode has.

import { DaxError, dataRuns, type DeviceRun } from 'node-dax';
import { ClaimedBlocks } from './claimed-blocks.js';
import { EXT2_BAD_INO, FT, type GroupDesc, type Superblock } from '../format/disk.js';
import type { Findings } from './findings.js';
import type { Geometry } from '../format/geometry.js';
import type { Medium } from '../space/medium.js';

/** The inodes of one group, indexed by their position in it. */
interface GroupInodes {
  /** One of `FT`; 0 for an inode that is not in use. */
  readonly type: Uint8Array;
  /** i_links_count. */
  readonly links: Uint16Array;
  /** The number of entries that refer to the inode. */
  readonly names: Uint32Array;
}

/** A block of a directory. */
export interface DirectoryBlock {
  readonly iblock: number;
  readonly block: number;
}

export interface CheckedDirectory {
  readonly ino: number;
  readonly blocks: DirectoryBlock[];
  /** i_size in blocks. */
  readonly length: number;
  /** Whether i_flags says that it has an index. */
  readonly isIndexed: boolean;
  /** The inode to which its `..` refers; undefined until it is read. */
  up: number | undefined;
  /** The directories that have an entry for it. */
  readonly parents: number[];
}

// Added to the type of an inode in use, to distinguish an unknown type from an inode that is not in use.
const IN_USE = 1;

export class Census {
  readonly sb: Superblock;
  readonly geometry: Geometry;
  readonly descs: readonly GroupDesc[];
  readonly findings: Findings;
  readonly directories = new Map<number, CheckedDirectory>();
  /** The number of inodes that refer to each block of extended attributes. */
  readonly attributeUsers = new Map<number, number>();
  usedInodes = 0;
  readonly claimed: ClaimedBlocks;
  readonly #medium: Medium;
  readonly #inodes: (GroupInodes | undefined)[] = [];

  constructor(medium: Medium, sb: Superblock, geometry: Geometry, descs: readonly GroupDesc[], findings: Findings) {
    this.#medium = medium;
    this.sb = sb;
    this.geometry = geometry;
    this.descs = descs;
    this.findings = findings;
    this.claimed = new ClaimedBlocks(geometry);
  }

  /** Loads bytes of the medium. Returns undefined and adds a finding if they cannot be read. */
  load(pos: number, length: number): Uint8Array<ArrayBuffer> | undefined {
    const bytes = new Uint8Array(length);
    return this.loadInto(bytes, pos) ? bytes : undefined;
  }

  /** As `load`, into existing memory. Returns false if the bytes cannot be read. */
  loadInto(bytes: Uint8Array, pos: number): boolean {
    try {
      this.#medium.loadInto(bytes, pos);
      return true;
    } catch (error) {
      if (!(error instanceof DaxError) || error.code !== 'EIO') throw error;
      this.findings.error('cannot be read', { block: Math.floor(pos / this.geometry.blockSize) });
      return false;
    }
  }

  /** The parts of a range that are not known to be zeros. */
  dataRuns(pos: number, length: number): Iterable<DeviceRun> {
    return dataRuns(this.#medium.device, pos, length);
  }

  loadBlock(block: number): Uint8Array<ArrayBuffer> | undefined {
    return this.load(block * this.geometry.blockSize, this.geometry.blockSize);
  }

  groupStart(group: number): number {
    return this.geometry.firstDataBlock + group * this.geometry.blocksPerGroup;
  }

  groupBlocks(group: number): number {
    return Math.min(this.geometry.blocksPerGroup, this.geometry.blocksCount - this.groupStart(group));
  }

  isBlock(block: number): boolean {
    return block !== 0 && block >= this.geometry.firstDataBlock && block < this.geometry.blocksCount;
  }

  /** Claims existing blocks of one group. Returns false if one of them was claimed before. All of them are claimed afterwards. */
  claim(block: number, count = 1): boolean {
    return this.claimed.claim(block, count);
  }

  /** Records an inode in use. `type` is one of `FT`; 0 if the inode's type is invalid. */
  use(ino: number, type: number, links: number): void {
    const { group, index } = this.#place(ino);
    const { inodesPerGroup } = this.geometry;
    const inodes = (this.#inodes[group] ??= {
      type: new Uint8Array(inodesPerGroup),
      links: new Uint16Array(inodesPerGroup),
      names: new Uint32Array(inodesPerGroup),
    });
    inodes.type[index] = type + IN_USE;
    inodes.links[index] = links;
    this.usedInodes++;
  }

  isUsed(ino: number): boolean {
    return this.#typeByte(ino) !== 0;
  }

  /** The inode's type, one of `FT`; 0 if it is not in use. */
  typeOf(ino: number): number {
    return Math.max(FT.UNKNOWN, this.#typeByte(ino) - IN_USE);
  }

  /** Counts an entry that refers to an inode in use. */
  name(ino: number): void {
    const { group, index } = this.#place(ino);
    const names = this.#inodes[group]?.names;
    if (names !== undefined) names[index] = (names[index] as number) + 1;
  }

  /** Whether any inode of the group is in use. */
  hasUsed(group: number): boolean {
    return this.#inodes[group] !== undefined;
  }

  /** Calls `visit` with each inode in use of a group, its i_links_count, and the number of entries counted for it. */
  eachUsed(group: number, visit: (ino: number, links: number, names: number) => void): void {
    const inodes = this.#inodes[group];
    if (inodes === undefined) return;
    const first = group * this.geometry.inodesPerGroup + EXT2_BAD_INO;
    for (let index = 0; index < inodes.type.length; index++) {
      if (inodes.type[index] !== 0) visit(first + index, inodes.links[index] as number, inodes.names[index] as number);
    }
  }

  #typeByte(ino: number): number {
    const { group, index } = this.#place(ino);
    return this.#inodes[group]?.type[index] ?? 0;
  }

  #place(ino: number): { group: number; index: number } {
    const { inodesPerGroup } = this.geometry;
    const index = ino - EXT2_BAD_INO;
    return { group: Math.floor(index / inodesPerGroup), index: index % inodesPerGroup };
  }
}
