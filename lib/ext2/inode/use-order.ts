// Owns an order of use: what was not used for longest is found, and anything taken out, in one step.

/** A place in one `UseOrder`. */
export interface Linked<T> {
  /** What was used next after it. */
  newer: T | undefined;
  /** What was used last before it. */
  older: T | undefined;
}

export class UseOrder<T extends Linked<T>> {
  #newest: T | undefined;
  #oldest: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** What was not used for longest. */
  get oldest(): T | undefined {
    return this.#oldest;
  }

  /** Puts in what is in no order, as used just now. */
  add(item: T): void {
    item.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
    this.#size++;
  }

  /** Takes out what is in this order. */
  remove(item: T): void {
    const { newer, older } = item;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    item.newer = item.older = undefined;
    this.#size--;
  }

  /** What is in this order was used just now. */
  touch(item: T): void {
    if (item === this.#newest) return;
    this.remove(item);
    this.add(item);
  }
}
