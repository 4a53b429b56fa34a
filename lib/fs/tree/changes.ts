// Owns the news of changes: who watches is told what calls of this facade change, by inode and name.

import type { FsInode } from '../contract.js';

/** A name that came, went, or leads elsewhere now, in the directory `dir`; or content or attributes of the inode `ino`. */
export type Change = { readonly dir: FsInode; readonly name: Uint8Array } | { readonly ino: number };

type Listener = (change: Change) => void;

export class Changes {
  readonly #listeners = new Set<Listener>();

  /** `listener` is called at every change, in the middle of a call, until what is returned is called. */
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
