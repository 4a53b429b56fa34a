// Owns the copies to and from a driver's device: piece by piece, in the driver's own memory or through the devices that back it.

import { AbortError, toSignal } from '../abort.js';
import { argumentError } from '../argument-error.js';
import type { Abortable, BufferRange, FlushOption } from '../device/block-device.js';
import { windowOf, type Place } from './driver.js';
import { DaxError } from '../errors.js';
import type { InFlight } from '../device/in-flight.js';
import type { LiveDriver } from './live-driver.js';
import { loopTurn } from '../locks/loop-turn.js';
import { bufferRange, checkAttached } from '../device/memory.js';
import { POOL_THRESHOLD } from '../device/pool-copy.js';
import { PAGE_SIZE, SECTOR_SIZE } from '../units.js';

// Asynchronous copies up to this length are made on this thread, as those of a `DaxDevice` are; copies of a driver's own memory are
// made in steps of this length.
const STEP = POOL_THRESHOLD;

/** An asynchronous copy: a read into, or a write from, the user's bytes. */
export interface DriverCopy {
  readonly isWrite: boolean;
  readonly bytes: Uint8Array;
  readonly flush: boolean;
}

/** The copies of one device. They do not check that it is open: a copy that was begun before `close` ends here too. */
export class DriverCopies {
  readonly #driver: LiveDriver;
  readonly #inFlight: InFlight;

  constructor(driver: LiveDriver, inFlight: InFlight) {
    this.#driver = driver;
    this.#inFlight = inFlight;
  }

  /** Reads or writes a part of `bytes`. Returns the bytes moved: fewer if the device ends, or once a piece fails. */
  copySync(isWrite: boolean, bytes: Uint8Array, flush: boolean, pos: number, options: BufferRange | undefined): number {
    const syscall = syscallOf(isWrite);
    // Read once, because the length of a buffer is slow to get. Read as `length`, because Node 20 does not inline `byteLength`.
    const total = bytes.length;
    if (total === 0) checkAttached(bytes, isWrite ? 'source' : 'target');
    let offset = 0;
    let wanted = total;
    if (options !== undefined) ({ offset, length: wanted } = bufferRange(bytes, options));
    wanted = this.#clip(syscall, isWrite, pos, wanted);
    let moved = 0;
    try {
      while (moved < wanted) {
        const more = this.#step(isWrite, bytes, total, flush, offset + moved, pos + moved, wanted - moved);
        if (more === 0) break;
        moved += more;
      }
    } catch (error) {
      // Partial progress wins: the error comes with the next call.
      if (moved === 0 || !(error instanceof DaxError)) throw this.#driver.told(syscall, error);
    }
    return moved;
  }

