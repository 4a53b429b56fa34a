// Owns the descriptor of a mount: reads requests from it in batches, gives the event loop a turn between them, and writes answers
// to it.

import { closeSync, write, writeSync, writevSync } from 'node:fs';
import { DaxError, DescriptorWatch, exchange, readAvailable } from 'node-dax';

// The buffer size that Linux requires for requests with 1 MiB to write.
const REQUEST_BYTES = 2 ** 20 + 4096;
// The longest time of one batch in milliseconds.
const BATCH = 2;
// Microseconds to wait for the next request of a program that has just sent one: less than a return through the event loop takes.
const PATIENCE = 40;

// The longest time in milliseconds that a process that ends answers requests, so the kernel takes a message.
const LAST_BATCH = 100;

const ENOENT = -2;
const EINTR = -4;
const ENODEV = -19;
const ECONNABORTED = -103;

/** The callbacks for what is read. */
export interface ChannelEvents {
  /** One request is in the first `length` bytes of the channel's `memory`. */
  readonly request: (length: number) => void;
  /** The kernel refused a message that is no answer. */
  readonly refused: (error: unknown) => void;
  /** No more requests come: the filesystem was unmounted, or `error` happened. */
  readonly ended: (error?: unknown) => void;
}

export class Channel {
  /** What requests are read into, each over the one before. */
  readonly memory = new Uint8Array(REQUEST_BYTES);
  readonly #fd: number;
  readonly #events: ChannelEvents;
  // Whether a request is being handled: its answer is handed over together with the call that reads the next one.
  #isHandling = false;
  #answer: Uint8Array | undefined;
  #answerLength = 0;
  // What is next on the way to the kernel that may have to wait, by keys of what is equal. Undefined is nothing.
  readonly #messages = new Map<unknown, () => Uint8Array | undefined>();
  #watch: DescriptorWatch | undefined;
  #isOpen = true;
  #isNotifying = false;
  #closing: { readonly error: unknown } | undefined;

  /** `fd` is one of /dev/fuse, opened with O_NONBLOCK. It belongs to the channel. */
  constructor(fd: number, events: ChannelEvents) {
    this.#fd = fd;
    this.#events = events;
  }

  /** Whether requests may still come: nobody has closed it, and the filesystem is mounted somewhere or in use. */
  get isConnected(): boolean {
    return this.#closing === undefined;
  }

  /** Begins to read. Call it once the filesystem is mounted. */
  start(): void {
    this.#watch = new DescriptorWatch(this.#fd, () => { this.#readBatch(BATCH); });
  }

  /**
   * Hands an answer to the kernel, which copies it: the first `length` bytes of `memory`, and `parts`. While a request is handled,
   * `memory` must not change until the next request, and only one answer without parts may be sent.
   */
  send(memory: Uint8Array, length: number, parts: readonly Uint8Array[]): void {
    if (parts.length > 0) this.#write([memory.subarray(0, length), ...parts]);
    else if (this.#isHandling) [this.#answer, this.#answerLength] = [memory, length];
    else this.#write([memory.subarray(0, length)]);
  }

  #write(pieces: readonly Uint8Array[]): void {
    if (!this.#isOpen) return;
    try {
      if (pieces.length === 1) writeSync(this.#fd, pieces[0] as Uint8Array);
      else writevSync(this.#fd, pieces);
    } catch (error) {
      // No program waits for the answer any more, or the kernel refused it and gave the program an error.
      if (!isIdle(error)) throw error;
    }
  }

  /** Hands a message to the kernel that it takes at once. */
  notifyNow(message: Uint8Array): void {
    try {
      this.#write([message]);
    } catch (error) {
      this.#events.refused(error);
    }
  }

  /**
   * Hands a message to the kernel, which may accept it only after it has got answers. So the message waits on a thread of the pool,
   * one message at a time. A message is dropped if one with the same `key` is still waiting.
   */
  notifySoon(key: string, message: () => Uint8Array): void {
    if (this.#messages.has(key)) return;
    this.#messages.set(key, message);
    this.#notifyNext();
  }

  /** Resolves once the kernel has taken all messages so far, or takes no more. */
  notified(): Promise<void> {
    return new Promise((resolve) => {
      this.#messages.set(resolve, () => {
        resolve();
        return undefined;
      });
      this.#notifyNext();
    });
  }

  /** Closes the descriptor, after a message on its way was taken. Programs that still use the mount get ENOTCONN. */
  close(error?: unknown): void {
    if (!this.#isOpen) return;
    this.#closing ??= { error };
    // The number of the descriptor must not be another file's while a thread writes to it.
    if (!this.#isNotifying) this.#end();
  }

  /** As `close`, in a process that ends: it waits for the threads of the pool, and they for answers. */
  closeAtExit(): void {
    if (!this.#isOpen) return;
    this.#closing ??= { error: undefined };
    if (this.#isNotifying) this.#readBatch(LAST_BATCH);
    this.#end();
  }

  #end(): void {
    this.#isOpen = false;
    this.#watch?.close();
    closeSync(this.#fd);
    this.#notifyNext();
    this.#events.ended(this.#closing?.error);
  }

  #notifyNext(): void {
    if (this.#isNotifying) return;
    for (const [key, next] of this.#messages) {
      this.#messages.delete(key);
      const message = next();
      if (message === undefined || !this.#isOpen) continue;
      this.#isNotifying = true;
      write(this.#fd, message, (error) => { this.#hasNotified(error); });
      return;
    }
  }

  #hasNotified(error: unknown): void {
    this.#isNotifying = false;
    if (error !== null && !isIdle(error)) this.#events.refused(error);
    if (this.#closing !== undefined && this.#isOpen) this.#end();
    else this.#notifyNext();
  }

  #readBatch(most: number): void {
    const end = performance.now() + most;
    try {
      let length = this.#read(0);
      while (length !== undefined) {
        this.#handle(length);
        if (!this.#isOpen || performance.now() >= end) return;
        length = this.#read(PATIENCE);
      }
    } catch (error) {
      this.#watch?.close();
      const isOfChannel = error instanceof DaxError && (error.syscall === 'read' || error.syscall === 'exchange');
      this.close(isOfChannel && (error.errno === ENODEV || error.errno === ECONNABORTED) ? undefined : error);
    } finally {
      this.#sendKept();
    }
  }

  #handle(length: number): void {
    this.#isHandling = true;
    try {
      this.#events.request(length);
    } finally {
      this.#isHandling = false;
    }
  }

  #sendKept(): void {
    const answer = this.#answer;
    this.#answer = undefined;
    if (answer !== undefined) this.#write([answer.subarray(0, this.#answerLength)]);
  }

  // Returns undefined if there is no request, or if it, or the one before, was withdrawn.
  #read(patience: number): number | undefined {
    const answer = this.#answer;
    this.#answer = undefined;
    try {
      if (answer === undefined) return readAvailable(this.#fd, this.memory, patience);
      return exchange(this.#fd, answer, this.#answerLength, this.memory, patience);
    } catch (error) {
      if (error instanceof DaxError && (error.errno === ENOENT || error.errno === EINTR)) return undefined;
      throw error;
    }
  }
}

// Whether the kernel has no use for what was written: nothing waits for it, knows of it, or is connected.
function isIdle(error: unknown): boolean {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === ENOENT || errno === ENODEV || errno === EINTR;
}
