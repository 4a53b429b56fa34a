// Owns the page frame that the kernel says is mapped at an offset of a file.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** The page frame that /proc/self/pagemap names for an offset of a mapped file; the page was touched. */
export function frameOf(path: string, offset: number): number {
  const line = readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .find((entry) => entry.endsWith(` ${path}`));
  const start = BigInt(`0x${line?.split('-')[0] ?? '0'}`) + BigInt(offset);
  const entry = Buffer.alloc(8);
  const pagemap = openSync('/proc/self/pagemap', 'r');
  readSync(pagemap, entry, 0, 8, (start / 4096n) * 8n);
  closeSync(pagemap);
  return Number(entry.readBigUInt64LE() & ((1n << 55n) - 1n));
}
