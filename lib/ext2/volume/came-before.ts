// Owns the record of which inodes were evicted recently: some 30,000, in four bytes each.

const SLOTS = 2 ** 15;

/** A table of inode numbers indexed by their remainder; a later number replaces an earlier one in its slot. */
export class CameBefore {
  // Allocated on first use: on small filesystems no inode is ever evicted.
  #slots: Uint32Array | undefined;

  add(ino: number): void {
    this.#slots ??= new Uint32Array(SLOTS);
    this.#slots[ino % SLOTS] = ino;
  }

  has(ino: number): boolean {
    return this.#slots?.[ino % SLOTS] === ino;
  }
}
