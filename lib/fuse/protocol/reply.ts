// Owns writing an answer: its header, fields one after the other, and parts that are attached without a copy.

const HEADER = 16;

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** An answer under construction, in memory that the next answer uses again. */
export class Reply {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #end = HEADER;
  #parts: readonly Uint8Array[] = [];

  /** `capacity`: the most bytes that follow the header. */
  constructor(capacity: number) {
    this.#bytes = Buffer.alloc(HEADER + capacity);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  }

  /** Bytes after the header. */
  get length(): number {
    return this.#parts.reduce((sum, part) => sum + part.byteLength, this.#end - HEADER);
  }

  begin(): void {
    this.#end = HEADER;
    this.#parts = [];
  }

  u16(value: number): void {
    this.#view.setUint16(this.#end, value, LITTLE);
    this.#end += 2;
  }

  u32(value: number): void {
    this.#view.setUint32(this.#end, value, LITTLE);
    this.#end += 4;
  }

  /** A safe integer of at least 0. */
  u64(value: number): void {
    const high = Math.floor(value / 2 ** 32);
    const low = value % 2 ** 32;
    this.#view.setUint32(this.#end, LITTLE ? low : high, LITTLE);
    this.#view.setUint32(this.#end + 4, LITTLE ? high : low, LITTLE);
    this.#end += 8;
  }

  i64(value: bigint): void {
    this.#view.setBigInt64(this.#end, value, LITTLE);
    this.#end += 8;
  }

  zeros(length: number): void {
    this.#bytes.fill(0, this.#end, this.#end + length);
    this.#end += length;
  }

  put(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.byteLength;
  }

  /** Lets `fill` store up to `length` bytes into the answer and return how many it stored. */
  fill(length: number, fill: (target: Uint8Array) => number): void {
    this.#end += fill(this.#bytes.subarray(this.#end, this.#end + length));
  }

  /** Appends `parts` without copying them. They must not change until the answer is sent. */
  attach(parts: readonly Uint8Array[]): void {
    this.#parts = parts;
  }

  /** The bytes as a message that is no answer, of the kind `code`. */
  unasked(code: number): Uint8Array {
    this.#view.setUint32(0, this.#end, LITTLE);
    this.#view.setInt32(4, code, LITTLE);
    this.#view.setBigUint64(8, 0n, LITTLE);
    return this.#bytes.subarray(0, this.#end);
  }

  /** The answer to `unique`: the pieces that one write(2) hands over. `errno` is positive, or 0. */
  pieces(unique: bigint, errno: number): readonly Uint8Array[] {
    if (errno !== 0) this.begin();
    const parts = this.#parts;
    this.#view.setUint32(0, HEADER + this.length, LITTLE);
    this.#view.setInt32(4, -errno, LITTLE);
    this.#view.setBigUint64(8, unique, LITTLE);
    return [this.#bytes.subarray(0, this.#end), ...parts];
  }
}
