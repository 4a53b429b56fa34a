// Owns the driver of a RAM disk whose pages are allocated when they are first accessed, as brd's are.

import { argumentError, checkOptions, DaxError, DriverDevice, lockDevice, openScratch, PAGE_SIZE, SECTOR_SIZE, type BlockDevice, type Bytes, type DaxDevice } from 'node-dax';
import { PageTable } from './page-table.js';

/** The size of the disk, and the limit of the memory behind it. */
export interface BrdOptions {
  /** Bytes of the disk, a multiple of 4096. Most of it may be holes. */
  size: Bytes;
  /** Bytes of memory at most, a multiple of 4096. Default: all of `size`. */
  memory?: Bytes | undefined;
}

// The pages that have memory.
class Pages {
  readonly memory: DaxDevice;
  readonly #table = new PageTable();
  readonly #most: number;
  // Pages of memory that were given up, all zeros. Those from `#next` on were never in use.
  readonly #free: number[] = [];
  // Pages of memory whose address was given out: they keep their place even when they are discarded.
  readonly #shown = new PageTable();
  #next = 0;

  constructor(size: number) {
    this.#most = size / PAGE_SIZE;
    this.memory = openScratch(size, { sparse: true });
  }

  get count(): number {
    return this.#next - this.#free.length;
  }

  /** The position of a page's memory, which is allocated if there is none. */
  at(page: number): number {
    return (this.#table.get(page) ?? this.#make(page)) * PAGE_SIZE;
  }

  /** As `at`, for an address that is given out. */
  show(page: number): number {
    const at = this.at(page);
    this.#shown.set(at / PAGE_SIZE, 0);
    return at;
  }

  discard(first: number, end: number): void {
    for (let page = this.#table.skip(first, end); page < end; page = this.#table.skip(page + 1, end)) {
      const number = this.#table.get(page);
      if (number === undefined) continue;
      this.memory.zeroSync(number * PAGE_SIZE, PAGE_SIZE, { flush: false });
      if (this.#shown.get(number) !== undefined) continue;
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

/** Made by `brd`. As in the kernel, reads too allocate pages; an answer of `directAccess` is one page at most. */
export class RamDisk extends DriverDevice {
  readonly #pages: Pages;

  /** @internal Use `brd`. */
  constructor(size: number, pages: Pages) {
    const { memory } = pages;
    // Locks are on bytes of the disk, wherever its pages are.
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
   * Makes the whole pages of a range zeros and frees their memory (BLKDISCARD). A page whose address was given out, by
   * `directAccess` or for a mapping, keeps its memory. Throws `EBADF` once the disk is closed, and `ENODEV` once it is unplugged.
   */
  discard(pos: number, length: number): void {
    this.checkOpen('discard');
    if (!(pos >= 0 && length >= 0 && pos + length <= this.size)) {
      throw argumentError('ERR_OUT_OF_RANGE', `${length} bytes at ${pos} do not lie on the ${this.size} bytes of the disk`);
    }
    this.#pages.discard(Math.ceil(pos / PAGE_SIZE), Math.floor((pos + length) / PAGE_SIZE));
  }
}

/** A RAM disk. Closing it gives its memory back. Throws `RangeError` for invalid sizes. */
export function brd(options: BrdOptions): RamDisk {
  checkOptions(options, { size: true, memory: true });
  const size = Number(options.size);
  const memory = Number(options.memory ?? size);
  for (const bytes of [size, memory]) {
    if (!(bytes > 0 && bytes % PAGE_SIZE === 0)) throw argumentError('ERR_OUT_OF_RANGE', `size and memory must be multiples of ${PAGE_SIZE}, got ${bytes}`);
  }
  return new RamDisk(size, new Pages(Math.min(size, memory)));
}
