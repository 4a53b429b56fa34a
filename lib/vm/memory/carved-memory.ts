// Owns the memory that is cut from the machine's RAM and given another type: its addresses, and the kernel parameters that declare
// it.

import { SIZE_UNIT, isCarved, kindOf, type CarvedSource, type Nvdimm } from './nvdimm.js';
import { GIB } from '../size.js';

export interface CarvedRange {
  readonly source: CarvedSource;
  /** The physical address, and the size in bytes. */
  readonly start: number;
  readonly size: number;
}

export interface CarvedMemory {
  /** The bytes of RAM that QEMU makes, and how many of them lie below 4 GiB. */
  readonly total: number;
  readonly below4G: number;
  readonly ranges: readonly CarvedRange[];
}

// On q35: the rest of the RAM begins at 4 GiB.
const MOST_BELOW = 2 * GIB;
const ABOVE = 4 * GIB;

/** The memory of a machine with `memory` bytes of ordinary RAM and, above that, the memory that is cut for `nvdimms`. */
export function carve(memory: number, nvdimms: readonly Nvdimm[]): CarvedMemory {
  const below4G = Math.min(memory, MOST_BELOW);
  let end = Math.ceil((ABOVE + memory - below4G) / SIZE_UNIT) * SIZE_UNIT;
  const ranges: CarvedRange[] = [];
  for (const nvdimm of nvdimms) {
    const { source } = kindOf(nvdimm);
    if (!isCarved(source)) continue;
    // Adjacent ranges of one type would become one device.
    if (ranges.length > 0) end += SIZE_UNIT;
    ranges.push({ source, start: end, size: nvdimm.size });
    end += nvdimm.size;
  }
  return { total: ranges.length === 0 ? memory : below4G + end - ABOVE, below4G, ranges };
}

/** The kernel parameter that gives a range its type. For `nfit-volatile` the range is reserved, and the NFIT describes it. */
export function memmapOf({ source, start, size }: CarvedRange): string {
  switch (source) {
    case 'hmem':
      // Changes type 1 (RAM) into the type that Linux gives to UEFI's specific-purpose memory.
      return `memmap=${size}%${start}-1+0xefffffff`;
    case 'e820':
      return `memmap=${size}!${start}`;
    case 'nfit-volatile':
      return `memmap=${size}$${start}`;
  }
}
