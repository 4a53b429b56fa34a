// Owns the driver of a bank of memory with error correction, modelled on axonram, the driver of the DDR2 memory of Cell blades.

import { argumentError, checkDevice, checkOptions, DaxError, DriverDevice, PAGE_SIZE, SECTOR_SIZE, type BlockDevice, type Bytes } from 'node-dax';

/** The place of the bank on the device. */
export interface BankOptions {
  /** Its first byte on the device, a multiple of 4096. Default 0. */
  pos?: Bytes | undefined;
  /** Bytes, a multiple of 4096. Default: to the end of the device. */
  size?: Bytes | undefined;
}

// The errors of a bank, which `AxonRam` shares with the functions of its driver.
interface Bank {
  readonly bad: Set<number>;
  correctable: number;
}

function uncorrectable(position: number): DaxError {
  return new DaxError({ errno: 'EIO', syscall: 'directAccess', reason: 'MEDIA_ERROR', position, hint: 'an error there could not be corrected' });
}

/**
 * Made by `axonram`. An answer of `directAccess` reaches to the end of the bank, or up to the next page with an uncorrectable
 * error. A direct access to such a page is `EIO` with its position, and so is mapping a range of a file that contains such a page.
 */
export class AxonRam extends DriverDevice {
  readonly #bank: Bank;

  /** @internal Use `axonram`. */
  constructor(device: BlockDevice, start: number, size: number, bank: Bank) {
    const reach = (pos: number): number => {
      const page = pos - (pos % PAGE_SIZE);
      if (bank.bad.has(page)) throw uncorrectable(page);
      let end = size;
      for (const bad of bank.bad) if (bad > pos && bad < end) end = bad;
      return end - pos;
    };
    super({
      sectors: size / SECTOR_SIZE,
      directAccess(sector, wanted) {
        const pos = sector * SECTOR_SIZE;
        return device.directAccess((start + pos) / SECTOR_SIZE, Math.min(wanted, reach(pos)));
      },
      backing: (pos, length) => ({ device, pos: start + pos, length: Math.min(length, reach(pos)) }),
    });
    this.#bank = bank;
  }

  /** The number of corrected errors. */
  get correctable(): number {
    return this.#bank.correctable;
  }

  /** The positions of the pages with an uncorrectable error, in ascending order. */
  get uncorrectable(): readonly number[] {
    return [...this.#bank.bad].sort((a, b) => a - b);
  }

  /**
   * Reports an error at byte `pos`, corrected or not, as the controller's interrupt does. An uncorrected error makes its page bad.
   */
  tellError(pos: number, isCorrected: boolean): void {
    if (!(pos >= 0 && pos < this.size)) throw argumentError('ERR_OUT_OF_RANGE', `pos must be in the bank, got ${pos}`);
    if (isCorrected) this.#bank.correctable++;
    else this.#bank.bad.add(pos - (pos % PAGE_SIZE));
  }
}

/**
 * A flat bank of memory at an offset of `device`: an answer of `directAccess` reaches to its end. Closing it leaves `device` open.
 */
export function axonram(device: BlockDevice, options: BankOptions = {}): AxonRam {
  checkDevice(device);
  checkOptions(options, { pos: true, size: true });
  const start = Number(options.pos ?? 0);
  const size = Number(options.size ?? device.size - start - ((device.size - start) % PAGE_SIZE));
  if (!(start >= 0 && size > 0 && start % PAGE_SIZE === 0 && size % PAGE_SIZE === 0 && start + size <= device.size)) {
    throw argumentError('ERR_OUT_OF_RANGE', `pos and size must be multiples of ${PAGE_SIZE} within the ${device.size} bytes of the device`);
  }
  return new AxonRam(device, start, size, { bad: new Set(), correctable: 0 });
}
