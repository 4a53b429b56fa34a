// Owns the pages that a fault handler inserts into a MAP_SYNC file: mappings show them once they are durable (MS-2).

import { DaxError } from '../errors.js';
import type { Run, ServedFile } from './served-file.js';

/** The insertions of one run of a handler, until it has returned. */
export class PendingPages {
  readonly #runs: Run[] = [];
  #haveMoved = false;

  insert(run: Run): void {
    this.#runs.push(run);
  }

  /** Notes that the filesystem frees or moves the blocks of pages [first, end). */
  invalidated(first: number, end: number): void {
    this.#haveMoved ||= this.#runs.some(([start, pages]) => start < end && start + pages > first);
  }

  /** The runs that lie elsewhere than the service knows. */
  changed(file: ServedFile): Run[] {
    return this.#runs.filter((run) => file.compare(...run) !== 'same');
  }

  /** The runs that the service still knows at other places, which the file has given up. */
  replaced(file: ServedFile): Run[] {
    return this.#runs.filter((run) => file.compare(...run) === 'other');
  }

  /** Throws `DaxError` if some of the blocks were freed or moved meanwhile. */
  checkUnmoved(): void {
    if (!this.#haveMoved) return;
    const hint = 'the filesystem moved blocks while it gave them to a MAP_SYNC mapping: try again, or map without it';
    throw new DaxError({ errno: 'EIO', syscall: 'fault', hint });
  }
}
