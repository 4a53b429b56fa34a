// Owns the inode allocator: files go next to their directories, directories are spread over the groups (after Orlov).

import { DaxError } from 'node-dax';
import type { BlockAllocator } from './balloc.js';
import { Bitmaps } from './bitmaps.js';
import { firstClear, isSet, setRun } from '../format/bits.js';
import { EXT2_BAD_INO, EXT2_ROOT_INO } from '../format/disk.js';
import type { Super } from './super.js';

export class InodeAllocator {
  readonly #sb: Super;
  readonly #blocks: BlockAllocator;
  readonly #bitmaps: Bitmaps;
  #directories: number;
  // The group at which the search for the next top-level directory begins.
  #nextTop = 0;

  constructor(sb: Super, blocks: BlockAllocator) {
    this.#sb = sb;
    this.#blocks = blocks;
    const { groups, geometry } = sb;
    this.#directories = groups.total('bg_used_dirs_count');
    this.#bitmaps = new Bitmaps(sb, {
      countName: 'bg_free_inodes_count',
      blockOf: (group) => groups.inodeBitmap(group),
      bitsIn: () => geometry.inodesPerGroup,
      check: (bitmap) => {
        // The first inodes belong to the filesystem itself, whatever the bitmap says.
        const own = geometry.firstIno - EXT2_BAD_INO - bitmap.group * geometry.inodesPerGroup;
        if (own > 0) setRun(bitmap.busy, 0, Math.min(own, bitmap.count));
      },
    });
  }

  get free(): number {
    return this.#bitmaps.free;
  }

  loadAll(): void {
    this.#bitmaps.loadAll();
  }

  flush(): void {
    this.#bitmaps.flush();
  }

  /** Allocates an inode for something in the directory `parent`; durable before the next store. Throws `ENOSPC`. */
  allocate(parent: number, isDirectory: boolean): number {
    const { groups, geometry } = this.#sb;
    const preferred = isDirectory ? this.#groupForDirectory(parent) : this.#groupForFile(parent);
    for (let step = 0; step < groups.count; step++) {
      const group = (preferred + step) % groups.count;
      if (groups.get('bg_free_inodes_count', group) === 0) continue;
      const bitmap = this.#bitmaps.load(group);
      const bit = firstClear(bitmap.busy, bitmap.hint, bitmap.count);
      bitmap.hint = bit;
      if (bit === bitmap.count) continue;
      this.#bitmaps.take(bitmap, bit, 1);
      if (isDirectory) this.#countDirectory(group, 1);
      this.#bitmaps.flush();
      return group * geometry.inodesPerGroup + bit + EXT2_BAD_INO;
    }
    throw new DaxError({ errno: 'ENOSPC', syscall: 'ext2', hint: 'no inode is free' });
  }

  /** Frees an inode to which no entry on the medium refers any more. */
  release(ino: number, isDirectory: boolean): void {
    const { group, bit } = this.#place(ino);
    if (!this.#bitmaps.give(this.#bitmaps.load(group), bit, 1)) {
      throw this.#sb.corrupt('is given back, but was free', { ino });
    }
    if (isDirectory) this.#countDirectory(group, -1);
  }

  /** Whether the inode is marked as taken. */
  isTaken(ino: number): boolean {
    const { group, bit } = this.#place(ino);
    return isSet(this.#bitmaps.load(group).bits, bit);
  }

  /** Throws `EUCLEAN` if one of the inodes is marked as free. */
  checkTaken(inodes: Iterable<number>): void {
    for (const ino of inodes) {
      if (!this.isTaken(ino)) throw this.#sb.corrupt('is used, and marked as free', { ino });
    }
  }

  /** Frees every inode that is taken but not used, after erasing it with `erase`. Returns how many it freed. */
  sweep(isUsed: (ino: number) => boolean, erase: (ino: number) => void): number {
    const { groups, geometry } = this.#sb;
    let freed = 0;
    for (let group = 0; group < groups.count; group++) {
      const bitmap = this.#bitmaps.load(group);
      for (let bit = 0; bit < bitmap.count; bit++) {
        const ino = group * geometry.inodesPerGroup + bit + EXT2_BAD_INO;
        if (ino < geometry.firstIno || isUsed(ino) || !isSet(bitmap.bits, bit)) continue;
        erase(ino);
        this.#bitmaps.give(bitmap, bit, 1);
        freed++;
      }
    }
    return freed;
  }

  /** Sets the directory count of a group, which only a walk over all directories finds out. */
  setDirectories(group: number, count: number): void {
    this.#countDirectory(group, count - this.#sb.groups.get('bg_used_dirs_count', group));
  }

  #place(ino: number): { group: number; bit: number } {
    const { inodesPerGroup } = this.#sb.geometry;
    const index = ino - EXT2_BAD_INO;
    return { group: Math.floor(index / inodesPerGroup), bit: index % inodesPerGroup };
  }

  #countDirectory(group: number, change: number): void {
    const { groups } = this.#sb;
    const count = Math.max(0, groups.get('bg_used_dirs_count', group) + change);
    groups.set('bg_used_dirs_count', group, count);
    this.#directories += change;
  }

  #groupForFile(parent: number): number {
    const { groups } = this.#sb;
    const { group } = this.#place(parent);
    const hasRoom = (candidate: number) =>
      groups.get('bg_free_inodes_count', candidate) > 0 && groups.get('bg_free_blocks_count', candidate) > 0;
    if (hasRoom(group)) return group;
    // Looks away from the full group, beginning at a different group for each directory.
    for (let step = 1; step < groups.count; step *= 2) {
      const candidate = (group + parent + step) % groups.count;
      if (hasRoom(candidate)) return candidate;
    }
    return group;
  }

  #groupForDirectory(parent: number): number {
    const { groups, geometry } = this.#sb;
    const freeInodes = this.free / groups.count;
    const freeBlocks = this.#blocks.free / groups.count;
    const inodesOf = (group: number) => groups.get('bg_free_inodes_count', group);
    const blocksOf = (group: number) => groups.get('bg_free_blocks_count', group);
    const directoriesOf = (group: number) => groups.get('bg_used_dirs_count', group);
    if (parent === EXT2_ROOT_INO) {
      // Top-level directories have little to do with one another: take the group with the fewest directories among those with at
      // least average free inodes and blocks.
      let best: number | undefined;
      for (let step = 0; step < groups.count; step++) {
        const group = (this.#nextTop + step) % groups.count;
        if (inodesOf(group) === 0 || inodesOf(group) < freeInodes || blocksOf(group) < freeBlocks) continue;
        if (best === undefined || directoriesOf(group) < directoriesOf(best)) best = group;
      }
      if (best !== undefined) {
        this.#nextTop = (best + 1) % groups.count;
        return best;
      }
    }
    const mostDirectories = this.#directories / groups.count + geometry.inodesPerGroup / 16;
    const leastInodes = Math.max(1, freeInodes - geometry.inodesPerGroup / 4);
    const leastBlocks = freeBlocks - geometry.blocksPerGroup / 4;
    const { group: near } = this.#place(parent);
    for (let step = 0; step < groups.count; step++) {
      const group = (near + step) % groups.count;
      const isGood =
        inodesOf(group) >= leastInodes && blocksOf(group) >= leastBlocks && directoriesOf(group) < mostDirectories;
      if (isGood) return group;
    }
    return near;
  }
}
