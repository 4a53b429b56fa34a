// Owns change notification: listeners learn which inodes and names of a mounted filesystem change.

/**
 * The content or the attributes of inode `ino` changed; or a name in directory `dir`, an inode number, was added, removed or given
 * to another inode.
 */
export type Ext2Change = { readonly ino: number } | { readonly dir: number; readonly name: Uint8Array };

export class Changes {
  readonly #listeners = new Set<(change: Ext2Change) => void>();

  /** Whether there is a listener. Ask before `tell`: it is a field, because every write asks. */
  isHeard = false;

  /** Calls `listener` at every change, in the middle of an operation, until the returned function is called. */
  listen(listener: (change: Ext2Change) => void): () => void {
    // A function of its own, so one listener may listen twice.
    const own = (change: Ext2Change): void => { listener(change); };
    this.#listeners.add(own);
    this.isHeard = true;
    return () => {
      this.#listeners.delete(own);
      this.isHeard = this.#listeners.size > 0;
    };
  }

  tell(change: Ext2Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}
