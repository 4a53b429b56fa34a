// Owns writing an answer: its header, fields one after the other, and parts that are attached without a copy.

const HEADER = 16;

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

const NONE: readonly Uint8Array[] = [];

/** An answer under construction, in memory that the next answer uses again. */
export class Reply {
  /** Begins with the answer: `end` bytes, with its header. */
  readonly memory: Uint8Array;
  readonly #view: DataView;
  #end = HEADER;
  #errno = 0;
  #parts = NONE;

  /** `capacity`: the most bytes that follow the header. */
  constructor(capacity: number) {
    this.memory = new Uint8Array(HEADER + capacity);
    this.#view = new DataView(this.memory.buffer);
  }

  get end(): number {
    return this.#end;
  }

  /** What follows the first `end` bytes. */
  get parts(): readonly Uint8Array[] {
    return this.#parts;
  }

  /** Bytes after the header. */
  get length(): number {
    const length = this.#end - HEADER;
    return this.#parts === NONE ? length : this.#parts.reduce((sum, part) => sum + part.byteLength, length);
  }

  begin(): void {
    this.#end = HEADER;
    this.#errno = 0;
    this.#parts = NONE;
  }

  /** Makes it an answer with an errno, a positive number, and nothing else: cheaper than an error that is thrown. */
  refuse(errno: number): void {
    this.begin();
    this.#errno = errno;
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
    this.#setU64(this.#end, value);
    this.#end += 8;
  }

  i64(value: bigint): void {
    this.#view.setBigInt64(this.#end, value, LITTLE);
    this.#end += 8;
  }

  zeros(length: number): void {
    this.memory.fill(0, this.#end, this.#end + length);
    this.#end += length;
  }

  put(bytes: Uint8Array): void {
    this.memory.set(bytes, this.#end);
    this.#end += bytes.byteLength;
  }

  /** Lets `fill` store up to `length` bytes into the answer and return how many it stored. */
  fill(length: number, fill: (target: Uint8Array) => number): void {
    this.#end += fill(this.memory.subarray(this.#end, this.#end + length));
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
    return this.memory.subarray(0, this.#end);
  }

  /** Makes it the answer to `unique`. Returns the errno with which it refuses, a positive number, or 0. */
  finish(unique: number): number {
    this.#view.setUint32(0, HEADER + this.length, LITTLE);
    this.#view.setInt32(4, -this.#errno, LITTLE);
    this.#setU64(8, unique);
    return this.#errno;
  }

  #setU64(at: number, value: number): void {
    const high = Math.floor(value / 2 ** 32);
    const low = value % 2 ** 32;
    this.#view.setUint32(at, LITTLE ? low : high, LITTLE);
    this.#view.setUint32(at + 4, LITTLE ? high : low, LITTLE);
  }
}
