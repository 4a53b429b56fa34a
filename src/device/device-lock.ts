// Owns the locks on bytes of a device, which exclude each other within this process and between processes.

import { argumentError, checkMethods } from '../argument-error.js';
import { statSync } from 'node:fs';
import { addon, type NativeHandle } from '../binding.js';
import { A_DEVICE, type BlockDevice, type DeviceLock, type LockMode } from './block-device.js';
import { holdersOf, inWords } from '../discovery/use/device-use.js'; // late
import { lockersOf } from '../discovery/use/lockers.js'; // late
import { look, type PathFacts } from '../discovery/system/look.js'; // late
import { SystemTree } from '../discovery/system/system-tree.js';
import { DaxError } from '../errors.js';
import { toBytes, type Bytes } from '../units.js';

interface Claim {
  readonly mode: LockMode;
  readonly pos: number;
  /** The first byte after the locked ones: infinite for a lock on the whole device, whose file may grow. */
  readonly end: number;
}

const NONE = 0;
const NUMBERS: Readonly<Record<LockMode, number>> = { shared: 1, exclusive: 2 };

/** Checks the mode that a user gives. Throws `TypeError` for any other value. */
export function toLockMode(mode: unknown): LockMode {
  if (mode === 'exclusive' || mode === 'shared') return mode;
  throw argumentError('ERR_INVALID_ARG_VALUE', `mode must be 'exclusive' or 'shared', it is ${String(mode)}`);
}

function held(release: () => void): DeviceLock {
  let isHeld = true;
  const once = (): void => {
    if (isHeld) release();
    isHeld = false;
  };
  return { release: once, [Symbol.dispose]: once };
}

// The locks taken through one object. The kernel cannot tell them apart, because they belong to one open file or to none. So
// conflicts between them are found here.
class Claims {
  readonly #claims = new Set<Claim>();

  add(claim: Claim, path?: string): void {
    for (const other of this.#claims) {
      if (claim.mode === 'shared' && other.mode === 'shared') continue;
      if (claim.pos < other.end && other.pos < claim.end) {
        refuse(path, 'something in this thread works on it through the same device: unmount that, or release its lock');
      }
    }
    this.#claims.add(claim);
  }

  delete(claim: Claim): void {
    this.#claims.delete(claim);
  }

  /** The locks that have a byte in common with `claim`, in their order on the device. */
  overlapping({ pos, end }: Claim): Claim[] {
    return [...this.#claims].filter((other) => other.pos < end && pos < other.end).sort((a, b) => a.pos - b.pos);
  }

  /**
   * The mode for flock(2), which has no ranges: exclusive if a lock is for changing the whole device, else shared, so locks on
   * parts do not exclude each other.
   */
  get flock(): number {
    let most = NONE;
    for (const { mode, pos, end } of this.#claims) {
      const isWhole = pos === 0 && end === Number.POSITIVE_INFINITY;
      most = Math.max(most, NUMBERS[isWhole ? mode : 'shared']);
    }
    return most;
  }
}

function refuse(path: string | undefined, hint: string): never {
  throw new DaxError({ errno: 'EBUSY', syscall: 'lock', path, reason: 'DEVICE_IN_USE', hint });
}

export interface LockedFile {
  readonly handle: NativeHandle;
  readonly path: string;
  readonly isBlock: boolean;
  readonly readOnly: boolean;
  /** Whether the file was opened with `lock: true`, so nobody else can lock any part of it. */
  readonly isLocked: boolean;
  /** Whether the file was opened with `force: true`, even if the kernel uses it. */
  readonly isForced: boolean;
}

/**
 * The locks that are taken through one open file. Against other open files, in this process and others, they are two locks of the
 * kernel: one on the range (F_OFD_SETLK), which node-dax checks, and one of flock(2), which other programs check. The latter is
 * exclusive if the whole device is locked for changing, else shared.
 */
export class FileLocks {
  readonly #file: LockedFile;
  readonly #claims = new Claims();

  constructor(file: LockedFile) {
    this.#file = file;
  }

  /** Locks bytes of a device whose size is `size` now. Throws `EBUSY` and `EROFS`. */
  lock(mode: LockMode, pos: number, length: number, size: number): DeviceLock {
    const { path, readOnly } = this.#file;
    if (readOnly && mode === 'exclusive') {
      const hint = 'it was opened with readOnly: true, which only those share who read';
      throw new DaxError({ errno: 'EROFS', syscall: 'lock', path, reason: 'READ_ONLY', hint });
    }
    const isWhole = pos === 0 && length === size;
    const claim = { mode, pos, end: isWhole ? Number.POSITIVE_INFINITY : pos + length };
    this.#claims.add(claim, path);
    try {
      this.#take(claim);
    } catch (error) {
      this.#claims.delete(claim);
      throw error;
    }
    return held(() => {
      this.#claims.delete(claim);
      this.#giveBack(claim);
    });
  }

