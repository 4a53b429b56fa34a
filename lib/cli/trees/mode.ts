// Owns a mode as text: the type of a file, and its permissions as ls shows them.

import { constants } from 'node:fs';

const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } = constants;

const TYPES: ReadonlyMap<number, readonly [letter: string, words: string]> = new Map([
  [S_IFREG, ['-', 'regular file']],
  [S_IFDIR, ['d', 'directory']],
  [S_IFLNK, ['l', 'symbolic link']],
  [S_IFCHR, ['c', 'character device']],
  [S_IFBLK, ['b', 'block device']],
  [S_IFIFO, ['p', 'fifo']],
  [S_IFSOCK, ['s', 'socket']],
]);

// The lowest bit of the type. The bits below it are permissions.
const TYPE_UNIT = 0o10000;

/** The type in a mode. */
export function typeOf(mode: number): number {
  return Math.floor(mode / TYPE_UNIT) * TYPE_UNIT;
}

/** The permissions in a mode, with the set-id and sticky bits. */
export function permissionsOf(mode: number): number {
  return mode % TYPE_UNIT;
}

/** `regular file`, `directory`, … */
export function typeInWords(mode: number): string {
  return TYPES.get(typeOf(mode))?.[1] ?? 'unknown type';
}

// By mode, which most files of a tree share: one text for all of them.
const letters = new Map<number, string>();

/** `drwxr-xr-x`, as ls prints it. */
export function modeInLetters(mode: number): string {
  let text = letters.get(mode);
  if (text === undefined) letters.set(mode, (text = inLetters(mode)));
  return text;
}

function inLetters(mode: number): string {
  const has = (bit: number): boolean => Math.floor(mode / bit) % 2 === 1;
  const triple = (shift: number, special: number, letter: string): string => {
    const execute = has(shift);
    const last = has(special) ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-';
    return `${has(4 * shift) ? 'r' : '-'}${has(2 * shift) ? 'w' : '-'}${last}`;
  };
  const type = TYPES.get(typeOf(mode))?.[0] ?? '?';
  return `${type}${triple(0o100, 0o4000, 's')}${triple(0o010, 0o2000, 's')}${triple(0o001, 0o1000, 't')}`;
}

/** `0644`, with the set-id and sticky bits. */
export function modeInDigits(mode: number): string {
  return permissionsOf(mode).toString(8).padStart(4, '0');
}
