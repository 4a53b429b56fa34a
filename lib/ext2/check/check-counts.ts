// Owns the check of counts and bitmaps: link counts, both kinds of bitmaps, and free counts.

import { countClear, isRun, isSet, setRun } from '../format/bits.js';
import type { Census } from './census.js';
import { isBitmap } from './check-tables.js';
import { BG_BLOCK_UNINIT, BG_INODE_UNINIT, EXT2_BAD_INO, EXT2_ROOT_INO, FT, hasFlag, RO_COMPAT, type GroupDesc } from '../format/disk.js';
import type { ErrorLocation } from '../format/error.js';
import { ownInodes } from '../format/own-inodes.js';

/** Compares each inode's i_links_count with the number of entries that refer to it. */
export function checkLinks(census: Census): void {
  const { geometry, sb, findings } = census;
  const own = new Set(ownInodes(sb, geometry));
  const hasDirNlink = hasFlag(sb.s_feature_ro_compat, RO_COMPAT.DIR_NLINK);
  for (let group = 0; group < geometry.groups; group++) {
    census.eachUsed(group, (ino, links, names) => {
      if (own.has(ino)) return;
      const isDirectory = census.typeOf(ino) === FT.DIR;
      // A lost directory still has its own '.', so its parents are counted rather than its names.
      const isLost = isDirectory ? ino !== EXT2_ROOT_INO && census.directories.get(ino)?.parents.length === 0 : names === 0;
      if (isLost) findings.add('leak', 'has no name', { ino });
      else if (links !== names && !(hasDirNlink && isDirectory && links === 1)) {
        findings.add(links > names ? 'leak' : 'error', `counts ${links} names, has ${names}`, { ino });
      }
    });
  }
}

/** Compares bitmaps with what is in use, and the free counts with both. Returns how many blocks are free. */
export function checkBitmaps(census: Census): number {
  const { geometry, sb, findings, descs } = census;
  let freeBlocks = 0;
  let freeInodes = 0;
  for (const [group, desc] of descs.entries()) {
    const blocks = census.groupBlocks(group);
    const inodes = usedInodes(census, group);
    if (isBitmap(census, group, desc, 'bg_block_bitmap')) {
      const first = census.groupStart(group);
      const place = (index: number) => ({ block: first + index });
      compare(census, { group, bitmap: desc.bg_block_bitmap, used: census.claimed.bitmap(group), count: blocks, place });
    }
    if (isBitmap(census, group, desc, 'bg_inode_bitmap')) {
      const first = group * geometry.inodesPerGroup + EXT2_BAD_INO;
      const place = (index: number) => ({ ino: first + index });
      compare(census, { group, bitmap: desc.bg_inode_bitmap, used: inodes.used, count: geometry.inodesPerGroup, place });
    }
    const free = { blocks: census.claimed.free(group, blocks), inodes: countClear(inodes.used, geometry.inodesPerGroup) };
    freeBlocks += free.blocks;
    freeInodes += free.inodes;
    const expect = (what: string, told: number, is: number) => {
      if (told !== is) findings.add('count', `counts ${told} ${what}, has ${is}`, { group });
    };
    checkUninitialized(census, group, desc);
    expect('free blocks', desc.bg_free_blocks_count, free.blocks);
    expect('free inodes', desc.bg_free_inodes_count, free.inodes);
    expect('directories', desc.bg_used_dirs_count, inodes.directories);
  }
  const { s_free_blocks_count, s_free_inodes_count } = sb;
  if (s_free_blocks_count !== freeBlocks) findings.add('count', `counts ${s_free_blocks_count} free blocks, there are ${freeBlocks}`);
  if (s_free_inodes_count !== freeInodes) findings.add('count', `counts ${s_free_inodes_count} free inodes, there are ${freeInodes}`);
  return freeBlocks;
}

// Without uninit_bg these fields are harmless, unless a group marked as having no inodes has some in use.
function checkUninitialized(census: Census, group: number, { bg_flags, bg_itable_unused }: GroupDesc): void {
  const { findings } = census;
  if (hasFlag(bg_flags, BG_INODE_UNINIT) && census.hasUsed(group)) {
    findings.error('has inodes in use, and is marked as having none', { group });
  } else if (hasFlag(bg_flags, BG_INODE_UNINIT) || hasFlag(bg_flags, BG_BLOCK_UNINIT) || bg_itable_unused !== 0) {
    findings.add('unclean', 'is marked as uninitialised, and the feature uninit_bg is not there', { group });
  }
}

function usedInodes(census: Census, group: number): { used: Uint8Array; directories: number } {
  const { inodesPerGroup, firstIno } = census.geometry;
  const used = new Uint8Array(Math.ceil(inodesPerGroup / 8));
  const first = group * inodesPerGroup + EXT2_BAD_INO;
  let directories = 0;
  for (let ino = first; ino < Math.min(firstIno, first + inodesPerGroup); ino++) setRun(used, ino - first, 1);
  census.eachUsed(group, (ino) => {
    setRun(used, ino - first, 1);
    if (census.typeOf(ino) === FT.DIR) directories++;
  });
  return { used, directories };
}

interface Comparison {
  readonly group: number;
  /** The block that holds the bitmap. */
  readonly bitmap: number;
  /** The bitmap of what is in use. */
  readonly used: Uint8Array;
  readonly count: number;
  readonly place: (index: number) => ErrorLocation;
}

// Reports runs rather than single bits, because a lost file has many blocks.
function compare(census: Census, { group, bitmap, used, count, place }: Comparison): void {
  const { findings, geometry } = census;
  const marked = census.loadBlock(bitmap);
  if (marked === undefined) return;
  const whole = Math.floor(count / 8);
  const isSame = Buffer.compare(marked.subarray(0, whole), used.subarray(0, whole)) === 0;
  for (let index = isSame ? 8 * whole : 0; index < count; ) {
    if (index % 8 === 0 && marked[index / 8] === used[index / 8]) {
      index += 8;
      continue;
    }
    const isMarked = isSet(marked, index);
    const from = index++;
    if (isMarked === isSet(used, from)) continue;
    while (index < count && isSet(marked, index) === isMarked && isSet(used, index) !== isMarked) index++;
    if (isMarked) findings.add('leak', 'is marked as in use, and is not', place(from), index - from);
    else findings.add('error', 'is in use, and is marked as free', place(from), index - from);
  }
  if (!isRun(marked, count, 8 * geometry.blockSize - count, true)) {
    findings.error('the bitmap does not end as it must', { group, block: bitmap });
  }
}
