// Owns the place that a driver's operations reach: the medium, a device past the page cache, or the page cache alone.

import type { Subject } from './report.js';

const PAST_THE_CACHE: readonly string[] = ['direct', 'filehandle-direct', 'fio-psync', 'fio-io_uring', 'fio-libaio'];

/** Where a driver's reads come from and its writes go, in words. */
export function placeOf(driver: string, { filesystem, isDax }: Subject): string {
  if (filesystem === 'tmpfs') return 'ordinary memory';
  if (isDax) return 'the medium itself, no cache of the kernel between';
  return PAST_THE_CACHE.includes(driver) ? 'the device, past the page cache' : 'the page cache';
}
