// Owns an order of use: the least recently used item is found, and any item removed, in constant time.

/** An item's links in its `UseOrder`. */
export interface Linked<T> {
  /** The item used next after this one. */
  newer: T | undefined;
  /** The item used last before this one. */
  older: T | undefined;
}

export class UseOrder<T extends Linked<T>> {
  #newest: T | undefined;
  #oldest: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The least recently used item. */
  get oldest(): T | undefined {
    return this.#oldest;
  }

  /** Adds an item that is in no order, as the most recently used. */
  add(item: T): void {
    item.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
    this.#size++;
  }

  /** Removes an item of this order. */
  remove(item: T): void {
    const { newer, older } = item;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    item.newer = item.older = undefined;
    this.#size--;
  }

  /** Marks an item of this order as the most recently used. */
  touch(item: T): void {
    if (item === this.#newest) return;
    this.remove(item);
    this.add(item);
  }
}
