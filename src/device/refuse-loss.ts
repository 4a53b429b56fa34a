// Owns the refusal to open a device that does not keep what is stored on it.

import type { Persistence } from '../discovery/devices/region-persistence.js';
import { DaxError } from '../errors.js';

/** What the caller of `open` asks for. */
export interface Wish {
  readonly writable: boolean;
  readonly force: boolean;
  readonly durable: boolean;
  /** Whether the caller requires a granularity. */
  readonly granularity: boolean;
}

/**
 * Throws `EROFS` with reason `NOT_ARMED` if a device is opened writable, without force, and the platform does not save its stores;
 * and `EOPNOTSUPP` with reason `NOT_DURABLE` if the device cannot give the durability or the granularity asked for.
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
