// Owns the quick check of arguments: plain arguments are certainly valid, without asking node:fs. Others may be valid too.

import { flagsOf } from '../arguments/arguments.js';
import { FileHandle } from '../open/file-handle.js';

type Plain = (value: unknown) => boolean;

const isPath: Plain = (value) => (typeof value === 'string' ? !value.includes('\0') : Buffer.isBuffer(value) && !value.includes(0));
const isInteger = (least: number, most: number): Plain => (value) =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most && !Object.is(value, -0);
const isFd = isInteger(0, 2 ** 31 - 1);
const isFile: Plain = (value) => isPath(value) || isFd(value) || value instanceof FileHandle;
const isMode = isInteger(0, 2 ** 32 - 1);
const isId = isInteger(-1, 2 ** 32 - 2);
const isLength = isInteger(0, Number.MAX_SAFE_INTEGER);
const isTime: Plain = (value) => Number.isFinite(value) || (value instanceof Date && !Number.isNaN(value.getTime()));
const isBoolean: Plain = (value) => typeof value === 'boolean';
const isBytes: Plain = (value) => value instanceof Uint8Array;
const isData: Plain = (value) => typeof value === 'string' || isBytes(value);
const isFlags: Plain = (value) => (typeof value === 'string' ? flagsOf(value) !== undefined : isInteger(0, 2 ** 31 - 1)(value));
const isEncoding: Plain = (value) => value === 'utf8' || (typeof value === 'string' && (value === 'buffer' || Buffer.isEncoding(value)));
const isSignal: Plain = (value) => value instanceof AbortSignal;
const isAbsent: Plain = (value) => value === undefined;
const isVector: Plain = (value) => Array.isArray(value) && value.every(isBytes);

const maybe = (plain: Plain): Plain => (value) => value === undefined || plain(value);
const either = (one: Plain, other: Plain): Plain => (value) => one(value) || other(value);

// `null` is left to Node: some functions accept it as no options, others do not.
const options = (members: Readonly<Record<string, Plain>>): Plain => {
  const known = Object.entries(members);
  return (value) => {
    if (value === undefined) return true;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    return known.every(([name, plain]) => {
      const member = (value as Readonly<Record<string, unknown>>)[name];
      return member === undefined || plain(member);
    });
  };
};

const encoded = (members: Readonly<Record<string, Plain>> = {}): Plain =>
  either(isEncoding, options({ encoding: isEncoding, signal: isSignal, ...members }));

// Later Nodes check a signal and an encoding too.
const STAT = options({ bigint: isBoolean, throwIfNoEntry: isBoolean, signal: isSignal, encoding: isEncoding });
const WRITE_FILE = encoded({ mode: isMode, flag: isFlags, flush: isBoolean });

// (buffer, offset, length, position), with the whole range within the buffer.
const isTransfer = ([fd, buffer, offset = 0, length, position, ...more]: readonly unknown[], count: number): boolean => {
  if (!isFd(fd) || !(buffer instanceof Uint8Array) || buffer.byteLength === 0 || more.length > 0 || count === 3) return false;
  if (position !== undefined && position !== null && !isLength(position)) return false;
  if (!isInteger(0, buffer.byteLength - 1)(offset)) return false;
  return length === undefined || isInteger(0, buffer.byteLength - (offset as number))(length);
};

const isText = ([fd, text, position, encoding]: readonly unknown[]): boolean =>
  isFd(fd) && typeof text === 'string' && (position === undefined || position === null || isLength(position)) && maybe(isEncoding)(encoding);

const SHAPES: Readonly<Record<string, readonly Plain[] | ((args: readonly unknown[]) => boolean)>> = {
  access: [isPath, maybe(isInteger(0, 7))],
  appendFile: [isFile, isData, WRITE_FILE],
  chmod: [isPath, isMode],
  chown: [isPath, isId, isId],
  close: [isFd],
  copyFile: [isPath, isPath, maybe(isInteger(0, 7))],
  exists: [isPath],
  fchmod: [isFd, isMode],
  fchown: [isFd, isId, isId],
  fdatasync: [isFd],
  fstat: [isFd, STAT],
  fsync: [isFd],
  ftruncate: [isFd, maybe(isLength)],
  futimes: [isFd, isTime, isTime],
  lchown: [isPath, isId, isId],
  link: [isPath, isPath],
  lstat: [isPath, STAT],
  lutimes: [isPath, isTime, isTime],
  mkdir: [isPath, either(isMode, options({ mode: isMode, recursive: isBoolean }))],
  mkdtemp: [isPath, encoded()],
  open: [isPath, maybe(isFlags), maybe(isMode)],
  opendir: [isPath, encoded({ bufferSize: isInteger(1, 2 ** 31 - 1), recursive: isBoolean })],
  read: (args) => isTransfer(args, args.length),
  readFile: [isFile, encoded({ flag: isFlags, buffer: isAbsent })],
  readdir: [isPath, encoded({ withFileTypes: isBoolean, recursive: isBoolean })],
  readlink: [isPath, encoded()],
  readv: [isFd, isVector, maybe(isLength)],
  realpath: [isPath, encoded()],
  rename: [isPath, isPath],
  rm: [isPath, options({ force: isBoolean, recursive: isBoolean, maxRetries: isInteger(0, 100), retryDelay: isInteger(0, 1000) })],
  rmdir: [isPath, isAbsent],
  stat: [isPath, STAT],
  statfs: [isPath, options({ bigint: isBoolean })],
  symlink: [isPath, isPath, isAbsent],
  truncate: [isPath, maybe(isLength)],
  unlink: [isPath],
  utimes: [isPath, isTime, isTime],
  watch: [
    isPath,
    encoded({ persistent: isBoolean, recursive: isBoolean, maxQueue: isInteger(1, 2 ** 31 - 1), overflow: (value) => value === 'ignore' || value === 'throw' }),
  ],
  write: (args) => isTransfer(args, args.length) || isText(args),
  writeFile: [isFile, isData, WRITE_FILE],
  writev: [isFd, isVector, maybe(isLength)],
};

/** Whether node:fs certainly accepts `args` as the arguments of `name`, in all of its forms. */
export function isPlain(name: string, args: readonly unknown[]): boolean {
  const shape = SHAPES[name];
  if (shape === undefined) return false;
  if (typeof shape === 'function') return shape(args);
  return shape.every((plain, index) => plain(args[index]));
}
