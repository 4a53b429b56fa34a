// Owns the image of one inode at a time: as the medium has it, as it shall be there, and storing what differs.

import type { Medium } from './medium.js';

/**
 * Memory that all inodes of a filesystem are loaded into and stored from, one after the other: an inode in memory keeps
 * what it means, not its bytes. `begin` or `beginNew`, then changes to `next`, then stores.
 */
export class InodeImage {
  /** As on the medium. */
  readonly found: DataView<ArrayBuffer>;
  /** As it shall be. */
  readonly next: DataView<ArrayBuffer>;
  /** Bytes of an inode. */
  readonly size: number;
  readonly #medium: Medium;
  readonly #foundBytes: Uint8Array<ArrayBuffer>;
  readonly #nextBytes: Uint8Array<ArrayBuffer>;
  // The same, where they are compared: a fourth of the steps.
  readonly #foundWords: Uint32Array;
  readonly #nextWords: Uint32Array;
  #pos = 0;

  constructor(medium: Medium, size: number) {
    this.#medium = medium;
    this.size = size;
    const [found, next] = [new ArrayBuffer(size), new ArrayBuffer(size)];
    this.found = new DataView(found);
    this.next = new DataView(next);
    this.#foundBytes = new Uint8Array(found);
    this.#nextBytes = new Uint8Array(next);
    this.#foundWords = new Uint32Array(found);
    this.#nextWords = new Uint32Array(next);
  }

  /** Loads the inode at byte `pos` of the medium. */
  begin(pos: number): void {
    this.#pos = pos;
    this.#medium.loadInto(this.#foundBytes, pos);
    this.#nextBytes.set(this.#foundBytes);
  }

  /** Zeros, in place of whatever is at byte `pos`. */
  beginNew(pos: number): void {
    this.#pos = pos;
    this.#foundBytes.fill(0);
    this.#nextBytes.fill(0);
  }

  /** Stages all of it. */
  stage(): void {
    this.#medium.stage(this.#pos, this.#nextBytes);
    this.#foundBytes.set(this.#nextBytes);
  }

  /** Stores what differs from the medium from byte `from` to before `to`, multiples of 4, in whole units of 8. */
  put(from: number, to: number): void {
    const found = this.#foundWords;
    const next = this.#nextWords;
    let first = from / 4;
    let end = to / 4;
    while (first < end && found[first] === next[first]) first++;
    if (first === end) return;
    while (found[end - 1] === next[end - 1]) end--;
    const start = Math.max(from, first * 4 - ((first * 4) % 8));
    const bytes = this.#nextBytes.subarray(start, Math.min(to, Math.ceil(end / 2) * 8));
    this.#medium.store(this.#pos + start, bytes);
    this.#foundBytes.set(bytes, start);
  }

  /** Whether the medium has something else. */
  get differs(): boolean {
    const found = this.#foundWords;
    const next = this.#nextWords;
    for (let at = 0; at < found.length; at++) if (found[at] !== next[at]) return true;
    return false;
  }
}
