// Owns the check of the filesystem's own structures: the superblock, the descriptors, the tables, and the reserved descriptor
// blocks.

import type { Census } from './census.js';
import {
  COMPAT,
  EXT2_BAD_INO,
  EXT2_DYNAMIC_REV,
  EXT2_ERROR_FS,
  EXT2_NDIR_BLOCKS,
  EXT2_RESIZE_INO,
  EXT2_VALID_FS,
  hasFlag,
  INODE,
  S_IFREG,
  typeOf,
  type GroupDesc,
} from '../format/disk.js';
import { hasSuperblock } from '../format/geometry.js';
import { decode } from '../format/layout.js';
import { reserveOf } from '../format/reserve.js';

// The limit in e2fsprogs, the same for every block size.
const MAX_DESC_SIZE = 1024;

/** Checks the superblock, except for its geometry and its free counts. */
export function checkSuperblock({ sb, geometry, findings }: Census): void {
  if (!hasFlag(sb.s_state, EXT2_VALID_FS)) findings.add('unclean', 'it was not cleanly unmounted');
  if (hasFlag(sb.s_state, EXT2_ERROR_FS)) findings.add('unclean', 'errors were found while it was mounted');
  if (sb.s_r_blocks_count > sb.s_blocks_count / 2) findings.error(`${sb.s_r_blocks_count} blocks are reserved`, {});
  if (sb.s_log_frag_size !== sb.s_log_block_size) findings.error('fragments are not of the size of blocks', {});
  if (sb.s_frags_per_group !== geometry.blocksPerGroup) findings.error('groups have not as many fragments as blocks', {});
  if (sb.s_rev_level < EXT2_DYNAMIC_REV) return;
  if (!hasFlag(sb.s_feature_compat, COMPAT.RESIZE_INODE) && sb.s_reserved_gdt_blocks !== 0) {
    findings.add('unclean', 'blocks are reserved for descriptors, and the feature resize_inode is not there');
  }
  // Without the 64bit feature the field has no use, but e2fsprogs still rejects invalid values.
  const { s_desc_size: size } = sb;
  if (size !== 0 && (!Number.isInteger(Math.log2(size)) || size > MAX_DESC_SIZE)) findings.error(`s_desc_size is ${size}`, {});
}

/** Claims the filesystem's own blocks. Returns, for each group, whether its inode table can be read. */
export function claimTables(census: Census): boolean[] {
  const { geometry, descs } = census;
  claimHeads(census);
  return descs.map((desc, group) => {
    const parts: [string, number, number][] = [
      ['block bitmap', desc.bg_block_bitmap, 1],
      ['inode bitmap', desc.bg_inode_bitmap, 1],
      ['inode table', desc.bg_inode_table, geometry.inodeTableBlocks],
    ];
    const isGood = parts.map(([what, block, count]) => claimTable(census, group, what, block, count));
    return isGood[2] ?? false;
  });
}

function claimHeads(census: Census): void {
  const { sb, geometry } = census;
  for (let group = 0; group < geometry.groups; group++) {
    if (!hasSuperblock(sb, group)) continue;
    const head = 1 + geometry.descBlocks + geometry.reservedDescBlocks;
    census.claim(census.groupStart(group), Math.min(head, census.groupBlocks(group)));
    if (head > census.groupBlocks(group)) census.findings.error('has no room for its copy of the descriptors', { group });
  }
}

function claimTable(census: Census, group: number, what: string, block: number, count: number): boolean {
  const { findings } = census;
  const start = census.groupStart(group);
  if (block < start || block + count > start + census.groupBlocks(group)) {
    findings.error(`the ${what} is outside the group`, { group, block });
    return false;
  }
  if (!census.claim(block, count)) {
    findings.error(`the ${what} lies on other tables`, { group, block });
    return false;
  }
  return true;
}

/** Whether the place of a group's bitmap is valid. */
export function isBitmap(census: Census, group: number, desc: GroupDesc, name: 'bg_block_bitmap' | 'bg_inode_bitmap'): boolean {
  const start = census.groupStart(group);
  return desc[name] >= start && desc[name] < start + census.groupBlocks(group);
}

/** Checks inode 7, which keeps the reserved blocks after the descriptors, and their copies, and nothing else. */
export function checkReserve(census: Census, raw: Uint8Array): void {
  const { sb, geometry, findings } = census;
  const { i_mode, i_links_count, i_block, i_blocks } = decode(INODE, raw);
  const place = { ino: EXT2_RESIZE_INO };
  if (!hasFlag(sb.s_feature_compat, COMPAT.RESIZE_INODE) || sb.s_rev_level < EXT2_DYNAMIC_REV) {
    if (!i_block.some((block) => block !== 0)) return;
    findings.add('unclean', 'has blocks, and the feature resize_inode is not there', place);
    // tune2fs removes the feature and leaves this block allocated.
    const left = i_block[EXT2_NDIR_BLOCKS + 1] ?? 0;
    if (census.isBlock(left)) census.claim(left);
    return;
  }
  const dind = i_block[EXT2_NDIR_BLOCKS + 1] ?? 0;
  const isAlone = i_block.every((block, index) => block === 0 || index === EXT2_NDIR_BLOCKS + 1);
  const isFile = typeOf(i_mode) === S_IFREG && i_links_count > 0;
  if (!isFile || !isAlone || !census.isBlock(dind) || !census.claim(dind)) {
    findings.error('does not keep the reserve of the descriptors', place);
    return;
  }
  census.use(EXT2_RESIZE_INO, 1, i_links_count);
  const reserve = reserveOf(sb, geometry);
  if (i_blocks !== reserve.count * (geometry.blockSize / 512)) findings.add('count', `i_blocks is ${i_blocks}`, place);
  for (const { block, pointers } of [{ block: dind, pointers: reserve.pointers }, ...reserve.blocks]) {
    const bytes = census.loadBlock(block);
    if (bytes === undefined) continue;
    const view = new DataView(bytes.buffer);
    if (pointers.some((pointer, index) => view.getUint32(4 * index, true) !== pointer)) {
      findings.error('does not have the reserve of the descriptors as it must be', { ...place, block });
    }
  }
}

/** The byte of the medium at which an inode begins. */
export function inodePos({ descs, geometry }: Census, ino: number): number {
  const index = ino - EXT2_BAD_INO;
  const table = descs[Math.floor(index / geometry.inodesPerGroup)]?.bg_inode_table ?? 0;
  return table * geometry.blockSize + (index % geometry.inodesPerGroup) * geometry.inodeSize;
}
