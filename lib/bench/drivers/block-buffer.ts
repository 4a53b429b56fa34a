// Owns the buffers from and to which drivers move blocks, and the requirements of O_DIRECT on them.

import { closeSync, constants, openSync } from 'node:fs';
import { alignedBuffer, directIoAlignment, PAGE_SIZE } from 'node-dax';

/** One block, aligned to a page and filled, because untouched memory is a single page of zeros that never leaves the cache. */
export function blockBuffer(bytes: number, alignment = PAGE_SIZE): Uint8Array {
  const buffer = alignedBuffer(bytes, alignment);
  for (let i = 0; i < bytes; i++) buffer[i] = (i * 31 + 7) % 256;
  return buffer;
}

/** A block for each slot, that is, for each operation that may be under way. */
export function slotBuffers(slots: number, bytes: number, alignment = PAGE_SIZE): (slot: number) => Uint8Array {
  const buffers = Array.from({ length: slots }, () => blockBuffer(bytes, alignment));
  const [first = new Uint8Array()] = buffers;
  return (slot) => buffers[slot] ?? first;
}

/** The alignment that O_DIRECT requires at `path`, or a page if the kernel does not report it. */
export function directIoNeeds(path: string): { memory: number; offset: number } {
  return directIoAlignment(path) ?? { memory: PAGE_SIZE, offset: PAGE_SIZE };
}

// Whether open(2) accepts O_DIRECT. statx(2) cannot tell: it reports nothing for a filesystem without O_DIRECT, as on an old
// kernel.
function opensDirect(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDONLY + constants.O_DIRECT));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return false;
    throw error;
  }
}

/** Why blocks of `bs` bytes cannot be moved by O_DIRECT at `path`; undefined if they can. */
export function directObstacle(path: string, bs: number): string | undefined {
  const { memory, offset } = directIoNeeds(path);
  if (memory === 0 || !opensDirect(path)) return 'its filesystem refuses O_DIRECT';
  return bs % offset === 0 ? undefined : `O_DIRECT wants multiples of ${offset} bytes here`;
}
