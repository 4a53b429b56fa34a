// Owns the on-disk lists of extended attributes: entries grow from the start, their values from the end.

import { XATTR_ENTRY, XATTR_ENTRY_SIZE, XATTR_HEADER, XATTR_HEADER_SIZE, XATTR_IBODY_HEADER_SIZE, XATTR_MAGIC } from '../format/disk.js';
import type { IncoreInode } from '../inode/inode.js';
import { decode, encode } from '../format/layout.js';
import { bytesOf, type ByteName } from '../format/name.js';
import { blockHash, entryHash } from '../format/xattr-hash.js'; // late

/** The name of an attribute. */
export interface Key {
  /** e_name_index. */
  readonly index: number;
  /** The name without the prefix that the index stands for. */
  readonly name: ByteName;
}

export interface Attribute extends Key {
  readonly value: Uint8Array;
}

/** An attribute as it lies in an inode or a block. */
export interface Entry extends Attribute {
  /** Where its entry begins. */
  readonly at: number;
  /** e_value_offs. */
  readonly valueOffset: number;
}

/**
 * The index of a removed entry: no prefix has it. Storing it, which is one store, removes an entry of an inode that lies between
 * others. A list that is written again omits removed entries.
 */
export const HIDDEN = 0;

const NO_ENTRY = 4;

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function entryLength(nameLength: number): number {
  return XATTR_ENTRY_SIZE + padded(nameLength);
}

function isEnd(bytes: Uint8Array, at: number): boolean {
  return bytes.subarray(at, at + NO_ENTRY).every((byte) => byte === 0);
}

function hasMagic(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && decode(XATTR_HEADER, Buffer.concat([bytes.subarray(0, 4)], XATTR_HEADER_SIZE)).h_magic === XATTR_MAGIC;
}

// Parses the entries from `first` on. Value offsets count from `base`; entries and values must lie within `bytes`.
function parse(inode: IncoreInode, bytes: Uint8Array, first: number, base: number, block: number | undefined): Entry[] {
  const corrupt = (what: string) =>
    inode.sb.corrupt(`extended attributes: ${what}`, { ino: inode.ino, ...(block !== undefined && { block }) });
  const entries: Entry[] = [];
  for (let at = first; ; ) {
    if (at + NO_ENTRY > bytes.length) throw corrupt('the list does not end');
    if (isEnd(bytes, at)) return entries;
    if (at + XATTR_ENTRY_SIZE > bytes.length) throw corrupt('an entry is cut off');
    const { e_name_len, e_name_index: index, e_value_offs: valueOffset, e_value_block, e_value_size } = decode(XATTR_ENTRY, bytes, at);
    const nameEnd = at + XATTR_ENTRY_SIZE + e_name_len;
    const start = base + valueOffset;
    if (nameEnd > bytes.length) throw corrupt('a name is cut off');
    if (e_value_block !== 0 || e_value_size > bytes.length || start + e_value_size > bytes.length) {
      throw corrupt('a value lies outside');
    }
    const name = Buffer.from(bytes.buffer, bytes.byteOffset).toString('latin1', at + XATTR_ENTRY_SIZE, nameEnd);
    entries.push({ index, name, value: bytes.slice(start, start + e_value_size), at, valueOffset });
    at += entryLength(e_name_len);
  }
}

/** The entries in an inode, including hidden ones; `at` counts from `attributeArea`. Throws `EUCLEAN`. */
export function entriesInBody(inode: IncoreInode): Entry[] {
  const { bytes } = inode.attributeArea;
  return hasMagic(bytes) ? parse(inode, bytes, XATTR_IBODY_HEADER_SIZE, XATTR_IBODY_HEADER_SIZE, undefined) : [];
}

