// Owns the order of locks (LK-1), and its assertion in test builds.

import { AsyncLocalStorage } from 'node:async_hooks';

const RANKS = ['ilock', 'inval', 'page entry', 'filesystem'] as const;

/**
 * The rank of a lock, outermost first. An operation that holds a lock takes only locks of later ranks, or others of the same
 * rank, because the locks of several inodes or pages have an order among them that is not known here.
 */
export type LockRank = (typeof RANKS)[number];

/** A lock that may have a rank. A lock without a rank is in no order. */
export interface Ranked {
  readonly rank: LockRank | undefined;
}

const ASSERTING = process.env['NODE_DAX_ASSERT_LOCKS'] === '1';

// The locks that each operation holds. An operation keeps its own list across an await.
const operations = new AsyncLocalStorage<Ranked[]>();
// The locks of work that does not wait, and so is over before anything else begins.
const immediate: Ranked[] = [];
// The operations that hold each lock: a lock may be released by an operation that did not take it.
const holders = new WeakMap<Ranked, Ranked[][]>();

function heldNow(): Ranked[] {
  return operations.getStore() ?? immediate;
}

/**
 * Runs `work`, which waits for locks, as an operation of its own. Work that does not wait is a part of the operation that calls
 * it, and needs no `asOperation`. Unless NODE_DAX_ASSERT_LOCKS=1 is set, it only calls `work`.
 */
export function asOperation<T>(work: () => T): T {
  return ASSERTING ? operations.run([], work) : work();
}

/** Throws, if locks are asserted, unless the operation under way may take `lock` now. */
export function assertOrder(lock: Ranked): void {
  if (!ASSERTING || lock.rank === undefined) return;
  for (const outer of heldNow()) {
    if (outer === lock) throw new Error(`LK-1: the operation holds this ${lock.rank} already`);
    if (RANKS.indexOf(outer.rank as LockRank) > RANKS.indexOf(lock.rank)) {
      throw new Error(`LK-1: ${lock.rank} inside ${outer.rank ?? ''}: the order of locks is ${RANKS.join(', ')}`);
    }
  }
}

/** Notes, if locks are asserted, that the operation under way holds `lock` from now on. */
export function noteTaken(lock: Ranked): void {
  if (!ASSERTING || lock.rank === undefined) return;
  const held = heldNow();
  held.push(lock);
  holders.set(lock, [...(holders.get(lock) ?? []), held]);
}

/** Notes, if locks are asserted, that an operation has released `lock`: this one, if it held the lock. */
export function noteReleased(lock: Ranked): void {
  const all = ASSERTING ? holders.get(lock) : undefined;
  if (all === undefined || all.length === 0) return;
  const [held = []] = all.splice(Math.max(0, all.indexOf(heldNow())), 1);
  held.splice(held.indexOf(lock), 1);
}
