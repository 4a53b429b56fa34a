// Owns the memory that drivers move blocks between.

import { alignedBuffer, directIoAlignment, PAGE_SIZE } from 'node-dax';

/** One block, aligned to a page and filled: untouched memory is one page of zeros, which never leaves the cache. */
export function blockBuffer(bytes: number, alignment = PAGE_SIZE): Uint8Array {
  const buffer = alignedBuffer(bytes, alignment);
  for (let i = 0; i < bytes; i++) buffer[i] = (i * 31 + 7) % 256;
  return buffer;
}

/** What O_DIRECT asks for at `path`, or a page where nobody tells. */
export function directIoNeeds(path: string): { memory: number; offset: number } {
  return directIoAlignment(path) ?? { memory: PAGE_SIZE, offset: PAGE_SIZE };
}
