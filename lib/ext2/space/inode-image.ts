// Owns the image of one inode at a time: as it is on the medium, as it is to become, and the stores of the difference.

import type { Medium } from './medium.js';

/**
 * A buffer through which all inodes of a filesystem are loaded and stored, one at a time: an `IncoreInode` keeps decoded fields,
 * not bytes. Call `begin` or `beginNew`, change `next`, then store.
 */
export class InodeImage {
  /** The inode's bytes on the medium. */
  readonly found: DataView<ArrayBuffer>;
  /** The inode's bytes as they are to become. */
  readonly next: DataView<ArrayBuffer>;
  /** The size of an inode in bytes. */
  readonly size: number;
  readonly #medium: Medium;
  readonly #foundBytes: Uint8Array<ArrayBuffer>;
  readonly #nextBytes: Uint8Array<ArrayBuffer>;
  // The same bytes as 32-bit words, to compare them in a fourth of the steps.
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

  /** Begins a new inode at byte `pos`: zeros, whatever the medium has there. */
  beginNew(pos: number): void {
    this.#pos = pos;
    this.#foundBytes.fill(0);
    this.#nextBytes.fill(0);
  }

  /** Stages the whole inode. */
  stage(): void {
    this.#medium.stage(this.#pos, this.#nextBytes);
    this.#foundBytes.set(this.#nextBytes);
  }

  /**
   * Stores what differs from the medium between bytes `from` and `to` (exclusive), both multiples of 4, in whole units of 8 bytes.
   */
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

  /** Whether `next` differs from the medium. */
  get differs(): boolean {
    const found = this.#foundWords;
    const next = this.#nextWords;
    for (let at = 0; at < found.length; at++) if (found[at] !== next[at]) return true;
    return false;
  }
}
