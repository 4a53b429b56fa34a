// Owns the lock of many readers or one writer that asynchronous work waits for in turn.

/** First come, first served: a waiting writer keeps later readers out, so nobody waits for ever. */
export class RwLock {
  // -1: held by a writer; otherwise the number of readers.
  #holders = 0;
  readonly #waiting: { shared: boolean; wake: () => void }[] = [];

  /** Takes the lock for reading if that is possible at once. */
  tryShared(): boolean {
    if (this.#holders < 0 || this.#waiting.length > 0) return false;
    this.#holders++;
    return true;
  }

  /** Takes the lock for writing if that is possible at once. */
  tryExclusive(): boolean {
    if (this.#holders !== 0 || this.#waiting.length > 0) return false;
    this.#holders = -1;
    return true;
  }

  async shared(): Promise<void> {
    if (!this.tryShared()) await this.#wait(true);
  }

  async exclusive(): Promise<void> {
    if (!this.tryExclusive()) await this.#wait(false);
  }

  releaseShared(): void {
    this.#holders--;
    if (this.#waiting.length > 0) this.#admit();
  }

  releaseExclusive(): void {
    this.#holders = 0;
    if (this.#waiting.length > 0) this.#admit();
  }

  get isHeldExclusive(): boolean {
    return this.#holders < 0;
  }

  #wait(shared: boolean): Promise<void> {
    return new Promise((wake) => this.#waiting.push({ shared, wake }));
  }

  // The lock is taken on behalf of those who are woken: nobody can come between.
  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#holders < 0 || (!next.shared && this.#holders > 0)) return;
      this.#waiting.shift();
      this.#holders = next.shared ? this.#holders + 1 : -1;
      next.wake();
    }
  }
}
