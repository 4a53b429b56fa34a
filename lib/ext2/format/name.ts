// Owns names: bytes on the medium, UTF-8 strings or bytes for users, and strings of one character per byte in memory.

import { argumentError } from 'node-dax';
import { EXT2_NAME_LEN } from './disk.js';
import { fail } from './error.js';

/** A name, or a path: a string is encoded as UTF-8, bytes are taken as they are. */
export type Name = string | Uint8Array;

/** A name in memory: one character per byte, so two names are equal exactly if their bytes are. */
export type ByteName = string;

const SLASH = '/';
// ASCII that an entry can have: most names.
const PLAIN = /^[^/\0\u0080-\uffff]+$/;
// Strings that are the same in UTF-8 and in Latin-1.
const ASCII = /^[\0-\x7f]*$/;

/** Converts a name to its form in memory. Throws `TypeError` for anything but a string or a `Uint8Array`. */
export function toByteName(name: Name): ByteName {
  if (typeof name === 'string') return ASCII.test(name) ? name : Buffer.from(name).toString('latin1');
  if (!((name as unknown) instanceof Uint8Array)) throw argumentError('ERR_INVALID_ARG_TYPE', 'a name must be a string or a Uint8Array');
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
}

/** Converts a name that an entry can have. Throws `EINVAL` if it is empty or contains a slash or NUL, and `ENAMETOOLONG`. */
export function toEntryName(name: Name, syscall: string): ByteName {
  if (typeof name === 'string' && name.length <= EXT2_NAME_LEN && PLAIN.test(name)) return name;
  return checkEntryName(toByteName(name), syscall);
}

/** As `toEntryName`, for a name in memory. */
export function checkEntryName(bytes: ByteName, syscall: string): ByteName {
  if (bytes.length > EXT2_NAME_LEN) fail('ENAMETOOLONG', syscall, `a name has at most ${EXT2_NAME_LEN} bytes`);
  if (!isEntryName(bytes)) fail('EINVAL', syscall, 'a name is not empty, and has no slash and no NUL in it');
  return bytes;
}

export function isEntryName(name: ByteName): boolean {
  return name !== '' && !name.includes(SLASH) && !name.includes('\0');
}

/** The bytes of a name. */
export function bytesOf(name: ByteName): Buffer<ArrayBuffer> {
  return Buffer.from(name, 'latin1');
}

/** The name decoded as UTF-8; invalid sequences become U+FFFD. */
export function textOf(name: ByteName): string {
  return ASCII.test(name) ? name : bytesOf(name).toString();
}
