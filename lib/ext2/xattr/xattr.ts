// Owns extended attributes: in the inode, and in blocks that inodes with the same attributes share.

import { argumentError, DaxError } from 'node-dax';
import { ACL_ACCESS, ACL_DEFAULT, COMPAT, XATTR_PREFIXES } from '../format/disk.js';
import { fail } from '../format/error.js';
import type { IncoreInode } from '../inode/inode.js';
import { bytesOf, textOf, toByteName, type ByteName, type Name } from '../format/name.js';
import { aclForMedium, aclForProgram, aclOfProgram, aclOnMedium, isMode, modeOf, withMode } from '../format/posix-acl.js'; // late
import type { Volume } from '../volume/volume.js';
import {
  appendToBody,
  canRefill,
  clearBody,
  cutFromBody,
  encodeBlock,
  entriesInBlock,
  entriesInBody,
  HIDDEN,
  hideInBody,
  refill,
  type Attribute,
  type Entry,
  type Key,
} from './xattr-list.js'; // late

/** Whether setting an attribute may only create it or only replace it; undefined permits both. */
export type XattrFlag = 'create' | 'replace' | undefined;

const FLAGS: readonly XattrFlag[] = ['create', 'replace', undefined];
const [USER, TRUSTED, SECURITY] = [1, 4, 6];
const WRITABLE: readonly number[] = [USER, ACL_ACCESS, ACL_DEFAULT, TRUSTED, SECURITY];
const MAX_NAME = 255;
const MAX_VALUE = 65536;

/** The attributes' full names, in the order in which they are found: as bytes if they are not valid UTF-8. */
export function listXattr(inode: IncoreInode): Name[] {
  const all = [...inBody(inode), ...inBlock(inode)];
  const names = new Set(all.flatMap((attribute) => fullName(attribute) ?? []));
  return [...names].map((name) => (toByteName(textOf(name)) === name ? textOf(name) : bytesOf(name)));
}

/** An attribute's value. Throws `ENODATA`, and `EOPNOTSUPP` for an unknown prefix. */
export function getXattr(inode: IncoreInode, name: Name): Uint8Array {
  const key = parseName(name, 'getxattr');
  const found = find(inBody(inode), key) ?? find(inBlock(inode), key);
  if (found === undefined) return fail('ENODATA', 'getxattr', `inode ${inode.ino} has no ${describe(name)}`);
  return isAcl(key) ? aclForProgram(aclOnMedium(found.value)) : found.value;
}

/** Sets an attribute or an ACL, durably on return. Throws `EEXIST` or `ENODATA` according to `flag`, and `ENOSPC`. */
export function setXattr(volume: Volume, inode: IncoreInode, name: Name, value: Uint8Array, flag: XattrFlag): void {
  const key = writable(name, 'setxattr');
  if (!((value as unknown) instanceof Uint8Array)) throw argumentError('ERR_INVALID_ARG_TYPE', 'the value must be a Uint8Array');
  if (!FLAGS.includes(flag)) throw argumentError('ERR_INVALID_ARG_VALUE', `flag must be 'create' or 'replace', it is ${String(flag)}`);
  if (value.length > MAX_VALUE) fail('E2BIG', 'setxattr', `${value.length} bytes`);
  const body = inBody(inode);
  const block = inBlock(inode);
  const isThere = find(body, key) !== undefined || find(block, key) !== undefined;
  if (isThere && flag === 'create') fail('EEXIST', 'setxattr', describe(name));
  if (!isThere && flag === 'replace') fail('ENODATA', 'setxattr', describe(name));
  if (isAcl(key)) setAcl(volume, inode, key, value);
  else put(volume, inode, { ...key, value: value.slice() });
}

/** Removes an attribute or an ACL, durably on return. Throws `ENODATA`. */
export function removeXattr(volume: Volume, inode: IncoreInode, name: Name): void {
  const key = writable(name, 'removexattr');
  const isThere = find(inBody(inode), key) !== undefined || find(inBlock(inode), key) !== undefined;
  if (!isThere) fail('ENODATA', 'removexattr', describe(name));
  remove(volume, inode, key);
}