  /** As `copySync`; see `DriverDevice.read`. */
  async copy(copy: DriverCopy, pos: number, options: (BufferRange & Abortable) | undefined): Promise<number> {
    const { offset, length } = bufferRange(copy.bytes, options);
    const signal = toSignal(options);
    const wanted = this.#clip(syscallOf(copy.isWrite), copy.isWrite, pos, length);
    return this.#inFlight.run(async () => {
      const turn = loopTurn(Math.min(wanted, STEP));
      if (turn !== undefined) await turn;
      return this.#stepsLater(copy, offset, pos, wanted, signal);
    });
  }

  /** Writes zeros. Returns the bytes written: fewer if the device ends. Flushes as `options` say; `undefined` flushes. */
  zeroSync(pos: number, length: number, options: FlushOption | undefined): number {
    const wanted = this.#clip('zero', true, pos, length);
    let moved = 0;
    try {
      while (moved < wanted) {
        const { reach, backing, window, head } = this.#reach(pos + moved, wanted - moved);
        window?.fill(0, head, head + reach);
        const more = backing?.device.zeroSync(backing.pos, reach, options) ?? reach;
        if (more === 0) break;
        moved += more;
      }
    } catch (error) {
      if (moved === 0 || !(error instanceof DaxError)) throw this.#driver.told('zero', error);
    }
    return moved;
  }

  async #stepsLater(copy: DriverCopy, offset: number, pos: number, length: number, signal: AbortSignal | undefined): Promise<number> {
    let moved = 0;
    while (moved < length) {
      if (signal?.aborted === true) throw new AbortError(signal, moved);
      if (copy.bytes.byteLength === 0) {
        if (moved > 0) break;
        throw argumentError('ERR_INVALID_ARG_VALUE', 'the buffer was transferred while a copy was under way');
      }
      try {
        if (this.#driver.isReleased) this.#driver.check(syscallOf(copy.isWrite));
        const more = await this.#stepLater(copy, offset + moved, pos + moved, length - moved, signal);
        if (more === 0) break;
        moved += more;
      } catch (error) {
        if (error instanceof AbortError) error.bytesMoved += moved;
        if (moved > 0 && error instanceof DaxError) break;
        throw this.#driver.told(syscallOf(copy.isWrite), error);
      }
    }
    return moved;
  }

  // A large copy goes to another thread if an open device backs it; if none does, it lets the event loop have its turns.
  async #stepLater(copy: DriverCopy, offset: number, pos: number, length: number, signal: AbortSignal | undefined): Promise<number> {
    if (!this.#driver.isBacked) {
      const moved = this.#step(copy.isWrite, copy.bytes, copy.bytes.byteLength, copy.flush, offset, pos, Math.min(length, STEP));
      const turn = moved < length ? loopTurn(moved) : undefined;
      if (turn !== undefined) await turn;
      return moved;
    }
    const { isWrite, bytes, flush } = copy;
    const { reach, backing } = this.#reach(pos, length);
    const { device, pos: at } = backing as Place;
    const range = { offset, length: reach };
    if (isWrite) return device.write === undefined ? device.writeSync(bytes, at, { ...range, flush }) : device.write(bytes, at, { ...range, flush, signal });
    return device.read === undefined ? device.readSync(bytes, at, range) : device.read(bytes, at, { ...range, signal });
  }

  // Finds how many of the `length` bytes at `pos`, from the first on, are contiguous, and where they lie: on another device, or in
  // a window from its byte `head` on.
  #reach(pos: number, length: number): { reach: number; backing: Place | undefined; window: Uint8Array | undefined; head: number } {
    const head = pos % PAGE_SIZE;
    const answer = this.#driver.ask((pos - head) / SECTOR_SIZE, head + length);
    const reach = Math.min(answer.bytes - head, length);
    const backing = this.#driver.backing(pos, reach);
    if (backing === undefined) return { reach, backing, window: windowOf(answer, pos - head, head + reach), head };
    return { reach: Math.min(reach, backing.length ?? reach), backing, window: undefined, head };
  }

  // Copies the first bytes that are contiguous. Does what `#reach` does, but without a result object, which would cost a small copy
  // too much.
  #step(isWrite: boolean, bytes: Uint8Array, total: number, flush: boolean, offset: number, pos: number, length: number): number {
    const head = pos % PAGE_SIZE;
    const answer = this.#driver.ask((pos - head) / SECTOR_SIZE, head + length);
    const reach = Math.min(answer.bytes - head, length);
    const backing = this.#driver.backing(pos, reach);
    if (backing === undefined) {
      const window = windowOf(answer, pos - head, head + reach);
      if (isWrite) window.set(bytes.subarray(offset, offset + reach), head);
      else bytes.set(window.subarray(head, head + reach), offset);
      return reach;
    }
    const { device, pos: at } = backing;
    const together = Math.min(reach, backing.length ?? reach);
    const isWhole = offset === 0 && together === total;
    if (!isWrite) return device.readSync(bytes, at, isWhole ? undefined : { offset, length: together });
    return device.writeSync(bytes, at, isWhole && flush ? undefined : { offset, length: together, flush });
  }

  #clip(syscall: string, isWrite: boolean, pos: number, length: number): number {
    const clipped = Math.max(0, Math.min(length, this.#driver.size - pos));
    if (!isWrite || clipped > 0 || length === 0) return clipped;
    const hint = `the device has ${this.#driver.size} bytes`;
    throw new DaxError({ errno: 'ENOSPC', syscall, reason: 'DEVICE_FULL', position: pos, hint });
  }
}

function syscallOf(isWrite: boolean): string {
  return isWrite ? 'write' : 'read';
}
