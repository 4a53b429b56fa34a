// Owns the latency log of one thread, in the format of fio 3: a line for each operation that was timed by itself.

import { closeSync, openSync, writeSync } from 'node:fs';

const LINES = 10_000;
/** fio's column of priorities, of which operations here have none. */
const NO_PRIORITY = 0;

interface Entry {
  readonly end: number;
  readonly nanoseconds: number;
  readonly isWrite: boolean;
}

export class LatencyLog {
  readonly #bytes: number;
  readonly #entries: Entry[] = [];

  /** `bytes`: of each operation. */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Notes an operation: when it ended, in milliseconds since counting began, and how long it took. */
  add(end: number, nanoseconds: number, isWrite: boolean): void {
    this.#entries.push({ end, nanoseconds, isWrite });
  }

  #line({ end, nanoseconds, isWrite }: Entry): string {
    return `${Math.floor(end)}, ${nanoseconds}, ${isWrite ? 1 : 0}, ${this.#bytes}, ${NO_PRIORITY}\n`;
  }

  /** Writes or overwrites the file. Lines are in the order in which operations ended, which is not that in which they were added. */
  write(path: string): void {
    const entries = this.#entries.toSorted((a, b) => a.end - b.end);
    const fd = openSync(path, 'w');
    try {
      for (let from = 0; from < entries.length; from += LINES) {
        writeSync(fd, entries.slice(from, from + LINES).map((entry) => this.#line(entry)).join(''));
      }
    } finally {
      closeSync(fd);
    }
  }
}

/** The name that fio gives the log of a thread, counted from 0. */
export function logFile(prefix: string, thread: number): string {
  return `${prefix}_lat.${thread + 1}.log`;
}
