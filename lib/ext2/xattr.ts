// Owns extended attributes: in the inode, and in blocks that inodes with the same attributes share.

import type { BlockRun } from './balloc.js';
import { groupOf } from './dir.js';
import {
  COMPAT,
  XATTR_ENTRY,
  XATTR_ENTRY_SIZE,
  XATTR_HEADER,
  XATTR_HEADER_SIZE,
  XATTR_IBODY_HEADER_SIZE,
  XATTR_MAGIC,
  XATTR_PREFIXES,
  XATTR_REFCOUNT_MAX,
} from './disk.js';
import { fail } from './error.js';
import type { IncoreInode } from './inode.js';
import { decode, encode } from './layout.js';
import { bytesOf, textOf, toByteName, type ByteName, type Name } from './name.js';
import type { Volume } from './volume.js';
import { blockHash, entryHash } from './xattr-hash.js';

/** What setting an attribute is to do: whatever is needed, only make it, or only replace it. */
export type XattrFlag = 'create' | 'replace' | undefined;

const FLAGS: readonly XattrFlag[] = ['create', 'replace', undefined];
const USER = 1;
const MAX_NAME = 255;
const MAX_VALUE = 65536;

interface Attribute {
  readonly index: number;
  /** Without the prefix that the index stands for. */
  readonly name: ByteName;
  readonly value: Uint8Array;
}

/** Blocks of attributes by their hash: one that has the same can be shared. */
export class SharedAttributes {
  readonly #blocks = new Map<number, number>();

  find(hash: number): number | undefined {
    return this.#blocks.get(hash);
  }

