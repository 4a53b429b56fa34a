// Owns what Node lacks for descriptors that are neither files nor sockets: waiting for them, and receiving them from other
// processes.

import { addon, type NativeWatch } from '../binding.js';
import { DaxError } from '../errors.js';

const AGAIN = -11;
const NO_MESSAGE = -42;

function checked<T>(result: T | number, syscall: string): T {
  if (typeof result === 'number' && result < 0) throw new DaxError({ errno: result, syscall });
  return result as T;
}

/**
 * Calls `onReadable` from the event loop as long as there is something to read from a descriptor that poll(2) supports, such as
 * that of `/dev/fuse`. It keeps the process alive. Close the watch before the descriptor. Throws `DaxError`: `ENOSYS` in a runtime
 * without libuv, `EPERM` for a descriptor that is always readable, as a file is.
 */
export class DescriptorWatch {
  #watch: NativeWatch | undefined;

  constructor(fd: number, onReadable: () => void) {
    this.#watch = checked<NativeWatch>(addon().watchReadable(fd, onReadable), 'poll');
  }

  /** Ends the watch. May be called again. */
  close(): void {
    if (this.#watch !== undefined) addon().unwatch(this.#watch);
    this.#watch = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Reads from a descriptor that was opened with O_NONBLOCK. Returns the bytes read, 0 at the end, and undefined if nothing arrives
 * within `microseconds`. Until then it polls, and yields the processor between two polls, so `microseconds` should be small. Throws
 * `DaxError` with the errno of read(2).
 */
export function readAvailable(fd: number, target: Uint8Array, microseconds = 0): number | undefined {
  const bytes = addon().readAvailable(fd, target, microseconds);
  return bytes === AGAIN ? undefined : checked(bytes, 'read');
}

/**
 * Writes the first `length` bytes of `message` by one write(2), then reads as `readAvailable` does: an answer and the next request,
 * in one call. It is for descriptors that take a whole message at once, as /dev/fuse does. Throws `DaxError` with the errno of
 * write(2), or `EMSGSIZE` if only a part of the message was taken; nothing was read then. Throws `DaxError` with the errno of
 * read(2) if the read fails.
 */
export function exchange(fd: number, message: Uint8Array, length: number, target: Uint8Array, microseconds = 0): number | undefined {
  const bytes = addon().exchange(fd, message, length, target, microseconds);
  return bytes === AGAIN ? undefined : checked(bytes, 'exchange');
}

/** Two connected Unix sockets, for a child process that hands a descriptor over. Close them with `closeSync` of `node:fs`. */
export function socketPair(): [number, number] {
  return checked<[number, number]>(addon().socketPair(), 'socketpair');
}

/** The descriptor that came over a Unix socket (SCM_RIGHTS); undefined if none has come. It is closed on exec. */
export function receiveDescriptor(socket: number): number | undefined {
  const fd = addon().receiveDescriptor(socket);
  return fd === NO_MESSAGE ? undefined : checked(fd, 'recvmsg');
}
