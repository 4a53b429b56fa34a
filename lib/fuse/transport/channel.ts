// Owns the descriptor of a mount: reads requests from it in batches, between which the event loop has its turn, and writes answers
// to it.

import { closeSync, writeSync, writevSync } from 'node:fs';
import { DaxError, DescriptorWatch, readAvailable } from 'node-dax';

// The buffer size that Linux requires for requests with 1 MiB to write.
const REQUEST_BYTES = 2 ** 20 + 4096;
// The longest time of one batch in milliseconds.
const BATCH = 2;
// Microseconds to wait for the next request of a program that has just sent one: less than a return through the event loop takes.
const PATIENCE = 40;

const ENOENT = -2;
const EINTR = -4;
const ENODEV = -19;
const ECONNABORTED = -103;

/** The callbacks for what is read. */
export interface ChannelEvents {
  /** One request. Its memory is used again for the next. */
  readonly request: (bytes: Uint8Array) => void;
  /** No more requests come: the filesystem was unmounted, or `error` happened. */
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

  /** Begins to read. Call it once the filesystem is mounted. */
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
      // No program waits for the answer any more, or the kernel refused it and gave the program an error.
      if (errno !== ENOENT && errno !== ENODEV && errno !== EINTR) throw error;
    }
  }

  /** Closes the descriptor. Programs that still use the mount get ENOTCONN. */
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

  // Returns undefined if there is no request, or if it was withdrawn during the read.
  #read(patience: number): number | undefined {
    try {
      return readAvailable(this.#fd, this.#buffer, patience);
    } catch (error) {
      if (error instanceof DaxError && (error.errno === ENOENT || error.errno === EINTR)) return undefined;
      throw error;
    }
  }
}
