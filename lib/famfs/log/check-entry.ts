// Owns the checks of an entry before a file is made of it: the memory is untrusted input, like data from a network.

import type { DeviceRun } from 'node-dax';
import { FIELDS, INTERLEAVED, MAX_EXTENTS, SIMPLE, type Extent, type FileEntry } from '../format/entry.js';
import type { Breach } from '../format/error.js';
import { isPowerOfTwo, wordsU64 } from '../format/numbers.js';
import type { Space } from '../format/space.js';
import { SMALL_UNIT } from '../format/superblock.js';

const WORD = Uint32Array.BYTES_PER_ELEMENT;
const SIZE = FIELDS.size / WORD;
const EXTENT_TYPE = FIELDS.extentType / WORD;
const COUNT = FIELDS.count / WORD;
const EXTENT = FIELDS.extents / WORD;

const DOT = 0x2e;
const UNCLEAN = /(?:^|\/)\.{0,2}(?:\/|$)/;

function because(message: string): Breach {
  return { field: 'path', message };
}

/** What is wrong with a path, regardless of other entries. */
export function checkPath(path: string | undefined): Breach | undefined {
  if (path === undefined) return because('no NUL ends it');
  if (path === '') return because('it is empty');
  if (path.startsWith('/')) return because('it begins with a slash');
  if (UNCLEAN.test(path)) return because("a name in it is empty, '.' or '..'");
  return path === '.meta' || path.startsWith('.meta/') ? because('.meta is where famfs shows the superblock and the log') : undefined;
}

/** Whether a path, whose last slash is at `slash`, certainly breaks no rule if the directory that it is in is in the tree. */
export function isClean(path: string, slash: number): boolean {
  return slash !== 0 && slash + 1 < path.length && path.charCodeAt(slash + 1) !== DOT;
}

/** How many bytes each strip of a file needs, in their order. */
function stripLengths(size: number, chunk: number, strips: number): number[] {
  const chunks = Math.ceil(size / chunk);
  return Array.from({ length: strips }, (_, strip) => (Math.floor(chunks / strips) + (strip < chunks % strips ? 1 : 0)) * chunk);
}

function checkNumbers({ size, extentType, count, stripCount, chunk }: FileEntry, unit: number): Breach | undefined {
  if (!Number.isSafeInteger(size) || size === 0) return { field: 'size', message: `it is ${size}` };
  if (extentType === SIMPLE) {
    return count >= 1 && count <= MAX_EXTENTS ? undefined : { field: 'extents', message: `there are ${count}, and 1 to ${MAX_EXTENTS} can be` };
  }
  if (extentType !== INTERLEAVED) return { field: 'ext_type', message: `it is ${extentType}, and 0 and 1 are known` };
  if (count !== 1) return { field: 'niext', message: `there are ${count} interleaved extents, and 1 can be` };
  if (!(stripCount >= 1 && stripCount <= MAX_EXTENTS)) {
    return { field: 'nstrips', message: `there are ${stripCount}, and 1 to ${MAX_EXTENTS} can be` };
  }
  if (!isPowerOfTwo(chunk) || chunk % unit !== 0) return { field: 'chunk_size', message: `it is ${chunk}: no power of two of at least ${unit}` };
  return undefined;
}

// The returned `field` is a field of the extent.
function checkExtent({ device, offset, length }: Extent, space: Space, start: number): Breach | undefined {
  const { unit, units } = space;
  const end = units * unit;
  if (device !== 0) return { field: 'devindex', message: `it is ${device}, and only the device of the superblock is there` };
  if (!Number.isSafeInteger(offset) || offset % unit !== 0) return { field: 'offset', message: `it is ${offset}, no multiple of ${unit}` };
  if (offset < start) return { field: 'offset', message: `it is ${offset}, in the superblock or the log` };
  if (!Number.isSafeInteger(length) || length === 0 || length % unit !== 0) return { field: 'len', message: `it is ${length}, no multiple of ${unit}` };
  if (offset + length > end) return { field: 'len', message: `it ends at ${offset + length}, and the device at ${end}` };
  return undefined;
}

