// Owns the driver of a RAM disk whose pages come into being when they are first accessed, as brd's do.

import { argumentError, checkOptions, DaxError, DriverDevice, lockDevice, openScratch, PAGE_SIZE, SECTOR_SIZE, type BlockDevice, type Bytes, type DaxDevice } from 'node-dax';
import { PageTable } from './page-table.js';

/** How large it looks, and how large it gets. */
export interface BrdOptions {
  /** Bytes of the device, a multiple of 4096. It may be mostly holes. */
  size: Bytes;
  /** Bytes of memory at most, a multiple of 4096. Default: all of `size`. */
  memory?: Bytes | undefined;
}

// The pages that there are.
class Pages {
  readonly memory: DaxDevice;
  readonly #table = new PageTable();
  readonly #most: number;
  // Those given up, all zeros. What never was in use comes after `#next`.
  readonly #free: number[] = [];
  // Those that somebody may have the address of stay where they are, whoever discards them.
  readonly #shown = new Set<number>();
  #next = 0;

  constructor(size: number) {
    this.#most = size / PAGE_SIZE;
    this.memory = openScratch(size, { sparse: true });
  }

  get count(): number {
    return this.#next - this.#free.length;
  }

  /** Where a page's memory begins. It is made if there is none. */
  at(page: number): number {
    return (this.#table.get(page) ?? this.#make(page)) * PAGE_SIZE;
  }

  /** The address of a page is given out. */
  show(page: number): number {
    const at = this.at(page);
    this.#shown.add(at / PAGE_SIZE);
    return at;
  }

  discard(first: number, end: number): void {
    for (let page = this.#table.skip(first, end); page < end; page = this.#table.skip(page + 1, end)) {
      const number = this.#table.get(page);
      if (number === undefined) continue;
      this.memory.zeroSync(number * PAGE_SIZE, PAGE_SIZE, { flush: false });
      if (this.#shown.has(number)) continue;
      this.#table.delete(page);
      this.#free.push(number);
    }
  }

  #make(page: number): number {
    const number = this.#free.pop() ?? this.#next++;
    if (number >= this.#most) {
      this.#next = this.#most;
      const hint = `all ${this.#most} pages of its memory are in use: discard some, or give it more`;
      throw new DaxError({ errno: 'ENOSPC', syscall: 'directAccess', reason: 'DEVICE_FULL', position: page * PAGE_SIZE, hint });
    }
    this.#table.set(page, number);
    return number;
  }
}

/** Made by `brd`. A read makes pages, too, as in the kernel; an answer is never more than one. */
export class RamDisk extends DriverDevice {
  readonly #pages: Pages;

  /** @internal Use `brd`. */
  constructor(size: number, pages: Pages) {
    const { memory } = pages;
    // The bytes that are locked are those of the disk, wherever its pages are.
    const locked: Pick<BlockDevice, 'size'> = { size };
    super({
      sectors: size / SECTOR_SIZE,
      granularity: 'byte',
      persistent: false,
      pageSize: PAGE_SIZE,
      directAccess(sector) {
        const page = (sector * SECTOR_SIZE) / PAGE_SIZE;
        const at = pages.at(page);
        return {
          bytes: PAGE_SIZE,
          get window() {
            return memory.view(pages.show(page), PAGE_SIZE);
          },
          get pfn() {
            return memory.directAccess(at / SECTOR_SIZE, PAGE_SIZE).pfn;
          },
        };
      },
      backing(pos, length, isMapped) {
        const within = pos % PAGE_SIZE;
        const page = (pos - within) / PAGE_SIZE;
        const at = isMapped ? pages.show(page) : pages.at(page);
        return { device: memory, pos: at + within, length: Math.min(length, PAGE_SIZE - within) };
      },
      lock: (mode, pos, length) => lockDevice(locked as BlockDevice, mode, pos, length),
      release: () => { memory.closeSync(); },
    });
    this.#pages = pages;
  }

  /** Bytes of memory in use. */
  get used(): number {
    return this.#pages.count * PAGE_SIZE;
  }

  /**
   * The whole pages of a range are zeros from now on, and their memory is free for others (BLKDISCARD), but for that of pages
   * whose address somebody was given, by `directAccess` or for a mapping: that stays.
   */
  discard(pos: number, length: number): void {
    if (!(pos >= 0 && length >= 0 && pos + length <= this.size)) {
      throw argumentError('ERR_OUT_OF_RANGE', `${length} bytes at ${pos} do not lie on the ${this.size} bytes of the disk`);
    }
    this.#pages.discard(Math.ceil(pos / PAGE_SIZE), Math.floor((pos + length) / PAGE_SIZE));
  }
}

/** A RAM disk. Closing it gives its memory back. Throws `RangeError` for sizes that are none. */
export function brd(options: BrdOptions): RamDisk {
  checkOptions(options, { size: true, memory: true });
  const size = Number(options.size);
  const memory = Number(options.memory ?? size);
  for (const bytes of [size, memory]) {
    if (!(bytes > 0 && bytes % PAGE_SIZE === 0)) throw argumentError('ERR_OUT_OF_RANGE', `size and memory must be multiples of ${PAGE_SIZE}, got ${bytes}`);
  }
  return new RamDisk(size, new Pages(Math.min(size, memory)));
}
