// Owns the lock of many readers or one writer that asynchronous work waits for in turn.

import { assertOrder, noteReleased, noteTaken, type LockRank } from './lock-order.js';

/** First come, first served: a waiting writer keeps later readers out, so nobody waits for ever. */
export class RwLock {
  /** Its place in the order of locks, which is asserted where NODE_DAX_ASSERT_LOCKS=1 is set. */
  readonly rank: LockRank | undefined;
  // -1: held by a writer; otherwise the number of readers.
  #holders = 0;
  readonly #waiting: { shared: boolean; wake: () => void }[] = [];

  constructor(rank?: LockRank) {
    this.rank = rank;
  }

  /** Takes the lock for reading if that is possible at once. */
  tryShared(): boolean {
    if (this.#holders < 0 || this.#waiting.length > 0) return false;
    assertOrder(this);
    this.#holders++;
    noteTaken(this);
    return true;
  }

  /** Takes the lock for writing if that is possible at once. */
  tryExclusive(): boolean {
    if (this.#holders !== 0 || this.#waiting.length > 0) return false;
    assertOrder(this);
    this.#holders = -1;
    noteTaken(this);
    return true;
  }

  /** Rejects with the signal's reason if that comes before the lock. */
  async shared(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (!this.tryShared()) await this.#wait(true, signal);
  }

  async exclusive(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (!this.tryExclusive()) await this.#wait(false, signal);
  }

  releaseShared(): void {
    noteReleased(this);
    this.#holders--;
    if (this.#waiting.length > 0) this.#admit();
  }

  releaseExclusive(): void {
    noteReleased(this);
    this.#holders = 0;
    if (this.#waiting.length > 0) this.#admit();
  }

  /** Nobody has it, and nobody waits for it. */
  get isFree(): boolean {
    return this.#holders === 0 && this.#waiting.length === 0;
  }

  get isHeldExclusive(): boolean {
    return this.#holders < 0;
  }

  async #wait(shared: boolean, signal: AbortSignal | undefined): Promise<void> {
    // What waited for a lock that it must not take might wait for ever.
    assertOrder(this);
    await this.#turn(shared, signal);
    noteTaken(this);
  }

  #turn(shared: boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal?.reason as Error);
        // It may have been all that kept others out.
        this.#admit();
      };
      const wake = () => {
        signal?.removeEventListener('abort', giveUp);
        resolve();
      };
      const waiter = { shared, wake };
      this.#waiting.push(waiter);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
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
