// Owns the thread that reads a device through a mapping, and stores to it.

import { parentPort, workerData } from 'node:worker_threads';
import { DaxMapping, type MappingHandle } from 'node-dax';

/** The task of the thread. */
export interface DriverTask {
  readonly handle: MappingHandle;
  readonly pages: number;
  /** The rounds of the stamps that it must find, and of those that it stores. */
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
