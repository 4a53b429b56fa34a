// Owns the placement of new files: whole units, first fit. Each strip of a striped file lies in a separate part of the memory.

import { INTERLEAVED, SIMPLE, type FileEntry } from '../format/entry.js';
import { fail } from '../format/error.js';
import type { Space } from '../format/space.js';

/** Where a file lies in the memory. */
export type Layout = Pick<FileEntry, 'extentType' | 'count' | 'chunk' | 'stripCount' | 'extents'>;

/** What to allocate, in bytes. `stripes` is 0 for a file that is to be contiguous. */
export interface Wanted {
  readonly size: number;
  readonly stripes: number;
  readonly chunk: number;
}

/** Finds room among the units from `first` to before `end`. Does not mark it as taken. Throws `ENOSPC`. */
export function allocate(space: Space, first: number, end: number, { size, stripes, chunk }: Wanted): Layout {
  const { unit } = space;
  const find = (length: number, from: number, to: number) => {
    const found = space.find(length / unit, from, to);
    if (found !== undefined) return { device: 0, offset: found * unit, length };
    const where = stripes === 0 ? 'no' : `in one of ${stripes} parts of the memory no`;
    return fail('ENOSPC', 'create', `${where} ${length} bytes lie together free, and famfs gives nothing back`);
  };
  // A file that does not fill one chunk is not striped, as in famfs itself.
  if (stripes === 0 || size < chunk) {
    const extents = [find(Math.ceil(size / unit) * unit, first, end)];
    return { extentType: SIMPLE, count: 1, chunk: 0, stripCount: 0, extents };
  }
  const length = Math.ceil(size / (stripes * chunk)) * chunk;
  const edge = (part: number) => first + Math.floor(((end - first) * part) / stripes);
  const extents = Array.from({ length: stripes }, (_, part) => find(length, edge(part), edge(part + 1)));
  return { extentType: INTERLEAVED, count: 1, chunk, stripCount: stripes, extents };
}
