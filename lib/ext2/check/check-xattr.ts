// Owns the check of extended attributes: their lists in inodes and in blocks, and how many inodes share a block.

import type { Census } from './census.js';
import {
  COMPAT,
  EXT2_DYNAMIC_REV,
  hasFlag,
  XATTR_ENTRY,
  XATTR_ENTRY_SIZE,
  XATTR_HEADER,
  XATTR_HEADER_SIZE,
  XATTR_IBODY_HEADER_SIZE,
  XATTR_MAGIC,
} from '../format/disk.js';
import type { ErrorLocation } from '../format/error.js';
import { decode } from '../format/layout.js';
import { entryHash } from '../format/xattr-hash.js';

/** Checks the attributes in an inode: `bytes`, which `view` is of too, from `start`, where its fields end, to `end`. */
export function checkBodyAttributes(census: Census, ino: number, { bytes, view }: { bytes: Uint8Array; view: DataView }, start: number, end: number): void {
  if (end - start < XATTR_IBODY_HEADER_SIZE || view.getUint32(start, true) !== XATTR_MAGIC) return;
  checkList(census, { ino }, bytes.subarray(start + XATTR_IBODY_HEADER_SIZE, end), 0);
}

/**
 * Checks an inode's block of attributes, once for all inodes that share it. Returns how many blocks the inode has for it: 1, or 0.
 */
export function checkBlockAttributes(census: Census, ino: number, block: number): number {
  const { sb, findings, attributeUsers } = census;
  const place = { ino, block };
  if (sb.s_rev_level < EXT2_DYNAMIC_REV || !hasFlag(sb.s_feature_compat, COMPAT.EXT_ATTR)) {
    findings.error('has attributes, and the feature ext_attr is not there', place);
    return 0;
  }
  if (!census.isBlock(block)) {
    findings.error('does not exist, and has attributes', place);
    return 0;
  }
  const users = attributeUsers.get(block);
  attributeUsers.set(block, (users ?? 0) + 1);
  if (users !== undefined) return 1;
  if (!census.claim(block)) findings.error('is claimed twice', place);
  const bytes = census.loadBlock(block);
  if (bytes === undefined) return 1;
  const { h_magic, h_blocks } = decode(XATTR_HEADER, bytes);
  if (h_magic !== XATTR_MAGIC || h_blocks !== 1) findings.error('is no block of attributes', place);
  else checkList(census, place, bytes, XATTR_HEADER_SIZE);
  return 1;
}

// Checks a list. Values lie at offsets from the start of `bytes`, and overlap neither one another nor the entries.
function checkList(census: Census, place: ErrorLocation, bytes: Uint8Array, start: number): void {
  const isBlock = place.block !== undefined;
  const wrong = (what: string) => { census.findings.error(`has an attribute ${what}`, place); };
  const values: [from: number, to: number][] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = start;
  for (;;) {
    if (at + 4 > bytes.length) {
      wrong('past the end');
      return;
    }
    if (view.getUint32(at, true) === 0) break;
    if (at + XATTR_ENTRY_SIZE > bytes.length) {
      wrong('past the end');
      return;
    }
    const { e_name_len, e_name_index, e_value_offs, e_value_block, e_value_size, e_hash } = decode(XATTR_ENTRY, bytes, at);
    const next = at + XATTR_ENTRY_SIZE + Math.ceil(e_name_len / 4) * 4;
    if (next + 4 > bytes.length) {
      wrong('past the end');
      return;
    }
    if (e_value_block !== 0 || e_value_offs + e_value_size > bytes.length) {
      wrong('whose value is elsewhere');
      return;
    }
    const name = bytes.subarray(at + XATTR_ENTRY_SIZE, at + XATTR_ENTRY_SIZE + e_name_len);
    const value = bytes.subarray(e_value_offs, e_value_offs + e_value_size);
    // Older kernels took the bytes of names as signed on machines where char is.
    const isKnown = e_hash === 0 || e_hash === entryHash(name, value) || e_hash === entryHash(name, value, true);
    if (!isKnown) wrong('with a wrong hash');
    if (isBlock && e_name_index === 0) wrong('without a name');
    if (e_value_size > 0) values.push([e_value_offs, e_value_offs + Math.ceil(e_value_size / 4) * 4]);
    at = next;
  }
  values.sort(([a], [b]) => a - b);
  for (const [index, [from, to]] of values.entries()) {
    const before = values[index - 1]?.[1] ?? at + 4;
    if (from < before || to > bytes.length) wrong('whose value lies on something else');
  }
}

/** Compares the user count of each block of attributes with the number of inodes that refer to it. */
export function checkAttributeUsers(census: Census): void {
  for (const [block, users] of census.attributeUsers) {
    const bytes = census.loadBlock(block);
    if (bytes === undefined) continue;
    const { h_magic, h_refcount } = decode(XATTR_HEADER, bytes);
    if (h_magic !== XATTR_MAGIC || h_refcount === users) continue;
    const what = `counts ${h_refcount} users of its attributes, has ${users}`;
    census.findings.add(h_refcount > users ? 'leak' : 'error', what, { block });
  }
}
