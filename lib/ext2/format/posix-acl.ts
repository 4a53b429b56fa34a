// Owns access control lists: their form on the medium (version 1), their form in getxattr(2) and setxattr(2) (version 2), and their
// relation to the mode.

import { fail } from './error.js';

const MEDIUM_VERSION = 1;
const PROGRAM_VERSION = 2;
const HEADER = 4;
const NO_ID = 2 ** 32 - 1;

const TAG = { USER_OBJ: 0x01, USER: 0x02, GROUP_OBJ: 0x04, GROUP: 0x08, MASK: 0x10, OTHER: 0x20 } as const;
// Tags that may occur more than once, with the ID of a user or group. All others occur at most once.
const NAMED: readonly number[] = [TAG.USER, TAG.GROUP];
const ORDER: readonly number[] = [TAG.USER_OBJ, TAG.USER, TAG.GROUP_OBJ, TAG.GROUP, TAG.MASK, TAG.OTHER];

interface AclEntry {
  readonly tag: number;
  /** From 0 to 7. */
  readonly permissions: number;
  readonly id: number;
}

/** An ACL, with its entries in the order of their tags. */
export type Acl = readonly AclEntry[];

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// Throws `EINVAL` for an ACL that is not valid by the POSIX draft.
function checked(acl: Acl, syscall: string): Acl {
  const malformed = (what: string) => fail('EINVAL', syscall, `the ACL ${what}`);
  let before = -1;
  for (const { tag, permissions } of acl) {
    const place = ORDER.indexOf(tag);
    if (place < 0) malformed(`has the tag ${tag}`);
    if (permissions > 7) malformed(`has the permissions ${permissions}`);
    if (place < before || (place === before && !NAMED.includes(tag))) malformed('is not in order');
    before = place;
  }
  const has = (tag: number) => acl.some((entry) => entry.tag === tag);
  const isWhole = has(TAG.USER_OBJ) && has(TAG.GROUP_OBJ) && has(TAG.OTHER);
  if (!isWhole) malformed('has no entry for the owner, the group or the others');
  if (NAMED.some(has) && !has(TAG.MASK)) malformed('names users or groups, and has no mask');
  return acl;
}

/** Decodes an ACL from its form on the medium. Throws `EINVAL` if it is malformed. */
export function aclOnMedium(bytes: Uint8Array): Acl {
  const malformed = () => fail('EINVAL', 'getxattr', 'the ACL on the medium is malformed: run e2fsck');
  const view = viewOf(bytes);
  if (bytes.length < HEADER || view.getUint32(0, true) !== MEDIUM_VERSION) malformed();
  const acl: AclEntry[] = [];
  for (let at = HEADER; at < bytes.length; ) {
    if (at + 4 > bytes.length) malformed();
    const [tag, permissions] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    const length = NAMED.includes(tag) ? 8 : 4;
    if (at + length > bytes.length) malformed();
    acl.push({ tag, permissions, id: length === 8 ? view.getUint32(at + 4, true) : NO_ID });
    at += length;
  }
  return checked(acl, 'getxattr');
}

/** Encodes an ACL for the medium: only named users and groups have an ID there. */
export function aclForMedium(acl: Acl): Uint8Array {
  const bytes = new Uint8Array(HEADER + acl.reduce((length, { tag }) => length + (NAMED.includes(tag) ? 8 : 4), 0));
  const view = viewOf(bytes);
  view.setUint32(0, MEDIUM_VERSION, true);
  let at = HEADER;
  for (const { tag, permissions, id } of acl) {
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, permissions, true);
    if (NAMED.includes(tag)) view.setUint32(at + 4, id, true);
    at += NAMED.includes(tag) ? 8 : 4;
  }
  return bytes;
}

/** Decodes an ACL from the form of setxattr(2); it may be empty. Throws `EOPNOTSUPP` for another version, and `EINVAL`. */
export function aclOfProgram(bytes: Uint8Array): Acl {
  if (bytes.length === 0) return [];
  const view = viewOf(bytes);
  if (bytes.length < HEADER) fail('EINVAL', 'setxattr', 'the ACL is cut off');
  const version = view.getUint32(0, true);
  if (version !== PROGRAM_VERSION) fail('EOPNOTSUPP', 'setxattr', `the ACL has version ${version}: it must be ${PROGRAM_VERSION}`);
  if ((bytes.length - HEADER) % 8 !== 0) fail('EINVAL', 'setxattr', 'the ACL is cut off');
  const acl: AclEntry[] = [];
  for (let at = HEADER; at < bytes.length; at += 8) {
    const tag = view.getUint16(at, true);
    const id = NAMED.includes(tag) ? view.getUint32(at + 4, true) : NO_ID;
    if (NAMED.includes(tag) && id === NO_ID) fail('EINVAL', 'setxattr', 'the ACL names nobody');
    acl.push({ tag, permissions: view.getUint16(at + 2, true), id });
  }
  return acl.length === 0 ? acl : checked(acl, 'setxattr');
}

/** Encodes an ACL in the form of getxattr(2). */
export function aclForProgram(acl: Acl): Uint8Array {
  const bytes = new Uint8Array(HEADER + 8 * acl.length);
  const view = viewOf(bytes);
  view.setUint32(0, PROGRAM_VERSION, true);
  for (const [index, { tag, permissions, id }] of acl.entries()) {
    view.setUint16(HEADER + 8 * index, tag, true);
    view.setUint16(HEADER + 8 * index + 2, permissions, true);
    view.setUint32(HEADER + 8 * index + 4, id, true);
  }
  return bytes;
}

/** Whether an ACL says no more than a mode does. */
export function isMode(acl: Acl): boolean {
  return acl.length === 3;
}

function permissionsOf(acl: Acl, ...tags: number[]): number {
  const [found] = tags.flatMap((tag) => acl.filter((entry) => entry.tag === tag));
  return found?.permissions ?? 0;
}

/** The permission bits of an ACL: its owner's, its mask's or else its group's, and the others'. */
export function modeOf(acl: Acl): number {
  return permissionsOf(acl, TAG.USER_OBJ) * 64 + permissionsOf(acl, TAG.MASK, TAG.GROUP_OBJ) * 8 + permissionsOf(acl, TAG.OTHER);
}

/** The ACL after chmod(2): its entries that correspond to the mode get the permissions of `mode`. */
export function withMode(acl: Acl, mode: number): Acl {
  const hasMask = acl.some(({ tag }) => tag === TAG.MASK);
  const given = new Map<number, number>([
    [TAG.USER_OBJ, Math.floor(mode / 64) % 8],
    [hasMask ? TAG.MASK : TAG.GROUP_OBJ, Math.floor(mode / 8) % 8],
    [TAG.OTHER, mode % 8],
  ]);
  return acl.map((entry) => ({ ...entry, permissions: given.get(entry.tag) ?? entry.permissions }));
}
