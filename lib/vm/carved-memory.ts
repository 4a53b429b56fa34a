// Owns the memory that is cut from the machine's RAM and given another type: where it lies, and how the kernel is told.

import { SIZE_UNIT, isCarved, kindOf, type CarvedSource, type Nvdimm } from './nvdimm.js';
import { GIB } from './size.js';

export interface CarvedRange {
  readonly source: CarvedSource;
  /** The physical address, and bytes. */
  readonly start: number;
  readonly size: number;
}

export interface CarvedMemory {
  /** Bytes of RAM that QEMU makes, and how many of them lie below 4 GiB. */
  readonly total: number;
  readonly below4G: number;
  readonly ranges: readonly CarvedRange[];
}

// On q35: the rest of the RAM begins at 4 GiB.
const MOST_BELOW = 2 * GIB;
const ABOVE = 4 * GIB;

/** The memory of a machine that keeps `memory` bytes of ordinary RAM beside what is cut for `nvdimms`, above it all. */
export function carve(memory: number, nvdimms: readonly Nvdimm[]): CarvedMemory {
  const below4G = Math.min(memory, MOST_BELOW);
  let end = Math.ceil((ABOVE + memory - below4G) / SIZE_UNIT) * SIZE_UNIT;
  const ranges: CarvedRange[] = [];
  for (const nvdimm of nvdimms) {
    const { source } = kindOf(nvdimm);
    if (!isCarved(source)) continue;
    // Neighbours of one type would become one device.
    if (ranges.length > 0) end += SIZE_UNIT;
    ranges.push({ source, start: end, size: nvdimm.size });
    end += nvdimm.size;
  }
  return { total: ranges.length === 0 ? memory : below4G + end - ABOVE, below4G, ranges };
}

/** The parameter of the kernel that gives a range its type: for `nfit-volatile` it is reserved, and the NFIT has it. */
export function memmapOf({ source, start, size }: CarvedRange): string {
  switch (source) {
    case 'hmem':
      // From type 1 (RAM) to the type that Linux gives memory which UEFI calls specific-purpose.
      return `memmap=${size}%${start}-1+0xefffffff`;
    case 'e820':
      return `memmap=${size}!${start}`;
    case 'nfit-volatile':
      return `memmap=${size}$${start}`;
  }
}