/** Makes the access ACL agree with a changed mode. */
export function chmodAcl(volume: Volume, inode: IncoreInode): void {
  const key = { index: ACL_ACCESS, name: '' };
  const found = find(inBody(inode), key) ?? find(inBlock(inode), key);
  if (found === undefined) return;
  const value = aclForMedium(withMode(aclOnMedium(found.value), inode.mode));
  if (Buffer.compare(value, found.value) !== 0) put(volume, inode, { ...key, value });
}

/**
 * Gives a new inode, to which nothing refers yet, its permissions and ACLs: from the default ACL of its directory if that has one;
 * otherwise the bits of `umask` are cleared from its permissions. As in Linux, the umask has no effect where there is a default
 * ACL.
 */
export function inheritAcl(volume: Volume, inode: IncoreInode, dir: IncoreInode, umask: number): void {
  if (inode.isSymlink) return;
  const key = { index: ACL_DEFAULT, name: '' };
  const inherited = dir.mayHaveAttributes ? (find(inBody(dir), key) ?? find(inBlock(dir), key)) : undefined;
  const permissions = inode.mode % 0o1000;
  if (inherited === undefined) {
    inode.mode += commonBits(permissions, 0o777 - umask) - permissions;
    return;
  }
  const acl = aclOnMedium(inherited.value);
  inode.mode += commonBits(permissions, modeOf(acl)) - permissions;
  // Attributes are added to an inode that is on the medium.
  volume.store(inode);
  if (inode.isDirectory) put(volume, inode, { ...key, value: inherited.value });
  if (!isMode(acl)) put(volume, inode, { index: ACL_ACCESS, name: '', value: aclForMedium(withMode(acl, inode.mode)) });
}

function commonBits(one: number, other: number): number {
  // eslint-disable-next-line no-bitwise -- permissions
  return one & other;
}

function describe(name: Name): string {
  return textOf(toByteName(name));
}

function inBody(inode: IncoreInode): Entry[] {
  return entriesInBody(inode).filter(({ index }) => index !== HIDDEN);
}

function inBlock(inode: IncoreInode): Entry[] {
  return entriesInBlock(inode);
}

function find<T extends Key>(attributes: readonly T[], { index, name }: Key): T | undefined {
  return attributes.find((attribute) => attribute.index === index && attribute.name === name);
}

function without(attributes: readonly Attribute[], others: readonly Key[]): Attribute[] {
  return attributes.filter(({ index, name }) => !others.some((other) => other.index === index && other.name === name));
}

function fullName({ index, name }: Key): ByteName | undefined {
  const prefix = XATTR_PREFIXES.get(index);
  return prefix === undefined ? undefined : prefix + name;
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
  if (WRITABLE.includes(key.index)) return key;
  return fail('EOPNOTSUPP', syscall, `${describe(name)}: only ACLs and attributes that begin with user., trusted. or security. can be changed`);
}

function isAcl({ index }: Key): boolean {
  return index === ACL_ACCESS || index === ACL_DEFAULT;
}

// The mode follows the access ACL. An access ACL that says no more than the mode is not stored.
function setAcl(volume: Volume, inode: IncoreInode, key: Key, value: Uint8Array): void {
  if (inode.isSymlink) fail('EOPNOTSUPP', 'setxattr', 'a symbolic link has no ACL');
  const acl = aclOfProgram(value);
  if (key.index === ACL_DEFAULT && !inode.isDirectory && acl.length > 0) {
    fail('EACCES', 'setxattr', 'only a directory has an ACL for what is made in it');
  }
  const isAccess = key.index === ACL_ACCESS;
  if (acl.length === 0 || (isAccess && isMode(acl))) remove(volume, inode, key);
  else put(volume, inode, { ...key, value: aclForMedium(acl) });
  if (!isAccess || acl.length === 0) return;
  inode.mode = inode.mode - (inode.mode % 0o1000) + modeOf(acl);
  inode.ctimeMs = Date.now();
  volume.store(inode);
}

/** Creates an attribute or replaces its value; throws `ENOSPC` with nothing changed. */
function put(volume: Volume, inode: IncoreInode, attribute: Attribute): void {
  volume.sb.addFeature('s_feature_compat', COMPAT.EXT_ATTR);
  const isThere = find(inBody(inode), attribute) ?? find(inBlock(inode), attribute);
  if (isThere === undefined) add(volume, inode, attribute);
  else replace(volume, inode, attribute);
}

