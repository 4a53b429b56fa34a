// Owns reading a request: its header, and the fields after it.

/** Bytes in the header of a request. */
export const REQUEST_HEADER = 40;

const HIGH = 2 ** 32;

// The protocol uses the byte order of the machine. All but one of the architectures on which Node.js runs on Linux are
// little-endian.
const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A request in the memory that it was read into. Positions are bytes from the end of the header. */
export class Request {
  readonly opcode: number;
  /** The number that the answer must carry. */
  readonly unique: bigint;
  /** The inode that it is about. */
  readonly nodeId: number;
  readonly uid: number;
  readonly gid: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** `bytes` is one whole request. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#bytes = bytes;
    this.#view = view;
    this.opcode = view.getUint32(4, LITTLE);
    this.unique = view.getBigUint64(8, LITTLE);
    this.nodeId = this.u64(16 - REQUEST_HEADER);
    this.uid = view.getUint32(24, LITTLE);
    this.gid = view.getUint32(28, LITTLE);
  }

  /** A copy of the request in its own memory. */
  copy(): Request {
    return new Request(new Uint8Array(this.#bytes));
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

  bigint(at: number): bigint {
    return this.#view.getBigUint64(REQUEST_HEADER + at, LITTLE);
  }

  /** Seconds at `at`, and nanoseconds at `nanosecondsAt`, as nanoseconds. */
  time(at: number, nanosecondsAt: number): bigint {
    return this.#view.getBigInt64(REQUEST_HEADER + at, LITTLE) * 1_000_000_000n + BigInt(this.u32(nanosecondsAt));
  }

  /** The bytes from `at` on, at most `length`. */
  bytes(at: number, length = Infinity): Uint8Array {
    return this.#bytes.subarray(REQUEST_HEADER + at, Math.min(this.#bytes.byteLength, REQUEST_HEADER + at + length));
  }

  /** The name that begins at `at`: its bytes up to a NUL. */
  name(at: number): Uint8Array {
    const rest = this.bytes(at);
    const end = rest.indexOf(0);
    return end < 0 ? rest : rest.subarray(0, end);
  }
}