  #take(claim: Claim): void {
    const { handle, path, isBlock, isLocked, isForced } = this.#file;
    if (!isForced) this.#refuseKernel(claim);
    // The lock of the whole device covers this one and has claimed the block device.
    if (isLocked) return;
    this.#check(addon().lockRange(handle, NUMBERS[claim.mode], claim.pos, lengthOf(claim)));
    const error = addon().flock(handle, this.#claims.flock);
    const isClaimed = error === 0 && isBlock && !isForced && this.#claims.flock === NUMBERS.exclusive;
    const busy = isClaimed ? addon().claim(handle, true) : 0;
    if (error === 0 && busy === 0) return;
    this.#claims.delete(claim);
    this.#giveBack(claim);
    if (busy < 0) refuse(path, 'it is claimed by another program, or mounted where this process cannot see it');
    this.#check(error);
  }

  #giveBack(claim: Claim): void {
    const { handle, isLocked } = this.#file;
    if (isLocked) return;
    // A closed device has no locks.
    if (this.#claims.flock !== NUMBERS.exclusive) addon().claim(handle, false);
    let { pos } = claim;
    for (const other of this.#claims.overlapping(claim)) {
      if (other.pos > pos) addon().lockRange(handle, NONE, pos, other.pos - pos);
      pos = Math.max(pos, other.end);
    }
    if (pos < claim.end) addon().lockRange(handle, NONE, pos, lengthOf({ pos, end: claim.end }));
    addon().flock(handle, this.#claims.flock);
  }

  #check(error: number): void {
    if (error === 0) return;
    const { handle, path } = this.#file;
    const { code } = new DaxError({ errno: error, syscall: 'lock', path });
    if (code !== 'EAGAIN') throw new DaxError({ errno: error, syscall: 'lock', path, hint: 'what it lies on keeps no locks' });
    refuse(path, hintOfLocked(`/proc/self/fd/${addon().descriptor(handle)}`));
  }

  // The kernel takes none of these locks for files that it mounts or uses for loop devices.
  #refuseKernel({ mode }: Claim): void {
    const { handle, path } = this.#file;
    const facts = found(`/proc/self/fd/${addon().descriptor(handle)}`);
    if (facts === undefined) return;
    const by = inWords(holdersOf(facts, new SystemTree(), mode === 'shared'));
    if (by.length > 0) refuse(path, `it is ${by.join(', ')}: unmount it there, or give it back, first`);
  }
}

function lengthOf({ pos, end }: Pick<Claim, 'pos' | 'end'>): number {
  return end === Number.POSITIVE_INFINITY ? 0 : end - pos;
}

// Undefined for a file without a name, which cannot be mounted.
function found(path: string): PathFacts | undefined {
  try {
    return look(path, 'lock');
  } catch (error) {
    if (error instanceof DaxError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A hint that names the processes with a lock on the file at `path`, and says what to do. */
export function hintOfLocked(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  const who = lockersOf(dev, ino, new SystemTree());
  const them = who.length === 0 ? 'another program' : who.join(' and ');
  return `${them} has it open, and locked: release that lock or end its holder, or wait for it; \`lslocks\` and \`fuser\` tell more`;
}

const claimsOf = new WeakMap<object, Claims>();

/**
 * Locks `length` bytes of `device` from `pos` on, by default all of it, for changing (`exclusive`) or reading (`shared`) them.
 * Mounting or making a filesystem or a log takes such a lock. A lock belongs to the file itself (for devices, to their node), not
 * to the name or the object by which it was opened: two locks on the same byte exclude each other within a thread, between threads
 * and between processes. A device that the kernel has mounted or uses for a loop device cannot be locked. A device without `lock`
 * and `backing`, such as one in memory, is identified by its object, within this isolate.
 *
 * Throws `TypeError` and `RangeError` for wrong arguments; `EBUSY` with reason `DEVICE_IN_USE` if another lock has one of the
 * bytes, with the name of the lock's owner if it can be found; `EROFS` for an exclusive lock on a device that was opened read-only.
 */
export function lockDevice(device: BlockDevice, mode: LockMode, pos: Bytes = 0, length?: Bytes): DeviceLock {
  checkMethods(device, [], 'device', A_DEVICE);
  const wanted = toLockMode(mode);
  const start = toBytes(pos, 'pos');
  const bytes = length === undefined ? Math.max(0, device.size - start) : toBytes(length, 'length');
  if (start + bytes > device.size) throw argumentError('ERR_OUT_OF_RANGE', `${bytes} bytes at ${start} reach past the ${device.size} bytes of the device`);
  if (device.lock !== undefined) return device.lock(wanted, start, bytes);
  const backing = device.backing?.(start, 1);
  if (backing !== undefined) return backing.device.lock(wanted, backing.pos, bytes);
  const claims = claimsOf.get(device) ?? new Claims();
  claimsOf.set(device, claims);
  const claim = { mode: wanted, pos: start, end: start + bytes };
  claims.add(claim);
  return held(() => { claims.delete(claim); });
}
