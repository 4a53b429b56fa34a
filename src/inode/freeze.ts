// Owns freezing a filesystem: changes wait, level by level, until it thaws (freeze_super, MK-6).

import { DaxError } from '../errors.js';
import type { SuperBlock } from './inode.js';
import { RwLock } from '../locks/rw-lock.js';

/** A file that is or was mapped. It takes part when its filesystem freezes or writes everything back. */
export interface Mapped {
  setFrozen(isFrozen: boolean): void;
  writeBack(pos: number, end: number): void;
}

/** The locks that changes of a filesystem share. Freezing takes them exclusively, `writers` before `faults`. */
export interface FreezeGate {
  /** Shared by writes, truncation and punching, outside every other lock. */
  readonly writers: RwLock;
  /** Shared by write faults, which may come in the middle of a write. */
  readonly faults: RwLock;
  /** The mapped files of the filesystem. */
  readonly mapped: Set<WeakRef<Mapped>>;
  isFrozen: boolean;
}

const gates = new WeakMap<SuperBlock, FreezeGate>();

/** The gate of a filesystem: the same object on every call. */
export function freezeGate(sb: SuperBlock): FreezeGate {
  let gate = gates.get(sb);
  if (gate === undefined) {
    gate = { writers: new RwLock(), faults: new RwLock(), mapped: new Set(), isFrozen: false };
    gates.set(sb, gate);
  }
  return gate;
}

/** The files that are or were mapped and have not been collected. */
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
 * Freezes a filesystem: waits for writes under way, and holds back new writes and first stores through shared mappings until
 * `thawSuper`. Reads, loads and private stores go on. On the owner's thread, which must not wait for itself, it detaches the
 * buffers of writable shared mappings. Throws `EBUSY` for a filesystem that is frozen.
 */
export async function freezeSuper(sb: SuperBlock): Promise<void> {
  const gate = freezeGate(sb);
  if (gate.isFrozen) throw new DaxError({ errno: 'EBUSY', syscall: 'freeze', hint: 'it is frozen already' });
  gate.isFrozen = true;
  await gate.writers.exclusive();
  await gate.faults.exclusive();
  tellAll(gate);
}

/** Thaws a filesystem: what `freezeSuper` held back goes on. Throws `EINVAL` for a filesystem that is not frozen. */
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
