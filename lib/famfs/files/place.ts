// Owns the places of a file's bytes in the memory: a table of at most 16 extents.

import type { DeviceRun } from 'node-dax';
import { INTERLEAVED, type FileEntry } from '../format/entry.js';

/**
 * The contiguous run of memory that holds the file's bytes from `offset` on, at most up to the end of its extents; undefined past
 * that.
 */
export function placeOf(entry: FileEntry, offset: number): DeviceRun | undefined {
  return entry.extentType === INTERLEAVED ? inStrips(entry, offset) : inExtents(entry, offset);
}

function inExtents({ extents }: FileEntry, offset: number): DeviceRun | undefined {
  let start = 0;
  for (const extent of extents) {
    if (offset < start + extent.length) return { pos: extent.offset + offset - start, length: start + extent.length - offset };
    start += extent.length;
  }
  return undefined;
}

// Consecutive chunks of the file lie in consecutive strips, in turn.
function inStrips({ size, chunk, stripCount, extents }: FileEntry, offset: number): DeviceRun | undefined {
  const number = Math.floor(offset / chunk);
  const strip = extents[number % stripCount];
  if (strip === undefined || number >= Math.ceil(size / chunk)) return undefined;
  const within = offset % chunk;
  return { pos: strip.offset + Math.floor(number / stripCount) * chunk + within, length: chunk - within };
}

/** The runs of memory that hold the file's bytes from `from` to before `to`, cut to that range. */
export function* runsOf(entry: FileEntry, from = 0, to = entry.size): Generator<DeviceRun> {
  for (let offset = from; offset < to; ) {
    const run = placeOf(entry, offset);
    if (run === undefined) return;
    const length = Math.min(run.length, to - offset);
    yield { pos: run.pos, length };
    offset += length;
  }
}
