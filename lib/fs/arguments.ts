// Owns the arguments that node:fs takes in several shapes: paths, flags, modes, encodings, times, positions, buffers.

import { constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { outOfRange, wrongArgument } from './argument-error.js';

/** A path: a string, or bytes that need not be UTF-8. */
export type FsPath = string | Uint8Array;

/** A path as node:fs takes it. Paths begin at the root of the filesystem, with a slash or without. */
export function toPath(value: unknown, name = 'path'): FsPath {
  const path = value instanceof URL ? fileURLToPath(value) : value;
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) {
    throw wrongArgument(name, 'of type string or an instance of Buffer or URL', value);
  }
  if (typeof path === 'string' ? path.includes('\0') : path.includes(0)) {
    const error = new TypeError(`The argument '${name}' must be a string, Uint8Array, or URL without null bytes.`);
    throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
  }
  return path;
}

export const SLASH = 0x2f;
const DOT = 0x2e;

/** Whether what a path leads to is to be a directory. */
export function endsWithSlash(path: FsPath): boolean {
  return path.at(-1) === (typeof path === 'string' ? '/' : SLASH);
}

/** Whether a name is `.` or `..`, which every directory has and nobody gave it. */
export function isDots(name: Uint8Array): boolean {
  return name.length > 0 && name.length <= 2 && name.every((byte) => byte === DOT);
}

/** Two paths, one after the other. */
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
// The letters may be turned round.
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

/** The flags of open(2) in a number or a word such as `'r+'`. */
export function toFlags(value: unknown, usual = 'r'): number {
  const flags = value ?? usual;
  if (typeof flags === 'number' && Number.isInteger(flags) && flags >= 0 && flags < 2 ** 31) return flags;
  const known = typeof flags === 'string' ? FLAGS.get(SPELLINGS[flags] ?? flags) : undefined;
  if (known !== undefined) return known;
  const error = new TypeError(`The argument 'flags' is invalid. Received ${JSON.stringify(flags)}`);
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

/** Whether flags of open(2) have one that is a single bit. */
export function hasOpenFlag(flags: number, flag: number): boolean {
  return Math.floor(flags / flag) % 2 === 1;
}

/** Permissions, as a number or in octal digits. They must be given unless there are usual ones. */
export function toMode(value: unknown, usual?: number): number {
  const mode = typeof value === 'string' && /^[0-7]+$/.test(value) ? parseInt(value, 8) : (value ?? usual);
  if (typeof mode !== 'number') throw wrongArgument('mode', 'a number or a string of octal digits', value);
  if (!Number.isInteger(mode) || mode < 0 || mode >= 2 ** 32) throw outOfRange('mode', 'an integer', value);
  return mode % 0o10000;
}

/** The `encoding` of options that may be the encoding itself. */
export function toEncoding(options: unknown): BufferEncoding | 'buffer' | null | undefined {
  const encoding = typeof options === 'string' ? options : (options as { encoding?: unknown } | null | undefined)?.encoding;
  if (encoding === undefined || encoding === null || encoding === 'buffer') return encoding;
  if (typeof encoding === 'string' && Buffer.isEncoding(encoding)) return encoding;
  const error = new TypeError(`The argument 'encoding' is invalid encoding. Received ${JSON.stringify(encoding)}`);
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

/** A name or target in an encoding, UTF-8 by default. */
export function encodeName(bytes: Uint8Array, encoding: BufferEncoding | 'buffer' | null | undefined): string | Buffer {
  const buffer = Buffer.from(bytes);
  return encoding === 'buffer' ? buffer : buffer.toString(encoding ?? 'utf8');
}

/** Content: bytes, or text where an encoding was asked for. */
export function encodeAll(content: Buffer, encoding: BufferEncoding | 'buffer' | null | undefined): string | Buffer {
  return encoding === undefined || encoding === null || encoding === 'buffer' ? content : content.toString(encoding);
}

/** Options that are an object, or nothing. */
export function toOptions<T>(options: T | string | null | undefined): Partial<T> {
  if (options === null || options === undefined || typeof options === 'string') return {};
  if (typeof options !== 'object') throw wrongArgument('options', 'of type string or object', options);
  return options;
}

const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MS = 1_000_000n;
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/**
 * Nanoseconds of a time in seconds, as a number, in digits or as a Date: all digits that are there count. As in `node:fs`,
 * a negative number is now.
 */
export function toTime(value: unknown, name: string): bigint {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return BigInt(value.getTime()) * NS_PER_MS;
  const seconds = typeof value === 'string' ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) {
    throw wrongArgument(name, 'of type number or string or an instance of Date', value);
  }
  if (seconds < 0 && typeof value === 'number') return BigInt(Date.now()) * NS_PER_MS;
  const [, sign, whole, part = ''] = DECIMAL.exec(String(value).trim()) ?? [];
  // Very small, very large, or not decimal.
  if (whole === undefined) return BigInt(Math.trunc(seconds)) * NS_PER_SECOND + BigInt(Math.round((seconds % 1) * 1e9));
  const ns = BigInt(whole) * NS_PER_SECOND + BigInt(part.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -ns : ns;
}

/** A number from 0 on. */
export function toCount(value: unknown, name: string, most = Number.MAX_SAFE_INTEGER): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number') throw wrongArgument(name, 'of type number', value);
  if (!Number.isInteger(number) || number < 0 || number > most) throw outOfRange(name, `>= 0 && <= ${most}`, value);
  return number;
}

/** A length to cut a file to. As in `node:fs`, a negative number is 0. */
export function toLength(value: unknown): number {
  if (typeof value !== 'number') throw wrongArgument('len', 'of type number', value);
  return Number.isInteger(value) && value < 0 ? 0 : toCount(value, 'len');
}

/** Whether something is to be done. */
export function toBoolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw wrongArgument(name, 'of type boolean', value);
  return value;
}

/** An owner's number; -1 leaves it as it is. */
export function toId(value: unknown, name: string): number | undefined {
  if (value === -1) return undefined;
  return toCount(value, name, 2 ** 32 - 1);
}

/** A position in a file; null and -1 stand for the current one. */
export function toPosition(value: unknown): number | null {
  if (value === null || value === undefined || value === -1 || value === -1n) return null;
  return toCount(value, 'position');
}

/** The bytes that a buffer, or text in an encoding, has. */
export function toBytes(data: unknown, encoding: BufferEncoding | 'buffer' | null | undefined): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, encoding === 'buffer' ? 'utf8' : (encoding ?? 'utf8'));
  return viewOf(data, 'data');
}

/** The bytes of a view. */
export function viewOf(data: unknown, name: string): Uint8Array {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw wrongArgument(name, 'of type string or an instance of Buffer, TypedArray, or DataView', data);
}
