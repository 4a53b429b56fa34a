// Owns RwLock: a lock for many readers or one writer, for which asynchronous work waits in turn.

import { AbortError, checkAborted } from '../abort.js';
import { Line } from './line.js';
import { assertOrder, noteReleased, noteTaken, type LockRank } from './lock-order.js';
import { loopTurn } from './loop-turn.js';

// The bytes that a reader is assumed to move. Readers mostly move few bytes, so the clock is read only once every few readers.
const SHARED_BYTES = 16 * 1024;

interface Waiter {
  readonly shared: boolean;
  readonly wake: () => void;
}

/**
 * A lock for many readers or one writer, first come, first served: a waiting writer keeps later readers out, so no waiter waits for
 * ever. An operation that had to wait for it gives way to the event loop if that is due, and holds the lock meanwhile.
 */
export class RwLock {
  /** The lock's place in the order of locks, which is asserted if NODE_DAX_ASSERT_LOCKS=1 is set. */
  readonly rank: LockRank | undefined;
  // -1: held by a writer; otherwise the number of readers.
  #holders = 0;
  readonly #waiting = new Line<Waiter>();

  constructor(rank?: LockRank) {
    this.rank = rank;
  }

  /** Takes the lock for reading if that is possible at once. Returns whether it did. */
  tryShared(): boolean {
    if (this.#holders < 0 || this.#waiting.first !== undefined) return false;
    assertOrder(this);
    this.#holders++;
    noteTaken(this);
    return true;
  }

  /** Takes the lock for writing if that is possible at once. Returns whether it did. */
  tryExclusive(): boolean {
    if (this.#holders !== 0 || this.#waiting.first !== undefined) return false;
    assertOrder(this);
    this.#holders = -1;
    noteTaken(this);
    return true;
  }

  /** Waits for the lock and takes it for reading. Rejects with an `AbortError`, without the lock, once `signal` is aborted. */
  async shared(signal?: AbortSignal): Promise<void> {
    checkAborted(signal);
    if (!this.tryShared()) await this.#wait(true, signal);
    const turn = loopTurn(SHARED_BYTES);
    if (turn === undefined) return;
    await turn;
    if (signal?.aborted !== true) return;
    this.releaseShared();
    throw new AbortError(signal);
  }

  /** Waits for the lock and takes it for writing. Rejects as `shared` does. */
  async exclusive(signal?: AbortSignal): Promise<void> {
    checkAborted(signal);
    if (!this.tryExclusive()) await this.#wait(false, signal);
    const turn = loopTurn();
    if (turn === undefined) return;
    await turn;
    if (signal?.aborted !== true) return;
    this.releaseExclusive();
    throw new AbortError(signal);
  }

  /** Resolves when the lock could be taken for reading. Does not take it. */
  async whenFree(): Promise<void> {
    if (!this.tryShared()) await this.#wait(true, undefined);
    this.releaseShared();
    const turn = loopTurn();
    if (turn !== undefined) await turn;
  }

  releaseShared(): void {
    noteReleased(this);
    this.#holders--;
    if (this.#waiting.first !== undefined) this.#admit();
  }

  releaseExclusive(): void {
    noteReleased(this);
    this.#holders = 0;
    if (this.#waiting.first !== undefined) this.#admit();
  }

  /** Whether the lock is neither held nor awaited. */
  get isFree(): boolean {
    return this.#holders === 0 && this.#waiting.first === undefined;
  }

  get isHeldExclusive(): boolean {
    return this.#holders < 0;
  }

  async #wait(shared: boolean, signal: AbortSignal | undefined): Promise<void> {
    // Asserted before the wait, because waiting for a lock in the wrong order might take for ever.
    assertOrder(this);
    await this.#inLine(shared, signal);
    noteTaken(this);
  }

  #inLine(shared: boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#waiting.leave(place);
        reject(new AbortError(signal as AbortSignal));
        // This waiter may have been the only one that kept the others out.
        this.#admit();
      };
      const wake = () => {
        signal?.removeEventListener('abort', giveUp);
        resolve();
      };
      const place = this.#waiting.join({ shared, wake });
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  // Takes the lock on behalf of the waiters that it wakes, so no other operation can take it in between.
  #admit(): void {
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      const { shared, wake } = next.who;
      if (this.#holders < 0 || (!shared && this.#holders > 0)) return;
      this.#waiting.leave(next);
      this.#holders = shared ? this.#holders + 1 : -1;
      wake();
    }
  }
}
