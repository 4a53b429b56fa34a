// Owns the conversion of arguments: paths, flags, modes, encodings, times, positions and buffers, each of which node:fs accepts in
// several forms. The arguments have been validated before.

import { constants } from 'node:fs';
import { types } from 'node:util';
import { fileURLToPath } from 'node:url';

/** A path: a string, or bytes that need not be UTF-8. */
export type FsPath = string | Uint8Array;

/** Whether a value is a URL as node:fs recognises one: by its members. */
function isUrl(value: unknown): value is URL {
  const { href, protocol, auth, path } = (value ?? {}) as { href?: unknown; protocol?: unknown; auth?: unknown; path?: unknown };
  return Boolean(href) && Boolean(protocol) && auth === undefined && path === undefined;
}

function pathOfUrl(url: URL): string | undefined {
  try {
    return fileURLToPath(url);
  } catch {
    return undefined;
  }
}

/** Whether a value is a valid path for node:fs. */
export function isPath(value: unknown): boolean {
  const path = isUrl(value) ? pathOfUrl(value) : value;
  if (typeof path === 'string') return !path.includes('\0');
  return types.isUint8Array(path) && !path.includes(0);
}

/** Converts a path from any form that node:fs accepts. */
export function toPath(value: unknown): FsPath {
  return typeof value === 'string' || types.isUint8Array(value) ? value : fileURLToPath(value as URL);
}

/** Converts a path where node:fs accepts anything that can be made a string. */
export function toTextPath(value: unknown): string {
  return isUrl(value) ? fileURLToPath(value) : String(value);
}

export const SLASH = 0x2f;
const DOT = 0x2e;

/** Whether a path ends with a slash, and so must lead to a directory. */
export function endsWithSlash(path: FsPath): boolean {
  return path.at(-1) === (typeof path === 'string' ? '/' : SLASH);
}

/** Whether a name is `.` or `..`, which every directory has. */
export function isDots(name: Uint8Array): boolean {
  return name.length > 0 && name.length <= 2 && name.every((byte) => byte === DOT);
}

/** Joins two paths with a slash. */
export function joined(directory: FsPath, name: FsPath): FsPath {
  if (typeof directory === 'string' && typeof name === 'string') return `${directory}/${name}`;
  return Buffer.concat([Buffer.from(directory), Buffer.from('/'), Buffer.from(name)]);
}

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } = constants;

const FLAGS: ReadonlyMap<string, number> = new Map([
  ['r', O_RDONLY],
  ['rs', O_RDONLY + O_SYNC],
  ['r+', O_RDWR],
  ['rs+', O_RDWR + O_SYNC],
  ['w', O_TRUNC + O_CREAT + O_WRONLY],
  ['wx', O_TRUNC + O_CREAT + O_WRONLY + O_EXCL],
  ['w+', O_TRUNC + O_CREAT + O_RDWR],
  ['wx+', O_TRUNC + O_CREAT + O_RDWR + O_EXCL],
  ['a', O_APPEND + O_CREAT + O_WRONLY],
  ['ax', O_APPEND + O_CREAT + O_WRONLY + O_EXCL],
  ['as', O_APPEND + O_CREAT + O_WRONLY + O_SYNC],
  ['a+', O_APPEND + O_CREAT + O_RDWR],
  ['ax+', O_APPEND + O_CREAT + O_RDWR + O_EXCL],
  ['as+', O_APPEND + O_CREAT + O_RDWR + O_SYNC],
]);
// Alternative orders of the letters.
const SPELLINGS: Readonly<Record<string, string>> = {
  sr: 'rs',
  'sr+': 'rs+',
  xw: 'wx',
  'xw+': 'wx+',
  xa: 'ax',
  'xa+': 'ax+',
  sa: 'as',
  'sa+': 'as+',
};

