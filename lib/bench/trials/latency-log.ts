// Owns the latency log of one thread, in the format of fio 3: a line for each operation that was timed by itself. It is written in
// pieces, because a long trial has more lines than memory should hold.

import { closeSync, openSync, writeSync } from 'node:fs';

/** fio's column of priorities, of which operations here have none. */
const NO_PRIORITY = 0;

export class LatencyLog {
  readonly #fd: number;
  readonly #bytes: number;
  #entries: { readonly end: number; readonly line: string }[] = [];

  /** Makes or overwrites the file at `path`. `bytes`: of each operation. */
  constructor(path: string, bytes: number) {
    this.#fd = openSync(path, 'w');
    this.#bytes = bytes;
  }

  /** Notes an operation: when it ended, in milliseconds since counting began, and how long it took. */
  add(end: number, nanoseconds: number, isWrite: boolean): void {
    this.#entries.push({ end, line: `${Math.floor(end)}, ${nanoseconds}, ${isWrite ? 1 : 0}, ${this.#bytes}, ${NO_PRIORITY}\n` });
  }

  /**
   * Writes the operations that were added since the last call, in the order in which they ended, which may differ from the order in
   * which they were added. Operations that are added later must have ended later.
   */
  write(): void {
    if (this.#entries.length === 0) return;
    writeSync(this.#fd, this.#entries.sort((a, b) => a.end - b.end).map(({ line }) => line).join(''));
    this.#entries = [];
  }

  /** Writes the rest and closes the file. */
  close(): void {
    this.write();
    closeSync(this.#fd);
  }
}

/** The name that fio gives the log of a thread, counted from 0. */
export function logFile(prefix: string, thread: number): string {
  return `${prefix}_lat.${thread + 1}.log`;
}
