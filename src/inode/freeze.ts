// Owns freezing a filesystem: what changes it waits, level by level, until it thaws (freeze_super, MK-6).

import { DaxError } from '../errors.js';
import type { SuperBlock } from './inode.js';
import { RwLock } from '../locks/rw-lock.js';

/** A file that is mapped, or was, and has something to do when its filesystem freezes, or brings everything to the medium. */
export interface Mapped {
  setFrozen(isFrozen: boolean): void;
  writeBack(pos: number, end: number): void;
}

/** What a filesystem's changes pass through. They share it; freezing holds it alone, the writers' level first. */
export interface FreezeGate {
  /** Passed by writes, truncation and punching, outside every other lock. */
  readonly writers: RwLock;
  /** Passed by write faults, which may come in the middle of a write. */
  readonly faults: RwLock;
  /** Where the filesystem's files are mapped. */
  readonly mapped: Set<WeakRef<Mapped>>;
  isFrozen: boolean;
}

const gates = new WeakMap<SuperBlock, FreezeGate>();

/** The gate of a filesystem: the same one each time. */
export function freezeGate(sb: SuperBlock): FreezeGate {
  let gate = gates.get(sb);
  if (gate === undefined) {
    gate = { writers: new RwLock(), faults: new RwLock(), mapped: new Set(), isFrozen: false };
    gates.set(sb, gate);
  }
  return gate;
}

/** The files that are mapped, or were, and are still there. */
export function mappedFiles({ mapped }: FreezeGate): Mapped[] {
  const files: Mapped[] = [];
  for (const ref of mapped) {
    const one = ref.deref();
    if (one === undefined) mapped.delete(ref);
    else files.push(one);
  }
  return files;
}

function tellAll(gate: FreezeGate): void {
  for (const one of mappedFiles(gate)) one.setFrozen(gate.isFrozen);
}

/**
 * Waits for writes under way, and holds new ones and first stores through shared mappings back until `thawSuper`.
 * Reads, loads and private stores go on. The buffers of writable shared mappings are detached on the owner's thread,
 * which must not wait for itself. Throws `EBUSY` for a filesystem that is frozen.
 */
export async function freezeSuper(sb: SuperBlock): Promise<void> {
  const gate = freezeGate(sb);
  if (gate.isFrozen) throw new DaxError({ errno: 'EBUSY', syscall: 'freeze', hint: 'it is frozen already' });
  gate.isFrozen = true;
  await gate.writers.exclusive();
  await gate.faults.exclusive();
  tellAll(gate);
}

/** Lets go on what `freezeSuper` held back. Throws `EINVAL` for a filesystem that is not frozen. */
export function thawSuper(sb: SuperBlock): void {
  const gate = freezeGate(sb);
  if (!gate.isFrozen || !gate.faults.isHeldExclusive) {
    throw new DaxError({ errno: 'EINVAL', syscall: 'thaw', hint: 'it is not frozen' });
  }
  gate.isFrozen = false;
  tellAll(gate);
  gate.faults.releaseExclusive();
  gate.writers.releaseExclusive();
}
