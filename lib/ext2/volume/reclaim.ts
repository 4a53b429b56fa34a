// Owns reclaiming: whatever is reachable through the tree of names is in use; everything else that is marked as taken is freed.

import { isSet, setRun } from '../format/bits.js';
import type { Dirent } from '../inode/dir.js';
import {
  EXT2_BAD_INO,
  EXT2_N_BLOCKS,
  EXT2_NDIR_BLOCKS,
  EXT2_ROOT_INO,
  INODE,
  XATTR_HEADER,
} from '../format/disk.js';
import type { IncoreInode } from '../inode/inode.js';
import { decode } from '../format/layout.js';
import { ownInodes } from '../format/own-inodes.js';
import type { Volume } from './volume.js';

/** What `reclaim` freed and corrected. */
export interface Reclaimed {
  /** Blocks that were freed. */
  readonly blocks: number;
  /** Inodes that were freed: files that lost their last name, or never got one. */
  readonly inodes: number;
  /** Inodes and blocks of extended attributes whose user counts were too high. */
  readonly counts: number;
  /** Surplus names of directories that an interrupted rename left with both names; they were removed. */
  readonly names: number;
}

/** A name of a directory, and its parent directory. */
interface DirectoryName {
  readonly parent: number;
  readonly entry: Dirent;
}

/** What a walk over the tree of names finds in use. */
class Survey {
  /** The number of names of each inode that has any. */
  readonly links = new Map<number, number>();
  /** The names of each directory. */
  readonly names = new Map<number, DirectoryName[]>();
  /** The number of users of each block of extended attributes. */
  readonly attributes = new Map<number, number>();
  readonly #volume: Volume;
  readonly #used: Uint8Array;

  constructor(volume: Volume) {
    this.#volume = volume;
    this.#used = new Uint8Array(Math.ceil(volume.sb.geometry.blocksCount / 8));
  }

