// Owns the memory that drivers move blocks between, and what O_DIRECT asks of it.

import { closeSync, constants, openSync } from 'node:fs';
import { alignedBuffer, directIoAlignment, PAGE_SIZE } from 'node-dax';

/** One block, aligned to a page and filled: untouched memory is one page of zeros, which never leaves the cache. */
export function blockBuffer(bytes: number, alignment = PAGE_SIZE): Uint8Array {
  const buffer = alignedBuffer(bytes, alignment);
  for (let i = 0; i < bytes; i++) buffer[i] = (i * 31 + 7) % 256;
  return buffer;
}

/** A block for each operation that may be under way. */
export function slotBuffers(slots: number, bytes: number, alignment = PAGE_SIZE): (slot: number) => Uint8Array {
  const buffers = Array.from({ length: slots }, () => blockBuffer(bytes, alignment));
  const [first = new Uint8Array()] = buffers;
  return (slot) => buffers[slot] ?? first;
}

/** What O_DIRECT asks for at `path`, or a page where nobody tells. */
export function directIoNeeds(path: string): { memory: number; offset: number } {
  return directIoAlignment(path) ?? { memory: PAGE_SIZE, offset: PAGE_SIZE };
}

// statx of a filesystem without O_DIRECT says nothing, as does that of an old kernel: open(2) knows.
function opensDirect(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDONLY + constants.O_DIRECT));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return false;
    throw error;
  }
}

/** Why blocks of `bs` bytes cannot be moved by O_DIRECT at `path`; undefined where they can. */
export function directObstacle(path: string, bs: number): string | undefined {
  const { memory, offset } = directIoNeeds(path);
  if (memory === 0 || !opensDirect(path)) return 'its filesystem refuses O_DIRECT';
  return bs % offset === 0 ? undefined : `O_DIRECT wants multiples of ${offset} bytes here`;
}
