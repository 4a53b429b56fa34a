// Owns the contract of a driver, and the check of each of its answers by the rules (DA-1 to DA-8).

import type { Granularity } from '../binding.js';
import type { BlockDevice, DeviceLock, DirectAccess, LockMode } from '../device/block-device.js';
import { DaxError } from '../errors.js';
import type { OptionNames } from '../options.js';
import { PAGE_SIZE, roundUp, SECTOR_SIZE, type Bytes } from '../units.js';

/** A driver's answer: the memory at a sector, with or without its page frame; or a negative errno. */
export type DriverAnswer = number | (Pick<DirectAccess, 'bytes' | 'window'> & Partial<Pick<DirectAccess, 'pfn'>>);

/** The place of a device's bytes on another device: one from `open` or `blockDevice`, or any other. */
export interface Place {
  readonly device: BlockDevice;
  readonly pos: number;
  /** How many of the requested bytes, from the first on, are contiguous there. Default: all. */
  readonly length?: number | undefined;
}

/** A driver, from which `blockDevice` makes a device. Its functions are called on the thread that made the device. */
export interface Driver {
  /** The size of the device, in sectors of 512 bytes. */
  readonly sectors: Bytes;
  /**
   * Returns the memory at `sector`, which begins a page of the device: the number of contiguous bytes from there on, either whole
   * pages or exactly as many as were requested, and a window on the requested bytes. A longer answer is cut. `size` is in bytes,
   * and may be 0. To fail, return a negative errno or throw a `DaxError`. Each byte must stay at its address until `release`.
   */
  directAccess(sector: number, size: number): DriverAnswer;
  /**
   * Returns the device whose memory these bytes are, and how many of them are contiguous there. That device then makes the copies
   * and flushes, so they survive a bad page and are as durable as its own; files can be mapped if files on that device can. Without
   * this function the memory is the driver's own: nothing is mapped, and flushing does nothing. If `isMapped`, the pages are about
   * to be mapped and must stay where they are; otherwise the call is for a copy.
   */
  backing?(pos: number, length: number, isMapped: boolean): Place;
  /**
   * Default: that of the device that backs byte 0; without `backing`, `byte`. If several devices back it, give the coarsest. With
   * `byte` and `persistent: false`, no device below is flushed, whatever it is.
   */
  readonly granularity?: Granularity | undefined;
  /** The smallest unit that is mapped, in bytes: a multiple of 4096. Default: that of the device that backs byte 0. */
  readonly pageSize?: number | undefined;
  /** As `BlockDevice.persistent`. Default: that of the device that backs byte 0. */
  readonly persistent?: boolean | undefined;
  /** Whether stores are refused with `EROFS`. Default false. */
  readonly readOnly?: boolean | undefined;
  /** As `BlockDevice.lock`. Default: the bytes are locked on the devices that back them; without `backing`, in this isolate. */
  lock?(mode: LockMode, pos: number, length: number): DeviceLock;
  /** Gives the memory back. It is called once, when the device is closed or unplugged, and is the last call to the driver. */
  release?(): void;
}

export const DRIVER: OptionNames<Driver> = {
  ...{ sectors: true, directAccess: true, backing: true, granularity: true, pageSize: true },
  ...{ persistent: true, readOnly: true, lock: true, release: true },
};

type Answer = Exclude<DriverAnswer, number>;

function broken(errno: string, pos: number, hint: string, cause?: unknown): DaxError {
  return new DaxError({ errno, syscall: 'directAccess', reason: 'DRIVER_BROKEN', position: pos, hint, cause });
}

function isAnswer(answer: unknown): answer is Answer {
  return typeof answer === 'object' && answer !== null && typeof (answer as Partial<Answer>).bytes === 'number';
}

function refusal(answer: unknown, pos: number): DaxError {
  if (Number.isInteger(answer) && (answer as number) < 0) {
    return new DaxError({ errno: answer as number, syscall: 'directAccess', position: pos, hint: 'the driver answered with this error' });
  }
  const what = typeof answer === 'number' ? answer : typeof answer;
  return broken('ENXIO', pos, `DA-7: the driver must give bytes and a window, or a negative errno, and it gave ${what}`);
}

function ask(driver: Driver, sector: number, size: number): DriverAnswer {
  try {
    return driver.directAccess(sector, size);
  } catch (error) {
    if (error instanceof DaxError) throw error;
    throw broken('EIO', sector * SECTOR_SIZE, `DA-7: the driver threw what is no DaxError: ${String(error)}`, error);
  }
}

/** Asks the driver of a device of `end` bytes for a sector that begins a page, and checks the answer. Throws `DaxError`. */
export function askDriver(driver: Driver, sector: number, size: number, end: number): Answer {
  const answer = ask(driver, sector, size);
  const pos = sector * SECTOR_SIZE;
  if (!isAnswer(answer)) throw refusal(answer, pos);
  const { bytes } = answer;
  // An answer of exactly `size` bytes need not be whole pages: it may come from another device, which cuts it to what was asked for
  // (DA-4).
  if (bytes === size) return answer;
  if (bytes === 0) throw broken('ERANGE', pos, 'DA-1: the driver has nothing there, and the device goes on');
  if (!(bytes > 0) || bytes % PAGE_SIZE !== 0) throw broken('ENXIO', pos, `DA-1: the driver gave ${bytes} bytes, not whole pages`);
  // The last page exists as a whole even if the device ends within it.
  if (pos + bytes > roundUp(end, PAGE_SIZE)) throw broken('ENXIO', pos, `DA-4: the driver gave ${bytes} bytes, past the ${end} of the device`);
  return answer;
}

/** The window of an answer to a request for `size` bytes. Throws `ENXIO` if it is no `Uint8Array` or too short. */
export function windowOf(answer: Answer, pos: number, size: number): Uint8Array {
  const window: unknown = answer.window;
  if (!(window instanceof Uint8Array)) throw broken('ENXIO', pos, 'DA-6: the window must be a Uint8Array');
  const wanted = Math.min(size, answer.bytes);
  if (window.byteLength >= wanted) return window;
  throw broken('ENXIO', pos, `DA-6: the driver gave ${answer.bytes} bytes, and a window on ${window.byteLength} of the ${size} that were asked for`);
}