/** The entries in an inode's block of attributes. Throws `EUCLEAN`. */
export function entriesInBlock(inode: IncoreInode): Entry[] {
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
 * Adds an attribute in the inode, if there is room. Stores its value and its entry first. Stores last the four bytes that were the
 * end of the list, or the magic if there was no list.
 */
export function appendToBody(inode: IncoreInode, attribute: Attribute): boolean {
  const { offset, bytes } = inode.attributeArea;
  const isEmpty = !hasMagic(bytes);
  const first = XATTR_IBODY_HEADER_SIZE;
  let at = first;
  let valuesAt = bytes.length - (bytes.length % 4);
  for (const { at: start, name, value, valueOffset } of entriesInBody(inode)) {
    if (value.length > 0) valuesAt = Math.min(valuesAt, first + valueOffset);
    at = start + entryLength(name.length);
  }
  const valueAt = valuesAt - padded(attribute.value.length);
  const entry = encodeEntry(attribute, valueAt - first);
  if (at + entry.length + NO_ENTRY > valueAt) return false;
  const next = isEmpty ? new Uint8Array(bytes.length) : bytes.slice();
  next.fill(0, valueAt, valuesAt);
  next.set(attribute.value, valueAt);
  next.set(entry, at);
  next.fill(0, at + entry.length, at + entry.length + NO_ENTRY);
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

/** Removes all attributes from the inode, by one store. */
export function clearBody(inode: IncoreInode): void {
  inode.storePart(inode.attributeArea.offset, new Uint8Array(4));
}

/** Removes `entry` and the hidden ones before it from the inode, by one store. Returns false if it is not the last. */
export function cutFromBody(inode: IncoreInode, entry: Entry): boolean {
  const entries = entriesInBody(inode);
  const shown = entries.filter(({ index }) => index !== HIDDEN);
  if (shown.at(-1)?.at !== entry.at) return false;
  const before = shown.at(-2);
  if (before === undefined) clearBody(inode);
  else inode.storePart(inode.attributeArea.offset + before.at + entryLength(before.name.length), new Uint8Array(NO_ENTRY));
  return true;
}

/** Hides an entry that others follow, by one store. Its space can be reused only by `refill`. */
export function hideInBody(inode: IncoreInode, { at, name, valueOffset }: Entry): void {
  const word = new Uint8Array(XATTR_ENTRY_SIZE);
  encode(XATTR_ENTRY, { e_name_len: name.length, e_name_index: HIDDEN, e_value_offs: valueOffset }, word);
  inode.storePart(inode.attributeArea.offset + at, word.subarray(0, 4));
}

/** Whether an attribute fits in the space of an existing entry. */
export function canRefill({ name, value }: Entry, attribute: Attribute): boolean {
  return entryLength(name.length) === entryLength(attribute.name.length) && padded(attribute.value.length) <= padded(value.length);
}

/** Puts an attribute in the space of a hidden entry, which stays hidden until the last store. A hash of 0 is never compared. */
export function refill(inode: IncoreInode, { at, valueOffset }: Entry, attribute: Attribute): void {
  const { offset } = inode.attributeArea;
  const store = (pos: number, bytes: Uint8Array) => { inode.storePart(offset + pos, bytes); };
  const bytes = encodeEntry(attribute, valueOffset);
  const [size, hash] = [XATTR_ENTRY.e_value_size[1], XATTR_ENTRY.e_hash[1]];
  store(at + hash, new Uint8Array(4));
  store(XATTR_IBODY_HEADER_SIZE + valueOffset, Buffer.concat([attribute.value], padded(attribute.value.length)));
  store(at + size, bytes.subarray(size, size + 4));
  const hidden = bytes.slice(0, 4);
  hidden[XATTR_ENTRY.e_name_index[1]] = HIDDEN;
  store(at, hidden);
  store(at + XATTR_ENTRY_SIZE, bytes.subarray(XATTR_ENTRY_SIZE));
  store(at + hash, bytes.subarray(hash, hash + 4));
  store(at, bytes.subarray(0, 4));
}

// In the order of the format: by prefix, then by length, then by bytes.
function compare(a: Attribute, b: Attribute): number {
  if (a.index !== b.index) return a.index - b.index;
  if (a.name.length !== b.name.length) return a.name.length - b.name.length;
  return a.name < b.name ? -1 : 1;
}

/** A block with these attributes, and its hash; undefined if they do not fit. */
export function encodeBlock(attributes: readonly Attribute[], blockSize: number): { bytes: Uint8Array; hash: number } | undefined {
  const bytes = new Uint8Array(blockSize);
  let at = XATTR_HEADER_SIZE;
  let valueAt = blockSize;
  const hashes: number[] = [];
  for (const attribute of [...attributes].sort(compare)) {
    valueAt -= padded(attribute.value.length);
    const entry = encodeEntry(attribute, valueAt);
    if (at + entry.length + NO_ENTRY > valueAt) return undefined;
    bytes.set(entry, at);
    bytes.set(attribute.value, valueAt);
    hashes.push(decode(XATTR_ENTRY, entry).e_hash);
    at += entry.length;
  }
  const hash = blockHash(hashes);
  encode(XATTR_HEADER, { h_magic: XATTR_MAGIC, h_refcount: 1, h_blocks: 1, h_hash: hash }, bytes);
  return { bytes, hash };
}
