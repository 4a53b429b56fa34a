// Owns the layout of attributes, entries and the like in answers.

import { STATX } from './numbers.js';
import type { Reply } from './reply.js';

const NANOSECONDS = 1_000_000_000n;

/** The attributes of an inode that an answer carries. */
export interface Attributes {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
  readonly size: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs?: bigint | undefined;
}

// Packs both numbers into 32 bits as the kernel does.
function encodeDevice({ major, minor }: { major: number; minor: number }): number {
  return (minor % 256) + major * 256 + Math.floor(minor / 256) * 2 ** 20;
}

export function decodeDevice(device: number): { major: number; minor: number } {
  return { major: Math.floor(device / 256) % 4096, minor: (device % 256) + Math.floor(device / 2 ** 20) * 256 };
}

// The nanoseconds are never negative: half a second before 1970 is second -1 plus half a second.
function secondsOf(time: bigint): bigint {
  const seconds = time / NANOSECONDS;
  return seconds * NANOSECONDS > time ? seconds - 1n : seconds;
}

function nanosecondsOf(time: bigint): number {
  const rest = Number(time % NANOSECONDS);
  return rest < 0 ? rest + 1e9 : rest;
}

export function putAttributes(reply: Reply, of: Attributes): void {
  reply.u64(of.ino);
  reply.u64(of.size);
  reply.u64(of.blocks);
  reply.i64(secondsOf(of.atimeNs));
  reply.i64(secondsOf(of.mtimeNs));
  reply.i64(secondsOf(of.ctimeNs));
  reply.u32(nanosecondsOf(of.atimeNs));
  reply.u32(nanosecondsOf(of.mtimeNs));
  reply.u32(nanosecondsOf(of.ctimeNs));
  reply.u32(of.mode);
  reply.u32(of.nlink);
  reply.u32(of.uid);
  reply.u32(of.gid);
  reply.u32(of.device === undefined ? 0 : encodeDevice(of.device));
  reply.u32(of.blksize);
  reply.u32(0);
}

/** How long the kernel may cache an answer. */
function putPatience(reply: Reply, ms: number): void {
  reply.u64(Math.floor(ms / 1000));
}

function putRestOfPatience(reply: Reply, ms: number): void {
  reply.u32(Math.floor(ms % 1000) * 1_000_000);
}

/** The size of an entry in bytes. */
export const ENTRY = 128;

/** The inode that a name leads to; `of` is undefined if it leads to none. */
export function putEntry(reply: Reply, nodeId: number, of: Attributes | undefined, cacheMs: number): void {
  reply.u64(nodeId);
  // The generation: 0, because two inodes never have the same number here.
  reply.u64(0);
  for (let times = 0; times < 2; times++) putPatience(reply, cacheMs);
  for (let times = 0; times < 2; times++) putRestOfPatience(reply, cacheMs);
  if (of === undefined) reply.zeros(88);
  else putAttributes(reply, of);
}

export function putAttributesAnswer(reply: Reply, of: Attributes, cacheMs: number): void {
  putPatience(reply, cacheMs);
  putRestOfPatience(reply, cacheMs);
  reply.u32(0);
  putAttributes(reply, of);
}

function putStatxTime(reply: Reply, time: bigint): void {
  reply.i64(secondsOf(time));
  reply.u32(nanosecondsOf(time));
  reply.u32(0);
}

/** The attributes as statx(2) has them, with the time of birth if the filesystem knows it. */
export function putStatx(reply: Reply, of: Attributes, cacheMs: number): void {
  putPatience(reply, cacheMs);
  putRestOfPatience(reply, cacheMs);
  reply.zeros(4 + 16);
  reply.u32(STATX.basic + (of.birthtimeNs === undefined ? 0 : STATX.birthtime));
  reply.u32(of.blksize);
  reply.u64(0);
  for (const field of [of.nlink, of.uid, of.gid]) reply.u32(field);
  reply.u16(of.mode);
  reply.u16(0);
  for (const field of [of.ino, of.size, of.blocks, 0]) reply.u64(field);
  for (const time of [of.atimeNs, of.birthtimeNs ?? 0n, of.ctimeNs, of.mtimeNs]) putStatxTime(reply, time);
  for (const field of [of.device?.major ?? 0, of.device?.minor ?? 0, 0, 0]) reply.u32(field);
  reply.zeros(14 * 8);
}

export function putOpened(reply: Reply, handle: number, flags: number): void {
  reply.u64(handle);
  reply.u32(flags);
  reply.u32(0);
}

// The types of readdir(3), by the type of an ext2 directory entry.
const DIRENT_TYPES = [0, 8, 4, 2, 6, 1, 12, 10];

const DIRENT = 24;

const padding = (length: number): number => (8 - (length % 8)) % 8;

/** The size in bytes of a directory entry with a name of `length` bytes. */
export function direntSize(length: number): number {
  return DIRENT + length + padding(length);
}

export function putDirent(reply: Reply, { ino, next, type, bytes }: { ino: number; next: number; type: number; bytes: Uint8Array }): void {
  reply.u64(ino);
  reply.u64(next);
  reply.u32(bytes.byteLength);
  reply.u32(DIRENT_TYPES[type] ?? 0);
  reply.put(bytes);
  reply.zeros(padding(bytes.byteLength));
}