  remember(hash: number, block: number): void {
    if (this.#blocks.size >= MOST_SHARED) this.#blocks.clear();
    this.#blocks.set(hash, block);
  }

  forget(block: number): void {
    for (const [hash, known] of this.#blocks) if (known === block) this.#blocks.delete(hash);
  }
}

const MOST_SHARED = 1000;

/** The attributes' full names, in the order in which they are found. */
export function listXattr(inode: IncoreInode): string[] {
  const all = [...inBody(inode), ...inBlock(inode)];
  return [...new Set(all.flatMap((attribute) => fullName(attribute) ?? []))];
}

/** An attribute's value. Throws `ENODATA`, `EOPNOTSUPP` for a prefix that there is none of. */
export function getXattr(inode: IncoreInode, name: Name): Uint8Array {
  const key = parseName(name, 'getxattr');
  const found = find(inBody(inode), key) ?? find(inBlock(inode), key);
  return found?.value ?? fail('ENODATA', 'getxattr', `inode ${inode.ino} has no ${describe(name)}`);
}

/** Sets an attribute of the user, durably on return. Throws `EEXIST`, `ENODATA` as `flag` says, `ENOSPC`. */
export function setXattr(volume: Volume, inode: IncoreInode, name: Name, value: Uint8Array, flag: XattrFlag): void {
  const key = writable(name, 'setxattr');
  if (!((value as unknown) instanceof Uint8Array)) throw new TypeError('the value must be a Uint8Array');
  if (!FLAGS.includes(flag)) throw new TypeError(`flag must be 'create' or 'replace', it is ${String(flag)}`);
  if (value.length > MAX_VALUE) fail('E2BIG', 'setxattr', `${value.length} bytes`);
  const body = inBody(inode);
  const block = inBlock(inode);
  const isThere = find(body, key) !== undefined || find(block, key) !== undefined;
  if (isThere && flag === 'create') fail('EEXIST', 'setxattr', describe(name));
  if (!isThere && flag === 'replace') fail('ENODATA', 'setxattr', describe(name));
  volume.sb.addFeature('s_feature_compat', COMPAT.EXT_ATTR);
  const attribute = { ...key, value: value.slice() };
  if (!isThere && appendToBody(inode, attribute)) touched(volume, inode);
  else put(volume, inode, key, [attribute]);
}

/** Removes an attribute of the user, durably on return. Throws `ENODATA`. */
export function removeXattr(volume: Volume, inode: IncoreInode, name: Name): void {
  const key = writable(name, 'removexattr');
  const isThere = find(inBody(inode), key) !== undefined || find(inBlock(inode), key) !== undefined;
  if (!isThere) fail('ENODATA', 'removexattr', describe(name));
  put(volume, inode, key, []);
}

/** An inode's block of attributes, to which nothing of it leads any more, loses one user, and is freed with the last. */
export function releaseAttributes(volume: Volume, inode: IncoreInode, block: number): void {
  const { sb } = volume;
  const pos = block * sb.blockSize;
  const header = decode(XATTR_HEADER, sb.medium.load(pos, XATTR_HEADER_SIZE));
  if (header.h_magic !== XATTR_MAGIC || header.h_refcount === 0) {
    throw sb.corrupt('is no block of extended attributes', { ino: inode.ino, block });
  }
  if (header.h_refcount > 1) {
    sb.medium.store32(pos + XATTR_HEADER.h_refcount[1], header.h_refcount - 1);
    return;
  }
  volume.attributes.forget(block);
  volume.blocks.release({ block, count: 1 });
}

type Key = Pick<Attribute, 'index' | 'name'>;

function describe(name: Name): string {
  return textOf(toByteName(name));
}

function find(attributes: readonly Attribute[], { index, name }: Key): Attribute | undefined {
  return attributes.find((attribute) => attribute.index === index && attribute.name === name);
}

function without(attributes: readonly Attribute[], others: readonly Key[]): Attribute[] {
  return attributes.filter(({ index, name }) => !others.some((other) => other.index === index && other.name === name));
}

function fullName({ index, name }: Key): string | undefined {
  const prefix = XATTR_PREFIXES.get(index);
  return prefix === undefined ? undefined : textOf(prefix + name);
}

function parseName(name: Name, syscall: string): Key {
  const bytes = toByteName(name);
  for (const [index, prefix] of XATTR_PREFIXES) {
    const isWhole = !prefix.endsWith('.');
    if (isWhole ? bytes !== prefix : !bytes.startsWith(prefix)) continue;
    const rest = bytes.slice(prefix.length);
    if (!isWhole && rest === '') return fail('EINVAL', syscall, `${describe(name)} is a prefix alone`);
    if (rest.length > MAX_NAME) return fail('ERANGE', syscall, `a name has at most ${MAX_NAME} bytes`);
    return { index, name: rest };
  }
  return fail('EOPNOTSUPP', syscall, `${describe(name)}: names begin with user.`);
}

function writable(name: Name, syscall: string): Key {
  const key = parseName(name, syscall);
  if (key.index !== USER) fail('EOPNOTSUPP', syscall, `${describe(name)}: only attributes that begin with user. can be changed`);
  return key;
}

// Entries from `first` on; their values count from `base`; both lie before `end`.
function parse(inode: IncoreInode, bytes: Uint8Array, first: number, base: number, block: number | undefined): Attribute[] {
  const corrupt = (what: string) =>
    inode.sb.corrupt(`extended attributes: ${what}`, { ino: inode.ino, ...(block !== undefined && { block }) });
  const attributes: Attribute[] = [];
  let at = first;
  for (;;) {
    if (at + 4 > bytes.length) throw corrupt('the list does not end');
    if (bytes.subarray(at, at + 4).every((byte) => byte === 0)) return attributes;
    if (at + XATTR_ENTRY_SIZE > bytes.length) throw corrupt('an entry is cut off');
    const entry = decode(XATTR_ENTRY, bytes, at);
    const nameEnd = at + XATTR_ENTRY_SIZE + entry.e_name_len;
    const start = base + entry.e_value_offs;
    if (nameEnd > bytes.length) throw corrupt('a name is cut off');
    if (entry.e_value_block !== 0 || entry.e_value_size > bytes.length || start + entry.e_value_size > bytes.length) {
      throw corrupt('a value lies outside');
    }
    const name = Buffer.from(bytes.buffer, bytes.byteOffset).toString('latin1', at + XATTR_ENTRY_SIZE, nameEnd);
    attributes.push({ index: entry.e_name_index, name, value: bytes.slice(start, start + entry.e_value_size) });
    at += entryLength(entry.e_name_len);
  }
}

function entryLength(nameLength: number): number {
  return XATTR_ENTRY_SIZE + padded(nameLength);
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function hasMagic(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && decode(XATTR_HEADER, Buffer.concat([bytes.subarray(0, 4)], XATTR_HEADER_SIZE)).h_magic === XATTR_MAGIC;
}

function inBody(inode: IncoreInode): Attribute[] {
  const { bytes } = inode.attributeArea;
  if (!hasMagic(bytes)) return [];
  return parse(inode, bytes, XATTR_IBODY_HEADER_SIZE, XATTR_IBODY_HEADER_SIZE, undefined);
}

function inBlock(inode: IncoreInode): Attribute[] {
  const { sb, fileAcl } = inode;
  if (fileAcl === 0) return [];
  const bytes = sb.medium.load(fileAcl * sb.blockSize, sb.blockSize);
  const header = decode(XATTR_HEADER, bytes);
  if (header.h_magic !== XATTR_MAGIC || header.h_blocks !== 1) {
    throw sb.corrupt('is no block of extended attributes', { ino: inode.ino, block: fileAcl });
  }
  return parse(inode, bytes, XATTR_HEADER_SIZE, 0, fileAcl);
}

function encodeEntry({ index, name, value }: Attribute, valueOffset: number): Uint8Array {
  const bytes = new Uint8Array(entryLength(name.length));
  bytes.set(bytesOf(name), XATTR_ENTRY_SIZE);
  const fields = {
    e_name_len: name.length,
    e_name_index: index,
    e_value_offs: value.length === 0 ? 0 : valueOffset,
    e_value_block: 0,
    e_value_size: value.length,
    e_hash: entryHash(bytesOf(name), value),
  };
  encode(XATTR_ENTRY, fields, bytes);
  return bytes;
}

/**
 * Adds an attribute in the inode if there is room: its value and its entry first, and last the four bytes that were the
 * end of the list, or the magic if there was none.
 */
function appendToBody(inode: IncoreInode, attribute: Attribute): boolean {
  const { offset, bytes } = inode.attributeArea;
  const isEmpty = !hasMagic(bytes);
  const first = XATTR_IBODY_HEADER_SIZE;
  let at = first;
  let valuesAt = bytes.length - (bytes.length % 4);
  if (!isEmpty) {
    while (!bytes.subarray(at, at + 4).every((byte) => byte === 0)) {
      const entry = decode(XATTR_ENTRY, bytes, at);
      if (entry.e_value_size > 0) valuesAt = Math.min(valuesAt, first + entry.e_value_offs);
      at += entryLength(entry.e_name_len);
    }
  }
  const valueAt = valuesAt - padded(attribute.value.length);
  const entry = encodeEntry(attribute, valueAt - first);
  if (at + entry.length + 4 > valueAt) return false;
  const next = isEmpty ? new Uint8Array(bytes.length) : bytes.slice();
  next.fill(0, valueAt, valuesAt);
  next.set(attribute.value, valueAt);
  next.set(entry, at);
  next.fill(0, at + entry.length, at + entry.length + 4);
  if (isEmpty) {
    inode.storePart(offset, next);
    encode(XATTR_HEADER, { h_magic: XATTR_MAGIC }, next);
    inode.storePart(offset, next.subarray(0, 4));
  } else {
    inode.storePart(offset + at + 4, next.subarray(at + 4, valuesAt));
    inode.storePart(offset + at, next.subarray(at, at + 4));
  }
  return true;
}

/**
 * Puts `added` in the place of what is called `key`, in a new block of attributes that one store makes the inode's. What
 * must leave the inode itself leaves it after the block has the rest: what is in both is the same.
 */
function put(volume: Volume, inode: IncoreInode, key: Key, added: Attribute[]): void {
  const body = inBody(inode);
  const block = inBlock(inode);
  if (find(body, key) === undefined) {
    replaceBlock(volume, inode, [...without(block, [key]), ...added]);
    return;
  }
  replaceBlock(volume, inode, [...without(body, [key]), ...without(block, [key, ...body]), ...added]);
  inode.storePart(inode.attributeArea.offset, new Uint8Array(4));
}

function touched(volume: Volume, inode: IncoreInode): void {
  inode.ctimeMs = Date.now();
  volume.markDirty(inode);
}

// In the order of the format: by prefix, then by length, then by bytes.
function compare(a: Attribute, b: Attribute): number {
  if (a.index !== b.index) return a.index - b.index;
  if (a.name.length !== b.name.length) return a.name.length - b.name.length;
  return a.name < b.name ? -1 : 1;
}

function encodeBlock(attributes: readonly Attribute[], blockSize: number): { bytes: Uint8Array; hash: number } {
  const bytes = new Uint8Array(blockSize);
  let at = XATTR_HEADER_SIZE;
  let valueAt = blockSize;
  const hashes: number[] = [];
  for (const attribute of [...attributes].sort(compare)) {
    valueAt -= padded(attribute.value.length);
    const entry = encodeEntry(attribute, valueAt);
    if (at + entry.length + 4 > valueAt) fail('ENOSPC', 'setxattr', 'the attributes of a file have one block');
    bytes.set(entry, at);
    bytes.set(attribute.value, valueAt);
    hashes.push(decode(XATTR_ENTRY, entry).e_hash);
    at += entry.length;
  }
  const hash = blockHash(hashes);
  encode(XATTR_HEADER, { h_magic: XATTR_MAGIC, h_refcount: 1, h_blocks: 1, h_hash: hash }, bytes);
  return { bytes, hash };
}

function replaceBlock(volume: Volume, inode: IncoreInode, attributes: readonly Attribute[]): void {
  const old = inode.fileAcl;
  const { sb } = volume;
  const taken = attributes.length === 0 ? 0 : takeBlock(volume, inode, encodeBlock(attributes, sb.blockSize));
  const sectors = sb.blockSize / 512;
  inode.fileAcl = taken;
  inode.map.sectors += (taken === 0 ? 0 : sectors) - (old === 0 ? 0 : sectors);
  inode.ctimeMs = Date.now();
  volume.store(inode);
  if (old !== 0) releaseAttributes(volume, inode, old);
}

// A block with these attributes, which counts one user more; durable, and so is that it is taken.
function takeBlock(volume: Volume, inode: IncoreInode, { bytes, hash }: { bytes: Uint8Array; hash: number }): number {
  const { sb, blocks, attributes } = volume;
  const shared = attributes.find(hash);
  if (shared !== undefined) {
    const there = sb.medium.load(shared * sb.blockSize, sb.blockSize);
    const { h_refcount: users } = decode(XATTR_HEADER, there);
    encode(XATTR_HEADER, { h_refcount: 1 }, there);
    if (users < XATTR_REFCOUNT_MAX && Buffer.compare(there, bytes) === 0) {
      sb.medium.store32(shared * sb.blockSize + XATTR_HEADER.h_refcount[1], users + 1);
      return shared;
    }
  }
  const { block }: BlockRun = blocks.allocate(sb.groups.start(groupOf(inode)), 1, undefined);
  blocks.flush();
  sb.medium.store(block * sb.blockSize, bytes);
  attributes.remember(hash, block);
  return block;
}
