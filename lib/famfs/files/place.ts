// Owns where a byte of a file is on the memory: in a table of at most 16 extents.

import type { DeviceRun } from 'node-dax';
import { INTERLEAVED, type FileEntry } from '../format/entry.js';

/** The bytes of the file from `offset` on that lie together, at most up to the end of its extents; undefined past that. */
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

// Chunk after chunk, each in the next strip.
function inStrips({ size, chunk, stripCount, extents }: FileEntry, offset: number): DeviceRun | undefined {
  const number = Math.floor(offset / chunk);
  const strip = extents[number % stripCount];
  if (strip === undefined || number >= Math.ceil(size / chunk)) return undefined;
  const within = offset % chunk;
  return { pos: strip.offset + Math.floor(number / stripCount) * chunk + within, length: chunk - within };
}

/** The runs that the bytes of a file from `from` to before `to` lie in, with whole ones cut to that. */
export function* runsOf(entry: FileEntry, from = 0, to = entry.size): Generator<DeviceRun> {
  for (let offset = from; offset < to; ) {
    const run = placeOf(entry, offset);
    if (run === undefined) return;
    const length = Math.min(run.length, to - offset);
    yield { pos: run.pos, length };
    offset += length;
  }
}
