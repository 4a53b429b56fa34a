// Owns the memory of which inodes were forgotten a short time ago: some 30,000, in four bytes each.

const SLOTS = 2 ** 15;

/** Numbers by their remainder: a later one takes the place of an earlier one. */
export class CameBefore {
  // Small filesystems never forget anything.
  #slots: Uint32Array | undefined;

  add(ino: number): void {
    this.#slots ??= new Uint32Array(SLOTS);
    this.#slots[ino % SLOTS] = ino;
  }

  has(ino: number): boolean {
    return this.#slots?.[ino % SLOTS] === ino;
  }
}