  isUsed(block: number): boolean {
    return isSet(this.#used, block);
  }

  walk(): void {
    this.#useTables();
    const waiting = [EXT2_ROOT_INO];
    this.#meet(EXT2_ROOT_INO);
    this.names.set(EXT2_ROOT_INO, []);
    for (let parent = waiting.pop(); parent !== undefined; parent = waiting.pop()) {
      for (let pos = 0; ; ) {
        // Between two blocks of a directory the walk holds no inode, so inodes may be evicted.
        this.#volume.trim();
        const batch = this.#volume.directory(this.#volume.inode(parent)).batch(pos);
        if (batch === undefined) break;
        for (const entry of batch.entries) if (this.#follow(parent, entry)) waiting.push(entry.ino);
        pos = batch.next;
      }
    }
  }

  // Counts an entry. Returns whether it refers to a directory that was not met before.
  #follow(parent: number, entry: Dirent): boolean {
    const { ino, name } = entry;
    const inode = this.links.has(ino) ? this.#volume.inode(ino) : this.#meet(ino);
    this.links.set(ino, (this.links.get(ino) as number) + 1);
    if (!inode.isDirectory || name === '.' || name === '..') return false;
    const names = this.names.get(ino);
    this.names.set(ino, [...(names ?? []), { parent, entry }]);
    return names === undefined;
  }

  #useTables(): void {
    const { groups, geometry } = this.#volume.sb;
    for (let group = 0; group < groups.count; group++) {
      setRun(this.#used, groups.start(group), groups.headBlocks(group));
      setRun(this.#used, groups.blockBitmap(group), 1);
      setRun(this.#used, groups.inodeBitmap(group), 1);
      setRun(this.#used, groups.inodeTable(group), geometry.inodeTableBlocks);
    }
    for (const ino of ownInodes(this.#volume.sb.fields, geometry)) this.#useOwn(ino);
  }

  // The blocks of such an inode may lie among the tables.
  #useOwn(ino: number): void {
    const { medium, groups } = this.#volume.sb;
    const raw = medium.load(groups.inodePos(ino), 128);
    const pointers = decode(INODE, raw).i_block;
    const seen = new Set<number>();
    for (let index = 0; index < EXT2_N_BLOCKS; index++) {
      const level = Math.max(0, index - EXT2_NDIR_BLOCKS + 1);
      this.#useTree(pointers[index] as number, level, seen);
    }
  }

  #useTree(block: number, level: number, seen: Set<number>): void {
    const { medium, blockSize, geometry } = this.#volume.sb;
    if (block < geometry.firstDataBlock || block === 0 || block >= geometry.blocksCount) return;
    setRun(this.#used, block, 1);
    if (level === 0 || seen.has(block)) return;
    seen.add(block);
    for (const pointer of new Uint32Array(medium.load(block * blockSize, blockSize).buffer)) {
      this.#useTree(pointer, level - 1, seen);
    }
  }

  #meet(ino: number): IncoreInode {
    const { sb } = this.#volume;
    const inode = this.#volume.inode(ino);
    this.links.set(ino, 0);
    const use = (block: number, count: number) => {
      sb.checkData(block, count, ino);
      for (let at = block; at < block + count; at++) {
        if (this.isUsed(at)) throw sb.corrupt('is claimed twice', { ino, block: at });
        setRun(this.#used, at, 1);
      }
    };
    const { fileAcl, translator } = inode;
    if (translator !== 0) use(translator, 1);
    if (fileAcl !== 0) {
      const users = this.attributes.get(fileAcl) ?? 0;
      if (users === 0) use(fileAcl, 1);
      this.attributes.set(fileAcl, users + 1);
    }
    if (inode.hasTree) inode.map.forEach(({ block, count }) => { use(block, count); });
    return inode;
  }
}

/** Throws `EUCLEAN`, with nothing freed, if something in use is not marked as taken: only e2fsck can repair that. */
export function reclaim(volume: Volume): Reclaimed {
  const survey = new Survey(volume);
  survey.walk();
  volume.blocks.checkTaken((block) => survey.isUsed(block));
  volume.inodes.checkTaken(survey.links.keys());
  const names = dropSecondNames(volume, survey);
  const counts = lowerLinks(volume, survey) + lowerAttributes(volume, survey);
  const own = new Set(ownInodes(volume.sb.fields, volume.sb.geometry));
  const inodes = volume.inodes.sweep(
    (ino) => survey.links.has(ino) || own.has(ino),
    (ino) => {
      eraseInode(volume, ino);
    },
  );
  const blocks = volume.blocks.sweep((block) => survey.isUsed(block));
  countDirectories(volume, survey);
  volume.sync();
  return { blocks, inodes, counts, names };
}

// Keeps the name in the directory that `..` refers to.
function dropSecondNames(volume: Volume, { names, links }: Survey): number {
  let dropped = 0;
  for (const [ino, of] of names) {
    if (of.length < 2) continue;
    const up = volume.directory(volume.inode(ino)).find('..')?.ino;
    const kept = of.find(({ parent }) => parent === up) ?? of[0];
    for (const name of of) {
      if (name === kept) continue;
      volume.directory(volume.inode(name.parent)).remove(name.entry);
      links.set(ino, (links.get(ino) as number) - 1);
      dropped++;
    }
  }
  return dropped;
}

function lowerLinks(volume: Volume, { links }: Survey): number {
  let lowered = 0;
  for (const [ino, count] of links) {
    volume.trim();
    const inode = volume.inode(ino);
    // With dir_nlink, a directory with too many links to count has the count 1.
    if (inode.nlink === count || (inode.isDirectory && inode.nlink === 1)) continue;
    if (inode.nlink < count) throw volume.sb.corrupt(`has ${inode.nlink} links, and ${count} names`, { ino });
    inode.nlink = count;
    volume.store(inode);
    lowered++;
  }
  return lowered;
}

function lowerAttributes(volume: Volume, { attributes }: Survey): number {
  const { medium, blockSize } = volume.sb;
  let lowered = 0;
  for (const [block, users] of attributes) {
    const header = decode(XATTR_HEADER, medium.load(block * blockSize, blockSize));
    if (header.h_refcount <= users) continue;
    medium.store32(block * blockSize + XATTR_HEADER.h_refcount[1], users);
    lowered++;
  }
  return lowered;
}

// Clears an inode without names: its pointers must be gone from the medium before another file gets its blocks.
function eraseInode({ sb }: Volume, ino: number): void {
  sb.medium.store(sb.groups.inodePos(ino), new Uint8Array(sb.geometry.inodeSize));
}

function countDirectories(volume: Volume, { names }: Survey): void {
  const { groups, geometry } = volume.sb;
  const counts = new Array<number>(groups.count).fill(0);
  for (const ino of names.keys()) {
    const group = Math.floor((ino - EXT2_BAD_INO) / geometry.inodesPerGroup);
    counts[group] = (counts[group] as number) + 1;
  }
  for (const [group, count] of counts.entries()) volume.inodes.setDirectories(group, count);
}