/**
 * The ranges of memory that belong to the file: its whole extents. With a unit of 4096 bytes, famfs gives each file too much, so
 * extents overlap; then only as many bytes as the file's size requires.
 */
export function rangesOf(entry: FileEntry, unit: number): DeviceRun[] {
  if (unit !== SMALL_UNIT) return entry.extents.map(({ offset, length }) => ({ pos: offset, length }));
  const isStriped = entry.extentType === INTERLEAVED;
  const needed = isStriped ? stripLengths(entry.size, entry.chunk, entry.stripCount) : [];
  let left = entry.size;
  const ranges = entry.extents.map(({ offset, length }, index) => {
    const wanted = isStriped ? (needed[index] as number) : Math.ceil(Math.min(left, length) / unit) * unit;
    left = Math.max(0, left - length);
    return { pos: offset, length: wanted };
  });
  return ranges.filter(({ length }) => length > 0);
}

/**
 * Checks the entry that begins at `at` in `words` without making an object of it. If the entry is of a file with one extent and
 * breaks no rule, as nearly all do, takes the file's bytes and returns true.
 */
export function takePlain(words: Uint32Array, at: number, space: Space, start: number): boolean {
  const { unit, units } = space;
  if (unit === SMALL_UNIT || words[at + EXTENT_TYPE] !== SIMPLE || words[at + COUNT] !== 1) return false;
  const size = wordsU64(words, at + SIZE);
  const offset = wordsU64(words, at + EXTENT + 2);
  const length = wordsU64(words, at + EXTENT + 4);
  const isSound = size > 0 && size <= length && wordsU64(words, at + EXTENT) === 0 && offset >= start && offset + length <= units * unit;
  if (!isSound || offset % unit !== 0 || length % unit !== 0) return false;
  const first = offset / unit;
  if (length === unit) return space.takeIfFree(first);
  if (!space.isFree(first, length / unit)) return false;
  space.take(first, length / unit);
  return true;
}

/** What is wrong with the extents of a file, given the taken `space` of the memory, in which files begin at `start`. */
export function checkExtents(entry: FileEntry, space: Space, start: number): Breach | undefined {
  const { size, extentType, extents, chunk, stripCount } = entry;
  const numbers = checkNumbers(entry, space.unit);
  if (numbers !== undefined) return numbers;
  const what = extentType === INTERLEAVED ? 'strips' : 'extents';
  let total = 0;
  for (let index = 0; index < extents.length; index++) {
    const extent = extents[index] as Extent;
    const breach = checkExtent(extent, space, start);
    if (breach !== undefined) return { ...breach, field: `${what}[${index}].${breach.field}` };
    total += extent.length;
  }
  if (extentType === INTERLEAVED) {
    const needed = stripLengths(size, chunk, stripCount);
    const short = extents.findIndex(({ length }, index) => length < (needed[index] as number));
    if (short >= 0) return { field: `strips[${short}].len`, message: `a size of ${size} needs ${needed[short] as number}` };
  } else if (total < size) {
    return { field: 'size', message: `it is ${size}, and the extents have ${total} bytes` };
  }
  return checkApart(rangesOf(entry, space.unit), space, what);
}

// Finds ranges that overlap another file, or one another.
function checkApart(ranges: readonly DeviceRun[], space: Space, what: string): Breach | undefined {
  for (const [index, { pos, length }] of ranges.entries()) {
    const twin = ranges.findIndex((other, at) => at < index && pos < other.pos + other.length && other.pos < pos + length);
    if (twin >= 0) return { field: `${what}[${index}].offset`, message: `it overlaps ${what}[${twin}]` };
    const taken = space.firstTaken(pos / space.unit, length / space.unit);
    if (taken !== undefined) return { field: `${what}[${index}].offset`, message: `another file has byte ${taken * space.unit}` };
  }
  return undefined;
}
