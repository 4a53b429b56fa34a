// Owns the lock of many readers or one writer that asynchronous work waits for in turn.

import { AbortError, checkAborted } from '../abort.js';
import { Line } from './line.js';
import { assertOrder, noteReleased, noteTaken, type LockRank } from './lock-order.js';
import { loopTurn } from './loop-turn.js';

// Who shares a lock reads, mostly little: the clock is looked at every few times.
const SHARED_BYTES = 16 * 1024;

interface Waiter {
  readonly shared: boolean;
  readonly wake: () => void;
}

/**
 * First come, first served: a waiting writer keeps later readers out, so nobody waits for ever. It may be handed round as
 * often as one likes: who has waited for it gives way to the event loop where that is due, and holds it meanwhile.
 */
export class RwLock {
  /** Its place in the order of locks, which is asserted where NODE_DAX_ASSERT_LOCKS=1 is set. */
  readonly rank: LockRank | undefined;
  // -1: held by a writer; otherwise the number of readers.
  #holders = 0;
  readonly #waiting = new Line<Waiter>();

  constructor(rank?: LockRank) {
    this.rank = rank;
  }

  /** Takes the lock for reading if that is possible at once. */
  tryShared(): boolean {
    if (this.#holders < 0 || !this.#waiting.isEmpty) return false;
    assertOrder(this);
    this.#holders++;
    noteTaken(this);
    return true;
  }

  /** Takes the lock for writing if that is possible at once. */
  tryExclusive(): boolean {
    if (this.#holders !== 0 || !this.#waiting.isEmpty) return false;
    assertOrder(this);
    this.#holders = -1;
    noteTaken(this);
    return true;
  }

  /** Rejects with an `AbortError`, and without the lock, if `signal` is aborted while it waits. */
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

  /** As `shared`. */
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

  /** Resolves when it could be taken for reading. Takes nothing. */
  async whenFree(): Promise<void> {
    if (!this.tryShared()) await this.#wait(true, undefined);
    this.releaseShared();
    const turn = loopTurn();
    if (turn !== undefined) await turn;
  }

  releaseShared(): void {
    noteReleased(this);
    this.#holders--;
    if (!this.#waiting.isEmpty) this.#admit();
  }

  releaseExclusive(): void {
    noteReleased(this);
    this.#holders = 0;
    if (!this.#waiting.isEmpty) this.#admit();
  }

  /** Nobody has it, and nobody waits for it. */
  get isFree(): boolean {
    return this.#holders === 0 && this.#waiting.isEmpty;
  }

  get isHeldExclusive(): boolean {
    return this.#holders < 0;
  }

  async #wait(shared: boolean, signal: AbortSignal | undefined): Promise<void> {
    // What waited for a lock that it must not take might wait for ever.
    assertOrder(this);
    await this.#inLine(shared, signal);
    noteTaken(this);
  }

  #inLine(shared: boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#waiting.leave(place);
        reject(new AbortError(signal as AbortSignal));
        // It may have been all that kept others out.
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

  // The lock is taken on behalf of those who are woken: nobody can come between.
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
