// Owns the table of the inodes in memory, by their numbers.

import type { IncoreInode } from '../inode/inode.js';

const LEAST = 64;

/**
 * A hash table whose rows are linked lists through the inodes. It replaces a `Map`, which V8 would copy again and again as inodes
 * come and go: V8 takes the content of an old copy for alive, so evicted inodes would be promoted to the old objects.
 */
export class InodeTable {
  #rows: (IncoreInode | undefined)[] = emptyRows(LEAST);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(ino: number): IncoreInode | undefined {
    const rows = this.#rows;
    let inode = rows[ino % rows.length];
    while (inode !== undefined && inode.ino !== ino) inode = inode.nextInRow;
    return inode;
  }

  /** Adds an inode whose number is not in the table. */
  add(inode: IncoreInode): void {
    if (++this.#size > this.#rows.length) this.#grow();
    put(this.#rows, inode);
  }

  /** Removes an inode that is in the table. */
  delete(inode: IncoreInode): void {
    const rows = this.#rows;
    const row = inode.ino % rows.length;
    let before = rows[row];
    if (before === inode) rows[row] = inode.nextInRow;
    else {
      while (before?.nextInRow !== inode) before = before?.nextInRow;
      before.nextInRow = inode.nextInRow;
    }
    inode.nextInRow = undefined;
    this.#size--;
  }

  *[Symbol.iterator](): Generator<IncoreInode> {
    for (const first of this.#rows) for (let inode = first; inode !== undefined; inode = inode.nextInRow) yield inode;
  }

  #grow(): void {
    const inodes = [...this];
    this.#rows = emptyRows(this.#rows.length * 2);
    for (const inode of inodes) put(this.#rows, inode);
  }
}

function emptyRows(length: number): undefined[] {
  return Array.from({ length }, () => undefined);
}

function put(rows: (IncoreInode | undefined)[], inode: IncoreInode): void {
  const row = inode.ino % rows.length;
  inode.nextInRow = rows[row];
  rows[row] = inode;
}
