// Owns the sizes of the pages that map a range of addresses, as read from /proc/self.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { PAGE_SIZE } from '../units.js';

const ENTRY_SIZE = 8;
const ENTRIES_AT_ONCE = 65_536;
// Bit 63 of an entry: the highest bit of its last byte.
const PRESENT = 0x80;

/**
 * Bytes of [start, end) that are mapped by pages of 4 KiB, and by larger pages. If the kernel does not report the larger pages of
 * DAX files, they count as small.
 */
export function mappedPageSizes(start: number, end: number): { small: number; huge: number } {
  const huge = hugeBytes(readFileSync('/proc/self/smaps', 'latin1'), start, end);
  return { small: Math.max(0, presentBytes(start, end) - huge), huge };
}

// Reads pagemap and not smaps, which leaves out small pages of DAX files that have no struct page.
function presentBytes(start: number, end: number): number {
  const pagemap = openSync('/proc/self/pagemap', 'r');
  try {
    const entries = Buffer.alloc(ENTRIES_AT_ONCE * ENTRY_SIZE);
    let present = 0;
    for (let page = start / PAGE_SIZE; page < end / PAGE_SIZE; page += ENTRIES_AT_ONCE) {
      const count = Math.min(ENTRIES_AT_ONCE, end / PAGE_SIZE - page);
      const read = readSync(pagemap, entries, 0, count * ENTRY_SIZE, page * ENTRY_SIZE);
      for (let at = ENTRY_SIZE - 1; at < read; at += ENTRY_SIZE) if ((entries[at] as number) >= PRESENT) present++;
    }
    return present * PAGE_SIZE;
  } finally {
    closeSync(pagemap);
  }
}

function hugeBytes(smaps: string, start: number, end: number): number {
  let isInside = false;
  let huge = 0;
  let pageBytes = PAGE_SIZE;
  for (const line of smaps.split('\n')) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range !== null) {
      isInside = parseInt(range[1] as string, 16) >= start && parseInt(range[2] as string, 16) <= end;
      continue;
    }
    const field = isInside ? /^(\w+): +(\d+) kB/.exec(line) : null;
    if (field === null) continue;
    const bytes = Number(field[2]) * 1024;
    switch (field[1]) {
      case 'KernelPageSize':
        pageBytes = bytes;
        break;
      case 'Rss':
        if (pageBytes > PAGE_SIZE) huge += bytes;
        break;
      case 'AnonHugePages':
      case 'ShmemPmdMapped':
      case 'FilePmdMapped':
        huge += bytes;
        break;
      default:
    }
  }
  return huge;
}
