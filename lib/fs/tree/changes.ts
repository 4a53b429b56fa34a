// Owns change notification: listeners learn which names and inodes the calls of this facade change.

import type { FsInode } from '../contract.js';

/** A name in directory `dir` was added, removed or replaced; or the content or attributes of inode `ino` changed. */
export type Change = { readonly dir: FsInode; readonly name: Uint8Array } | { readonly ino: number };

type Listener = (change: Change) => void;

export class Changes {
  readonly #listeners = new Set<Listener>();

  /** Calls `listener` at every change, in the middle of a call, until the returned function is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  named(dir: FsInode, name: string | Uint8Array): void {
    if (this.#listeners.size === 0) return;
    this.#tell({ dir, name: typeof name === 'string' ? Buffer.from(name) : name });
  }

  changed({ ino }: FsInode): void {
    if (this.#listeners.size > 0) this.#tell({ ino });
  }

  #tell(change: Change): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
}
