// Owns the copies of emulated memory: sparse files, one for each device.

import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { dataRuns, openSync as openMemory } from 'node-dax';

const CHUNK = 16 * 1024 ** 2;

/** Copies the file at `from`, without its holes, to a new file. */
export function copySparse(from: string, to: string): void {
  using memory = openMemory(from, { readOnly: true });
  const fd = openSync(to, 'wx', 0o600);
  try {
    ftruncateSync(fd, memory.size);
    for (const { pos, length } of dataRuns(memory, 0, memory.size)) {
      for (let done = 0; done < length; ) {
        const bytes = memory.view(pos + done, Math.min(CHUNK, length - done));
        done += writeSync(fd, bytes, 0, bytes.length, pos + done);
      }
    }
  } finally {
    closeSync(fd);
  }
}
