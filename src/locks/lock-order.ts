// Owns the order of locks (LK-1): which are outside which, and the assertion of that in test builds.

import { AsyncLocalStorage } from 'node:async_hooks';

const RANKS = ['ilock', 'inval', 'page entry', 'filesystem'] as const;

/**
 * What a lock is for, outermost first. An operation that holds a lock takes only locks further in, or others of the same
 * rank: the locks of several inodes or pages have an order among them that is not known here.
 */
export type LockRank = (typeof RANKS)[number];

/** A lock, as far as its order goes. Without a rank it has none. */
export interface Ranked {
  readonly rank: LockRank | undefined;
}

const ASSERTING = process.env['NODE_DAX_ASSERT_LOCKS'] === '1';

// The locks that an operation holds. Work at an await goes on with those of its own.
const operations = new AsyncLocalStorage<Ranked[]>();
// Of all that does not wait, and so is over before anything else begins.
const immediate: Ranked[] = [];
// A lock may be let go by another operation than took it.
const holders = new WeakMap<Ranked, Ranked[][]>();

function heldNow(): Ranked[] {
  return operations.getStore() ?? immediate;
}

/**
 * Runs `work`, which waits for locks, as an operation of its own. What does not wait needs none: it is a part of the
 * operation that calls it. Where NODE_DAX_ASSERT_LOCKS=1 is not set it calls `work` and nothing else.
 */
export function asOperation<T>(work: () => T): T {
  return ASSERTING ? operations.run([], work) : work();
}

/** Where locks are asserted: throws unless the operation under way may take `lock` now. */
export function assertOrder(lock: Ranked): void {
  if (!ASSERTING || lock.rank === undefined) return;
  for (const outer of heldNow()) {
    if (outer === lock) throw new Error(`LK-1: the operation holds this ${lock.rank} already`);
    if (RANKS.indexOf(outer.rank as LockRank) > RANKS.indexOf(lock.rank)) {
      throw new Error(`LK-1: ${lock.rank} inside ${outer.rank ?? ''}: the order of locks is ${RANKS.join(', ')}`);
    }
  }
}

/** Where locks are asserted: the operation under way holds `lock` from now on. */
export function noteTaken(lock: Ranked): void {
  if (!ASSERTING || lock.rank === undefined) return;
  const held = heldNow();
  held.push(lock);
  holders.set(lock, [...(holders.get(lock) ?? []), held]);
}

/** Where locks are asserted: an operation has let `lock` go, this one if it was among those that held it. */
export function noteReleased(lock: Ranked): void {
  const all = ASSERTING ? holders.get(lock) : undefined;
  if (all === undefined || all.length === 0) return;
  const [held = []] = all.splice(Math.max(0, all.indexOf(heldNow())), 1);
  held.splice(held.indexOf(lock), 1);
}
