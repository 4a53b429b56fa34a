// Owns a line of waiters, which join at its end and may leave from anywhere, at a cost that does not grow with its length.

/** A place in a line. It belongs to the waiter from `join` to `leave`. */
export interface Place<T> {
  readonly who: T;
  before: Place<T> | undefined;
  after: Place<T> | undefined;
}

export class Line<T> {
  /** Undefined while nobody waits. Callers only read it. */
  first: Place<T> | undefined;
  #last: Place<T> | undefined;

  join(who: T): Place<T> {
    const place: Place<T> = { who, before: this.#last, after: undefined };
    if (this.#last === undefined) this.first = place;
    else this.#last.after = place;
    this.#last = place;
    return place;
  }

  leave(place: Place<T>): void {
    const { before, after } = place;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
  }
}