/** The open(2) flags of a word such as `'r+'`; undefined if the word has none. */
export function flagsOf(word: string): number | undefined {
  return FLAGS.get(Object.hasOwn(SPELLINGS, word) ? (SPELLINGS[word] as string) : word);
}

/** Converts a number or a word to flags of open(2). */
export function toFlags(value: unknown, usual: string | number = 'r'): number {
  const flags = value ?? usual;
  // The kernel takes the flags as an unsigned 32-bit number.
  if (typeof flags === 'number') return flags < 0 ? flags + 2 ** 32 : flags;
  return flagsOf(flags as string) ?? O_RDONLY;
}

/** Whether flags of open(2) contain `flag`, which must be a single bit. */
export function hasOpenFlag(flags: number, flag: number): boolean {
  return Math.floor(flags / flag) % 2 === 1;
}

/** Converts permissions from a number or octal digits. */
export function toMode(value: unknown, usual = 0): number {
  const mode = typeof value === 'string' ? parseInt(value, 8) : ((value ?? usual) as number);
  return mode % 0o10000;
}

export type Encoding = BufferEncoding | 'buffer' | null | undefined;

/** The `encoding` option. The options may also be the encoding itself. */
export function toEncoding(options: unknown): Encoding {
  return typeof options === 'string' ? (options as Encoding) : toOptions<{ encoding?: Encoding }>(options).encoding;
}

/** A name or target in an encoding, UTF-8 by default. */
export function encodeName(bytes: Uint8Array, encoding: Encoding): string | Buffer {
  const buffer = Buffer.from(bytes);
  if (encoding === 'buffer') return buffer;
  return encoding ? buffer.toString(encoding) : buffer.toString();
}

/** File content: a buffer, or a string if an encoding is given. */
export function encodeAll(content: Buffer, encoding: Encoding): string | Buffer {
  return encoding ? content.toString(encoding as BufferEncoding) : content;
}

/** An options argument as an object; empty if the argument is not an object. */
export function toOptions<T extends object>(options: unknown): Partial<T> {
  return typeof options === 'object' && options !== null ? options : {};
}

const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MS = 1_000_000n;
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/**
 * Converts a time to nanoseconds: a number of seconds, decimal digits of seconds, or a Date. All given digits count. As in
 * `node:fs`, a negative number means now.
 */
export function toTime(value: unknown): bigint {
  if (types.isDate(value) && !Number.isNaN(value.getTime())) return BigInt(value.getTime()) * NS_PER_MS;
  const seconds = Number(value);
  if (!Number.isFinite(seconds) || (seconds < 0 && typeof value === 'number')) return BigInt(Date.now()) * NS_PER_MS;
  const [, sign, whole, part = ''] = DECIMAL.exec(String(value).trim()) ?? [];
  // Very small and very large numbers, which have an exponent, and other notations than decimal.
  if (whole === undefined) return BigInt(Math.trunc(seconds)) * NS_PER_SECOND + BigInt(Math.round((seconds % 1) * 1e9));
  const ns = BigInt(whole) * NS_PER_SECOND + BigInt(part.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -ns : ns;
}

/** Converts a length to truncate to. As in `node:fs`, a negative number means 0. */
export function toLength(value: unknown): number {
  return Math.max(0, Number(value ?? 0));
}

/** Converts a user or group ID; undefined for -1, which keeps the present one. */
export function toId(value: unknown): number | undefined {
  return value === -1 || value === 2 ** 32 - 1 ? undefined : (value as number);
}

/** Converts a position in a file; null, which means the current position, if it is negative or not an integer. */
export function toPosition(value: unknown): number | null {
  const position = typeof value === 'bigint' ? Number(value) : value;
  return Number.isSafeInteger(position) && (position as number) >= 0 ? (position as number) : null;
}

/** The bytes of a view, or of text in an encoding. */
export function toBytes(data: unknown, encoding?: Encoding): Uint8Array {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.from(String(data), (encoding ?? 'utf8') as BufferEncoding);
}
