// Owns what the author of a driver gives, and how each answer of it is held to the rules (DA-1 to DA-8).

import type { Granularity } from '../binding.js';
import type { BlockDevice, DeviceLock, DirectAccess, LockMode } from './block-device.js';
import { DaxError } from '../errors.js';
import type { OptionNames } from '../options.js';
import { PAGE_SIZE, roundUp, SECTOR_SIZE, type Bytes } from '../units.js';

/** The memory at a sector, whose page frame need not be told; or a negative errno. */
export type DriverAnswer = number | (Pick<DirectAccess, 'bytes' | 'window'> & Partial<Pick<DirectAccess, 'pfn'>>);

/** Where bytes of a device lie on another one, which `open` or `blockDevice` gave, or any other. */
export interface Place {
  readonly device: BlockDevice;
  readonly pos: number;
  /** How many of the bytes that were asked for lie together there, from the first on. Default: all. */
  readonly length?: number | undefined;
}

/** What a driver is. Its functions are called on the thread that made the device. */
export interface Driver {
  /** The size of the device, in sectors of 512 bytes. */
  readonly sectors: Bytes;
  /**
   * Gives the memory at `sector`, which begins a page of the device: how many bytes lie together from there, whole pages or
   * all that was asked for, and a window on as many of them as were asked for. `size` is in bytes, and may be 0. More is cut.
   * A negative number is an errno, and so is a `DaxError` that is thrown. Each byte must stay at its address until `release`.
   */
  directAccess(sector: number, size: number): DriverAnswer;
  /**
   * The device that these bytes are memory of, and how many of them lie together there. Copies and flushes are that device's
   * own then, so that they survive a bad page and are durable where it is, and files are mapped where that one's are. Without
   * it the memory is the driver's own: nothing is mapped, and flushing does nothing. `isMapped`: the pages are about to be
   * mapped, and must stay where they are; otherwise this is asked for a copy.
   */
  backing?(pos: number, length: number, isMapped: boolean): Place;
  /**
   * Default: that of what backs byte 0; without backing, `byte`. Give the coarsest where several devices back it. With `byte`,
   * and `persistent: false`, nothing is flushed below, whatever lies there.
   */
  readonly granularity?: Granularity | undefined;
  /** Bytes that are mapped at the least, a multiple of 4096. Default: that of what backs byte 0. */
  readonly pageSize?: number | undefined;
  /** As `BlockDevice.persistent`. Default: that of what backs byte 0. */
  readonly persistent?: boolean | undefined;
  /** Stores are refused with `EROFS`. Default false. */
  readonly readOnly?: boolean | undefined;
  /** As `BlockDevice.lock`. Default: the bytes are locked on what backs them; without backing, in this isolate. */
  lock?(mode: LockMode, pos: number, length: number): DeviceLock;
  /** Gives the memory back, once, when the device was closed or unplugged. Nothing is asked of the driver afterwards. */
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
    return new DaxError({ errno: answer as number, syscall: 'directAccess', position: pos, hint: 'the driver answered so' });
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

/** What the driver answers, of a device of `end` bytes, for a sector that begins a page of it. Throws `DaxError`. */
export function askDriver(driver: Driver, sector: number, size: number, end: number): Answer {
  const answer = ask(driver, sector, size);
  const pos = sector * SECTOR_SIZE;
  if (!isAnswer(answer)) throw refusal(answer, pos);
  const { bytes } = answer;
  // What another device gave is cut to what was asked for (DA-4).
  if (bytes === size) return answer;
  if (bytes === 0) throw broken('ERANGE', pos, 'DA-1: the driver has nothing there, and the device goes on');
  if (!(bytes > 0) || bytes % PAGE_SIZE !== 0) throw broken('ENXIO', pos, `DA-1: the driver gave ${bytes} bytes, not whole pages`);
  // The last page is there as a whole even where the device ends within it.
  if (pos + bytes > roundUp(end, PAGE_SIZE)) throw broken('ENXIO', pos, `DA-4: the driver gave ${bytes} bytes, past the ${end} of the device`);
  return answer;
}

/** The window of an answer to somebody who asked for `size` bytes. Throws `ENXIO` where it is no such memory. */
export function windowOf(answer: Answer, pos: number, size: number): Uint8Array {
  const window: unknown = answer.window;
  if (!(window instanceof Uint8Array)) throw broken('ENXIO', pos, 'DA-6: the window must be a Uint8Array');
  const wanted = Math.min(size, answer.bytes);
  if (window.byteLength >= wanted) return window;
  throw broken('ENXIO', pos, `DA-6: the driver gave ${answer.bytes} bytes, and a window on ${window.byteLength} of the ${size} that were asked for`);
}
