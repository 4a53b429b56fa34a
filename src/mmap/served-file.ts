// Owns what the fault service knows of one file: its size, where its pages lie, and which of them were stored to.

import { addon, type NativeFile } from '../binding.js';
import { alignFix } from '../device/align-fix.js'; // late
import { backingOf, type Backing, type BlockDevice, type MappableDevice } from '../device/block-device.js';
import { DaxError } from '../errors.js';
import type { VmArea } from './dax-fault.js';
import { faultMode, mapFailure } from './fault-service.js';

/** Pages as a fault handler inserts them. */
export type Run = Parameters<VmArea['insert']>;

// Pages that are contiguous on one open device.
interface Piece {
  readonly page: number;
  readonly pages: number;
  readonly device: MappableDevice;
  readonly at: number;
}

// The answers of `faultCompare`.
const OTHER = 1;
const SAME = 2;

/** The fault service's record of a file. It is closed when it is collected: the service then refuses the threads that wait. */
export class ServedFile {
  readonly id: number;
  /** The size of a page in bytes. */
  readonly pageSize: number;
  /** Whether pages must lie on devices with `mapSync`. */
  needsMapSync = false;
  readonly #file: NativeFile;
  // Whether some blocks lie on a device whose stores are not durable by themselves (PS-3).
  #isVolatile = false;

  constructor(pageSize: number, size: number) {
    faultMode();
    const { file, id } = addon().faultFile(pageSize, size);
    this.#file = file;
    this.id = id;
    this.pageSize = pageSize;
  }

  /** Whether stores that are not durable by themselves may have been made. */
  get isVolatile(): boolean {
    return this.#isVolatile;
  }

  /** Takes over the record of stores through the mappings of `ended`, an earlier object of the file. */
  takeOver(ended: ServedFile): void {
    addon().faultTakeOver(this.#file, ended.#file);
    this.#isVolatile = ended.#isVolatile;
  }

  /** Says whether this isolate still wants the file. Returns whether it is there: the service keeps it for regions of others. */
  setWanted(isWanted: boolean): boolean {
    return addon().faultSetWanted(this.#file, isWanted);
  }

  setSize(size: number): void {
    addon().faultSetSize(this.#file, size);
  }

  /** Holds stores back, or lets them go on. */
  setFrozen(isFrozen: boolean): void {
    addon().faultFreeze(this.#file, isFrozen);
  }

  /** Shows pages through every mapping. Throws `DaxError` where the device or the process cannot map them. */
  show(...[first, count, bdev, pos, readOnly]: Run): void {
    if (bdev.granularity !== 'byte') this.#isVolatile = true;
    for (const { page, pages, device, at } of this.#pieces(first, count, bdev, pos)) {
      check(addon().faultKnow(this.#file, page, pages, device.handle, at, readOnly));
    }
  }

  /** Shows zeros, which take no blocks, through every mapping. */
  showHole(first: number, count: number): void {
    check(addon().faultKnowHole(this.#file, first, count));
  }

  /** Removes pages from every mapping. The next touch asks for them. */
  forget(first: number, count: number): void {
    addon().faultForget(this.#file, first, count);
  }

  /** Compares a run with what the service knows of its pages. */
  compare(...[first, count, bdev, pos, readOnly]: Run): 'nothing' | 'other' | 'same' {
    let isSame = true;
    for (const { page, pages, device, at } of this.#pieces(first, count, bdev, pos)) {
      const known = addon().faultCompare(this.#file, page, pages, device.handle, at, readOnly);
      check(known);
      if (known === OTHER) return 'other';
      isSame &&= known === SAME;
    }
    return isSame ? 'same' : 'nothing';
  }

  /** Whether pages were stored to since they were last durable. */
  isStored(first: number, count: number): boolean {
    return addon().faultIsStored(this.#file, first, count);
  }

  /** The pages that were stored to since they were last durable, as pairs of first and count. Later stores are recorded again. */
  takeStored(first: number, count: number): number[] {
    return addon().faultTakeStored(this.#file, first, count);
  }

  setDurable(first: number, count: number): void {
    addon().faultSetDurable(this.#file, first, count);
  }

  /** Answers a question: with what the service knows now if `errno` is 0, else with a refusal. */
  answer(region: number, page: number, isMajor: boolean, errno: number): void {
    addon().faultAnswer(this.#file, region, page, isMajor, errno);
    // The next touch asks again, because a page that was refused for lack of space may be available by then.
    if (errno !== 0) setTimeout(() => { addon().faultForgive(this.#file); }, 10).unref();
  }

  /** Answers a question with bytes that only this region shows. */
  answerCopy(region: number, page: number, bytes: Uint8Array): void {
    addon().faultAnswerCopy(this.#file, region, page, bytes);
  }

  // Splits a run of pages into pieces, each contiguous on one open device, because `bdev` may lie on several.
  *#pieces(first: number, count: number, bdev: BlockDevice, pos: number): Generator<Piece> {
    for (let done = 0; done < count; ) {
      const wanted = (count - done) * this.pageSize;
      const backing = backingOf(bdev, pos + done * this.pageSize, wanted);
      const { device, pos: at, length = wanted } = backing;
      const pages = Math.floor(Math.min(length, wanted) / this.pageSize);
      if (at % this.pageSize !== 0 || pages === 0) throw unaligned(backing, this.pageSize);
      if (this.needsMapSync && !device.mapSync) throw withoutMapSync(device.path);
      yield { page: first + done, pages, device, at };
      done += pages;
    }
  }
}

function check(error: number): void {
  if (error < 0) throw mapFailure(error);
}

function unaligned({ device, pos }: Backing, pageSize: number): DaxError {
  return new DaxError({
    errno: 'EINVAL',
    syscall: 'mmap',
    reason: 'UNALIGNED_EXTENT',
    position: pos,
    hint:
      `the device maps ${pageSize} bytes at a time, and the file's block does not begin at a multiple of that: ` +
      `use ${alignFix(device.path)}`,
  });
}

function withoutMapSync(path: string): DaxError {
  const hint = `some of the file lies on ${path}, which has no \`mapSync\`: map without it, and fsync after \`persist\``;
  return new DaxError({ errno: 'EOPNOTSUPP', syscall: 'mmap', reason: 'NO_MAP_SYNC', hint });
}
