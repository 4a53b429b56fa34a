// Owns the descriptor of a mount: requests are read from it in batches, between which the event loop has its turn, and answers are
// written to it.

import { closeSync, writeSync, writevSync } from 'node:fs';
import { DaxError, DescriptorWatch, readAvailable } from 'node-dax';

// What Linux asks of a buffer for requests with 1 MiB to write.
const REQUEST_BYTES = 2 ** 20 + 4096;
// Milliseconds of one batch.
const BATCH = 2;
// Microseconds that are waited for the next request of a program that sent one just now: less than it takes to come back here.
const PATIENCE = 40;

const ENOENT = -2;
const EINTR = -4;
const ENODEV = -19;
const ECONNABORTED = -103;

/** What becomes of what is read. */
export interface ChannelEvents {
  /** One request. Its memory is used again for the next. */
  readonly request: (bytes: Uint8Array) => void;
  /** There are no more: it was unmounted, or `error` happened. */
  readonly ended: (error?: unknown) => void;
}

export class Channel {
  readonly #fd: number;
  readonly #events: ChannelEvents;
  readonly #buffer = Buffer.allocUnsafeSlow(REQUEST_BYTES);
  #watch: DescriptorWatch | undefined;
  #isOpen = true;

  /** `fd` is one of /dev/fuse, opened with O_NONBLOCK. It belongs to the channel. */
  constructor(fd: number, events: ChannelEvents) {
    this.#fd = fd;
    this.#events = events;
  }

  /** Begins to read: once it is mounted. */
  start(): void {
    this.#watch = new DescriptorWatch(this.#fd, () => { this.#readBatch(); });
  }

  /** Hands an answer to the kernel, which copies it. */
  send(pieces: readonly Uint8Array[]): void {
    if (!this.#isOpen) return;
    try {
      if (pieces.length === 1) writeSync(this.#fd, pieces[0] as Uint8Array);
      else writevSync(this.#fd, pieces);
    } catch (error) {
      const { errno } = error as NodeJS.ErrnoException;
      // Nobody waits for the answer any more, or it was refused and the program has an error for it.
      if (errno !== ENOENT && errno !== ENODEV && errno !== EINTR) throw error;
    }
  }

  /** Ends it. Programs that still use the mount get ENOTCONN. */
  close(error?: unknown): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#watch?.close();
    closeSync(this.#fd);
    this.#events.ended(error);
  }

  #readBatch(): void {
    const start = performance.now();
    try {
      for (let patience = 0; this.#isOpen && performance.now() - start < BATCH; patience = PATIENCE) {
        const bytes = this.#read(patience);
        if (bytes === undefined) return;
        this.#events.request(this.#buffer.subarray(0, bytes));
      }
    } catch (error) {
      const isUnmounted = error instanceof DaxError && error.syscall === 'read' && (error.errno === ENODEV || error.errno === ECONNABORTED);
      this.close(isUnmounted ? undefined : error);
    }
  }

  // A request that was taken back between the two steps of a read is none.
  #read(patience: number): number | undefined {
    try {
      return readAvailable(this.#fd, this.#buffer, patience);
    } catch (error) {
      if (error instanceof DaxError && (error.errno === ENOENT || error.errno === EINTR)) return undefined;
      throw error;
    }
  }
}
