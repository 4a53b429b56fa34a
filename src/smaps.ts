// Reads from /proc/self/smaps by pages of which size a range of addresses is mapped.

/** Bytes of [start, end) that are mapped by pages of 4 KiB, and by larger ones. */
export function mappedPageSizes(smaps: string, start: number, end: number): { small: number; huge: number } {
  let isInside = false;
  let resident = 0;
  let huge = 0;
  let pageBytes = 4096;
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
        resident += bytes;
        break;
      case 'AnonHugePages':
      case 'ShmemPmdMapped':
      case 'FilePmdMapped':
        huge += bytes;
        break;
      default:
    }
    if (field[1] === 'Rss' && pageBytes > 4096) huge += bytes;
  }
  return { small: Math.max(0, resident - huge), huge };
}
