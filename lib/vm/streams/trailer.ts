// Owns the end mark of a stream from the guest: everything before it is the command's output, byte for byte.

import { Transform, type TransformCallback } from 'node:stream';

/**
 * Passes bytes through until `trailer` appears, emits `'trailer'` and drops the rest. It holds back nothing before `expect`, because
 * the reader of the output may have to answer it before there is more: the guest writes the trailer after the host has told it to.
 * After `expect` it holds back bytes that may be the beginning of the trailer. `trailer` must be random, so the command cannot end its
 * own stream by what it prints.
 */
export class TrailerFilter extends Transform {
  readonly #trailer: Buffer;
  #held: Buffer = Buffer.alloc(0);
  #expected = false;
  #seen = false;

  constructor(trailer: Buffer) {
    super();
    this.#trailer = trailer;
  }

  /** Call it before the guest may write the trailer. */
  expect(): void {
    this.#expected = true;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#seen || !this.#expected) {
      done(null, this.#seen ? undefined : chunk);
      return;
    }
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const end = bytes.indexOf(this.#trailer);
    const ready = end === -1 ? bytes.length - this.#prefixAtEndOf(bytes) : end;
    this.#held = bytes.subarray(ready);
    if (ready > 0) this.push(bytes.subarray(0, ready));
    if (end !== -1) {
      this.#seen = true;
      this.emit('trailer');
    }
    done();
  }

  /** A stream that broke off (the guest died) still gives up what was held back. */
  override _flush(done: TransformCallback): void {
    if (!this.#seen && this.#held.length > 0) this.push(this.#held);
    done();
  }

  #prefixAtEndOf(bytes: Buffer): number {
    for (let length = Math.min(bytes.length, this.#trailer.length - 1); length > 0; length--) {
      if (bytes.subarray(bytes.length - length).equals(this.#trailer.subarray(0, length))) return length;
    }
    return 0;
  }
}
