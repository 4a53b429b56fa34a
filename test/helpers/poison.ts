// Memory that goes bad under the process (MADV_HWPOISON), which the guest alone has.

import { createRequire } from 'node:module';

/** Makes the page at `pos` of a view bad. It must be mapped. What the kernel sends for it comes before this returns. */
export function poison({ buffer, byteOffset }: Uint8Array, pos: number): void {
  const addon = createRequire(__filename)('../../../build/Release/poison.node') as { poison(memory: ArrayBufferLike, pos: number): void };
  addon.poison(buffer, byteOffset + pos);
}
