// Owns the refusals of opening what does not keep what is stored on it.

import type { Persistence } from '../discovery/region-persistence.js';
import { DaxError } from '../errors.js';

/** What whoever opens it wants. */
export interface Wish {
  readonly writable: boolean;
  readonly force: boolean;
  readonly durable: boolean;
  /** Some granularity is asked for. */
  readonly granularity: boolean;
}

/**
 * Throws `EROFS` with reason `NOT_ARMED` for storing, without force, where the platform does not save it, and `EOPNOTSUPP` with
 * reason `NOT_DURABLE` where what is asked for cannot be had.
 */
export function refuseLoss(path: string, { persistent, unarmed, lacksFsync, evidence }: Persistence, wish: Wish): void {
  const why = `${evidence.meaning} (${evidence.source}: ${evidence.value})`;
  if (unarmed && wish.writable && !wish.force) {
    const hint = `${why}: open it with readOnly: true, or force: true if you know better`;
    throw new DaxError({ errno: 'EROFS', syscall: 'open', path, reason: 'NOT_ARMED', hint });
  }
  if ((wish.durable && persistent !== true) || (wish.granularity && lacksFsync)) {
    const hint = `${why}; \`node-dax list\` shows what is persistent`;
    throw new DaxError({ errno: 'EOPNOTSUPP', syscall: 'open', path, reason: 'NOT_DURABLE', hint });
  }
}