function remove(volume: Volume, inode: IncoreInode, key: Key): void {
  if (find(inBlock(inode), key) !== undefined) replaceBlock(volume, inode, without(inBlock(inode), [key]));
  removeFromBody(volume, inode, key);
}

/** Adds a new attribute: in the inode if it has room, else in the attribute block. */
function add(volume: Volume, inode: IncoreInode, attribute: Attribute): void {
  const gap = entriesInBody(inode).find((entry) => entry.index === HIDDEN && canRefill(entry, attribute));
  if (gap !== undefined) refill(inode, gap, attribute);
  else if (!appendToBody(inode, attribute)) {
    replaceBlock(volume, inode, [...inBlock(inode), attribute]);
    return;
  }
  touched(volume, inode);
}

/**
 * Replaces an existing attribute. The new value goes into a new attribute block, and one store makes that block the inode's.
 * Attributes that must leave the inode's own list are removed from it only after the block holds them. Until then an attribute may
 * be in both places: if the two differ, the one in the inode's own list counts.
 */
function replace(volume: Volume, inode: IncoreInode, attribute: Attribute): void {
  const body = inBody(inode);
  const old = find(body, attribute);
  const others = without(inBlock(inode), [attribute]);
  if (old === undefined) {
    replaceBlock(volume, inode, [...others, attribute]);
    return;
  }
  const full = whyFull(() => { replaceBlock(volume, inode, [...without(body, [attribute]), ...without(others, body), attribute]); });
  if (full === undefined) {
    clearBody(inode);
    return;
  }
  if (whyFull(() => { replaceBlock(volume, inode, [...others, attribute]); }) === undefined) {
    removeFromBody(volume, inode, attribute);
    return;
  }
  if (!canRefill(old, attribute)) throw full;
  // Inode and block are both full: for a moment neither the old nor the new attribute exists.
  hideInBody(inode, old);
  refill(inode, old, attribute);
  touched(volume, inode);
}

// Removes the attribute from the inode's own list. One store removes the last attribute of the list. If the attribute is not the
// last, all others move to a block. If they do not fit there, the attribute stays in the list, hidden.
function removeFromBody(volume: Volume, inode: IncoreInode, key: Key): void {
  const body = inBody(inode);
  const old = find(body, key);
  if (old === undefined) return;
  if (cutFromBody(inode, old)) {
    touched(volume, inode);
    return;
  }
  const full = whyFull(() => { replaceBlock(volume, inode, [...without(body, [key]), ...without(inBlock(inode), [key, ...body])]); });
  if (full === undefined) clearBody(inode);
  else hideInBody(inode, old);
  touched(volume, inode);
}

/** Runs `work`. Returns its `ENOSPC` if it failed with that and changed nothing; undefined if it succeeded. */
function whyFull(work: () => void): DaxError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof DaxError && error.code === 'ENOSPC') return error;
    throw error;
  }
}

function touched(volume: Volume, inode: IncoreInode): void {
  inode.ctimeMs = Date.now();
  volume.markDirty(inode);
}

function replaceBlock(volume: Volume, inode: IncoreInode, attributes: readonly Attribute[]): void {
  const old = inode.fileAcl;
  const { sb } = volume;
  const taken = attributes.length === 0 ? 0 : takeBlock(volume, inode, attributes);
  const sectors = sb.blockSize / 512;
  inode.fileAcl = taken;
  inode.map.sectors += (taken === 0 ? 0 : sectors) - (old === 0 ? 0 : sectors);
  inode.ctimeMs = Date.now();
  volume.store(inode);
  if (old !== 0) volume.attributes.release(old, inode.ino);
}

function takeBlock({ sb, attributes }: Volume, inode: IncoreInode, wanted: readonly Attribute[]): number {
  const image =
    encodeBlock(wanted, sb.blockSize) ?? fail('ENOSPC', 'setxattr', 'the attributes of a file are in its inode and in one block');
  return attributes.take(image, sb.groups.start(inode.group));
}
