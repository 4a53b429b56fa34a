// Owns reading a request: its header, and the fields after it.

/** Bytes in the header of a request. */
export const REQUEST_HEADER = 40;

const HIGH = 2 ** 32;

// The protocol uses the byte order of the machine. All but one of the architectures on which Node.js runs on Linux are
// little-endian.
const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * A request in the memory that requests are read into, one after the other: `is` makes it the next one. Positions are bytes from the
 * end of the header.
 */
export class Request {
  opcode = 0;
  /** The number that the answer must carry. The kernel counts from 0, and does not come to 2^53. */
  unique = 0;
  /** The inode that it is about. */
  nodeId = 0;
  uid = 0;
  gid = 0;
  readonly #memory: Uint8Array;
  readonly #view: DataView;
  #length = 0;

  /** No request yet, in `memory`. */
  constructor(memory: Uint8Array) {
    this.#memory = memory;
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  }

  /** The whole request that is in the first `length` bytes of the memory now. */
  is(length: number): this {
    const view = this.#view;
    this.#length = length;
    this.opcode = view.getUint32(4, LITTLE);
    this.unique = this.u64(8 - REQUEST_HEADER);
    this.nodeId = this.u64(16 - REQUEST_HEADER);
    this.uid = view.getUint32(24, LITTLE);
    this.gid = view.getUint32(28, LITTLE);
    return this;
  }

  /** A copy of the request in its own memory. */
  copy(): Request {
    return new Request(this.#memory.slice(0, this.#length)).is(this.#length);
  }

  u32(at: number): number {
    return this.#view.getUint32(REQUEST_HEADER + at, LITTLE);
  }

  /** An unsigned number, rounded beyond 2^53. */
  u64(at: number): number {
    const first = this.#view.getUint32(REQUEST_HEADER + at, LITTLE);
    const second = this.#view.getUint32(REQUEST_HEADER + at + 4, LITTLE);
    return LITTLE ? second * HIGH + first : first * HIGH + second;
  }

  /** Seconds at `at`, and nanoseconds at `nanosecondsAt`, as nanoseconds. */
  time(at: number, nanosecondsAt: number): bigint {
    return this.#view.getBigInt64(REQUEST_HEADER + at, LITTLE) * 1_000_000_000n + BigInt(this.u32(nanosecondsAt));
  }

  /** The bytes from `at` on, at most `length`. */
  bytes(at: number, length = Infinity): Uint8Array {
    return this.#memory.subarray(REQUEST_HEADER + at, Math.min(this.#length, REQUEST_HEADER + at + length));
  }

  /** The name that begins at `at`: its bytes up to a NUL. */
  name(at: number): Uint8Array {
    const end = this.#memory.indexOf(0, REQUEST_HEADER + at);
    return this.bytes(at, end < 0 ? Infinity : end - REQUEST_HEADER - at);
  }
}
