// Owns a driver while the device made from it lives: every question to it, its one release, and the errors that follow
// (the kernel's dax_alive and kill_dax).

import type { DeviceLock, LockMode } from '../device/block-device.js';
import { askDriver, type Driver, type DriverAnswer, type Place } from './driver.js';
import { DaxError } from '../errors.js';

function removed(syscall: string, cause?: unknown): DaxError {
  return new DaxError({ errno: 'ENODEV', syscall, reason: 'DEVICE_REMOVED', hint: 'the device was unplugged', cause });
}

/** A driver and the state of its device: open, closed or removed. */
export class LiveDriver {
  /** The size of the device, in bytes. */
  readonly size: number;
  readonly #driver: Driver;
  #state: 'open' | 'closed' | 'removed' = 'open';
  #isReleased = false;

  constructor(driver: Driver, size: number) {
    this.#driver = driver;
    this.size = size;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether the driver has been told to give its memory back. Work that was begun before `close` goes on until then. */
  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Whether other devices back the bytes; if none does, they are the driver's own memory. */
  get isBacked(): boolean {
    return this.#driver.backing !== undefined;
  }

  /** Throws `EBADF` if the device is closed, and `ENODEV` if it is unplugged. */
  check(syscall: string): void {
    if (this.#state === 'open') return;
    if (this.#state === 'removed') throw removed(syscall);
    throw new DaxError({ errno: 'EBADF', syscall, reason: 'DEVICE_CLOSED', hint: 'the device is closed' });
  }

  /** The driver's answer for a sector that begins a page. Throws what `askDriver` throws. */
  ask(sector: number, size: number): Exclude<DriverAnswer, number> {
    const answer = askDriver(this.#driver, sector, size, this.size);
    // If the device was closed or unplugged while the driver answered, the answer must not be used.
    if (this.#isReleased) this.check('directAccess');
    return answer;
  }

  /** Where other devices have the bytes of a copy; undefined if they are the driver's own memory. */
  backing(pos: number, length: number): Place | undefined {
    return this.#driver.backing?.(pos, length, false);
  }

  /** Where the devices that back it have the bytes. Call only if `isBacked`. */
  place(pos: number, length: number, isMapped: boolean): Place {
    return (this.#driver.backing as NonNullable<Driver['backing']>)(pos, length, isMapped);
  }

  /** The driver's own lock; undefined if the driver leaves locking to the devices that back it. */
  lock(mode: LockMode, pos: number, length: number): DeviceLock | undefined {
    return this.#driver.lock?.(mode, pos, length);
  }

  /** Does `work` on a device below, and throws its errors as `told` does. */
  telling<T>(syscall: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.told(syscall, error);
    }
  }

  /** The error for callers: after an unplug, it says that this device was removed, not that a device below was closed. */
  told(syscall: string, error: unknown): unknown {
    return this.#state === 'removed' && error instanceof DaxError ? removed(syscall, error) : error;
  }

  /** Refuses new work from now on. A device that is unplugged stays so. */
  close(): void {
    if (this.#state === 'open') this.#state = 'closed';
  }

  /** Refuses all work from now on, whatever is under way. */
  unplug(): void {
    this.#state = 'removed';
  }

  /** Calls `detach`, which takes the windows away, and then the driver's `release`. Only the first call does so. */
  release(detach: () => void): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    detach();
    this.#driver.release?.();
  }
}
