// Owns the fields of an inode that are more than one number on the medium: its size, its owner, its times and its pointers.

import { EXT2_N_BLOCKS, INODE, INODE_EXTRA, S_IFREG, typeOf } from './disk.js';
import { fromMilliseconds, fromNanoseconds, toMilliseconds, toNanoseconds } from './timestamp.js';

const SIZE = INODE.i_size[1];
const SIZE_HIGH = INODE.i_size_high[1];
const UID = INODE.i_uid[1];
const UID_HIGH = INODE.l_i_uid_high[1];
const GID = INODE.i_gid[1];
const GID_HIGH = INODE.l_i_gid_high[1];

/** The byte offset of i_block. */
export const POINTERS = INODE.i_block[1];

/** Where a time lies: the byte offsets of its seconds, and of the nanoseconds and epoch bits that larger inodes have. */
export interface TimeField {
  readonly seconds: number;
  readonly extra: number;
}

export const ATIME: TimeField = { seconds: INODE.i_atime[1], extra: INODE_EXTRA.i_atime_extra[1] };
export const CTIME: TimeField = { seconds: INODE.i_ctime[1], extra: INODE_EXTRA.i_ctime_extra[1] };
export const MTIME: TimeField = { seconds: INODE.i_mtime[1], extra: INODE_EXTRA.i_mtime_extra[1] };
/** The time of creation, which only larger inodes have. */
export const CRTIME: TimeField = { seconds: INODE_EXTRA.i_crtime[1], extra: INODE_EXTRA.i_crtime_extra[1] };

/** Bytes. Only a regular file has the high half: elsewhere its place means something else. */
export function sizeIn(inode: DataView, mode: number): number {
  const high = typeOf(mode) === S_IFREG ? inode.getUint32(SIZE_HIGH, true) : 0;
  return high * 2 ** 32 + inode.getUint32(SIZE, true);
}

export function putSize(inode: DataView, mode: number, size: number): void {
  inode.setUint32(SIZE, size % 2 ** 32, true);
  if (typeOf(mode) === S_IFREG) inode.setUint32(SIZE_HIGH, Math.floor(size / 2 ** 32), true);
}

export function uidIn(inode: DataView): number {
  return inode.getUint16(UID_HIGH, true) * 2 ** 16 + inode.getUint16(UID, true);
}

export function gidIn(inode: DataView): number {
  return inode.getUint16(GID_HIGH, true) * 2 ** 16 + inode.getUint16(GID, true);
}

export function putOwner(inode: DataView, uid: number, gid: number): void {
  inode.setUint16(UID, uid % 2 ** 16, true);
  inode.setUint16(UID_HIGH, Math.floor(uid / 2 ** 16), true);
  inode.setUint16(GID, gid % 2 ** 16, true);
  inode.setUint16(GID_HIGH, Math.floor(gid / 2 ** 16), true);
}

/** Whether an inode with fields up to byte `end`, as its i_extra_isize says, has the extra part of a time. */
export function hasExtra(inode: DataView, { extra }: TimeField, end: number): boolean {
  return extra + 4 <= end && end <= inode.byteLength;
}

/** A time in milliseconds since 1970. */
export function timeIn(inode: DataView, time: TimeField, end: number): number {
  return toMilliseconds(inode.getInt32(time.seconds, true), extraIn(inode, time, end));
}

/** A time in nanoseconds since 1970. */
export function nanosecondsIn(inode: DataView, time: TimeField, end: number): bigint {
  return toNanoseconds(inode.getInt32(time.seconds, true), extraIn(inode, time, end));
}

/** Puts the nearest time that can be stored. */
export function putTime(inode: DataView, time: TimeField, end: number, ms: number): void {
  const isLarge = hasExtra(inode, time, end);
  const { seconds, extra } = fromMilliseconds(ms, isLarge);
  inode.setInt32(time.seconds, seconds, true);
  if (isLarge) inode.setUint32(time.extra, extra, true);
}

/** Puts the nearest time that can be stored. */
export function putNanoseconds(inode: DataView, time: TimeField, end: number, ns: bigint): void {
  const isLarge = hasExtra(inode, time, end);
  const { seconds, extra } = fromNanoseconds(ns, isLarge);
  inode.setInt32(time.seconds, seconds, true);
  if (isLarge) inode.setUint32(time.extra, extra, true);
}

/** Puts into `inode` the time that `other` has, as it is. */
export function copyTime(inode: DataView, time: TimeField, end: number, other: DataView): void {
  inode.setInt32(time.seconds, other.getInt32(time.seconds, true), true);
  if (hasExtra(inode, time, end)) inode.setUint32(time.extra, other.getUint32(time.extra, true), true);
}

function extraIn(inode: DataView, time: TimeField, end: number): number | undefined {
  return hasExtra(inode, time, end) ? inode.getUint32(time.extra, true) : undefined;
}

/** The words of i_block, in an image of i_block alone. */
export function pointersIn(block: DataView): number[] {
  const top: number[] = [];
  for (let index = 0; index < EXT2_N_BLOCKS; index++) top.push(block.getUint32(4 * index, true));
  return top;
}

export function putPointers(inode: DataView, top: readonly number[]): void {
  for (let index = 0; index < top.length; index++) inode.setUint32(POINTERS + index * 4, top[index] as number, true);
}
