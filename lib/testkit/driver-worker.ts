// Owns the thread that looks at a device through a mapping of it, and stores there.

import { parentPort, workerData } from 'node:worker_threads';
import { DaxMapping, type MappingHandle } from 'node-dax';

/** What it is to do. */
export interface DriverTask {
  readonly handle: MappingHandle;
  readonly pages: number;
  /** The round of the stamps that it finds, and leaves. */
  readonly before: number;
  readonly after: number;
}

const PAGE = 4096;

function work({ handle, pages, before, after }: DriverTask): string | undefined {
  const mapping = DaxMapping.attach(handle);
  try {
    const bytes = new DataView(mapping.buffer);
    for (let page = 0; page < pages; page++) {
      const at = page * PAGE;
      const [number, round] = [bytes.getFloat64(at, true), bytes.getUint32(at + 8, true)];
      if (number !== page || round !== before) return `a thread finds page ${number} of round ${round} through a mapping, where page ${page} of round ${before} is`;
      bytes.setUint32(at + 8, after, true);
    }
    return undefined;
  } finally {
    mapping.unmap();
  }
}

parentPort?.postMessage(work(workerData as DriverTask));
