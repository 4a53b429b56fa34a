// Owns names: bytes on the medium, UTF-8 strings or bytes for users, and strings of one character a byte in memory.

import { argumentError } from 'node-dax';
import { EXT2_NAME_LEN } from './disk.js';
import { fail } from './error.js';

/** A name, or a path: a string is encoded as UTF-8, bytes are taken as they are. */
export type Name = string | Uint8Array;

/** A name in memory: each character is one byte, so that names are the same exactly if their bytes are. */
export type ByteName = string;

const SLASH = '/';
// What is the same in UTF-8 and in bytes.
const ASCII = /^[\0-\x7f]*$/;

/** Throws `TypeError` for what is neither a string nor bytes. */
export function toByteName(name: Name): ByteName {
  if (typeof name === 'string') return ASCII.test(name) ? name : Buffer.from(name).toString('latin1');
  if (!((name as unknown) instanceof Uint8Array)) throw argumentError('ERR_INVALID_ARG_TYPE', 'a name must be a string or a Uint8Array');
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
}

/** A name that an entry can have. Throws `EINVAL` for an empty one and for a slash or NUL in it, `ENAMETOOLONG`. */
export function toEntryName(name: Name, syscall: string): ByteName {
  return checkEntryName(toByteName(name), syscall);
}

/** As `toEntryName`, of a name in memory. */
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

/** The name as UTF-8; what is none becomes U+FFFD. */
export function textOf(name: ByteName): string {
  return ASCII.test(name) ? name : bytesOf(name).toString();
}
